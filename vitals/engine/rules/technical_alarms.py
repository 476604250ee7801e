"""Technical alarms as a tree: pipeline stalled, bridge down, gateway down, device silent; parents inhibit children.

Sources: IEC 60601-1-8 (technical alarm conditions), R10, `docs/hazards.md`. Priorities are in `vitals.conditions`.

**Start and end.** Each status of a gateway or bridge starts and ends alarms without delay, because its sender has
already applied the delay (`vitals.status.Health`). Statuses count in the order of the log. By their own times, a clock
that was once ahead would outrank the report that its gateway is down. Some conditions escalate if they are not
acknowledged (`vitals.engine.timers`).

**Inhibition.** While a parent is active, no child starts and active children end, because the parent's alarm gives more
detail. When the parent ends, each child whose condition persists continues as it was (`inhibited_alarms`). So forty
silent devices behind one dead gateway are one alarm. A *sensor off* alarm ends when its device is silent. A standby of
the patient inhibits *device silent* (`_tells`).

**Unstable**: repeated failures of one device, gateway or bridge are one alarm (`flapping`).

**Bridge down.** Inhibits the gateways that the bridge's last status lists as `devices`. A bridge that lists none
inhibits all gateways while it is the only known bridge. Each bridge status repeats which gateways are down, so that a
lost report is made up for.

**Gateway down** and **gateway clock** are one alarm for each ward that has patients on the gateway; **unassigned
device** likewise. A gateway's clock is reported beyond `OFF_MS` and until it is within `RIGHT_MS`.

**Gateway's own alarms** (`OWN`: outbox, clock, two devices under one name) are named in its status. In the cloud they
have the gateway's ids, so that an acknowledgement here ends them there. Only the gateway's status ends them: while it
is down they stay active.

**Disputed beds and devices**, which two admissions claim, are outside the tree: no failure of equipment inhibits them.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec

from vitals.alarm_events import AlarmState, Kind, Phase
from vitals.bounds import MAX_T, digits
from vitals.conditions import priority_of
from vitals.engine.constants import (
    BY_WARD,
    CONDITIONS,
    DEVICE_SILENT,
    GATEWAY_CLOCK,
    GATEWAY_DOWN,
    GATEWAY_UNSTABLE,
    LOOK_MS,
    SENSOR_OFF,
    UNASSIGNED,
)
from vitals.engine.event_writer import EventWriter
from vitals.engine.idle_marks import refresh_marks
from vitals.engine.rules import flapping, inhibited_alarms
from vitals.engine.state import Condition, State
from vitals.status import BRIDGE_CLOCK, CLOCK_STANDS, CLOCK_UNSET, DeviceStatus, Health, Status
from vitals.wire.topics import canary

BRIDGE_DOWN: Final = "bridge-down"
PIPELINE_STALLED: Final = "pipeline-stalled"
PIPELINE: Final = "pipeline"
TWO_VOICES: Final = "device-two-voices"
DEVICE_CLOCK, DEVICE_SLOW = "device-clock", "device-slow"
DEVICE_UNSTABLE, BRIDGE_UNSTABLE = "device-unstable", "bridge-unstable"
BED_DISPUTED, DEVICE_DISPUTED = "bed-disputed", "device-disputed"
DISPUTES: Final = frozenset((BED_DISPUTED, DEVICE_DISPUTED))
OFF_MS: Final = 5000
"""Offset of a gateway's clock to its bridge's from which it is reported, until it is within `RIGHT_MS`."""
RIGHT_MS: Final = 2500
OWN: Final = {
    "outbox-write-failing": "cannot write its outbox, and accepts no readings: check its disk",
    "outbox-trimmed": "had a full outbox and dropped the oldest readings: restore its uplink",
    "outbox-replaced": "set a damaged outbox aside: its card may be failing",
    "outbox-rescue": "takes over what can be read of its damaged outbox: leave it running",
    "memory-lost": "has a card that changed what it kept over a restart, and begins that anew: replace the card",
    "outbox-filling": "has a half-full outbox: restore its uplink",
    TWO_VOICES: "hears two devices under one name, which hide each other: take one of them off",
    "clock-unset": "has no clock: its times are wrong until it is set",
}
"""Texts of the alarms that a gateway has of itself. *Remote monitoring lost* is not among them: the notifier is silent
then."""
_BESIDE: Final = frozenset((*OWN, *DISPUTES, BRIDGE_CLOCK, GATEWAY_CLOCK, DEVICE_CLOCK, DEVICE_SLOW))
_UNSTABLE: Final = frozenset((DEVICE_UNSTABLE, GATEWAY_UNSTABLE, BRIDGE_UNSTABLE))
HIERARCHY: Final = frozenset((DEVICE_SILENT, GATEWAY_DOWN, BRIDGE_DOWN, UNASSIGNED, *_UNSTABLE, *_BESIDE))
"""Every condition of this module except *pipeline stalled*, which only the watchdog reports."""


@dataclass(frozen=True, slots=True)
class TechnicalCondition:
    """A technical alarm condition that is active now.

    Attributes:
        subject: Device, gateway, bridge or "pipeline".
        condition: Name of the technical condition.
        text: Text of the alarm.
        since: Start, ms; 0 if its sender does not state it.
        ward: Ward that is notified, if neither patient nor gateway determines it.
    """

    subject: str
    condition: str
    text: str
    gateway: str | None = None
    device: str | None = None
    patient: str | None = None
    since: int = 0
    ward: str | None = None

    @property
    def key(self) -> str:
        """Key of the fault in `State.faults`, the same each time that it is reported."""
        return fault_key(self.subject, self.condition, self.since, self.ward)


def fault_key(subject: str, condition: str, since: int, ward: str | None) -> str:
    """Returns the key of a fault: with the start for a gateway's own alarm, with the ward for those in `BY_WARD`."""
    name = f"{subject}.{condition}"
    if condition in OWN:
        return f"{name}.{since}"
    return f"{name}.{ward}" if ward and condition in BY_WARD else name


