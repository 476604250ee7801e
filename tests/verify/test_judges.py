"""Our judge against the reference judge in the shared folder: the same rows, lines and due lists on the same lives.

Half of the lives are drawn, with pagers that err; half are the product's own.

What the two read differently is conceded here by name (`tests/truth/judging/points.py`), never by a tolerance; each
such point has a small life of its own, of which both answers are asserted.
"""

import pytest

from tests.truth.disputes import DISPUTES, Dispute
from tests.truth.drawn import STORIES, draw
from tests.truth.judging.points import ALL
from tests.truth.live import Script, live
from tests.truth.people import Habit
from tests.verify.judges import compare, ours, theirs


@pytest.mark.parametrize("story", STORIES)
@pytest.mark.parametrize("seed", range(5))
def test_both_judges_say_the_same_of_a_drawn_life_once_the_disputed_points_are_conceded(story: str, seed: int) -> None:
    drawn = draw(story, seed)
    assert compare(drawn.life, drawn.messages, drawn.acts, ALL) == []


PLAYED: dict[str, dict[str, object]] = {
    "serial apnoea": {"story": "serial-apnoea"},
    "a second arrest": {"story": "second-arrest"},
    "HR 130 to 45": {"story": "tachycardia-to-block"},
    "SBP 84 to 190": {"story": "shock-to-pressor"},
    "a bleed in a febrile patient": {"story": "bleed-in-fever"},
    "worse by steps": {"story": "worse-by-steps", "lost": 0.005},
    "readings lost at 5 %": {"story": "septic-hour", "lost": 0.05},
    "silences": {"story": "septic-hour", "silences": True},
    "standby": {"story": "septic-hour", "standby": True},
    "an oximeter alone": {"story": "serial-apnoea", "oximeter": True},
}


@pytest.mark.parametrize("story", PLAYED)
@pytest.mark.parametrize("seed", range(5))
def test_both_judges_say_the_same_of_a_life_that_the_product_played(story: str, seed: int) -> None:
    habit = list(Habit)[seed % 3]
    life = live(Script(seed, 1 if seed == 4 else 30, 2, 2 if seed == 4 else 4, people=habit, **PLAYED[story]))
    assert life.messages
    assert compare(life.arrays, life.messages, life.acts, ALL) == []


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
