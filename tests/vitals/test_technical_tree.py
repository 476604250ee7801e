"""Equipment: one alarm for one cause, and nobody left unwatched in silence."""

import msgspec
import pytest

from tests.vitals.build import T0, WELL, One, columns, placement
from vitals import engine
from vitals.actions import Act, Action
from vitals.alarm_events import AlarmEvent, Inactivation, Phase, Priority, pages
from vitals.bounds import MAX_T
from vitals.signs import Suspect
from vitals.status import DeviceStatus, Health, Status

PATIENTS = 40


def gateway(t: int, health: Health = Health.UP, device: Health = Health.UP, name: str = "g1") -> Status:
    devices = tuple(
        DeviceStatus(device=f"{name}-d{k}", health=device, t=t, patient=f"{name}-p{k}") for k in range(PATIENTS)
    )
    return Status(id=name, kind="gateway", health=health, t=t, devices=devices)


def bridge(t: int, health: Health = Health.UP, name: str = "b1", gateways: tuple[str, ...] = ()) -> Status:
    devices = tuple(DeviceStatus(device=g, health=Health.UP, t=t) for g in gateways)
    return Status(id=name, kind="bridge", health=health, t=t, devices=devices)


def tell(state: engine.State, *statuses: Status) -> list[AlarmEvent]:
    return [event for status in statuses for event in engine.report(state, status, status.t)[1]]


def brief(events: list[AlarmEvent]) -> list[tuple[str, Phase]]:
    return [(event.condition, event.phase) for event in events]


def test_forty_silent_devices_behind_one_dead_gateway_are_one_alarm() -> None:
    state = engine.empty()
    tell(state, gateway(T0))
    (event,) = tell(state, gateway(T0 + 1, Health.SILENT, Health.SILENT))
    assert (event.condition, event.subject, event.priority) == ("gateway-down", "g1", Priority.MEDIUM)
    assert "40 patients" in event.text


def test_a_gateway_known_by_its_last_will_alone_is_told_too() -> None:
    state = engine.empty()
    (event,) = tell(state, Status(id="g9", kind="gateway", health=Health.OFFLINE, t=T0))
    assert event.condition == "gateway-down"


def test_a_silent_device_is_told_with_its_patients_ward() -> None:
    state = engine.empty()
    engine.place(state, [placement("g1-p0")], T0)
    up = gateway(T0 + 1)
    silent = (DeviceStatus(device="g1-d0", health=Health.SILENT, t=T0, patient="g1-p0"), *up.devices[1:])
    (event,) = tell(state, Status(id="g1", kind="gateway", health=Health.UP, t=T0 + 2, devices=silent))
    assert (event.condition, event.subject, event.ward) == ("device-silent", "g1-d0", "w1")
    assert brief(tell(state, gateway(T0 + 3))) == [("device-silent", Phase.END)]


def test_a_silent_device_on_nobody_is_no_alarm() -> None:
    state = engine.empty()
    spare = (DeviceStatus(device="spare", health=Health.SILENT, t=T0),)
    assert tell(state, Status(id="g1", kind="gateway", health=Health.UP, t=T0, devices=spare)) == []


def test_when_the_gateway_falls_silent_its_devices_alarms_end_and_those_still_silent_continue_with_it() -> None:
    state = engine.empty()
    started = tell(state, gateway(T0, device=Health.SILENT))
    down = tell(state, gateway(T0 + 1, Health.SILENT, Health.SILENT))
    assert brief(down).count(("device-silent", Phase.END)) == PATIENTS
    assert brief(down)[-1] == ("gateway-down", Phase.START)
    back = tell(state, gateway(T0 + 2, device=Health.SILENT))
    assert brief(back).count(("device-silent", Phase.UPDATE)) == PATIENTS
    assert ("gateway-down", Phase.END) in brief(back)
    assert {event.id for event in started} == {e.id for e in back if e.condition == "device-silent"}