def key(status: Status) -> str:
    """Returns the key of a sender's newest status in `State.statuses`."""
    return f"{status.kind}/{status.id}"


def concerned(status: Status) -> Callable[[Condition], bool]:
    """Returns a filter for the technical alarms that a status may change.

    For a bridge these are all; for a gateway its own and its devices'.
    """
    if status.kind == "bridge":
        return lambda c: True
    mine = {status.id, *(d.device for d in status.devices)}
    return lambda c: c.alarm is None or c.alarm.gateway == status.id or c.alarm.subject in mine


def report(writer: EventWriter, status: Status, *, own: bool = False) -> None:
    """Applies a status, without regard to its time.

    Args:
        writer: Collects the events.
        status: The status.
        own: Whether to emit the alarms that gateways have of themselves; a gateway emits its own without this.
    """
    state = writer.state
    known = state.statuses.get(key(status))
    if status.kind == "gateway" and status.health is not Health.UP and known is not None and not status.devices:
        # A last will does not list the devices.
        devices = known.devices
    else:
        devices = status.devices
    if not own:
        status = msgspec.structs.replace(status, alarms=(), offset_ms=None)
        if any(d.clock or d.beyond or d.pace_ms for d in devices):
            devices = tuple(msgspec.structs.replace(d, clock="", beyond=False, pace_ms=0) for d in devices)
    state.statuses[key(status)] = status if devices is status.devices else _with_devices(status, devices)
    if status.kind == "bridge":
        _hear_again(state, status)
    covered = [status] if status.kind == "gateway" else _gateways(state)
    if status.kind == "bridge":
        _judge_bridge(writer, status, status.t)
    for gateway in covered:
        _judge_gateway(writer, state.statuses[f"gateway/{gateway.id}"], status.t)


def retire(writer: EventWriter, name: str) -> None:
    """Removes a gateway or bridge that was retired, and ends the alarms because of it."""
    state = writer.state
    for kind in ("gateway", "bridge"):
        state.statuses.pop(f"{kind}/{name}", None)
    for condition in (GATEWAY_DOWN, BRIDGE_DOWN):
        state.flaps.pop(f"{name}.{condition}", None)
    inhibited_alarms.forget(state, lambda _, kept: name in {kept.gateway, kept.subject})
    alarms = (
        (key, c.alarm) for key, c in state.faults.items() if c.alarm is not None and c.alarm.condition in HIERARCHY
    )
    over = [key for key, alarm in alarms if name in {alarm.gateway, alarm.subject} and alarm.condition not in DISPUTES]
    _end(writer, over, writer.now, f"{name} is gone for good")
    # A retired bridge no longer inhibits its gateways.
    for status in _gateways(state):
        _judge_gateway(writer, status, writer.now)


