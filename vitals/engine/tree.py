"""Technical alarms as a tree: device silent, gateway down, bridge down, pipeline stalled; parents inhibit children.

While a parent is active no child begins, and children that are active end: what covers them says more. When the parent
ends, what still fails begins anew. So forty silent devices behind one dead gateway are one alarm, and a device that is
still silent when its gateway is back is one alarm again. A sensor-off alarm ends when its device falls silent.

The bridge judges its gateways, so a bridge that is down is the parent of the gateways that it last spoke for: those its
status lists as `devices`; a bridge that lists none covers all gateways while it is the only one known.

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

from vitals.alarms import Kind, Phase, Priority
from vitals.alarms import State as AlarmState
from vitals.bounds import MAX_T, digits
from vitals.engine.rules import CONDITIONS, DEVICE_SILENT, GATEWAY_DOWN, SENSOR_OFF
from vitals.engine.scribe import Scribe
from vitals.engine.settle import settle
from vitals.engine.state import Condition, State
from vitals.status import DeviceStatus, Health, Status

BRIDGE_DOWN: Final = "bridge-down"
PIPELINE_STALLED: Final = "pipeline-stalled"
PIPELINE: Final = "pipeline"
TWO_VOICES: Final = "device-two-voices"
BED_DISPUTED, DEVICE_DISPUTED = "bed-disputed", "device-disputed"
DISPUTES: Final = frozenset((BED_DISPUTED, DEVICE_DISPUTED))
PRIORITIES: Final = {
    DEVICE_SILENT: Priority.MEDIUM,
    GATEWAY_DOWN: Priority.MEDIUM,
    BRIDGE_DOWN: Priority.HIGH,
    PIPELINE_STALLED: Priority.HIGH,
    # Of two patients one is not watched, or under the other's name.
    BED_DISPUTED: Priority.HIGH,
    DEVICE_DISPUTED: Priority.HIGH,
}


OWN: Final = {
    "outbox-write-failing": (Priority.HIGH, "cannot write its outbox, and accepts no readings: check its disk"),
    "outbox-trimmed": (Priority.HIGH, "had a full outbox and dropped the oldest readings: restore its uplink"),
    "outbox-replaced": (Priority.HIGH, "set a damaged outbox aside: recover it from its data folder"),
    "outbox-filling": (Priority.MEDIUM, "has a half-full outbox: restore its uplink"),
    TWO_VOICES: (Priority.MEDIUM, "hears two devices under one name, which hide each other: take one of them off"),
    "clock-unset": (Priority.LOW, "has no clock: its times are wrong until it is set"),
}
"""What a gateway says of itself and people are told of. *Remote monitoring lost* is the notifier's own silence."""
_BESIDE: Final = frozenset((*OWN, *DISPUTES))
TREE: Final = frozenset((DEVICE_SILENT, GATEWAY_DOWN, BRIDGE_DOWN, *OWN, *DISPUTES))
"""Every condition told from here: all but *pipeline stalled*, which the watchdog alone tells."""


@dataclass(frozen=True, slots=True)
class Fault:
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
        """Names the fault, however often it comes; one that the gateway itself has numbered is told once for each."""
        name = f"{self.subject}.{self.condition}"
        return f"{name}.{self.since}" if self.condition in OWN else name


def key(status: Status) -> str:
    """Returns under which key the newest status of its sender is kept."""
    return f"{status.kind}/{status.id}"


def concerned(status: Status) -> Callable[[Condition], bool]:
    """Returns which technical alarms a status may change: all for a bridge, else its gateway's and its devices'."""
    if status.kind == "bridge":
        return lambda c: True
    mine = {status.id, *(d.device for d in status.devices)}
    return lambda c: c.alarm is None or c.alarm.gateway == status.id or c.alarm.subject in mine


def report(scribe: Scribe, status: Status, *, own: bool = False) -> None:
    """Takes in a status; one older than the newest of its sender is passed over.

    Args:
        scribe: Where events go.
        status: The status.
        own: Whether to tell what gateways alarm of themselves; not on a gateway, which does so without this.
    """
    state = scribe.state
    known = state.statuses.get(key(status))
    if known is not None and status.t < known.t:
        return
    if status.kind == "gateway" and status.health is not Health.UP and known is not None and not status.devices:
        # A last will knows nothing of the devices.
        devices = known.devices
    else:
        devices = status.devices
    if not own and status.alarms:
        status = msgspec.structs.replace(status, alarms=())
    state.statuses[key(status)] = status if devices is status.devices else _with_devices(status, devices)
    covered = [status] if status.kind == "gateway" else _gateways(state)
    if status.kind == "bridge":
        _reconcile(scribe, _bridge_faults(state, status), {f"{status.id}.{BRIDGE_DOWN}"}, status.t)
    for gateway in covered:
        _judge_gateway(scribe, state.statuses[f"gateway/{gateway.id}"], status.t)


def disputed(scribe: Scribe, faults: list[Fault]) -> None:
    """Takes in every bed and device that is disputed now; what is not among them is settled."""
    known = {k for k, c in scribe.state.faults.items() if c.alarm is not None and c.alarm.condition in DISPUTES}
    _reconcile(scribe, faults, known, scribe.now)


def stalled(scribe: Scribe, since: int | None) -> None:
    """Begins (or, with None, ends) *pipeline stalled*; it alone is judged by the wall clock, by the caller."""
    state = scribe.state
    fault = Fault(PIPELINE, PIPELINE_STALLED, "the pipeline stands still: no reading is being judged")
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
            _reconcile(scribe, _bridge_faults(state, status), {f"{status.id}.{BRIDGE_DOWN}"}, scribe.now)
    for status in _gateways(state):
        _judge_gateway(scribe, status, scribe.now)