def acknowledged(state: engine.State, *events: AlarmEvent) -> list[AlarmEvent]:
    acts = [
        Action(id=e.id, act=Act.ACKNOWLEDGE, patient=e.patient or "", alarm=e.id, by="nurse", t=e.log_t) for e in events
    ]
    return [event for act in acts for event in engine.act(state, act, act.t)[1]]


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("cause", ["stall", "gateway", "bridge"])
def test_an_alarm_keeps_its_id_and_acknowledgement_through_a_stall_or_a_restart_above_it(
    cause: str, *, restart: bool
) -> None:
    state = engine.empty()
    tell(state, bridge(T0, gateways=("g1",)))
    started = tell(state, gateway(T0, device=Health.SILENT))
    assert len(acknowledged(state, *started[:30])) == 30
    over = {
        "stall": lambda: engine.stalled(state, T0 + 1_000, T0 + 1_000)[1],
        "gateway": lambda: tell(state, gateway(T0 + 1_000, Health.OFFLINE, Health.SILENT)),
        "bridge": lambda: tell(
            state, bridge(T0 + 1_000, Health.SILENT, gateways=("g1",)), gateway(T0 + 1_500, device=Health.SILENT)
        ),
    }[cause]()
    assert [e.condition for e in over if pages(e)] == [f"{cause}-down" if cause != "stall" else "pipeline-stalled"]
    assert len(engine.active(state)) == 1
    if restart:
        state = engine.restore(engine.snapshot(state))
    if cause == "stall":
        back = list(engine.stalled(state, None, T0 + 2_000)[1])
    else:
        back = tell(state, bridge(T0 + 2_000, gateways=("g1",)), gateway(T0 + 2_000, device=Health.SILENT))
    assert not any(map(pages, back))
    by_id = {event.id: event for event in engine.active(state)}
    assert set(by_id) == {event.id for event in started}
    done = {e.id for e in by_id.values() if e.inactivation is Inactivation.ACKNOWLEDGED}
    assert done == {event.id for event in started[:30]}
    times = range(T0 + 5_000, T0 + 900_000, 5_000)
    later = [event for t in times for event in engine.advance(state, columns([]), t)[1]]
    assert {e.subject for e in later if pages(e)} == {e.subject for e in started[30:]}


def test_a_device_that_was_heard_again_meanwhile_is_told_anew() -> None:
    state = engine.empty()
    started = tell(state, gateway(T0, device=Health.SILENT))
    acknowledged(state, *started)
    tell(state, gateway(T0 + 1_000, Health.OFFLINE, Health.SILENT))
    tell(state, gateway(T0 + 2_000))
    again = tell(state, gateway(T0 + 3_000, device=Health.SILENT))
    assert len(again) == PATIENTS
    assert all(map(pages, again))
    assert not {event.id for event in again} & {event.id for event in started}


def test_a_device_that_went_to_another_patient_meanwhile_is_told_of_the_other_patient() -> None:
    state = engine.empty()
    (first,) = tell(state, of_one(T0, "p1", Health.SILENT))
    acknowledged(state, first)
    tell(state, msgspec.structs.replace(of_one(T0 + 1_000, "p1", Health.SILENT), health=Health.OFFLINE))
    told = [e for e in tell(state, of_one(T0 + 2_000, "p2", Health.SILENT)) if pages(e)]
    assert [(e.condition, e.patient) for e in told] == [("device-silent", "p2")]
    assert told[0].id != first.id


def of_one(t: int, patient: str, device: Health = Health.UP) -> Status:
    """A gateway's status with one monitor."""
    devices = (DeviceStatus(device="d1", health=device, t=t, patient=patient),)
    return Status(id="g1", kind="gateway", health=Health.UP, t=t, devices=devices)


def test_a_bridge_that_is_down_covers_its_gateways() -> None:
    state = engine.empty()
    tell(state, bridge(T0, gateways=("g1",)), gateway(T0), gateway(T0, name="g2"))
    (down,) = tell(state, bridge(T0 + 1, Health.OFFLINE, gateways=("g1",)))
    assert (down.condition, down.priority) == ("bridge-down", Priority.HIGH)
    assert tell(state, gateway(T0 + 2, Health.SILENT)) == []
    # Another bridge's gateway is not hidden by it.
    assert brief(tell(state, gateway(T0 + 2, Health.SILENT, name="g2"))) == [("gateway-down", Phase.START)]
    after = tell(state, bridge(T0 + 3, gateways=("g1",)))
    assert brief(after) == [("bridge-down", Phase.END), ("gateway-down", Phase.START)]


def test_a_stalled_pipeline_covers_everything_and_its_end_brings_back_what_still_fails() -> None:
    state = engine.empty()
    tell(state, bridge(T0), gateway(T0, Health.SILENT))
    _, events = engine.stalled(state, T0 + 5, T0 + 1)
    assert brief(list(events)) == [("gateway-down", Phase.END), ("pipeline-stalled", Phase.START)]
    assert engine.stalled(state, T0 + 6, T0 + 1)[1] == ()
    assert tell(state, gateway(T0 + 7, Health.SILENT, name="g2")) == []
    _, events = engine.stalled(state, None, T0 + 10)
    assert sorted((e.condition, e.subject, e.phase) for e in events) == [
        ("gateway-down", "g1", Phase.UPDATE),
        ("gateway-down", "g2", Phase.START),
        ("pipeline-stalled", "pipeline", Phase.END),
    ]


