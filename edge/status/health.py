"""How the gateway and its devices are: the status it sends, and the technical alarms it raises about itself."""

import logging
from collections.abc import Collection, Mapping
from typing import Final

import msgspec

from edge.ingest.device_clock import Clock
from edge.ingest.roster import AssignmentTable
from edge.status.send_intervals import SendIntervals
from vitals.alarm_events import AlarmEvent
from vitals.bounds import Time
from vitals.conditions import technical
from vitals.engine.constants import GATEWAY_DOWN, UNASSIGNED
from vitals.engine.rules.technical_alarms import TWO_VOICES
from vitals.readings import Readings
from vitals.status import DeviceStatus, Health

log = logging.getLogger(__name__)
FORGOTTEN_MS: Final = 3_600_000
"""A device on nobody that was not heard of for so long is no longer this gateway's."""
FILLING_SHARE: Final = 0.5
"""Share of the outbox's bound, in bytes or age, at which somebody should look: half an outage's length is left."""

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
"""Conditions that tell of something that happened: they last until somebody acknowledges them."""


def own(gateway: str, condition: str, now: int, about: str = "") -> AlarmEvent:
    """Returns the start of a technical alarm of the gateway itself; `about` names what it is about."""
    text = f"{TEXTS[condition]}: {about}" if about else TEXTS[condition]
    return technical(gateway, condition, start=now, now=now, text=text, gateway=gateway)


class OwnAlarms:
    """The technical alarms of the gateway itself, shown at its own light and named in its status."""

    def __init__(self, gateway: str) -> None:
        self._gateway = gateway
        self._active: dict[str, AlarmEvent] = {}
        self.changed = True

    def judge(self, condition: str, present: bool, now: int, about: str = "") -> bool:
        """Notes whether a condition is there, and what it is about; returns whether that is news."""
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
        """Ends a lasting alarm that somebody has seen; returns whether it was one."""
        for condition, event in self._active.items():
            if event.id == alarm and condition in LASTING:
                del self._active[condition]
                self.changed = True
                return True
        return False

    def acknowledge_all(self) -> None:
        """Ends every lasting alarm: somebody pressed the gateway's own button."""
        for event in tuple(self._active.values()):
            self.acknowledge(event.id)

    def active(self) -> tuple[AlarmEvent, ...]:
        """Returns those present."""
        return tuple(self._active.values())


class Devices:
    """When each device was last heard of, and which of its sensors are off."""

    def __init__(self) -> None:
        self._placed: dict[str, int] = {}
        self._heard: dict[str, int] = {}
        # For how long, of the time since it was heard, the gateway itself was away.
        self._excused: dict[str, int] = {}
        self._off: dict[str, tuple[str, ...]] = {}
        self._gone: set[str] = set()
        self._intervals = SendIntervals()

    def memory(self) -> bytes:
        """Returns what a restart must know: when each device was heard."""
        return msgspec.json.encode(self._heard)

    def recall(self, memory: bytes, by_ms: int) -> None:
        """Takes up what an earlier run knew.

        Args:
            memory: `memory()` of that run.
            by_ms: By how much its times are to be moved.
        """
        try:
            known = msgspec.json.decode(memory, type=dict[str, Time])
        except msgspec.DecodeError as error:
            log.warning("when devices were heard cannot be read, and they are as heard just now: %s", error)
            return
        self._heard.update({device: max(1, t + by_ms) for device, t in known.items()})

    def replay(self, readings: Readings) -> None:
        """Takes up readings that were accepted after that was kept."""
        self._heard.update(zip(readings.device.tolist(), readings.t_gw.tolist(), strict=True))

    def excuse(self, now: int, ended: int) -> None:
        """The gateway was away until now: nobody was silent for that.

        Args:
            now: UTC epoch ms.
            ended: When it had last been there, as far as it knows.
        """
        away = max(0, now - max((ended, *self._heard.values())))
        self._excused = dict.fromkeys(self._heard, away)

    def rebase(self, jump_ms: int) -> None:
        """The gateway's own time was set: nobody is silent for it, or heard."""
        for times in (self._heard, self._placed):
            times.update({device: max(1, t + jump_ms) for device, t in times.items()})

    def heard(self, device: str, t_gw: int, off: tuple[str, ...]) -> None:
        """Notes a reading."""
        before = self._heard.get(device)
        if self._excused.pop(device, None) is None and before is not None:
            self._intervals.heard(device, t_gw - before)
        self._heard[device] = t_gw
        self._off[device] = off
        self._gone.discard(device)

    def present(self, device: str, online: bool) -> None:
        """Notes that a device said it is online or offline."""
        if online:
            self._gone.discard(device)
        else:
            self._gone.add(device)

    def status(
        self,
        book: AssignmentTable,
        clocks: Mapping[str, Clock],
        now: int,
        *,
        twice: Collection[str] = (),
        wrong: Mapping[str, str] = _NOTHING,
        beyond: Collection[str] = (),
    ) -> tuple[DeviceStatus, ...]:
        """Returns every device of the roster, and every other one that was heard of.

        Args:
            book: The roster in force.
            clocks: Their clocks, by device.
            now: UTC epoch ms.
            twice: Names under which two devices speak.
            wrong: How a device's clock is wrong, of each that is.
            beyond: Unassigned devices with readings beyond limits.
        """
        for device in [d for d, t in self._heard.items() if now - t > FORGOTTEN_MS and d not in book.by_device]:
            del self._heard[device]
            self._excused.pop(device, None)
            self._intervals.forget(device)
        self._placed = {device: self._placed.get(device, now) for device in book.by_device}
        return tuple(
            DeviceStatus(
                device=device,
                health=self._health(device, book, now),
                t=self._heard.get(device, 0),
                offset_ms=clocks[device].offset_ms if device in clocks else 0,
                off=self._off.get(device, ()),
                patient=placement.patient if (placement := book.by_device.get(device)) else None,
                twice=device in twice,
                clock=wrong.get(device, ""),
                pace_ms=self._intervals.slow_ms(device, 1000 * book.cadence_s(device)) if placement else 0,
                beyond=device in beyond and placement is None,
            )
            for device in sorted(self._heard.keys() | book.by_device.keys())
        )

    def _health(self, device: str, book: AssignmentTable, now: int) -> Health:
        # A device that was never heard of is given its three cadences from when it came on the roster.
        quiet_ms = now - self._heard.get(device, self._placed.get(device, now)) - self._excused.get(device, 0)
        if quiet_ms <= self._intervals.silent_ms(device, 1000 * book.cadence_s(device)) and device not in self._gone:
            return Health.UP
        return Health.OFFLINE if device in self._gone else Health.SILENT
