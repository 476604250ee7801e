"""A person who was called says *coming* or *cannot* (Q8)."""

import pytest

from tests.vitals.ward import Ward
from vitals import engine
from vitals.actions import Act
from vitals.alarm_events import AlarmEvent, Call, Inactivation, Phase, pages

LOW_OXYGEN, FAST = {"spo2": 80.0}, {"hr": 130.0}


def calls(events: list[AlarmEvent]) -> list[tuple[str, int]]:
    return [(event.call.value, event.handover) for event in events if event.call is not Call.NONE]


@pytest.mark.requirement("Q8")
@pytest.mark.parametrize(("signs", "held_s"), [(LOW_OXYGEN, 180), (FAST, 600)])
def test_coming_holds_the_handover_for_its_time_and_then_it_is_asked_again(signs: dict, held_s: int) -> None:
    ward = Ward()
    ward.live(60, signs)
    alarm = ward.told[-1]
    (said,) = ward.act(Act.COMING, alarm.id)
    assert (said.phase, said.by, said.coming, said.held_until) == (
        Phase.UPDATE,
        "nurse",
        "nurse",
        ward.t + held_s * 1000,
    )
    assert not pages(said)
    assert calls(ward.live(held_s - 1, signs)) == []
    asked = ward.live(1, signs)
    assert calls(asked) == [("handover", 1)]
    assert [event.coming for event in asked] == [""]


def test_who_comes_and_acknowledges_ends_the_handover() -> None:
    ward = Ward()
    ward.live(60, LOW_OXYGEN)
    alarm = ward.told[-1].id
    ward.act(Act.COMING, alarm)
    ward.live(100, LOW_OXYGEN)
    ward.act(Act.ACKNOWLEDGE, alarm)
    assert calls(ward.live(600, LOW_OXYGEN)) == []


@pytest.mark.requirement("Q8")
def test_nobody_holds_an_alarm_for_ever_by_saying_coming_again_and_again() -> None:
    ward = Ward()
    ward.live(60, LOW_OXYGEN)
    alarm = ward.told[-1].id
    said = []
    for _ in range(18):
        ward.act(Act.COMING, alarm)
        said += calls(ward.live(10, LOW_OXYGEN))
    assert said == [("handover", 1)]


@pytest.mark.requirement("Q8")
def test_coming_holds_every_alarm_of_the_incident_that_was_shown_and_no_later_one() -> None:
    ward = Ward()
    ward.live(60, {"spo2": 80.0, "rr": 4.0})
    first = ward.told[-1]
    seen = ward.t
    ward.live(40, {"spo2": 80.0, "rr": 4.0, "sbp": 60.0})
    ward.act(Act.COMING, first.id, incident=first.incident, shown=seen)
    held = {name for name, event in ward.active().items() if event.coming}
    assert {"spo2", "rr"} <= held
    assert "sbp" not in held


def test_what_rises_after_coming_calls_at_once() -> None:
    ward = Ward()
    ward.live(60, FAST)
    ward.act(Act.COMING, ward.told[-1].id)
    risen = [event for event in ward.live(60, {"hr": 160.0}) if event.condition == "hr"]
    assert [(event.phase, event.call) for event in risen if event.call is not Call.NONE] == [
        (Phase.ESCALATE, Call.PAGE)
    ]
    assert not ward.active()["hr"].coming


def test_cannot_passes_the_alarm_to_the_next_one_at_once() -> None:
    ward = Ward()
    ward.live(60, LOW_OXYGEN)
    alarm = ward.told[-1].id
    (passed,) = ward.act(Act.CANNOT, alarm)
    assert pages(passed)
    assert (passed.call, passed.handover, passed.by, passed.declined) == (Call.HANDOVER, 1, "nurse", ("nurse",))
    assert ward.act(Act.CANNOT, alarm) == []
    assert calls(ward.live(119, LOW_OXYGEN)) == []
    assert calls(ward.live(1, LOW_OXYGEN)) == [("handover", 2)]


