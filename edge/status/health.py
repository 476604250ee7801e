"""Health of the gateway's devices, and the technical alarms of the gateway itself."""

import logging
from collections.abc import Collection, Mapping
from typing import Final

import msgspec

from edge.ingest.device_clock import Clock
from edge.ingest.roster import AssignmentTable
from edge.status.send_intervals import SendIntervals
from vitals.admissions import DeviceAssignment
from vitals.alarm_events import AlarmEvent
from vitals.bounds import Time
from vitals.conditions import technical
from vitals.engine.constants import GATEWAY_DOWN, UNASSIGNED
from vitals.engine.rules.technical_alarms import TWO_VOICES
from vitals.readings import Readings
from vitals.status import DeviceStatus, Health

log = logging.getLogger(__name__)
FORGOTTEN_MS: Final = 3_600_000
"""Silence after which an unassigned device is dropped from the status."""
FILLING_SHARE: Final = 0.5
"""Share of the outbox's bound, in bytes or age, at which the gateway alarms: half of the bound is left for repair."""

REMOTE_LOST: Final = "remote-monitoring-lost"
FILLING: Final = "outbox-filling"
TRIMMED: Final = "outbox-trimmed"
REPLACED: Final = "outbox-replaced"
RESCUING: Final = "outbox-rescue"
MEMORY_LOST: Final = "memory-lost"
WRITE_FAILING: Final = "outbox-write-failing"
CLOCK_UNSET: Final = "clock-unset"

TEXTS: Final[dict[str, str]] = {
    REMOTE_LOST: "Remote monitoring lost: nobody is paged; watch the bedside",
    FILLING: "Gateway's outbox is half full: restore its uplink",
    TRIMMED: "Gateway's outbox was full: the oldest readings were dropped",
    REPLACED: "Gateway's outbox was damaged and set aside: its card may be failing",
    RESCUING: "Gateway takes over what can be read of its damaged outbox: leave it running",
    MEMORY_LOST: "Gateway's card has changed what it kept, which is begun anew",
    WRITE_FAILING: "Gateway cannot write its outbox: check its disk",
    CLOCK_UNSET: "Gateway's clock is not set: times may be wrong until it is",
    TWO_VOICES: "Two devices speak under one name, and hide each other: take one of them off",
    UNASSIGNED: "A monitor on nobody reads beyond limits: find its patient, and admit them",
    GATEWAY_DOWN: "Gateway down: no alarm at the bed, nobody is paged; watch the bedside",
}
_NOTHING: Final[Mapping[str, str]] = {}
LASTING: Final = frozenset({TRIMMED, REPLACED, MEMORY_LOST})
"""Conditions that report a past event: they last until a person acknowledges them."""


def own(gateway: str, condition: str, now: int, about: str = "") -> AlarmEvent:
    """Returns the start of a technical alarm of the gateway itself; `about` names the affected object."""
    text = f"{TEXTS[condition]}: {about}" if about else TEXTS[condition]
    return technical(gateway, condition, start=now, now=now, text=text, gateway=gateway)


class OwnAlarms:
    """The gateway's own technical alarms, shown at its own light and named in its status."""

    def __init__(self, gateway: str) -> None:
        self._gateway = gateway
        self._active: dict[str, AlarmEvent] = {}
        self.changed = True

    def judge(self, condition: str, present: bool, now: int, about: str = "") -> bool:
        """Sets whether a condition is present and its affected object; returns whether this changed the alarm."""
        active = self._active.get(condition)
        event = own(self._gateway, condition, active.start if active else now, about) if present else None
        same = present == (active is not None) and (event is None or active is None or event.text == active.text)
        if same or (condition in LASTING and not present):
            return False
        if event is not None:
            self._active[condition] = event
        else:
            del self._active[condition]
        self.changed = True
        return True

    def acknowledge(self, alarm: str) -> bool:
        """Ends a lasting alarm after its acknowledgement; returns whether `alarm` was one."""
        for condition, event in self._active.items():
            if event.id == alarm and condition in LASTING:
                del self._active[condition]
                self.changed = True
                return True
        return False

    def acknowledge_all(self) -> None:
        """Ends every lasting alarm, after a press of the gateway's own button."""
        for event in tuple(self._active.values()):
            self.acknowledge(event.id)

    def active(self) -> tuple[AlarmEvent, ...]:
        """Returns the active alarms."""
        return tuple(self._active.values())


