"""Technical alarms as a tree: device silent, gateway down, bridge down, pipeline stalled; parents inhibit children.

While a parent is active no child begins, and children that are active end: what covers them says more. When the parent
ends, what still fails begins anew. So forty silent devices behind one dead gateway are one alarm, and a device that is
still silent when its gateway is back is one alarm again. A sensor-off alarm ends when its device falls silent.

The bridge judges its gateways, so a bridge that is down is the parent of the gateways that it last spoke for: those its
status lists as `devices`; a bridge that lists none covers all gateways while it is the only one known. With each of its
own statuses a bridge says again which of them are down, so that a word that was lost is not lost for ever.

Statuses count in the order in which they come, as the log has them: a clock that was ahead once must not outrank, for
as long as it was ahead, the word that its gateway is gone.

What a gateway alarms of itself (its outbox, its clock) it names in its status. In the cloud these are alarms with the
gateway's own ids, so that who acknowledges one here ends it there. They end by the gateway's word alone: while it is
not heard of, what it last said stands.

Beds and devices that two admissions claim stand beside the tree: no failure of equipment covers them.
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
    SENSOR_OFF,
    UNASSIGNED,
)
from vitals.engine.event_writer import EventWriter
from vitals.engine.idle_marks import refresh_marks
from vitals.engine.state import Condition, State
from vitals.status import BRIDGE_CLOCK, CLOCK_STANDS, CLOCK_UNSET, DeviceStatus, Health, Status
from vitals.wire.topics import canary

BRIDGE_DOWN: Final = "bridge-down"
PIPELINE_STALLED: Final = "pipeline-stalled"
PIPELINE: Final = "pipeline"
TWO_VOICES: Final = "device-two-voices"
DEVICE_CLOCK, DEVICE_SLOW = "device-clock", "device-slow"
BED_DISPUTED, DEVICE_DISPUTED = "bed-disputed", "device-disputed"
DISPUTES: Final = frozenset((BED_DISPUTED, DEVICE_DISPUTED))
OFF_MS: Final = 5000
"""A gateway's clock that is further off from its bridge's is told of, until it is within half of it."""
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
"""What a gateway says of itself and people are told of. *Remote monitoring lost* is the notifier's own silence."""
_BESIDE: Final = frozenset((*OWN, *DISPUTES, BRIDGE_CLOCK, GATEWAY_CLOCK, DEVICE_CLOCK, DEVICE_SLOW))
HIERARCHY: Final = frozenset((DEVICE_SILENT, GATEWAY_DOWN, BRIDGE_DOWN, UNASSIGNED, *_BESIDE))
"""Every condition told from here: all but *pipeline stalled*, which the watchdog alone tells."""