def test_whoever_cannot_is_asked_again_when_it_rises() -> None:
    ward = Ward()
    ward.live(60, FAST)
    ward.act(Act.CANNOT, ward.active()["hr"].id)
    ward.live(60, {"hr": 160.0})
    assert ward.active()["hr"].declined == ()


def test_cannot_ends_the_wait_for_whoever_was_coming() -> None:
    ward = Ward()
    ward.live(60, LOW_OXYGEN)
    alarm = ward.told[-1].id
    ward.act(Act.COMING, alarm)
    (passed,) = ward.act(Act.CANNOT, alarm)
    assert (passed.coming, passed.held_until, passed.handover) == ("", 0, 1)


def test_coming_never_holds_the_escalation_of_a_patient_who_is_not_monitored() -> None:
    ward = Ward(cadence_s=10)
    ward.watched = True
    ward.live(60)
    begun = next(event for event in ward.wait(120) if event.condition == "not-judged")
    (said,) = ward.act(Act.COMING, begun.id)
    assert (said.coming, said.held_until) == ("nurse", 0)
    assert [event.phase for event in ward.wait(120) if event.id == begun.id] == [Phase.ESCALATE]


@pytest.mark.parametrize("act", [Act.COMING, Act.CANNOT])
def test_an_answer_to_what_is_paused_acknowledged_or_somebody_elses_changes_nothing(act: Act) -> None:
    ward = Ward()
    ward.live(60, LOW_OXYGEN)
    alarm = ward.told[-1].id
    assert ward.act(act, alarm, patient="p2") == []
    ward.act(Act.AUDIO_PAUSE, alarm)
    assert ward.act(act, alarm) == []
    ward.act(Act.ACKNOWLEDGE, alarm)
    assert ward.act(act, alarm) == []
    assert ward.active()["spo2"].inactivation is Inactivation.ACKNOWLEDGED


@pytest.mark.parametrize("act", [Act.COMING, Act.CANNOT])
def test_a_shard_that_restarts_knows_who_is_coming_and_who_cannot(act: Act) -> None:
    ward = Ward()
    ward.live(60, LOW_OXYGEN)
    ward.act(act, ward.told[-1].id)
    known = ward.told[-1]
    ward.state = engine.restore(engine.snapshot(ward.state))
    assert ward.active()["spo2"] == known
    before = 179 if act is Act.COMING else 119
    assert calls(ward.live(before, LOW_OXYGEN)) == []
    assert calls(ward.live(1, LOW_OXYGEN)) == [("handover", known.handover + 1)]


@pytest.mark.parametrize("act", [Act.COMING, Act.CANNOT])
def test_a_shard_without_snapshot_reads_the_answer_back_and_keeps_its_time(act: Act) -> None:
    ward = Ward()
    ward.live(60, LOW_OXYGEN)
    ward.act(act, ward.told[-1].id)
    told, before = list(ward.told), ward.t
    after = Ward()
    after.t = before
    after.state = engine.restore_reported(after.state, told)
    after.live(1, LOW_OXYGEN)
    assert after.active()["spo2"].coming == told[-1].coming
    assert after.active()["spo2"].declined == told[-1].declined
    first = next(e for e in after.live(700, LOW_OXYGEN) if e.call is Call.HANDOVER)
    assert first.log_t - before == (180_000 if act is Act.COMING else 120_000)


def test_a_mark_as_not_actionable_changes_no_alarm_and_holds_no_handover() -> None:
    marked, left = Ward(), Ward()
    for ward in (marked, left):
        ward.live(60, LOW_OXYGEN)
    assert marked.act(Act.NOT_ACTIONABLE, marked.told[-1].id) == []
    assert marked.live(200, LOW_OXYGEN) == left.live(200, LOW_OXYGEN)
    assert marked.active() == left.active()
