"""The fewest pages: the judge is content with them, and a calm patient has none."""

import pytest

from tests.truth.drawn import STORIES, draw
from tests.truth.judge import MUST_BE_ZERO, judge
from tests.truth.judging.fewest import fewest
from tests.truth.judging.life import Act, act_of, life_of
from tests.truth.small import Small
from tests.truth.verdict import load

SPO2 = 3


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("answers_s", [60.0, None])
@pytest.mark.parametrize("story", list(STORIES))
def test_the_judge_is_content_with_the_fewest_pages(story: str, answers_s: float | None, seed: int) -> None:
    drawn = draw(story, seed)
    life = life_of(drawn.life)
    standby = [act for act in map(act_of, drawn.acts) if act.act == "standby"]
    rows = judge(life, *fewest(life, answers_s, standby)).rows
    assert {name: rows[name] for name in MUST_BE_ZERO} == dict.fromkeys(MUST_BE_ZERO, 0)
    assert rows["truth.false_per_patient_day"] == 0


def test_a_calm_patient_needs_no_page_and_a_desaturation_needs_one() -> None:
    life = Small(patients=2)
    life.arrays["shown"][1, 40:60, SPO2] = life.arrays["state"][1, 40:60, SPO2] = 82
    messages, acts = fewest(life_of(life.arrays), 60)
    assert [(m.kind, set(m.beds), set(m.names)) for m in messages] == [("page", {"p1"}, {"oxygen-low"})]
    assert acts == [Act(messages[0].t + 60_000, "acknowledge", "p1", messages[0].names)]


def test_the_load_of_the_fewest_pages_is_one_at_most() -> None:
    rows = {
        "truth.messages_per_patient_day": 3.0,
        "truth.pages_per_deterioration_p90": 6.0,
        "truth.most_in_an_hour_of_one_patient": 6.0,
    }
    assert load(rows, rows) == {
        "load.messages": 0.75,
        "load.pages_per_deterioration_p90": 1.0,
        "load.most_in_an_hour": 1.0,
    }