def _hear_again(state: State, bridge: Status) -> None:
    """Applies a bridge's list of gateways that are down, except those with a later status of their own."""
    for listed in bridge.devices:
        known = state.statuses.get(f"gateway/{listed.device}") if listed.health is not Health.UP else None
        if known is not None and known.health is Health.UP and known.t <= listed.t:
            state.statuses[key(known)] = msgspec.structs.replace(known, health=listed.health, t=listed.t)


def disputed(writer: EventWriter, faults: list[TechnicalCondition]) -> None:
    """Applies the list of all disputed beds and devices; a dispute that is not listed ends."""
    known = {k for k, c in writer.state.faults.items() if c.alarm is not None and c.alarm.condition in DISPUTES}
    _reconcile(writer, faults, known, writer.now)


def stalled(writer: EventWriter, since: int | None) -> None:
    """Starts (or, with None, ends) *pipeline stalled*, which the caller detects by the wall clock."""
    state = writer.state
    fault = TechnicalCondition(PIPELINE, PIPELINE_STALLED, "the pipeline stands still: no reading is being judged")
    if since is not None:
        if fault.key in state.faults:
            return
        covered = [key for key, c in state.faults.items() if key != fault.key and not _is_beside(c)]
        inhibited_alarms.inhibit(writer, covered, since, "covered by pipeline-stalled")
        _reconcile(writer, [fault], {fault.key}, since)
        return
    _end(writer, [fault.key] if fault.key in state.faults else [], writer.now, "readings are judged again")
    _judge_all(writer)


def look(writer: EventWriter) -> None:
    """Judges all equipment again while any of it is unstable: a failure may have lasted, or have been long ago."""
    state = writer.state
    state.next_flap_look = state.now + LOOK_MS
    if flapping.any_unstable(state):
        _judge_all(writer)
    flapping.forget(state)


def _judge_all(writer: EventWriter) -> None:
    state = writer.state
    for status in list(state.statuses.values()):
        if status.kind == "bridge":
            _judge_bridge(writer, status, writer.now)
    for status in _gateways(state):
        _judge_gateway(writer, status, writer.now)


def _with_devices(status: Status, devices: tuple[DeviceStatus, ...]) -> Status:
    return Status(id=status.id, kind=status.kind, health=status.health, t=status.t, devices=devices)


def _gateways(state: State) -> list[Status]:
    return [s for s in state.statuses.values() if s.kind == "gateway"]


def _stalled(state: State) -> bool:
    return f"{PIPELINE}.{PIPELINE_STALLED}" in state.faults


def _judge_bridge(writer: EventWriter, status: Status, t: int) -> None:
    state, down, up = writer.state, f"{status.id}.{BRIDGE_DOWN}", status.health is Health.UP
    stalled = _stalled(state)
    unstable = not stalled and flapping.note(state, down, fails=not up)
    scope, faults = {down, f"{status.id}.{BRIDGE_UNSTABLE}"}, list[TechnicalCondition]()
    if unstable:
        text = f"bridge {status.id} comes and goes: check its network and its host"
        faults.append(TechnicalCondition(status.id, BRIDGE_UNSTABLE, text))
    if up:
        scope.add(f"{status.id}.{BRIDGE_CLOCK}")
        faults += [f for alarm in status.alarms if (f := _clock_of_a_bridge(status, alarm)) is not None]
    elif not stalled and (down in state.faults or not flapping.held(state, down)):
        text = f"bridge {status.id} is {status.health.value}: its gateways are not heard"
        faults.append(TechnicalCondition(status.id, BRIDGE_DOWN, text))
    if not stalled:
        wanted = {fault.key for fault in faults}
        inhibited_alarms.forget(state, lambda key, _: key in scope and key not in wanted)
    _reconcile(writer, faults, scope, t)


def _clock_of_a_bridge(status: Status, alarm: str) -> TechnicalCondition | None:
    condition, since = _named(status, alarm)
    if condition != BRIDGE_CLOCK or since is None:
        return None
    text = f"the clock of bridge {status.id} is {off_by(status.offset_ms or 0)} Kafka's: set it"
    return TechnicalCondition(status.id, BRIDGE_CLOCK, text, since=since)


def _named(status: Status, alarm: str) -> tuple[str, int | None]:
    """Returns condition and start of an alarm that its sender has of itself; None as the start for another subject."""
    subject, _, rest = alarm.rpartition(f"{status.id}.")
    condition, _, start = rest.partition(".")
    return condition, None if subject else digits(start, MAX_T)


