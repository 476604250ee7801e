"""Bad input, recovery, and what the engine owes its callers."""

import math

import pytest

from tests.vitals.build import T0, WELL, One, columns, placement, zeros
from tests.vitals.ward import Ward, starts
from vitals import engine, readings
from vitals.actions import Act, Action
from vitals.alarm_events import Phase, Priority
from vitals.engine.rules import news2_condition
from vitals.limits import Limit, profile, with_overrides
from vitals.signs import FIELDS


def acknowledge(alarm: str, patient: str = "p1") -> Action:
    return Action(id="a1", act=Act.ACKNOWLEDGE, patient=patient, t=T0, by="nurse", alarm=alarm)


def test_an_action_on_an_unknown_alarm_changes_nothing() -> None:
    state, events = engine.act(engine.empty(), acknowledge("p1.spo2.1"), T0)
    assert (events, engine.active(state)) == ((), ())


def test_an_action_on_an_ended_alarm_changes_nothing() -> None:
    ward = Ward()
    (start,) = ward.live(16, {"spo2": 88})
    ward.live(60)
    assert ward.act(Act.ACKNOWLEDGE, start.id) == []


def test_acknowledging_twice_tells_once() -> None:
    ward = Ward()
    (start,) = ward.live(6, {"hr": 36})
    assert len(ward.act(Act.ACKNOWLEDGE, start.id)) == 1
    assert ward.act(Act.ACKNOWLEDGE, start.id) + ward.act(Act.AUDIO_PAUSE, start.id) == []


def test_an_empty_batch_lets_time_pass_and_nothing_else() -> None:
    ward = Ward()
    ward.live(5)
    before = engine.snapshot(ward.state)
    assert engine.advance(ward.state, readings.empty(), ward.t)[1] == ()
    assert engine.snapshot(ward.state) == before


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_no_number_is_absent(value: float) -> None:
    ward = Ward()
    assert ward.live(40, {"spo2": value, "temp": value}) == []


def test_limits_that_contradict_each_other_never_reach_the_engine() -> None:
    with pytest.raises(ValueError, match="must ascend"):
        Limit(extreme_low=90, low=85)


def test_an_unknown_profile_is_named_with_those_there_are() -> None:
    with pytest.raises(ValueError, match="unknown limit profile 'elderly'; known are adult"):
        profile("elderly")


def test_a_placement_with_an_unknown_profile_stops_no_other_patient() -> None:
    ward = Ward()
    ward.admit("p2", profile="elderly")
    assert starts(ward.live(6, {"hr": 36}, patient="p2")) == ["hr"]


def test_narrow_limits_let_a_condition_end() -> None:
    narrow = with_overrides(profile("adult"), {"hr": Limit(None, 60, 62, None, 0)})
    state = engine.empty()
    told = []
    for k, hr in enumerate((70, 70, *[61] * 61)):
        batch = columns([One(T0 + 1000 * k, {"hr": hr}, seq=k, limits=-1)], (narrow,))
        told += engine.advance(state, batch, T0 + 1000 * k)[1]
    assert [event.phase for event in told] == [Phase.START, Phase.END]


def test_a_low_limit_near_the_top_of_the_scale_lets_a_condition_end() -> None:
    strict = with_overrides(profile("adult"), {"spo2": Limit(None, 99.5, None, None, 0)})
    state = engine.empty()
    told = []
    for k, spo2 in enumerate((98, 98, *[100] * 60)):
        batch = columns([One(T0 + 1000 * k, {"spo2": spo2}, seq=k, limits=-1)], (strict,))
        told += engine.advance(state, batch, T0 + 1000 * k)[1]
    assert [event.phase for event in told] == [Phase.START, Phase.END]


def test_unassigned_readings_concern_nobody() -> None:
    state, events = engine.advance(engine.empty(), columns([One(T0, {**WELL, "hr": 36}, patient=None)]), T0)
    assert (events, engine.active(state)) == ((), ())


def test_a_patient_whom_nobody_placed_is_watched_all_the_same() -> None:
    rows = [One(T0 + 1000 * k, {**WELL, "hr": 36}, patient="stray", seq=k) for k in range(60)]
    _, events = engine.advance(engine.empty(), columns(rows), rows[-1].t)
    assert [event.patient for event in events] == ["stray"]


def test_pending_says_when_a_gateway_must_send_at_once() -> None:
    ward = Ward()
    ward.live(1)
    assert not engine.pending(ward.state, "p1")
    ward.live(1, {"spo2": 88})
    assert engine.pending(ward.state, "p1")
    ward.live(1)
    assert not engine.pending(ward.state, "p1")
    assert not engine.pending(ward.state, "nobody")


def test_what_may_begin_or_raise_an_alarm_is_known_for_each_sign() -> None:
    ward = Ward()
    ward.live(1)
    assert engine.awaited(ward.state, ["p1", "nobody"]) == {}
    ward.live(1, {"spo2": 88})
    assert names(engine.awaited(ward.state, ["p1"])["p1"].limits) == {"spo2"}
    ward.live(60, {"spo2": 88})
    later = engine.awaited(ward.state, ["p1"])["p1"]
    assert (names(later.limits), names(later.extremes)) == (set(), {"spo2"})


def names(signs: tuple[bool, ...]) -> set[str]:
    """Returns the signs that are true."""
    return {field for field, is_so in zip(FIELDS, signs, strict=True) if is_so}


def test_bytes_that_are_no_snapshot_are_refused_with_what_to_do() -> None:
    with pytest.raises(ValueError, match="start empty and replay the log"):
        engine.restore(b"\x00\x01")


