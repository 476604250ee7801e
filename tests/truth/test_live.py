"""Lives: what they hold, and what a ward would notice at once."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.truth.live import Script, live, main
from tests.truth.people import Habit
from tests.truth.verdict import rows


def test_a_life_is_written_as_a_judge_reads_it(tmp_path: Path) -> None:
    words = "--seed 3 --cadence 30 --patients 3 --hours 1 --story septic-hour --simulator 2026-11"
    assert main([*words.split(), "--out", str(tmp_path)]) == 0
    life = dict(np.load(tmp_path / "life.npz", allow_pickle=False))
    shapes = {name: life[name].shape for name in ("t", "shown", "state", "pulse", "heard", "usable", "limits", "line")}
    assert shapes == {
        "t": (3, 120), "shown": (3, 120, 8), "state": (3, 120, 8), "pulse": (3, 120), "heard": (3, 120),
        "usable": (3, 120, 8), "limits": (3, 8, 4), "line": (3,),
    }  # fmt: skip
    sent = [json.loads(line) for line in (tmp_path / "messages.jsonl").read_text().splitlines()]
    acts = [json.loads(line) for line in (tmp_path / "acts.jsonl").read_text().splitlines()]
    assert {message["kind"] for message in sent} == {"page"}
    assert {act["act"] for act in acts} == {"acknowledge"}


def test_a_seed_gives_the_same_life_again() -> None:
    script = Script(5, 30, 2, 1, "septic-hour", lost=0.05)
    one, two = live(script), live(script)
    assert one.messages == two.messages
    assert one.messages
    assert all(
        np.array_equal(one.arrays[k], two.arrays[k], equal_nan=k in {"shown", "state", "limits"}) for k in one.arrays
    )


def test_who_declines_leaves_it_to_the_next_contact() -> None:
    told = live(Script(5, 30, 1, 2, "septic-hour", Habit.DECLINES))
    assert {m["to"] for m in told.messages if m["kind"] == "handover"} >= {"registrar"}
    handed = min(m["t"] for m in told.messages if m["to"] == "registrar")
    assert told.acts
    assert all(a["t"] > handed for a in told.acts)


def test_nurses_with_assigned_beds_are_told_of_their_own_beds_first() -> None:
    told = live(Script(5, 30, 4, 1, "septic-hour", nurses=4)).messages
    pages = {message["patient"]: message["to"] for message in reversed(told) if message["kind"] == "page"}
    assert pages == {f"p{k}": f"nurse-{k}" for k in range(4)}


@pytest.mark.requirement("Q7", "R12")
@pytest.mark.parametrize("cadence_s", [1, 30])
def test_a_septic_hour_brings_no_more_messages_when_the_nurse_acknowledges_than_when_nobody_does(
    cadence_s: int,
) -> None:
    sent = dict.fromkeys((Habit.ACKNOWLEDGES, Habit.SILENT), 0)
    for habit in sent:
        for seed in (1, 2):
            sent[habit] += len(live(Script(seed, cadence_s, 1, 2, "septic-hour", habit)).messages)
    assert 0 < sent[Habit.ACKNOWLEDGES] <= sent[Habit.SILENT], sent


@pytest.mark.parametrize("cadence_s", [1, 30])
def test_a_standby_of_the_product_keeps_silence_quiet_and_the_judge_misses_nothing(cadence_s: int) -> None:
    life = live(Script(11, cadence_s, 6, 2, clean=True, standby=True))
    begun = {act["patient"] for act in life.acts if act["act"] == "standby"}
    told = {m["patient"] for m in life.messages if "not-monitored" in m["problems"]}
    # One has a high alarm shortly before, so the standby is refused and the silence is told.
    assert (len(begun), begun | told, begun & told) == (5, {f"p{i}" for i in range(6)}, set())
    found = rows(life)
    assert (found["truth.not_monitored_untold"], found["truth.late"], found["truth.unpaged"]) == (0, 0, 0)
    life.acts = [act for act in life.acts if act["act"] != "standby"]
    assert rows(life)["truth.not_monitored_untold"] >= 5, "without it each silence was due"