@dataclass(frozen=True, slots=True)
class TechnicalCondition:
    """Something technical that is wrong now.

    Attributes:
        subject: Device, gateway, bridge or "pipeline".
        condition: Name of the technical condition.
        text: What is wrong, for a person.
        gateway: Gateway that it concerns.
        device: Device that it concerns.
        patient: Patient whom it concerns.
        since: When it began, ms, where its sender has said so.
        ward: Ward that is told, where neither patient nor gateway says which.
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
        """Names the fault, however often it comes."""
        return fault_key(self.subject, self.condition, self.since, self.ward)


def fault_key(subject: str, condition: str, since: int, ward: str | None) -> str:
    """Names a fault: what a gateway has numbered itself is told once for each, some things once for each ward."""
    name = f"{subject}.{condition}"
    if condition in OWN:
        return f"{name}.{since}"
    return f"{name}.{ward}" if ward and condition in BY_WARD else name


def key(status: Status) -> str:
    """Returns under which key the newest status of its sender is kept."""
    return f"{status.kind}/{status.id}"


def concerned(status: Status) -> Callable[[Condition], bool]:
    """Returns which technical alarms a status may change: all for a bridge, else its gateway's and its devices'."""
    if status.kind == "bridge":
        return lambda c: True
    mine = {status.id, *(d.device for d in status.devices)}
    return lambda c: c.alarm is None or c.alarm.gateway == status.id or c.alarm.subject in mine


def report(scribe: EventWriter, status: Status, *, own: bool = False) -> None:
    """Takes in a status, whatever its sender's clock says.

    Args:
        scribe: Where events go.
        status: The status.
        own: Whether to tell what gateways alarm of themselves; not on a gateway, which does so without this.
    """
    state = scribe.state
    known = state.statuses.get(key(status))
    if status.kind == "gateway" and status.health is not Health.UP and known is not None and not status.devices:
        # A last will knows nothing of the devices.
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
        _judge_bridge(scribe, status, status.t)
    for gateway in covered:
        _judge_gateway(scribe, state.statuses[f"gateway/{gateway.id}"], status.t)


def retire(scribe: EventWriter, name: str) -> None:
    """Forgets a gateway or bridge that is gone for good, and ends what stands because of it."""
    state = scribe.state
    for kind in ("gateway", "bridge"):
        state.statuses.pop(f"{kind}/{name}", None)
    alarms = (
        (key, c.alarm) for key, c in state.faults.items() if c.alarm is not None and c.alarm.condition in HIERARCHY
    )
    over = [key for key, alarm in alarms if name in {alarm.gateway, alarm.subject} and alarm.condition not in DISPUTES]
    _end(scribe, over, scribe.now, f"{name} is gone for good")
    # What a bridge covered is its no more.
    for status in _gateways(state):
        _judge_gateway(scribe, status, scribe.now)


def _hear_again(state: State, bridge: Status) -> None:
    """Takes in which gateways a bridge says are down, unless somebody has heard of them since."""
    for listed in bridge.devices:
        known = state.statuses.get(f"gateway/{listed.device}") if listed.health is not Health.UP else None
        if known is not None and known.health is Health.UP and known.t <= listed.t:
            state.statuses[key(known)] = msgspec.structs.replace(known, health=listed.health, t=listed.t)


def disputed(scribe: EventWriter, faults: list[TechnicalCondition]) -> None:
    """Takes in every bed and device that is disputed now; what is not among them is settled."""
    known = {k for k, c in scribe.state.faults.items() if c.alarm is not None and c.alarm.condition in DISPUTES}
    _reconcile(scribe, faults, known, scribe.now)


def stalled(scribe: EventWriter, since: int | None) -> None:
    """Begins (or, with None, ends) *pipeline stalled*; it alone is judged by the wall clock, by the caller."""
    state = scribe.state
    fault = TechnicalCondition(PIPELINE, PIPELINE_STALLED, "the pipeline stands still: no reading is being judged")
    if since is not None:
        if fault.key in state.faults:
            return
        covered = [key for key, c in state.faults.items() if key != fault.key and not _is_beside(c)]
        _end(scribe, covered, since, "covered by pipeline-stalled")
        _reconcile(scribe, [fault], {fault.key}, since)
        return
    _end(scribe, [fault.key] if fault.key in state.faults else [], scribe.now, "readings are judged again")
    for status in list(state.statuses.values()):
        if status.kind == "bridge":
            _judge_bridge(scribe, status, scribe.now)
    for status in _gateways(state):
        _judge_gateway(scribe, status, scribe.now)


def _with_devices(status: Status, devices: tuple[DeviceStatus, ...]) -> Status:
    return Status(id=status.id, kind=status.kind, health=status.health, t=status.t, devices=devices)


def _gateways(state: State) -> list[Status]:
    return [s for s in state.statuses.values() if s.kind == "gateway"]


def _stalled(state: State) -> bool:
    return f"{PIPELINE}.{PIPELINE_STALLED}" in state.faults


def _judge_bridge(scribe: EventWriter, status: Status, t: int) -> None:
    scope, faults = {f"{status.id}.{BRIDGE_DOWN}"}, []
    if status.health is Health.UP:
        scope.add(f"{status.id}.{BRIDGE_CLOCK}")
        faults = [f for alarm in status.alarms if (f := _clock_of_a_bridge(status, alarm)) is not None]
    elif not _stalled(scribe.state):
        text = f"bridge {status.id} is {status.health.value}: its gateways are not heard"
        faults = [TechnicalCondition(status.id, BRIDGE_DOWN, text)]
    _reconcile(scribe, faults, scope, t)


def _clock_of_a_bridge(status: Status, alarm: str) -> TechnicalCondition | None:
    condition, since = _named(status, alarm)
    if condition != BRIDGE_CLOCK or since is None:
        return None
    text = f"the clock of bridge {status.id} is {off_by(status.offset_ms or 0)} Kafka's: set it"
    return TechnicalCondition(status.id, BRIDGE_CLOCK, text, since=since)


def _named(status: Status, alarm: str) -> tuple[str, int | None]:
    """Returns condition and begin of an alarm that its sender has of itself; of another's there is no begin."""
    subject, _, rest = alarm.rpartition(f"{status.id}.")
    condition, _, start = rest.partition(".")
    return condition, None if subject else digits(start, MAX_T)