def test_a_snapshot_is_not_touched_by_what_happens_after_it() -> None:
    ward = Ward()
    ward.live(16, {"spo2": 88})
    data = engine.snapshot(ward.state)
    ward.live(5)
    assert [event.condition for event in engine.active(engine.restore(data))] == ["spo2"]


def test_a_shard_without_snapshot_takes_over_the_open_alarms_it_reads_back() -> None:
    ward = Ward()
    ward.live(16, {"spo2": 88})
    told = list(ward.told)
    fresh = Ward()
    fresh.t = ward.t
    fresh.state = engine.restore_reported(fresh.state, told)
    assert fresh.live(1, {"spo2": 88}) == []
    assert fresh.live(1, {"spo2": 88}) == []
    assert [event.id for event in engine.active(fresh.state)] == [told[-1].id]
    (end,) = fresh.live(60)
    assert (end.id, end.n, end.phase) == (told[-1].id, told[-1].n + 1, Phase.END)


def test_log_time_that_runs_backwards_is_held() -> None:
    ward = Ward()
    ward.live(6, {"hr": 36})
    engine.advance(ward.state, readings.empty(), T0 - 10_000_000)
    assert [event.handover for event in ward.wait(121)] == [1]


def test_a_paediatric_profile_is_never_scored() -> None:
    ward = Ward(profile="child")
    events = ward.live(200, {"rr": 29, "hr": 135, "pr": 135, "spo2": 93})
    assert [event for event in events if event.condition == "news2-risk"] == []


def test_news2_that_is_incomplete_says_so_and_old_inputs_raise_nothing() -> None:
    ward = Ward(cadence_s=60)
    ward.live(120, {"sbp": 80, "rr": None, "temp": None})
    score = ward.active()["news2-risk"]
    assert "incomplete: without rr, temp, consciousness" in score.text
    # The pressure grows old: it no longer raises, but its age ends nothing either.
    ward.live(1800, {"sbp": None, "rr": None, "temp": None})
    assert "news2-risk" in ward.active()


def test_the_score_tells_each_inputs_age_and_what_is_missing() -> None:
    ward = Ward()
    ward.live(10, {"temp": None})
    ward.act(Act.CHART, consciousness="A")
    ward.live(5, {"temp": None, "sbp": None, "rr": 22})
    now = engine.score(ward.state, "p1", ward.t)
    assert now is not None
    assert (now.total, now.risk, now.missing) == (2, "low", ("temp",))
    assert now.ages_s == {"rr": 0, "spo2": 0, "sbp": 5, "pulse": 0, "temp": None, "consciousness": 5}
    assert engine.score(ward.state, "nobody", ward.t) is None
    assert engine.score(Ward(profile="infant").state, "p1", ward.t) is None


def test_charting_unconsciousness_raises_the_score_at_once() -> None:
    ward = Ward()
    ward.live(5)
    (event,) = ward.act(Act.CHART, consciousness="U")
    assert (event.condition, event.value) == ("news2-risk", 3)


def test_no_event_text_carries_a_name() -> None:
    ward = Ward()
    ward.live(60, {"spo2": 80, "hr": 150, "temp": 40})
    ward.live(10, codes=zeros())
    assert ward.told
    assert all("p1" not in event.text for event in ward.told)


def test_rows_of_discharged_patients_are_used_again() -> None:
    state = engine.empty()
    for k in range(500):
        engine.place(state, [placement(f"p{k}")], T0 + k)
        engine.discharge(state, f"p{k}", T0 + k)
    assert len(state.wards) == 1


def test_the_text_of_news2_names_the_risk_of_the_total_that_it_names() -> None:
    worse = news2_condition.News2Levels(fresh=int(Priority.HIGH), carried=int(Priority.HIGH), total=14, missing=())
    # The alarm still stands at medium: high has to last its minute first. Nobody may read "14, medium risk".
    assert worse.told(int(Priority.MEDIUM))["text"] == "NEWS2 14, high risk"


def test_a_pause_that_is_read_back_ends_when_it_was_to_end() -> None:
    ward = Ward()
    ward.live(11, {"spo2": 78})
    alarm = ward.active()["spo2"].id
    (paused,) = ward.act(Act.AUDIO_PAUSE, alarm, pause_s=300)
    begun = ward.t
    assert paused.paused_until == begun + 300_000
    # Neither snapshot nor readings of before: only what was told.
    ward.state = engine.restore_reported(engine.empty(), ward.told)
    ward.admit()
    calls = [(e.t, e.paused_until) for e in ward.live(320, {"spo2": 78}) if e.id == alarm and e.phase is Phase.UPDATE]
    assert (begun + 300_000, 0) in calls
    assert min(t for t, until in calls if until == 0) == begun + 300_000


def test_nothing_is_due_before_there_is_a_log_time() -> None:
    # The watchdog speaks before scoring has written its first record.
    state, _ = engine.stalled(engine.empty(), T0, 0)
    state, told = engine.advance(state, readings.empty(), T0)
    assert told == ()
    state, told = engine.advance(state, readings.empty(), T0 + 60_000)
    state, later = engine.advance(state, readings.empty(), T0 + 120_000)
    assert [event.handover for event in (*told, *later)] == [1]


def test_a_snapshot_whose_timers_began_before_there_was_a_log_time_heals_by_itself() -> None:
    state, _ = engine.stalled(engine.empty(), T0, 0)
    state = engine.restore(engine.snapshot(state))
    state, told = engine.advance(state, readings.empty(), T0)
    assert told == ()


def test_a_timer_that_is_long_overdue_acts_once() -> None:
    ward = Ward()
    ward.live(6, {"hr": 36})
    (condition,) = ward.state.alarms.values()
    condition.due = 30_000
    ward.state.next_due = 30_000
    assert [event.handover for event in ward.wait(1)] == [1]