def off_by(offset_ms: int) -> str:
    """Formats a clock offset: the time to add to the clock."""
    return f"{abs(offset_ms) / 1000:.1f} s {'behind' if offset_ms > 0 else 'ahead of'}"


def covered_by_bridge(state: State, gateway: str) -> bool:
    """Returns whether the bridge that reports a gateway is down."""
    bridges = [s for s in state.statuses.values() if s.kind == "bridge"]
    for bridge in bridges:
        mine = {d.device for d in bridge.devices}
        covers = gateway in mine if mine else len(bridges) == 1
        if covers and bridge.health is not Health.UP:
            return True
    return False


def _judge_gateway(writer: EventWriter, status: Status, t: int) -> None:
    state = writer.state
    covered = _stalled(state) or covered_by_bridge(state, status.id)
    heard = status.health is Health.UP and not covered
    clocks = {fault_key(status.id, GATEWAY_CLOCK, 0, w) for w in _standing(state, status.id, GATEWAY_CLOCK)}
    mine = {k: c for k, c in state.faults.items() if _says(c, status.id)}
    scope = {f"{d.device}.{DEVICE_SILENT}" for d in status.devices}
    scope |= {k for k, c in mine.items() if heard or not _is_beside(c)}
    faults: list[TechnicalCondition] = []
    if heard:
        faults = [f for d in status.devices if d.patient for f in _availability(state, status, d)]
        faults += [_clock_of_a_device(status, d) for d in status.devices if d.clock and d.patient]
        faults += [_slow(status, d) for d in status.devices if d.pace_ms and d.patient]
        faults += [f for d in status.devices if d.beyond and not d.patient for f in _unassigned(state, status, d, t)]
        faults += _own(status)
        if status.offset_ms is None:
            # Its bridge has not measured the clock yet: active clock alarms stay.
            scope -= clocks
        elif abs(status.offset_ms) > (RIGHT_MS if clocks else OFF_MS):
            text = f"the clock of gateway {status.id} is {off_by(status.offset_ms)} its bridge's: set it"
            faults += _for_wards(state, status, GATEWAY_CLOCK, t, lambda _: text)
    if not covered:
        faults += _gateways_own_availability(state, status, t)
    wanted = {fault.key for fault in faults}
    if heard:
        inhibited_alarms.forget(state, lambda key, kept: kept.gateway == status.id and key not in wanted)
    else:
        inhibited_alarms.inhibit(
            writer, [key for key in state.faults if key in scope - wanted], t, "covered by another alarm"
        )
    _reconcile(writer, faults, scope, t)


def _availability(state: State, status: Status, device: DeviceStatus) -> list[TechnicalCondition]:
    """Returns *device silent*, or *device unstable* in its place."""
    fails = device.health is not Health.UP and _tells(state, device)
    if flapping.note(state, f"{device.device}.{DEVICE_SILENT}", fails=fails):
        return [_unstable(status, device)]
    return [_silent(status, device)] if fails else []


def _gateways_own_availability(state: State, status: Status, t: int) -> list[TechnicalCondition]:
    """Returns *gateway down* and *gateway unstable* for each ward."""
    up, key = status.health is Health.UP, f"{status.id}.{GATEWAY_DOWN}"
    found: list[TechnicalCondition] = []
    if flapping.note(state, key, fails=not up):
        text = f"gateway {status.id} comes and goes: check its network and power"
        found += _for_wards(state, status, GATEWAY_UNSTABLE, t, lambda _: text)
    if not up and (_standing(state, status.id, GATEWAY_DOWN) or not flapping.held(state, key)):
        down = f"gateway {status.id} is {status.health.value}: "
        found += _for_wards(
            state, status, GATEWAY_DOWN, t, lambda count: f"{down}{_patients(count)} without remote monitoring"
        )
    return found


def _standing(state: State, gateway: str, condition: str) -> set[str | None]:
    """Returns the wards with an active alarm of a `BY_WARD` condition; moves each alarm to the key of its ward."""
    found: set[str | None] = set()
    for key, c in list(state.faults.items()):
        if c.alarm is not None and (c.alarm.gateway, c.alarm.condition) == (gateway, condition):
            found.add(c.alarm.ward)
            # A snapshot of an earlier version has one alarm for all wards.
            own = fault_key(gateway, condition, 0, c.alarm.ward)
            if own != key:
                state.faults[own] = state.faults.pop(key)
    return found


