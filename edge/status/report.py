"""Reports of the gateway about itself: status message, state file and its own technical alarms."""

import logging
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from edge.alarm.notifier_heartbeat import NotifierHeartbeat
from edge.ingest.decode import rejection_kind
from edge.ingest.device_clock import Clock
from edge.ingest.duplicate_devices import DuplicateDevices
from edge.ingest.roster import AssignmentTable
from edge.metrics import Metrics
from edge.settings import Settings
from edge.status import health
from edge.status.clock_faults import ClockFaults
from edge.store.commit import CommitQueue
from vitals.bounds import MAX_DEVICES, MAX_MESSAGE, MAX_T, fitting
from vitals.engine.constants import UNASSIGNED
from vitals.engine.rules.technical_alarms import TWO_VOICES
from vitals.readings import Readings
from vitals.signs import FIELDS, Suspect
from vitals.status import DeviceStatus, Health, Rejected, Status

log = logging.getLogger(__name__)

STATE: Final = "state.json"
STATE_EVERY_MS: Final = 15_000
VERSION: Final = "0.1.0"
NAMED: Final = 10
"""Most devices that one alarm names."""


class State(msgspec.Struct, frozen=True, kw_only=True):
    """State file, which `python -m edge status` shows with the content of the database.

    Attributes:
        status: Status message.
        uplink: Whether the uplink is connected.
        roster: Version of the roster in force.
        last_confirmed: Time of the last confirmation, UTC epoch ms; None before the first.
        last_heartbeat: Time of the notifier's last heartbeat, UTC epoch ms; None before the first.
        rejected: Messages rejected since the start, by kind.
        duplicates: Repeated readings dropped since the start.
        trimmed: Readings dropped because the outbox was full or too old, since it was created.
        alarms: Text of each active alarm, by id.
        standbys: Planned end (UTC epoch ms) and person of each standby, by bed.
    """

    status: Status
    uplink: bool
    roster: int
    last_confirmed: int | None
    last_heartbeat: int | None
    rejected: dict[str, int]
    duplicates: int
    trimmed: int
    alarms: dict[str, str]
    standbys: dict[str, tuple[int, str]] = {}