@pytest.mark.parametrize("ahead_ms", [-3_600_000, -2_000, 0, 2_000, 3_600_000])
def test_a_gateway_whose_clock_is_off_is_missed_at_once_when_it_dies_and_found_when_it_is_back(ahead_ms: int) -> None:
    state = engine.empty()
    tell(state, gateway(T0 + ahead_ms))
    assert brief(tell(state, gateway(T0 + 1000, Health.OFFLINE))) == [("gateway-down", Phase.START)]
    assert brief(tell(state, gateway(T0 + 2000 + ahead_ms))) == [("gateway-down", Phase.END)]


def test_a_gateway_that_once_said_it_is_the_year_2087_is_missed_all_the_same() -> None:
    state = engine.empty()
    tell(state, gateway(MAX_T - 1))
    assert brief(tell(state, gateway(T0, Health.SILENT))) == [("gateway-down", Phase.START)]


def listing(t: int, health: Health, since: int) -> Status:
    gone = DeviceStatus(device="g1", health=health, t=since)
    return Status(id="b1", kind="bridge", health=Health.UP, t=t, devices=(gone,))


def test_a_word_that_was_lost_is_said_again_by_the_bridge_and_counts_once() -> None:
    state = engine.empty()
    tell(state, gateway(T0), bridge(T0 + 1, gateways=("g1",)))
    lost = tell(state, listing(T0 + 4000, Health.SILENT, T0 + 3000))
    assert brief(lost) == [("gateway-down", Phase.START)]
    assert "40 patients" in lost[0].text
    assert tell(state, listing(T0 + 6000, Health.SILENT, T0 + 3000)) == []
    assert brief(tell(state, gateway(T0 + 7000))) == [("gateway-down", Phase.END)]
    # What the bridge said before that is not said again by it: the gateway was heard of since.
    assert tell(state, listing(T0 + 8000, Health.SILENT, T0 + 3000)) == []


def test_a_sensor_off_alarm_ends_when_its_device_falls_silent() -> None:
    state = engine.empty()
    off = {"pr": Suspect.SENSOR_OFF, "spo2": Suspect.SENSOR_OFF}
    well = {k: v for k, v in WELL.items() if k not in off}
    for k in range(40):
        t = T0 + 1000 * k
        engine.advance(state, columns([One(t, well, off, "g1-p0", "g1-d0", k)]), t)
    assert [event.condition for event in engine.active(state)] == ["sensor-off"]
    events = tell(state, gateway(T0 + 60_000, device=Health.SILENT))
    assert ("sensor-off", Phase.END) in brief(events)


def test_physiological_alarms_stay_when_equipment_fails() -> None:
    state = engine.empty()
    rows = [One(T0 + 1000 * k, {**WELL, "hr": 36}, seq=k) for k in range(11)]
    engine.advance(state, columns(rows), rows[-1].t)
    tell(state, gateway(rows[-1].t + 1, Health.SILENT))
    assert {event.condition for event in engine.active(state)} == {"hr", "gateway-down"}


def test_the_tree_outlives_a_snapshot() -> None:
    state = engine.empty()
    tell(state, bridge(T0), gateway(T0, Health.SILENT))
    state = engine.restore(engine.snapshot(state))
    assert brief(tell(state, gateway(T0 + 1))) == [("gateway-down", Phase.END)]


def own(t: int, *alarms: str, health: Health = Health.UP) -> Status:
    return Status(id="g1", kind="gateway", health=health, t=t, alarms=alarms)


def tell_own(state: engine.State, status: Status) -> list[AlarmEvent]:
    return list(engine.report(state, status, status.t, own=True)[1])


def test_a_gateways_own_alarm_is_told_once_under_its_own_id_and_ends_by_its_word_alone() -> None:
    state, trimmed = engine.empty(), f"g1.outbox-trimmed.{T0}"
    (event,) = tell_own(state, own(T0 + 5, trimmed, f"g1-p0.spo2.{T0}", f"g1.remote-monitoring-lost.{T0}"))
    assert (event.id, event.priority, event.phase) == (trimmed, Priority.HIGH, Phase.START)
    assert brief(tell_own(state, own(T0 + 6, health=Health.OFFLINE))) == [("gateway-down", Phase.START)]
    assert brief(tell_own(state, own(T0 + 7, trimmed))) == [("gateway-down", Phase.END)]
    again = f"g1.outbox-trimmed.{T0 + 8}"
    told = tell_own(state, own(T0 + 8, again))
    assert sorted((e.id, e.phase) for e in told) == [(trimmed, Phase.END), (again, Phase.START)]


