"""Our judge against the reference judge in the shared folder: the same rows, lines and due lists on drawn lives.

What the two read differently is conceded here by name (`tests/truth/judging/points.py`), never by a tolerance; each
such point has a small life of its own, of which both answers are asserted.
"""

import pytest

from tests.truth.disputes import DISPUTES, Dispute
from tests.truth.drawn import STORIES, draw
from tests.truth.judging.points import ALL
from tests.verify.judges import compare, ours, theirs


@pytest.mark.parametrize("story", STORIES)
@pytest.mark.parametrize("seed", range(5))
def test_both_judges_say_the_same_of_a_drawn_life_once_the_disputed_points_are_conceded(story: str, seed: int) -> None:
    drawn = draw(story, seed)
    assert compare(drawn.life, drawn.messages, drawn.acts, ALL) == []


@pytest.mark.parametrize("dispute", DISPUTES, ids=lambda dispute: dispute.point.name)
def test_the_judges_differ_in_these_rows_of_a_disputed_life_and_in_no_others(dispute: Dispute) -> None:
    made = dispute.life()
    mine = ours(made.arrays, made.messages, made.acts).rows
    other = theirs(made.arrays, made.messages, made.acts).rows
    both = {name: (mine.get(name, 0), other.get(name, 0)) for name in {**mine, **other}}
    assert {name: pair for name, pair in both.items() if pair[0] != pair[1]} == dispute.rows


@pytest.mark.parametrize("dispute", DISPUTES, ids=lambda dispute: dispute.point.name)
def test_conceding_the_disputed_point_alone_makes_the_judges_agree_on_its_life(dispute: Dispute) -> None:
    made = dispute.life()
    assert compare(made.arrays, made.messages, made.acts, frozenset({dispute.point})) == []
