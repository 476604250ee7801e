"""Standby (Q3): what it keeps quiet, what it never does, and how it ends."""

import msgspec
import pytest

from tests.vitals.build import T0, WELL, One, columns, placement, zeros
from tests.vitals.ward import Ward, starts
from vitals import engine
from vitals.actions import Act, Action
from vitals.alarm_events import AlarmEvent, Phase, Priority
from vitals.signs import Suspect
from vitals.status import DeviceStatus, Health, Status

BED = "bed-p1"
NOT_JUDGED, LOST, SILENT = "not-judged", "vital-signs-lost", "device-silent"
LOOK_S = 6


@pytest.fixture
def ward() -> Ward:
    found = Ward()
    found.watched = True
    found.live(20)
    return found


def stand_by(ward: Ward, minutes: int = 20, **changes: object) -> list[AlarmEvent]:
    """A nurse sets a standby now; the action travels as every one."""
    fields = {"id": f"s{ward.t}", "by": "ann", "bed": BED, "patient": "p1", "t": ward.t, "act": Act.STANDBY}
    ward.state, events = engine.act(ward.state, Action(**(fields | {"pause_s": 60 * minutes} | changes)), ward.t)
    return list(events)


def until(ward: Ward) -> int | None:
    kept = engine.standby(ward.state, "p1")
    return None if kept is None else kept.until


def away(ward: Ward, seconds: float) -> list[AlarmEvent]:
    """The monitor goes on, and measures nothing."""
    return ward.live(seconds, dict.fromkeys(WELL), zeros())


@pytest.mark.parametrize("how", ["zeros", "silent"])
def test_a_patient_on_standby_calls_nobody_and_one_without_does(ward: Ward, how: str) -> None:
    other = Ward()
    other.watched = True
    other.live(20)
    stand_by(ward)
    quiet = away(ward, 1199) if how == "zeros" else ward.wait(1199)
    told = away(other, 1199) if how == "zeros" else other.wait(1199)
    assert starts(quiet) == []
    assert {e.priority for e in told} >= {Priority.HIGH}


def test_every_value_is_judged_at_once_on_standby(ward: Ward) -> None:
    begun = ward.t
    stand_by(ward)
    away(ward, 90)
    told = ward.live(30, {"spo2": 80})
    (high,) = [e for e in told if e.condition == "spo2" and e.phase is Phase.START]
    assert (high.priority, high.t - begun) == (Priority.HIGH, 101_000)


def test_two_plausible_values_end_it_and_an_arrest_after_them_is_told(ward: Ward) -> None:
    stand_by(ward)
    away(ward, 90)
    assert until(ward) == ward.t - 90_000 + 1_200_000
    ward.live(1)
    assert until(ward) is not None
    ward.live(1)
    assert until(ward) is None
    assert starts(away(ward, 15)) == [LOST]


def test_a_single_value_an_artefact_or_values_while_the_sensors_come_off_do_not_end_it(ward: Ward) -> None:
    stand_by(ward)
    ward.live(59)
    away(ward, 60)
    for _ in range(3):
        ward.live(1)
        away(ward, 4)
    assert until(ward) is not None
    ward.live(10, codes=dict.fromkeys(WELL, Suspect.SPIKE))
    assert until(ward) is not None


def test_whoever_is_never_taken_off_is_watched_again_after_a_minute(ward: Ward) -> None:
    stand_by(ward)
    ward.live(62)
    assert until(ward) is None
    assert starts(away(ward, 15)) == [LOST]


@pytest.mark.parametrize("how", ["zeros", "silent"])
def test_at_its_end_somebody_is_asked_and_unanswered_for_two_minutes_it_is_high(ward: Ward, how: str) -> None:
    end = ward.t + 300_000
    stand_by(ward, 5)
    told = away(ward, 430) if how == "zeros" else ward.wait(430)
    asked, risen = [e for e in told if e.condition == NOT_JUDGED][:2]
    # A reading of the end is here a second, thirty and ten later.
    assert (asked.phase, asked.priority, asked.start) == (Phase.START, Priority.MEDIUM, end + 41_000)
    assert asked.log_t - asked.start <= 1000 * LOOK_S
    assert (risen.id, risen.phase, risen.priority) == (asked.id, Phase.ESCALATE, Priority.HIGH)
    assert risen.t == end + 120_000
    assert starts(told) == [NOT_JUDGED]
    back = ward.live(1 + LOOK_S)
    assert [e.phase for e in back if e.condition == NOT_JUDGED] == [Phase.END]