def test_a_gateways_own_alarm_outlives_a_stalled_pipeline_and_a_recovered_engine() -> None:
    state, failing = engine.empty(), f"g1.outbox-write-failing.{T0}"
    (start,) = tell_own(state, own(T0 + 5, failing))
    assert brief(engine.stalled(state, T0 + 6, T0 + 6)[1]) == [("pipeline-stalled", Phase.START)]
    back = engine.restore_reported(engine.empty(), [start])
    engine.report(back, own(T0 + 10, failing), T0 + 10, own=True)
    engine.report(back, own(T0 + 20, failing), T0 + 20, own=True)
    assert brief(tell_own(back, own(T0 + 30))) == [("outbox-write-failing", Phase.END)]


def test_a_gateways_engine_does_not_repeat_what_the_gateway_alarms_of_itself() -> None:
    assert tell(engine.empty(), own(T0, f"g1.outbox-trimmed.{T0}")) == []


def test_a_bridge_whose_clock_is_off_is_told_once_with_its_offset_and_ends_by_its_word_alone() -> None:
    state, off = engine.empty(), (f"b1.bridge-clock.{T0}",)
    said = msgspec.structs.replace(bridge(T0 + 5), alarms=off, offset_ms=-5_200)
    (event,) = tell_own(state, said)
    assert (event.id, event.priority, event.ward) == (*off, Priority.MEDIUM, None)
    assert "5.2 s ahead of Kafka's" in event.text
    assert tell_own(state, msgspec.structs.replace(said, t=T0 + 10)) == []
    assert brief(tell_own(state, bridge(T0 + 20, Health.SILENT))) == [("bridge-down", Phase.START)]
    assert brief(tell_own(state, bridge(T0 + 30))) == [("bridge-clock", Phase.END), ("bridge-down", Phase.END)]
    foreign = msgspec.structs.replace(
        said, t=T0 + 40, alarms=(f"b2.bridge-clock.{T0}", "b1.bridge-clock.x", "b1.spo2.5")
    )
    assert tell_own(state, foreign) == []


def measured(t: int, offset_ms: int | None) -> Status:
    return msgspec.structs.replace(gateway(t), offset_ms=offset_ms)


def test_a_gateway_whose_clock_is_off_is_told_to_its_ward_with_the_offset_until_it_is_clearly_right() -> None:
    state = engine.empty()
    engine.place(state, [placement("g1-p0")], T0, "g1")
    assert tell_own(state, measured(T0 + 1, 5_000)) == []
    (event,) = tell_own(state, measured(T0 + 2, -7_300))
    assert (event.condition, event.priority, event.gateway, event.ward) == (
        "gateway-clock",
        Priority.MEDIUM,
        "g1",
        "w1",
    )
    assert "7.3 s ahead of its bridge's" in event.text
    assert tell_own(state, measured(T0 + 3, -4_900)) == []
    # A bridge that has just started has not measured it; and a gateway that is gone has not set its clock.
    assert tell_own(state, measured(T0 + 4, None)) == []
    assert brief(tell_own(state, gateway(T0 + 5, Health.OFFLINE))) == [("gateway-down", Phase.START)]
    assert brief(tell_own(state, measured(T0 + 6, None))) == [("gateway-down", Phase.END)]
    assert brief(tell_own(state, measured(T0 + 7, -2_400))) == [("gateway-clock", Phase.END)]


def test_a_gateways_clock_is_told_of_by_the_equipments_engine_alone() -> None:
    assert tell(engine.empty(), measured(T0, 60_000)) == []


def shared(t: int, health: Health = Health.UP) -> Status:
    """A gateway with two patients of ward w1, one of w2, and its canary."""
    devices = tuple(
        DeviceStatus(device=f"d-{p}", health=Health.UP, t=t, patient=p) for p in ("p1", "p2", "p3", "canary-g1")
    )
    return Status(id="g1", kind="gateway", health=health, t=t, devices=devices)


def two_wards() -> engine.State:
    state = engine.empty()
    for patient, ward in (("p1", "w1"), ("p2", "w1"), ("p3", "w2"), ("canary-g1", "canary")):
        engine.place(state, [msgspec.structs.replace(placement(patient), ward=ward)], T0, "g1")
    tell(state, shared(T0 + 1))
    return state


def told_wards(events: list[AlarmEvent]) -> list[tuple[str, str | None, Phase]]:
    return [(e.condition, e.ward, e.phase) for e in events]