def _for_wards(
    state: State, status: Status, condition: str, t: int, text_of: Callable[[int], str]
) -> list[TechnicalCondition]:
    """Returns a fault for each ward that has patients on a gateway."""
    standing = _standing(state, status.id, condition)
    wards = _wards(state, status)
    if not wards:
        # No patient is known there: technicians are notified, and the wards that were notified before.
        text = text_of(len(_patients_of(status)))
        return [
            TechnicalCondition(status.id, condition, text, gateway=status.id, ward=ward) for ward in standing or {None}
        ]
    return [
        # An alarm's id does not include the ward, so each starts in a millisecond of its own.
        TechnicalCondition(status.id, condition, text_of(wards[ward]), gateway=status.id, ward=ward, since=t + k)
        for k, ward in enumerate(sorted(wards))
    ]


def _patients_of(status: Status) -> set[str]:
    """Returns the patients on a gateway, without its canary."""
    return {d.patient for d in status.devices if d.patient and d.patient != canary(status.id)}


def _wards(state: State, status: Status) -> Counter[str]:
    """Returns the number of a gateway's patients by ward."""
    rows = [state.index[patient] for patient in _patients_of(status) if patient in state.index]
    # A gateway that is down does not report which patients have moved to another gateway.
    here = [row for row in rows if state.gateways[row] in {None, "", status.id}]
    return Counter(ward for row in here if (ward := state.wards[row]) is not None)


def _unassigned(state: State, status: Status, device: DeviceStatus, t: int) -> list[TechnicalCondition]:
    """Returns an unassigned device's condition for each ward of the gateway, or one without a ward."""
    text = f"{device.device} is on nobody and reads beyond limits (gateway {status.id}): find its patient, admit them"
    wards: list[str | None] = [*sorted(_wards(state, status))]
    return [
        TechnicalCondition(device.device, UNASSIGNED, text, gateway=status.id, ward=ward, since=t + k)
        for k, ward in enumerate(wards or [None])
    ]


def _says(c: Condition, gateway: str) -> bool:
    """Returns whether a status of the gateway ends the alarm."""
    return c.alarm is not None and c.alarm.gateway == gateway and c.alarm.condition in HIERARCHY


def _is_beside(c: Condition) -> bool:
    """Returns whether no failure of equipment inhibits the alarm."""
    return c.alarm is not None and (c.alarm.condition in _BESIDE or c.alarm.condition not in HIERARCHY)


def _own(status: Status) -> list[TechnicalCondition]:
    found = []
    for alarm in status.alarms:
        condition, since = _named(status, alarm)
        if condition in OWN and since is not None:
            text = f"gateway {status.id} {OWN[condition]}"
            if condition == TWO_VOICES and (twice := [d.device for d in status.devices if d.twice]):
                text = f"{text}: {', '.join(twice)}"
            found.append(TechnicalCondition(status.id, condition, text, gateway=status.id, since=since))
    return found


def _patients(count: int) -> str:
    return "1 patient" if count == 1 else f"{count} patients"


def end_silent(writer: EventWriter, patient: str) -> None:
    """Ends *device silent* of a patient's devices at a standby; `_tells` keeps it from starting again."""
    faults = writer.state.faults.items()
    told = [(key, c.alarm) for key, c in faults if c.alarm is not None and c.alarm.condition == DEVICE_SILENT]
    inhibited_alarms.forget(writer.state, lambda _, kept: (kept.patient, kept.condition) == (patient, DEVICE_SILENT))
    _end(writer, [key for key, alarm in told if alarm.patient == patient], writer.now, "the patient is on standby")


def _tells(state: State, device: DeviceStatus) -> bool:
    """Returns whether a silent device is an alarm of its own: with a patient, and a reading since the standby's time.

    Otherwise *not judged* is the alarm. The decision needs only actions and statuses: the equipment's engine has no
    readings, so it does not know that they have ended a standby.
    """
    row = state.index.get(device.patient or "")
    return bool(device.patient) and (row is None or device.t >= state.hushed.get(row, 0))


def _silent(status: Status, device: DeviceStatus) -> TechnicalCondition:
    text = f"device {device.device} is {device.health.value}: no readings arrive from it"
    return TechnicalCondition(
        device.device, DEVICE_SILENT, text, gateway=status.id, device=device.device, patient=device.patient
    )