class Reporter:
    """Evaluates the gateway's own conditions and builds its status.

    Args:
        settings: The gateway's settings.
        metrics: Metrics.
        clock_s: Start, monotonic clock, s.
    """

    def __init__(self, settings: Settings, metrics: Metrics, clock_s: float) -> None:
        self._settings, self._metrics = settings, metrics
        self.own = health.OwnAlarms(settings.gateway)
        self.devices = health.Devices()
        self.rejected: Counter[str] = Counter()
        self.duplicates = self.trimmed = 0
        self.last_confirmed: int | None = None
        self.last_heartbeat: int | None = None
        self._notifier = NotifierHeartbeat(clock_s)
        self._duplicates = DuplicateDevices()
        self.clocks = ClockFaults()
        self.twice: frozenset[str] = frozenset()
        """Names that two devices share."""
        self._beyond: frozenset[str] = frozenset()
        self._written: tuple[object, ...] = ()
        self._whole = True
        self._written_at = 0

    def heard(self, readings: Readings, clock_s: float) -> None:
        """Records the senders of readings and counts suspect values."""
        self._duplicates.heard(readings.device.tolist(), readings.boot.tolist(), readings.t.tolist(), clock_s)
        off = readings.suspect_digits() == Suspect.SENSOR_OFF
        some = off.any(axis=1).tolist()
        for reason, count in suspects(readings).items():
            self._metrics.suspect.labels(reason).inc(count)
        for i, (device, t_gw) in enumerate(zip(readings.device.tolist(), readings.t_gw.tolist(), strict=True)):
            fields = tuple(FIELDS[k] for k in np.flatnonzero(off[i])) if some[i] else ()
            self.devices.heard(device, t_gw, fields)

    def refused(self, rejected: Iterable[Rejected], duplicates: int) -> None:
        """Counts rejected messages, by kind, and repeated readings."""
        self.duplicates += duplicates
        self._metrics.duplicates.inc(duplicates)
        for one in rejected:
            kind = rejection_kind(one)
            self.rejected[kind] += 1
            self._metrics.rejected.labels(kind).inc()

    def heartbeat(self, t: int, now: int, clock_s: float) -> None:
        """Records the notifier's heartbeat, unless a broker stored it while the gateway was away."""
        if self._notifier.heard(t, clock_s):
            self.last_heartbeat = now

    def paged(self, clock_s: float) -> bool:
        """Returns whether the notifier's heartbeat arrives, so that contacts are paged."""
        return self.last_heartbeat is not None and not self._notifier.lost(clock_s)

    def rebase(self, jump_ms: int) -> None:
        """Shifts stored times after the gateway's own time was set."""
        self.devices.rebase(jump_ms)
        self._duplicates.rebase(jump_ms)
        self.clocks.forget()
        self._written_at += jump_ms
        self.last_confirmed = self.last_confirmed and self.last_confirmed + jump_ms
        self.last_heartbeat = self.last_heartbeat and self.last_heartbeat + jump_ms

    def judge(self, commits: CommitQueue, now: int, clock_s: float, *, unset: bool) -> None:
        """Evaluates the gateway's own technical conditions.

        Args:
            commits: Queue of accepted readings.
            now: UTC epoch ms.
            clock_s: Monotonic clock, s.
            unset: Whether the gateway has not known the time for long.
        """
        age_ms = now - (commits.unconfirmed.oldest() or now)
        filling = max(
            (commits.unconfirmed.nbytes + commits.shelf_bytes) / self._settings.outbox_max_bytes,
            age_ms / (1000 * self._settings.outbox_max_age_s),
        )
        self.own.judge(health.FILLING, filling >= health.FILLING_SHARE, now)
        self.own.judge(health.REMOTE_LOST, self._notifier.lost(clock_s), now)
        self.own.judge(health.CLOCK_UNSET, unset, now)
        self.twice = self._duplicates.duplicated(clock_s)
        self.own.judge(TWO_VOICES, bool(self.twice), now, ", ".join(sorted(self.twice)[:NAMED]))

    def unassigned(self, beyond: Collection[str], told: frozenset[str], now: int) -> None:
        """Records unassigned devices with readings beyond limits, and the ones among them for the status message."""
        self._beyond = told
        self.own.judge(UNASSIGNED, bool(beyond), now, ", ".join(sorted(beyond)[:NAMED]))

    def status(
        self,
        commits: CommitQueue,
        assignments: AssignmentTable,
        *,
        clocks: Mapping[str, Clock],
        alarms: Mapping[str, str],
        now: int,
        sent: int,
        settled: bool,
    ) -> Status:
        """Returns the status message.

        Args:
            commits: Queue of accepted readings.
            assignments: Roster in force.
            clocks: Device clocks, by device.
            alarms: Text by id of every active alarm.
            now: UTC epoch ms.
            sent: System clock, UTC epoch ms.
            settled: Whether time synchronisation reports that clock as set.
        """
        return Status(
            id=self._settings.gateway,
            kind="gateway",
            health=Health.UP,
            t=now,
            version=VERSION,
            outbox=commits.outbox,
            backlog=len(commits.unconfirmed),
            backlog_bytes=commits.unconfirmed.nbytes,
            backlog_since=commits.unconfirmed.oldest(),
            accepted=commits.count,
            rejected=self.rejected.total(),
            clock_synchronised=settled,
            devices=self.devices.status(
                assignments, clocks, now, twice=self.twice, wrong=self.clocks.wrong, beyond=self._beyond
            ),
            alarms=tuple(sorted(alarms)),
            sent=sent if 0 < sent <= MAX_T else 0,
        )

    def told(self, status: Status) -> bytes:
        """Encodes a status and logs when it begins and ends to be shortened."""
        found = told(status)
        whole = found == msgspec.json.encode(status)
        if whole != self._whole:
            self._whole = whole
            log.warning(
                "status of %d devices and %d alarms is sent %s",
                *(len(status.devices), len(status.alarms)),
                "whole again" if whole else "shortened: it exceeds the message size",
            )
        return found

    def write(
        self,
        status: Status,
        *,
        uplink: bool,
        roster: int,
        alarms: dict[str, str],
        standbys: dict[str, tuple[int, str]],
    ) -> None:
        """Replaces the state file when its content changed or it is old; each write wears the card."""
        news = (uplink, roster, status.backlog > 0, tuple(alarms), self.rejected.total(), tuple(standbys.items()))
        if news == self._written and status.t - self._written_at < STATE_EVERY_MS:
            return
        self._written, self._written_at = news, status.t
        state = State(
            status=status,
            uplink=uplink,
            roster=roster,
            last_confirmed=self.last_confirmed,
            last_heartbeat=self.last_heartbeat,
            rejected=dict(self.rejected),
            duplicates=self.duplicates,
            trimmed=self.trimmed,
            alarms=alarms,
            standbys=standbys,
        )
        path = self._settings.edge_data / STATE
        fresh = path.with_suffix(".new")
        try:
            fresh.write_bytes(msgspec.json.encode(state))
            fresh.replace(path)
        except OSError as error:
            # A full card: the gateway's own light shows that, and the state file is not worth a stop.
            log.warning("state file of `status` cannot be written: %s", error)


def told(status: Status, most: int = MAX_MESSAGE) -> bytes:
    """Encodes a status, shortened if it is longer than a message: a broker ends the connection for a longer one.

    Unassigned devices within limits are left out first, then devices that are up. The gateway's own alarms are kept.

    Args:
        status: Status.
        most: Most bytes of a message.
    """
    whole = msgspec.json.encode(status)
    if len(whole) <= most and max(len(status.devices), len(status.alarms)) <= MAX_DEVICES:
        return whole
    bare = msgspec.structs.replace(status, devices=(), alarms=())
    left = most - len(msgspec.json.encode(bare)) - len(b',"devices":[],"alarms":[]')
    own = f"{status.id}."
    alarms = fitting(sorted(status.alarms, key=lambda a: (not a.startswith(own), a)), left // 4)
    devices = fitting(
        sorted(status.devices, key=_urgency),
        left - sum(len(msgspec.json.encode(alarm)) + 1 for alarm in alarms),
    )
    return msgspec.json.encode(
        msgspec.structs.replace(
            bare, devices=tuple(sorted(devices, key=lambda d: d.device)), alarms=tuple(sorted(alarms))
        )
    )


def _urgency(device: DeviceStatus) -> tuple[bool, bool, str]:
    return device.patient is None and not device.beyond, device.health is Health.UP, device.device


def read_state(directory: Path) -> State | None:
    """Returns the gateway's last state file, None if it never ran."""
    path = directory / STATE
    return msgspec.json.decode(path.read_bytes(), type=State) if path.is_file() else None


def offline(gateway: str, now: int) -> Status:
    """Returns the status of a gateway that is offline: last will and final message."""
    return Status(id=gateway, kind="gateway", health=Health.OFFLINE, t=now, version=VERSION)


def suspects(readings: Readings) -> dict[str, int]:
    """Returns the number of suspect values by reason."""
    counts = np.bincount(readings.suspect_digits().ravel(), minlength=len(Suspect))
    return {reason.name.lower(): int(counts[reason]) for reason in Suspect if reason and counts[reason]}