def off_by(offset_ms: int) -> str:
    """Returns in words how a clock stands to which so much is to be added."""
    return f"{abs(offset_ms) / 1000:.1f} s {'behind' if offset_ms > 0 else 'ahead of'}"


def covered_by_bridge(state: State, gateway: str) -> bool:
    """Whether the bridge that speaks for a gateway is down."""
    bridges = [s for s in state.statuses.values() if s.kind == "bridge"]
    for bridge in bridges:
        mine = {d.device for d in bridge.devices}
        covers = gateway in mine if mine else len(bridges) == 1
        if covers and bridge.health is not Health.UP:
            return True
    return False


def _judge_gateway(scribe: EventWriter, status: Status, t: int) -> None:
    state = scribe.state
    covered = _stalled(state) or covered_by_bridge(state, status.id)
    heard = status.health is Health.UP and not covered
    clocks = {fault_key(status.id, GATEWAY_CLOCK, 0, w) for w in _standing(state, status.id, GATEWAY_CLOCK)}
    mine = {k: c for k, c in state.faults.items() if _says(c, status.id)}
    scope = {f"{d.device}.{DEVICE_SILENT}" for d in status.devices}
    scope |= {k for k, c in mine.items() if heard or not _is_beside(c)}
    faults: list[TechnicalCondition] = []
    if heard:
        faults = [_silent(status, d) for d in status.devices if d.health is not Health.UP and d.patient]
        faults += [_clock_of_a_device(status, d) for d in status.devices if d.clock and d.patient]
        faults += [_slow(status, d) for d in status.devices if d.pace_ms and d.patient]
        faults += [f for d in status.devices if d.beyond and not d.patient for f in _unassigned(state, status, d, t)]
        faults += _own(status)
        if status.offset_ms is None:
            # Its bridge has not measured it yet: what was told stands.
            scope -= clocks
        elif abs(status.offset_ms) > (RIGHT_MS if clocks else OFF_MS):
            text = f"the clock of gateway {status.id} is {off_by(status.offset_ms)} its bridge's: set it"
            faults += _for_wards(state, status, GATEWAY_CLOCK, t, lambda _: text)
    elif not covered:
        down = f"gateway {status.id} is {status.health.value}: "
        text_of = lambda count: f"{down}{_patients(count)} without remote monitoring"  # noqa: E731 - one of two words
        faults = _for_wards(state, status, GATEWAY_DOWN, t, text_of)
    _reconcile(scribe, faults, scope, t)