class Devices:
    """Time of the last reading of each device, and the device's sensors that are off."""

    def __init__(self) -> None:
        self._placed: dict[str, int] = {}
        self._heard: dict[str, int] = {}
        # Time, ms, since the last reading of each device during which the gateway itself was down.
        self._excused: dict[str, int] = {}
        self._off: dict[str, tuple[str, ...]] = {}
        self._gone: set[str] = set()
        self._named: dict[str, tuple[str, ...]] = {}
        self._intervals = SendIntervals()

    def memory(self) -> bytes:
        """Returns the state that a restart needs: time of the last reading of each device, JSON."""
        return msgspec.json.encode(self._heard)

    def recall(self, memory: bytes, by_ms: int) -> None:
        """Restores the state of an earlier run.

        Args:
            memory: `memory()` of that run.
            by_ms: Shift of its times, ms.
        """
        try:
            known = msgspec.json.decode(memory, type=dict[str, Time])
        except msgspec.DecodeError as error:
            log.warning("stored times of last readings are invalid and ignored: %s", error)
            return
        self._heard.update({device: max(1, t + by_ms) for device, t in known.items()})

    def replay(self, readings: Readings) -> None:
        """Applies readings that were accepted after the state was stored."""
        self._heard.update(zip(readings.device.tolist(), readings.t_gw.tolist(), strict=True))

    def excuse(self, now: int, ended: int) -> None:
        """Excludes the gateway's own downtime from the silence of every device.

        Args:
            now: UTC epoch ms.
            ended: Last known time at which the gateway ran, UTC epoch ms.
        """
        away = max(0, now - max((ended, *self._heard.values())))
        self._excused = dict.fromkeys(self._heard, away)

    def rebase(self, jump_ms: int) -> None:
        """Shifts all times after the gateway's own time was set, so that the silence of no device changes."""
        for times in (self._heard, self._placed):
            times.update({device: max(1, t + jump_ms) for device, t in times.items()})

    def heard(self, device: str, t_gw: int, off: tuple[str, ...]) -> None:
        """Records a reading."""
        before = self._heard.get(device)
        if self._excused.pop(device, None) is None and before is not None:
            self._intervals.heard(device, t_gw - before)
        self._heard[device] = t_gw
        self._off[device] = off
        self._gone.discard(device)

    def present(self, device: str, online: bool) -> None:
        """Records a device's message that it is online or offline."""
        if online:
            self._gone.discard(device)
        else:
            self._gone.add(device)

    def named(self, device: str, patients: tuple[str, ...]) -> None:
        """Records the identifiers of the patient that a device's messages name."""
        self._named[device] = patients

    def status(
        self,
        assignments: AssignmentTable,
        clocks: Mapping[str, Clock],
        now: int,
        *,
        twice: Collection[str] = (),
        wrong: Mapping[str, str] = _NOTHING,
        beyond: Collection[str] = (),
    ) -> tuple[DeviceStatus, ...]:
        """Returns the status of each device of the roster and of each other device that sent lately.

        Args:
            assignments: Roster in force.
            clocks: Device clocks, by device.
            now: UTC epoch ms.
            twice: Names that two devices share.
            wrong: Kind of clock fault, by device with a wrong clock.
            beyond: Unassigned devices with readings beyond limits.
        """
        for device in [d for d, t in self._heard.items() if now - t > FORGOTTEN_MS and d not in assignments.by_device]:
            del self._heard[device]
            self._excused.pop(device, None)
            self._intervals.forget(device)
        self._placed = {device: self._placed.get(device, now) for device in assignments.by_device}
        return tuple(
            DeviceStatus(
                device=device,
                health=self._health(device, assignments, now),
                t=self._heard.get(device, 0),
                offset_ms=clocks[device].offset_ms if device in clocks else 0,
                off=self._off.get(device, ()),
                patient=placement.patient if (placement := assignments.by_device.get(device)) else None,
                twice=device in twice,
                clock=wrong.get(device, ""),
                pace_ms=self._intervals.slow_ms(device, 1000 * assignments.cadence_s(device)) if placement else 0,
                beyond=device in beyond and placement is None,
                other_patient=self._names_another(device, placement),
            )
            for device in sorted(self._heard.keys() | assignments.by_device.keys())
        )

    def _names_another(self, device: str, placement: DeviceAssignment | None) -> bool:
        named = self._named.get(device, ())
        return placement is not None and bool(named) and placement.patient not in named

    def _health(self, device: str, assignments: AssignmentTable, now: int) -> Health:
        # A device without any reading gets three cadences from the time it was put on the roster.
        quiet_ms = now - self._heard.get(device, self._placed.get(device, now)) - self._excused.get(device, 0)
        if (
            quiet_ms <= self._intervals.silent_ms(device, 1000 * assignments.cadence_s(device))
            and device not in self._gone
        ):
            return Health.UP
        return Health.OFFLINE if device in self._gone else Health.SILENT