def _with_devices(status: Status, devices: tuple[DeviceStatus, ...]) -> Status:
    return Status(id=status.id, kind=status.kind, health=status.health, t=status.t, devices=devices)


def _gateways(state: State) -> list[Status]:
    return [s for s in state.statuses.values() if s.kind == "gateway"]


def _stalled(state: State) -> bool:
    return f"{PIPELINE}.{PIPELINE_STALLED}" in state.faults


def _bridge_faults(state: State, status: Status) -> list[Fault]:
    if status.health is Health.UP or _stalled(state):
        return []
    return [Fault(status.id, BRIDGE_DOWN, f"bridge {status.id} is {status.health.value}: its gateways are not heard")]


def covered_by_bridge(state: State, gateway: str) -> bool:
    """Whether the bridge that speaks for a gateway is down."""
    bridges = [s for s in state.statuses.values() if s.kind == "bridge"]
    for bridge in bridges:
        mine = {d.device for d in bridge.devices}
        covers = gateway in mine if mine else len(bridges) == 1
        if covers and bridge.health is not Health.UP:
            return True
    return False


def _judge_gateway(scribe: Scribe, status: Status, t: int) -> None:
    state = scribe.state
    scope = {f"{status.id}.{GATEWAY_DOWN}"} | {f"{d.device}.{DEVICE_SILENT}" for d in status.devices}
    heard = status.health is Health.UP and not _stalled(state) and not covered_by_bridge(state, status.id)
    mine = {k: c for k, c in state.faults.items() if _says(c, status.id)}
    scope |= {k for k, c in mine.items() if heard or not _is_beside(c)}
    faults: list[Fault] = []
    if not _stalled(state) and not covered_by_bridge(state, status.id):
        if status.health is not Health.UP:
            text = f"gateway {status.id} is {status.health.value}: {_beds(status)} without remote monitoring"
            faults = [Fault(status.id, GATEWAY_DOWN, text, gateway=status.id)]
        else:
            faults = [_silent(status, d) for d in status.devices if d.health is not Health.UP and d.patient]
            faults += _own(status)
    _reconcile(scribe, faults, scope, t)


def _says(c: Condition, gateway: str) -> bool:
    """Whether it is the gateway's to say that it is over."""
    return c.alarm is not None and c.alarm.gateway == gateway and c.alarm.condition in TREE


def _is_beside(c: Condition) -> bool:
    """Whether no failure of equipment covers it."""
    return c.alarm is not None and (c.alarm.condition in _BESIDE or c.alarm.condition not in TREE)


def _own(status: Status) -> list[Fault]:
    found = []
    for alarm in status.alarms:
        subject, _, rest = alarm.rpartition(f"{status.id}.")
        condition, _, start = rest.partition(".")
        since = digits(start, MAX_T)
        if not subject and condition in OWN and since is not None:
            text = f"gateway {status.id} {OWN[condition][1]}"
            if condition == TWO_VOICES and (twice := [d.device for d in status.devices if d.twice]):
                text = f"{text}: {', '.join(twice)}"
            found.append(Fault(status.id, condition, text, gateway=status.id, since=since))
    return found


def _beds(status: Status) -> str:
    count = len({d.patient for d in status.devices if d.patient})
    return "1 patient" if count == 1 else f"{count} patients"


def _silent(status: Status, device: DeviceStatus) -> Fault:
    text = f"device {device.device} is {device.health.value}: no readings arrive from it"
    return Fault(device.device, DEVICE_SILENT, text, gateway=status.id, device=device.device, patient=device.patient)


def _reconcile(scribe: Scribe, faults: list[Fault], scope: set[str], t: int) -> None:
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


def _start(scribe: Scribe, fault: Fault, t: int) -> None:
    state = scribe.state
    since = fault.since or t
    level = PRIORITIES[fault.condition] if fault.condition in PRIORITIES else OWN[fault.condition][0]
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


def _ward(state: State, fault: Fault) -> str | None:
    """Returns the patient's ward; of a gateway the ward of most of its patients, so that somebody is told."""
    if fault.patient is not None:
        patients = [fault.patient]
    else:
        status = state.statuses.get(f"gateway/{fault.gateway}")
        patients = [d.patient for d in status.devices if d.patient] if status else []
    rows = [state.index[patient] for patient in patients if patient in state.index]
    wards = Counter(ward for row in rows if (ward := state.wards[row]) is not None)
    return wards.most_common(1)[0][0] if wards else None


def _end(scribe: Scribe, keys: list[str], t: int, why: str) -> None:
    for key in keys:
        c = scribe.state.faults.pop(key)
        if c.alarm is not None:
            scribe.step(c, Phase.END, t=t, state=AlarmState.INACTIVE, text=f"{c.alarm.text}: {why}")


def _end_sensor_off(scribe: Scribe, device: str, t: int) -> None:
    state = scribe.state
    for c in list(state.alarms.values()):
        if c.index == SENSOR_OFF and c.alarm is not None and c.alarm.subject == device:
            scribe.step(
                c, Phase.END, t=t, state=AlarmState.INACTIVE, text=f"{CONDITIONS[SENSOR_OFF]}: the device is silent"
            )
            c.on = False
            settle(state, c.row)
