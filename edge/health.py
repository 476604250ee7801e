"""How the gateway and its devices are: the status it sends, and the technical alarms it raises about itself."""

from collections.abc import Mapping
from typing import Final

from edge.roster import Book
from vitals.alarms import AlarmEvent, technical
from vitals.conditions import priority_of
from vitals.status import DeviceStatus, Health

SILENT_AFTER_CADENCES: Final = 3
FORGOTTEN_MS: Final = 3_600_000
"""A device on nobody that was not heard of for so long is no longer this gateway's."""
REMOTE_LOST_S: Final = 60
FILLING_SHARE: Final = 0.5
"""Share of the outbox's bound, in bytes or age, at which somebody should look: half an outage's length is left."""

REMOTE_LOST: Final = "remote-monitoring-lost"
FILLING: Final = "outbox-filling"
TRIMMED: Final = "outbox-trimmed"
REPLACED: Final = "outbox-replaced"
WRITE_FAILING: Final = "outbox-write-failing"
CLOCK_UNSET: Final = "clock-unset"
GATEWAY_DOWN: Final = "gateway-down"

TEXTS: Final[dict[str, str]] = {
    REMOTE_LOST: "Remote monitoring lost: nobody is paged; watch the bedside",
    FILLING: "Gateway's outbox is half full: restore its uplink",
    TRIMMED: "Gateway's outbox was full: the oldest readings were dropped",
    REPLACED: "Gateway's outbox was damaged and set aside: recover it from the data directory",
    WRITE_FAILING: "Gateway cannot write its outbox: check its disk",
    CLOCK_UNSET: "Gateway's clock is not set: times are wrong until it is",
    GATEWAY_DOWN: "Gateway down: no alarm at the bed, nobody is paged; watch the bedside",
}
LASTING: Final = frozenset({TRIMMED, REPLACED})
"""Conditions that tell of something that happened: they last until somebody acknowledges them."""


def own(gateway: str, condition: str, now: int) -> AlarmEvent:
    """Returns the start of a technical alarm of the gateway itself."""
    text = TEXTS[condition]
    return technical(gateway, condition, priority_of(condition), start=now, now=now, text=text, gateway=gateway)


class OwnAlarms:
    """The technical alarms of the gateway itself, shown at its own light and named in its status."""

    def __init__(self, gateway: str) -> None:
        self._gateway = gateway
        self._active: dict[str, AlarmEvent] = {}
        self.changed = True

    def judge(self, condition: str, present: bool, now: int) -> bool:
        """Notes whether a condition is there; returns whether that is news."""
        if present == (condition in self._active) or (condition in LASTING and not present):
            return False
        if present:
            self._active[condition] = own(self._gateway, condition, now)
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
        self._off: dict[str, tuple[str, ...]] = {}
        self._gone: set[str] = set()

    def heard(self, device: str, t_gw: int, off: tuple[str, ...]) -> None:
        """Notes a reading."""
        self._heard[device] = t_gw
        self._off[device] = off
        self._gone.discard(device)

    def present(self, device: str, online: bool) -> None:
        """Notes that a device said it is online or offline."""
        if online:
            self._gone.discard(device)
        else:
            self._gone.add(device)

    def status(self, book: Book, offset_ms: Mapping[str, int], now: int) -> tuple[DeviceStatus, ...]:
        """Returns every device of the roster, and every other one that was heard of."""
        for device in [d for d, t in self._heard.items() if now - t > FORGOTTEN_MS and d not in book.by_device]:
            del self._heard[device]
        self._placed = {device: self._placed.get(device, now) for device in book.by_device}
        return tuple(
            DeviceStatus(
                device=device,
                health=self._health(device, book, now),
                t=self._heard.get(device, 0),
                offset_ms=offset_ms.get(device, 0),
                off=self._off.get(device, ()),
                patient=placement.patient if (placement := book.by_device.get(device)) else None,
            )
            for device in sorted(self._heard.keys() | book.by_device.keys())
        )

    def _health(self, device: str, book: Book, now: int) -> Health:
        # A device that was never heard of is given its three cadences from when it came on the roster.
        quiet_ms = now - self._heard.get(device, self._placed.get(device, now))
        if quiet_ms <= SILENT_AFTER_CADENCES * 1000 * book.cadence_s(device) and device not in self._gone:
            return Health.UP
        return Health.OFFLINE if device in self._gone else Health.SILENT