@pytest.mark.parametrize("cadence_s", [1.0, 30.0, 300.0])
def test_whoever_is_back_at_its_end_with_the_next_reading_calls_nobody(cadence_s: float) -> None:
    ward = Ward(cadence_s=cadence_s)
    ward.watched = True
    ward.live(cadence_s * 5)
    stand_by(ward, 15)
    told = ward.wait(900 + cadence_s + 38)
    told += ward.send(t=ward.t - 38_000)
    told += ward.wait(cadence_s)
    assert told == []


def test_at_a_slow_cadence_the_two_minutes_are_those_of_the_alarm() -> None:
    ward = Ward(cadence_s=300.0)
    ward.watched = True
    ward.live(1500)
    end = ward.t + 900_000
    stand_by(ward, 15)
    asked, risen = ward.wait(900 + 340 + 130)
    assert (asked.start, risen.priority) == (end + 340_000, Priority.HIGH)
    assert risen.t - asked.log_t == 120_000


def test_an_answer_at_its_end_is_another_standby(ward: Ward) -> None:
    stand_by(ward, 5)
    ward.wait(350)
    stand_by(ward, 10, by="bea")
    told = ward.wait(590)
    assert [e.phase for e in told] == [Phase.END]


def test_it_is_renewed_by_another_person_alone_and_twice_at_most(ward: Ward) -> None:
    ends = []
    for by in ("ann", "ann", "bea", "bea", "ann", "bea", "cleo"):
        ward.wait(60)
        stand_by(ward, 30, by=by)
        ends.append(until(ward) == ward.t + 1_800_000)
    assert ends == [True, False, True, False, True, False, False]
    away(ward, 10)
    ward.live(2)
    away(ward, 2)
    stand_by(ward, 30)
    assert until(ward) == ward.t + 1_800_000, "the patient was back meanwhile"


def test_ending_and_beginning_anew_is_no_way_around_the_second_person(ward: Ward) -> None:
    for by, expected in (("ann", True), ("ann", False), ("bea", True), ("ann", True), ("bea", False)):
        ward.wait(10)
        stand_by(ward, 30, by=by)
        assert (until(ward) == ward.t + 1_800_000) is expected
        ward.wait(1)
        stand_by(ward, act=Act.STANDBY_END, pause_s=120)
        assert until(ward) is None


def test_a_person_ends_it_and_the_waits_start_anew(ward: Ward) -> None:
    stand_by(ward)
    ward.wait(300)
    stand_by(ward, act=Act.STANDBY_END, pause_s=120)
    ended = ward.t
    told = ward.wait(100)
    (asked,) = [e for e in told if e.phase is Phase.START]
    assert asked.condition == NOT_JUDGED
    assert 70_000 <= asked.log_t - ended <= 70_000 + 1000 * LOOK_S


def test_it_is_refused_during_a_high_alarm_that_nobody_acknowledged_and_for_five_minutes_after(ward: Ward) -> None:
    told = ward.live(30, {"spo2": 80})
    stand_by(ward)
    assert until(ward) is None
    (alarm,) = [e for e in told if e.condition == "spo2" and e.phase is Phase.START]
    ward.act(Act.AUDIO_PAUSE, alarm.id, pause_s=600)
    stand_by(ward)
    assert until(ward) is None, "a pause is no acknowledgement"
    ward.live(1, {"spo2": 80})
    ward.act(Act.ACKNOWLEDGE, alarm.id)
    for _ in range(299):
        ward.live(1, {"spo2": 80})
    stand_by(ward)
    assert until(ward) is None
    ward.live(1, {"spo2": 80})
    stand_by(ward)
    assert until(ward) is not None