def _unstable(status: Status, device: DeviceStatus) -> TechnicalCondition:
    text = f"device {device.device} comes and goes: check its network, its power and its cable"
    return TechnicalCondition(
        device.device, DEVICE_UNSTABLE, text, gateway=status.id, device=device.device, patient=device.patient
    )


def _clock_of_a_device(status: Status, device: DeviceStatus) -> TechnicalCondition:
    how = {CLOCK_UNSET: "was never set", CLOCK_STANDS: "stands still, or counts in seconds"}.get(device.clock)
    if how is None:
        how = f"is {_apart(device.offset_ms)} {'ahead' if device.offset_ms > 0 else 'behind'}"
    text = f"the clock of device {device.device} {how}: set it, as what it stores bears wrong dates"
    return TechnicalCondition(
        device.device, DEVICE_CLOCK, text, gateway=status.id, device=device.device, patient=device.patient
    )


def _slow(status: Status, device: DeviceStatus) -> TechnicalCondition:
    text = f"device {device.device} sends every {_apart(device.pace_ms)}, less often than the admission says"
    text += ": correct one of them"
    return TechnicalCondition(
        device.device, DEVICE_SLOW, text, gateway=status.id, device=device.device, patient=device.patient
    )


def _apart(ms: int) -> str:
    """Formats a duration in its usual unit."""
    s = abs(ms) / 1000
    for most, unit, word in ((120, 1, "s"), (7_200, 60, "min"), (172_800, 3_600, "h"), (63_072_000, 86_400, "days")):
        if s < most:
            return f"{s / unit:.0f} {word}"
    return f"{s / 31_557_600:.0f} years"


def _reconcile(writer: EventWriter, faults: list[TechnicalCondition], scope: set[str], t: int) -> None:
    """Starts the faults that are new, and ends those in scope that are no longer reported."""
    state = writer.state
    wanted = {fault.key: fault for fault in faults}
    _end(
        writer,
        [k for k in list(state.faults) if k in scope and k not in wanted],
        t,
        "over, or covered by another alarm",
    )
    for key, fault in wanted.items():
        if key not in state.faults:
            _start(writer, fault, t)


def _start(writer: EventWriter, fault: TechnicalCondition, t: int) -> None:
    state = writer.state
    if inhibited_alarms.resume(writer, fault.key, fault.text, t, (fault.gateway, fault.patient)):
        return
    since = fault.since or t
    level = priority_of(fault.condition)
    c = state.faults[fault.key] = Condition(-1, -1, on=True, since=since, level=level)
    writer.start(
        c,
        subject=fault.subject,
        condition=fault.condition,
        kind=Kind.TECHNICAL,
        t=t,
        text=fault.text,
        gateway=fault.gateway,
        device=fault.device,
        patient=fault.patient,
        ward=fault.ward or _ward(state, fault),
    )
    if fault.condition == DEVICE_SILENT and fault.device is not None:
        _end_sensor_off(writer, fault.device, t)


def _ward(state: State, fault: TechnicalCondition) -> str | None:
    """Returns the patient's ward; for a gateway the ward of most of its patients, so that a ward is notified."""
    if fault.patient is not None:
        patients = [fault.patient]
    else:
        status = state.statuses.get(f"gateway/{fault.gateway}")
        patients = [d.patient for d in status.devices if d.patient and d.patient != canary(status.id)] if status else []
    rows = [state.index[patient] for patient in patients if patient in state.index]
    wards = Counter(ward for row in rows if (ward := state.wards[row]) is not None)
    return wards.most_common(1)[0][0] if wards else None


def _end(writer: EventWriter, keys: list[str], t: int, why: str) -> None:
    for key in keys:
        c = writer.state.faults.pop(key)
        if c.alarm is not None:
            writer.step(c, Phase.END, t=t, state=AlarmState.INACTIVE, text=f"{c.alarm.text}: {why}")


def _end_sensor_off(writer: EventWriter, device: str, t: int) -> None:
    state = writer.state
    for c in list(state.alarms.values()):
        if c.index == SENSOR_OFF and c.alarm is not None and c.alarm.subject == device:
            writer.step(
                c, Phase.END, t=t, state=AlarmState.INACTIVE, text=f"{CONDITIONS[SENSOR_OFF]}: the device is silent"
            )
            c.on = False
            refresh_marks(state, c.row)