def test_each_ward_of_a_gateway_is_told_for_itself_and_its_canary_counts_nowhere() -> None:
    state = two_wards()
    first, second = tell(state, shared(T0 + 2, Health.SILENT))
    assert (first.ward, second.ward) == ("w1", "w2")
    assert "2 patients" in first.text
    assert "1 patient " in second.text
    assert first.id != second.id
    ends = tell(state, shared(T0 + 3))
    assert {(e.id, e.phase) for e in ends} == {(first.id, Phase.END), (second.id, Phase.END)}


def test_a_gateway_with_a_canary_alone_is_told_to_technicians() -> None:
    state = engine.empty()
    engine.place(state, [msgspec.structs.replace(placement("canary-g1"), ward="canary")], T0, "g1")
    alone = msgspec.structs.replace(shared(T0 + 1, Health.OFFLINE), devices=shared(T0).devices[-1:])
    (event,) = tell(state, alone)
    assert (event.ward, "0 patients" in event.text) == (None, True)


def test_whoever_has_moved_to_another_gateway_takes_no_alarm_of_the_old_one_along() -> None:
    state = two_wards()
    tell(state, shared(T0 + 2, Health.OFFLINE))
    for patient, ward in (("p1", "w9"), ("p2", "w9"), ("p3", "w9")):
        engine.place(state, [msgspec.structs.replace(placement(patient), ward=ward)], T0 + 3, "g2")
    assert tell(state, bridge(T0 + 4, gateways=("g1",))) == []


def test_alarms_of_two_wards_are_taken_up_by_a_recovered_engine_and_end_once_each() -> None:
    state = two_wards()
    told = tell(state, shared(T0 + 2, Health.SILENT))
    back = engine.restore_reported(two_wards(), told)
    assert tell(back, shared(T0 + 2, Health.SILENT)) == []
    engine.advance(back, columns([]), T0 + 5_000)
    ends = tell(back, shared(T0 + 6_000))
    assert sorted((e.id, e.n, e.phase) for e in ends) == sorted((e.id, 1, Phase.END) for e in told)


def test_a_ward_that_was_not_told_before_a_crash_is_told_after_it() -> None:
    both = tell(two_wards(), shared(T0 + 2, Health.SILENT))
    for known, missing in (both, both[::-1]):
        back = engine.restore_reported(two_wards(), [known])
        assert [e.id for e in tell(back, shared(T0 + 2, Health.SILENT))] == [missing.id]


def test_the_one_alarm_that_an_earlier_version_told_for_all_wards_goes_on_as_that_of_its_ward() -> None:
    state = two_wards()
    first, second = tell(state, shared(T0 + 2, Health.SILENT))
    # As the earlier version kept it.
    state.faults["g1.gateway-down"] = state.faults.pop("g1.gateway-down.w1")
    tell(state, shared(T0 + 3, Health.SILENT))
    ends = tell(state, shared(T0 + 4))
    assert {e.id for e in ends if e.phase is Phase.END} == {first.id, second.id}


def test_a_retired_gateways_alarms_end_and_it_comes_back_only_by_its_own_word() -> None:
    state = engine.empty()
    tell_own(state, own(T0, f"g1.outbox-filling.{T0}"))
    tell(state, gateway(T0 + 1, device=Health.SILENT), bridge(T0 + 2, gateways=("g1",)))
    tell(state, gateway(T0 + 3, Health.SILENT), gateway(T0 + 3, Health.SILENT, name="g2"))
    _, ends = engine.retire(state, "g1", T0 + 10)
    assert brief(list(ends)) == [("gateway-down", Phase.END)]
    assert "gone for good" in ends[0].text
    assert [(e.condition, e.subject) for e in engine.active(state)] == [("gateway-down", "g2")]
    # A bridge that has not heard of it lists it still.
    assert tell(state, listing(T0 + 20, Health.SILENT, T0 + 3)) == []
    assert engine.retire(state, "g1", T0 + 30)[1] == ()
    assert brief(tell(state, gateway(T0 + 40, Health.SILENT))) == [("gateway-down", Phase.START)]


def test_a_retired_bridges_alarm_ends_and_it_covers_nobody_any_more() -> None:
    state = engine.empty()
    tell(state, bridge(T0, gateways=("g1",)), gateway(T0), bridge(T0 + 1, Health.SILENT, gateways=("g1",)))
    assert tell(state, gateway(T0 + 2, Health.SILENT)) == []
    _, events = engine.retire(state, "b1", T0 + 10)
    assert brief(list(events)) == [("bridge-down", Phase.END), ("gateway-down", Phase.START)]