def test_an_arrest_that_was_told_stays_told(ward: Ward) -> None:
    told = away(ward, 15)
    assert starts(told) == [LOST]
    ward.act(Act.ACKNOWLEDGE, told[0].id)
    away(ward, 301)
    stand_by(ward)
    away(ward, 60)
    assert LOST in ward.active()


@pytest.mark.parametrize("what", ["move", "stay", "discharge", "readmission"])
def test_it_ends_with_the_bed_and_the_stay(ward: Ward, what: str) -> None:
    stand_by(ward)
    ward.wait(100)
    if what == "move":
        ward.admit(bed="bed-9")
    elif what == "stay":
        ward.admit(since=ward.t)
    else:
        ward.state, _ = engine.discharge(ward.state, "p1", ward.t)
        if what == "readmission":
            ward.admit()
    assert until(ward) is None
    told = ward.wait(100)
    assert (NOT_JUDGED in starts(told)) is (what != "discharge")


def test_a_change_of_the_admission_that_moves_nobody_leaves_it(ward: Ward) -> None:
    stand_by(ward)
    ward.admit(cadence_s=2.0, oxygen=True)
    assert until(ward) is not None


@pytest.mark.parametrize("changes", [{"bed": "bed-9"}, {"patient": "p2"}])
def test_it_has_no_effect_for_another_bed_or_a_patient_who_is_not_here(ward: Ward, changes: dict[str, str]) -> None:
    stand_by(ward, **changes)
    assert until(ward) is None
    assert engine.standby(ward.state, "p2") is None


def test_the_same_record_again_and_one_that_comes_late_change_nothing(ward: Ward) -> None:
    begun = ward.t
    stand_by(ward, 5, id="one")
    ward.wait(20)
    stand_by(ward, 5, id="one", t=begun)
    assert until(ward) == begun + 300_000
    stand_by(ward, act=Act.STANDBY_END, pause_s=120)
    stand_by(ward, 5, id="one", t=begun)
    assert until(ward) is None
    late = Ward()
    late.wait(400)
    stand_by(late, 5, t=late.t - 301_000)
    assert until(late) is None


def test_its_end_is_the_actions_time_and_length_whenever_an_engine_hears_of_it(ward: Ward) -> None:
    gateway, cloud = ward, Ward()
    cloud.live(20)
    pressed = gateway.t
    stand_by(gateway)
    cloud.wait(200)
    stand_by(cloud, t=pressed)
    assert until(cloud) == until(gateway) == pressed + 1_200_000
    gateway.wait(1_300)
    cloud.wait(1_100)
    asked = [[e.id for e in w.told if e.phase is Phase.START] for w in (gateway, cloud)]
    assert asked[0] == [f"p1.not-judged.{pressed + 1_241_000}"]
    assert asked[1][-1] == asked[0][0]


def test_a_clock_that_is_a_day_ahead_makes_no_standby_of_a_day(ward: Ward) -> None:
    stand_by(ward, t=ward.t + 86_400_000)
    assert until(ward) == ward.t + 1_200_000


def test_a_snapshot_keeps_it_and_one_of_before_opens(ward: Ward) -> None:
    stand_by(ward)
    ward.wait(100)
    ward.state = engine.restore(engine.snapshot(ward.state))
    assert starts(away(ward, 600)) == []
    ward.live(2)
    assert until(ward) is None
    fields = msgspec.msgpack.decode(engine.snapshot(Ward().state))
    for name in ("standbys", "hushed", "loud", "beds"):
        del fields[name]
    old = Ward()
    old.state = engine.restore(msgspec.msgpack.encode(fields))
    stand_by(old)
    assert until(old) is not None


def test_the_clock_behind_it_may_be_set(ward: Ward) -> None:
    stand_by(ward)
    ward.state = engine.rebase(ward.state, 86_400_000)
    ward.t += 86_400_000
    assert starts(ward.wait(1_240)) == []
    assert starts(ward.wait(10)) == [NOT_JUDGED]