def _standing(state: State, gateway: str, condition: str) -> set[str | None]:
    """Returns in which wards something stands that each ward is told of; gives each the key of its ward."""
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
        # Who lies there is not known yet, or nobody does: technicians are told, and whoever was told before.
        text = text_of(len(_patients_of(status)))
        return [
            TechnicalCondition(status.id, condition, text, gateway=status.id, ward=ward) for ward in standing or {None}
        ]
    return [
        # An alarm's id has no ward in it, so each begins in a millisecond of its own.
        TechnicalCondition(status.id, condition, text_of(wards[ward]), gateway=status.id, ward=ward, since=t + k)
        for k, ward in enumerate(sorted(wards))
    ]


def _patients_of(status: Status) -> set[str]:
    """Returns the patients on a gateway, without its canary."""
    return {d.patient for d in status.devices if d.patient and d.patient != canary(status.id)}


def _wards(state: State, status: Status) -> Counter[str]:
    """Returns the number of a gateway's patients by ward."""
    rows = [state.index[patient] for patient in _patients_of(status) if patient in state.index]
    # A gateway that is gone does not say who has moved away from it.
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
    """Whether it is the gateway's to say that it is over."""
    return c.alarm is not None and c.alarm.gateway == gateway and c.alarm.condition in HIERARCHY


def _is_beside(c: Condition) -> bool:
    """Whether no failure of equipment covers it."""
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


def _silent(status: Status, device: DeviceStatus) -> TechnicalCondition:
    text = f"device {device.device} is {device.health.value}: no readings arrive from it"
    return TechnicalCondition(
        device.device, DEVICE_SILENT, text, gateway=status.id, device=device.device, patient=device.patient
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


def _reconcile(scribe: EventWriter, faults: list[TechnicalCondition], scope: set[str], t: int) -> None:
    """Begins the faults that are new, and ends what is in scope and no longer a fault."""
    state = scribe.state
    wanted = {fault.key: fault for fault in faults}
    _end(
        scribe,
        [k for k in list(state.faults) if k in scope and k not in wanted],
        t,
        "over, or covered by another alarm",
    )
    for key, fault in wanted.items():
        if key not in state.faults:
            _start(scribe, fault, t)


def _start(scribe: EventWriter, fault: TechnicalCondition, t: int) -> None:
    state = scribe.state
    since = fault.since or t
    level = priority_of(fault.condition)
    c = state.faults[fault.key] = Condition(-1, -1, on=True, since=since, level=level)
    scribe.start(
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
        _end_sensor_off(scribe, fault.device, t)


def _ward(state: State, fault: TechnicalCondition) -> str | None:
    """Returns the patient's ward; of a gateway the ward of most of its patients, so that somebody is told."""
    if fault.patient is not None:
        patients = [fault.patient]
    else:
        status = state.statuses.get(f"gateway/{fault.gateway}")
        patients = [d.patient for d in status.devices if d.patient and d.patient != canary(status.id)] if status else []
    rows = [state.index[patient] for patient in patients if patient in state.index]
    wards = Counter(ward for row in rows if (ward := state.wards[row]) is not None)
    return wards.most_common(1)[0][0] if wards else None


def _end(scribe: EventWriter, keys: list[str], t: int, why: str) -> None:
    for key in keys:
        c = scribe.state.faults.pop(key)
        if c.alarm is not None:
            scribe.step(c, Phase.END, t=t, state=AlarmState.INACTIVE, text=f"{c.alarm.text}: {why}")


def _end_sensor_off(scribe: EventWriter, device: str, t: int) -> None:
    state = scribe.state
    for c in list(state.alarms.values()):
        if c.index == SENSOR_OFF and c.alarm is not None and c.alarm.subject == device:
            scribe.step(
                c, Phase.END, t=t, state=AlarmState.INACTIVE, text=f"{CONDITIONS[SENSOR_OFF]}: the device is silent"
            )
            c.on = False
            refresh_marks(state, c.row)
