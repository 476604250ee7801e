"""What the gateway tells of itself: its status message, its state file, its own technical alarms."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from edge import clock, health
from edge.outbox import Outbox
from edge.roster import Book
from edge.settings import Settings
from vitals.readings import Readings
from vitals.signs import Suspect
from vitals.status import Health, Status

STATE: Final = "state.json"
VERSION: Final = "0.1.0"


class State(msgspec.Struct, frozen=True, kw_only=True):
    """What `python -m edge status` shows beside the database; rewritten with each status message.

    Attributes:
        status: The status message.
        uplink: Whether the uplink is connected.
        roster: Version of the roster in force.
        last_confirmed: When a batch was confirmed last, UTC epoch ms; None before the first.
        last_heartbeat: When the notifier was heard last, UTC epoch ms; None before the first.
        duplicates: Readings that had been accepted before, since the start.
        trimmed: Readings dropped because the outbox was full or too old, since it was made.
        alarms: Every active alarm's id and what it says.
    """

    status: Status
    uplink: bool
    roster: int
    last_confirmed: int | None
    last_heartbeat: int | None
    duplicates: int
    trimmed: int
    alarms: dict[str, str]


class Reporter:
    """Judges the gateway and draws up its status.

    Args:
        settings: The gateway's settings.
        now: Start, UTC epoch ms.
    """

    def __init__(self, settings: Settings, now: int) -> None:
        self._settings = settings
        self.own = health.OwnAlarms(settings.gateway)
        self.devices = health.Devices()
        self.rejected = self.duplicates = self.trimmed = 0
        self.last_confirmed: int | None = None
        self.last_heartbeat: int | None = None
        self._awaits_heartbeat_since = now

    def heard(self, readings: Readings) -> None:
        """Notes who sent readings."""
        off = (readings.suspect_digits() == Suspect.SENSOR_OFF).tolist()
        for device, t_gw, flags in zip(readings.device.tolist(), readings.t_gw.tolist(), off, strict=True):
            self.devices.heard(device, t_gw, health.off_fields(flags, True))

    def heartbeat(self, t: int, now: int) -> None:
        """Notes the notifier's sign of life; one that was kept for us while we were away is none."""
        if abs(now - t) <= 1000 * health.REMOTE_LOST_S:
            self.last_heartbeat = self._awaits_heartbeat_since = now

    def judge(self, outbox: Outbox, now: int) -> None:
        """Judges what can be wrong with the gateway itself."""
        age_ms = now - (outbox.oldest() or now)
        filling = max(
            outbox.backlog_bytes / self._settings.outbox_max_bytes, age_ms / (1000 * self._settings.outbox_max_age_s)
        )
        self.own.judge(health.FILLING, filling >= health.FILLING_SHARE, now)
        self.own.judge(health.REMOTE_LOST, now - self._awaits_heartbeat_since > 1000 * health.REMOTE_LOST_S, now)
        self.own.judge(health.CLOCK_UNSET, now < clock.SET_MS, now)

    def status(
        self,
        outbox: Outbox,
        book: Book,
        *,
        accepted: int,
        offsets: Mapping[str, int],
        alarms: Mapping[str, str],
        now: int,
    ) -> Status:
        """Returns the status message.

        Args:
            outbox: The outbox.
            book: The roster in force.
            accepted: Readings accepted since the outbox was made.
            offsets: Clock offset by device, ms.
            alarms: Text by id of every active alarm.
            now: UTC epoch ms.
        """
        return Status(
            id=self._settings.gateway,
            kind="gateway",
            health=Health.UP,
            t=now,
            version=VERSION,
            outbox=outbox.id,
            backlog=outbox.backlog,
            backlog_bytes=outbox.backlog_bytes,
            backlog_since=outbox.oldest(),
            accepted=accepted,
            rejected=self.rejected,
            clock_synchronised=now >= clock.SET_MS,
            devices=self.devices.status(book, offsets, now),
            alarms=tuple(sorted(alarms)),
        )

    def write(self, status: Status, *, uplink: bool, roster: int, alarms: dict[str, str]) -> None:
        """Replaces the state file; it is a view, so it is not forced to the card."""
        state = State(
            status=status,
            uplink=uplink,
            roster=roster,
            last_confirmed=self.last_confirmed,
            last_heartbeat=self.last_heartbeat,
            duplicates=self.duplicates,
            trimmed=self.trimmed,
            alarms=alarms,
        )
        path = self._settings.edge_data / STATE
        fresh = path.with_suffix(".new")
        fresh.write_bytes(msgspec.json.encode(state))
        fresh.replace(path)


def read_state(directory: Path) -> State | None:
    """Returns what the gateway said of itself last, None when it never ran."""
    path = directory / STATE
    return msgspec.json.decode(path.read_bytes(), type=State) if path.is_file() else None


def offline(gateway: str, now: int) -> Status:
    """Returns the status of a gateway that is gone: its last will, and its goodbye."""
    return Status(id=gateway, kind="gateway", health=Health.OFFLINE, t=now, version=VERSION)


def suspects(readings: Readings) -> dict[str, int]:
    """Returns how many values were marked, by reason."""
    counts = np.bincount(readings.suspect_digits().ravel(), minlength=len(Suspect))
    return {reason.name.lower(): int(counts[reason]) for reason in Suspect if reason and counts[reason]}