def test_a_log_that_stood_still_over_its_end_asks_nobody_before_the_wait_is_over(ward: Ward) -> None:
    stand_by(ward, 5)
    ward.t += 400_000
    assert starts(ward.wait(60)) == []
    assert starts(ward.wait(20)) == [NOT_JUDGED]


def status(ward: Ward, health: Health, heard: int) -> list[AlarmEvent]:
    device = DeviceStatus(device="d1", health=health, t=heard, patient="p1")
    said = Status(id="g1", kind="gateway", health=Health.UP, t=ward.t, devices=(device,))
    ward.state, events = engine.report(ward.state, said, ward.t)
    return list(events)


def test_a_silent_device_of_a_patient_on_standby_is_told_by_nothing_and_then_by_one_alarm(ward: Ward) -> None:
    heard = ward.t
    told = status(ward, Health.SILENT, heard)
    assert starts(told) == [SILENT]
    assert [e.phase for e in stand_by(ward, 5)] == [Phase.END]
    for _ in range(45):
        told = [*ward.wait(10), *status(ward, Health.SILENT, heard)]
        assert {e.condition for e in told} <= {NOT_JUDGED}
    assert set(ward.active()) == {NOT_JUDGED}


def test_a_device_that_falls_silent_after_the_patients_return_is_told_by_not_judged(ward: Ward) -> None:
    """The equipment's engine sees no readings: it keeps *device silent* back, whatever has ended the standby."""
    equipment = Ward()
    stand_by(ward)
    stand_by(equipment, t=ward.t)
    away(ward, 90)
    ward.live(5)
    assert until(ward) is None
    heard, told = ward.t, []
    for _ in range(12):
        told += [*ward.wait(10), *status(ward, Health.SILENT, heard)]
        equipment.t = ward.t
        assert status(equipment, Health.SILENT, heard) == []
    assert starts(told) == [NOT_JUDGED]
    ward.wait(1_100)
    ward.live(5)
    equipment.t = ward.t
    assert [starts(status(w, Health.SILENT, ward.t)) for w in (ward, equipment)] == [[SILENT], [SILENT]]


def test_a_refused_standby_hides_no_silent_device_from_both_engines(ward: Ward) -> None:
    ward.live(30, {"spo2": 80})
    stand_by(ward)
    assert until(ward) is None
    heard, told = ward.t, []
    for _ in range(10):
        told += [*ward.wait(10), *status(ward, Health.SILENT, heard)]
    assert NOT_JUDGED in starts(told)


@pytest.mark.parametrize("seconds", [0, 299, 3_601])
def test_a_standby_lasts_five_to_sixty_minutes(seconds: int) -> None:
    with pytest.raises(ValueError, match="300 to 3600 s"):
        Action(id="a", act=Act.STANDBY, patient="p1", t=1, by="ann", bed=BED, pause_s=seconds)


@pytest.mark.parametrize("act", [Act.STANDBY, Act.STANDBY_END])
def test_a_standby_names_its_bed(act: Act) -> None:
    with pytest.raises(ValueError, match="needs a bed"):
        Action(id="a", act=act, patient="p1", t=1, by="ann", pause_s=300)


def test_the_vectorised_path_sees_that_a_patient_is_back() -> None:
    many = [f"p{k}" for k in range(1, 65)]
    state, _ = engine.place(engine.empty(), [placement(p) for p in many], T0)
    t = T0
    for _ in range(20):
        t += 1000
        state, _ = engine.advance(state, columns([One(t, WELL, {}, p, "d1", t) for p in many]), t)
    action = Action(id="s", act=Act.STANDBY, patient="p1", t=t, by="ann", bed=BED, pause_s=1200)
    state, _ = engine.act(state, action, t)
    for _ in range(61):
        t += 1000
        state, _ = engine.advance(state, columns([One(t, WELL, {}, p, "d1", t) for p in many]), t)
    assert engine.standby(state, "p1") is None
