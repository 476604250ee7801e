"""What a monitor stored and delivers late pages nobody, whatever was in it; what is so now is told at once."""

import pytest

from tests.vitals.build import T0, WELL, One, columns, placement, zeros
from vitals import engine
from vitals.alarm_events import AlarmEvent, Phase, Priority
from vitals.signs import Suspect

MINUTE, HOUR = 60_000, 3_600_000
STORED = 40
VERY_ILL = {"spo2": 80, "rr": 30, "hr": 140, "pr": 140, "sbp": 80, "map": 55}
ILL: dict[str, dict[str, float]] = {
    "spo2": {"spo2": 80},
    "rates": {"hr": 150, "pr": 150},
    "breath": {"rr": 40},
    "heat": {"temp": 41},
    "pressure": {"sbp": 70, "map": 50},
    "NEWS2 of 7": {"spo2": 92, "rr": 24, "hr": 112, "pr": 112, "temp": 38.6},
    "all": VERY_ILL,
}


def play(
    stored: One, age: int, every: int, now: dict[str, float], *, before: int = 0, live: int = 90
) -> list[AlarmEvent]:
    """Returns what is told of a patient whose monitor delivers what it stored, and is live then."""
    state, clock, told = engine.empty(), T0, list[AlarmEvent]()
    engine.place(state, [placement()], clock)
    for _ in range(before):
        clock += 1000
        told += engine.advance(state, columns([One(clock, WELL)]), clock)[1]
    clock += age + every * STORED
    first = clock - age - every * (STORED - 1)
    late = [One(first + every * k, stored.values, stored.codes) for k in range(STORED)]
    told += engine.advance(state, columns(late), clock)[1]
    for _ in range(live):
        clock += 1000
        told += engine.advance(state, columns([One(clock, now)]), clock)[1]
    return [event for event in told if event.condition != "not-judged"]


@pytest.mark.parametrize("what", ILL)
@pytest.mark.parametrize("age", [150_000, 10 * MINUTE, HOUR, 20 * HOUR, 48 * HOUR])
@pytest.mark.parametrize("every", [1_000, 30_000])
def test_stored_readings_of_a_patient_who_is_well_now_tell_nothing(what: str, age: int, every: int) -> None:
    for before in (0, 40):
        assert play(One(0, WELL | ILL[what]), age, every, WELL, before=before) == []


@pytest.mark.parametrize("signs", [("hr", "pr", "spo2"), ("hr", "pr"), ("rr",), tuple(WELL)])
@pytest.mark.parametrize("code", [Suspect.DROPOUT, Suspect.SENSOR_OFF])
def test_signs_that_were_lost_or_off_when_it_was_stored_and_are_there_now_tell_nothing(
    signs: tuple[str, ...], code: Suspect
) -> None:
    there = {sign: value for sign, value in WELL.items() if sign not in signs}
    for every in (1_000, 30_000):
        assert play(One(0, there, dict.fromkeys(zeros(*signs), code)), 20 * HOUR, every, WELL, before=40) == []


def test_an_old_pressure_that_is_not_measured_now_raises_no_score() -> None:
    now = {sign: WELL[sign] for sign in ("hr", "pr", "rr", "spo2")}
    assert play(One(0, WELL | VERY_ILL), 20 * HOUR, 30_000, now) == []


def test_a_score_that_what_is_measured_now_bears_out_is_told_with_the_first_live_reading() -> None:
    told = play(One(0, WELL | ILL["NEWS2 of 7"]), 10 * MINUTE, 30_000, WELL | ILL["NEWS2 of 7"], live=1)
    (event,) = [e for e in told if e.condition == "news2-risk"]
    assert (event.phase, event.priority) == (Phase.START, Priority.HIGH)
    assert event.text.startswith("NEWS2 ")
    assert int(event.text.split()[1].rstrip(",")) >= 7
    # As far as it does, and no further.
    milder = WELL | ILL["NEWS2 of 7"] | {"temp": 36.8}
    told = play(One(0, WELL | ILL["NEWS2 of 7"]), 10 * MINUTE, 30_000, milder, live=1)
    (event,) = [e for e in told if e.condition == "news2-risk"]
    assert (event.phase, event.priority) == (Phase.START, Priority.MEDIUM)


def test_an_alarm_that_was_told_before_the_gap_stays_what_it_was_and_grows_by_nothing_stored() -> None:
    state, clock, told = engine.empty(), T0, list[AlarmEvent]()
    engine.place(state, [placement()], clock)
    for _ in range(90):
        clock += 1000
        told += engine.advance(state, columns([One(clock, WELL | {"rr": 26})]), clock)[1]
    low = [e for e in told if e.condition == "news2-risk"]
    assert [(e.phase, e.priority) for e in low] == [(Phase.START, Priority.LOW)]
    clock += 20 * HOUR
    late = [One(clock - HOUR + 30_000 * k, WELL | VERY_ILL) for k in range(STORED)]
    told = list(engine.advance(state, columns(late), clock)[1])
    for _ in range(90):
        clock += 1000
        told += engine.advance(state, columns([One(clock, WELL)]), clock)[1]
    assert [e.phase for e in told if e.condition == "news2-risk"] == [Phase.END]
