"""Acceptance: what is written in the next transaction, and what is owed to whom once it has committed."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

import numpy as np

from edge.clock import SET_MS
from edge.downlink import ROSTER, keep
from edge.ledger import Ledger
from edge.local import LocalAlarms
from edge.metrics import Metrics
from edge.outbox import Outbox, Stored
from edge.settings import Settings
from vitals import readings as columns
from vitals.readings import Readings
from vitals.records import MAX_READINGS
from vitals.status import Rejected

SNAPSHOT_S: Final = 10.0


@dataclass(slots=True)
class Uncommitted:
    """What the next transaction writes.

    Attributes:
        readings: New readings.
        rejected: What was refused.
        confirmed: Ranges of batches that the cloud holds.
        owed: Acknowledgements, to be given once it has committed.
        roster: A new roster.
        urgent: Whether somebody may have to be paged for one of the readings.
    """

    readings: list[Readings] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    confirmed: list[tuple[int, int]] = field(default_factory=list)
    owed: list[Callable[[], None]] = field(default_factory=list)
    roster: bytes | None = None
    urgent: bool = False

    def __bool__(self) -> bool:
        return bool(self.readings or self.rejected or self.confirmed or self.owed or self.roster)


class Done(NamedTuple):
    """What a transaction did: batches made, ranges deleted."""

    sealed: list[Stored]
    deleted: list[tuple[int, int]]


class Acceptance:
    """Writes what came in, one transaction for all of it; quiet readings wait in the journal for their batch.

    Args:
        settings: The gateway's settings.
        outbox: The outbox.
        ledger: The accepted identities.
        local: The local alarms, whose state is kept beside the readings that it has seen.
        clocks: Returns what is to be kept of the devices' clocks.
        metrics: What is counted.
    """

    def __init__(
        self,
        settings: Settings,
        outbox: Outbox,
        ledger: Ledger,
        local: LocalAlarms,
        clocks: Callable[[], bytes],
        *,
        metrics: Metrics,
    ) -> None:
        self._settings, self._outbox, self._ledger = settings, outbox, ledger
        self._local, self._clocks, self._metrics = local, clocks, metrics
        self._open = outbox.open_readings()
        self._open_count = sum(map(len, self._open))
        self._open_since: float | None = None
        self._snapshot_n = outbox.last_number()
        self._snapshot_at = 0.0
        self.next = Uncommitted()

    @property
    def count(self) -> int:
        """How many readings were accepted since the outbox was made."""
        return self._ledger.count - sum(map(len, self.next.readings))

    def commit(self, now: int, clock_s: float, *, seal: bool) -> Done:
        """Writes what is to be written, then acknowledges it.

        Args:
            now: UTC epoch ms.
            clock_s: Monotonic clock, s.
            seal: Whether open readings become a batch now, whatever their age.

        Raises:
            sqlite3.OperationalError: Nothing was written; the next call tries again.
            sqlite3.DatabaseError: The database is damaged.
        """
        count = self._open_count + sum(map(len, self.next.readings))
        if count and self._open_since is None:
            self._open_since = clock_s
        # Times of a clock that was never set are not sent; `rebase` rights them once it is.
        seal = count > 0 and now >= SET_MS and (seal or self._flush_is_due(count, clock_s))
        if not (self.next or seal or self._local.dirty):
            return Done([], [])
        before = self._local.dirty, self._snapshot_n, self._snapshot_at
        try:
            with self._metrics.commit.time(), self._outbox.transaction():
                done = self._write(now, clock_s, seal=seal)
        except BaseException:
            self._local.dirty, self._snapshot_n, self._snapshot_at = before
            raise
        self._settle(count, sealed=seal)
        self._metrics.sealed.inc(len(done.sealed))
        self._metrics.confirmed.inc(len(done.deleted))
        return done

    def rebase(self, jump_ms: int) -> None:
        """Rights the times of what was accepted before the gateway's clock was set, and has it sent."""
        for parts in (self._open, self.next.readings):
            for i, part in enumerate(parts):
                shift = np.where(part.t_gw < SET_MS, jump_ms, 0)
                parts[i] = replace(part, t=part.t + shift, t_gw=part.t_gw + shift)
        self.next.urgent = True

    def _flush_is_due(self, count: int, clock_s: float) -> bool:
        age_s = clock_s - (clock_s if self._open_since is None else self._open_since)
        return self.next.urgent or count >= MAX_READINGS or age_s >= self._settings.uplink_flush_s

    def _write(self, now: int, clock_s: float, *, seal: bool) -> Done:
        new, outbox = self.next, self._outbox
        sealed = []
        if seal:
            joined = columns.concat([*self._open, *new.readings])
            sealed = outbox.seal(self._settings.gateway, joined, self._ledger, now=now, urgent=new.urgent)
        elif new.readings:
            outbox.append(columns.concat(new.readings))
        if new.rejected:
            outbox.reject(new.rejected)
        if new.roster is not None:
            outbox.save(ROSTER, new.roster)
        # A snapshot is due before readings that it has not seen are deleted: a restart could not apply them again.
        unseen = any(last > self._snapshot_n for _, last in new.confirmed)
        if self._local.dirty or unseen or clock_s - self._snapshot_at >= SNAPSHOT_S:
            self._snapshot_n = keep(outbox, self._local, self._clocks())
            self._snapshot_at = clock_s
        return Done(sealed, outbox.delete(new.confirmed))

    def _settle(self, count: int, *, sealed: bool) -> None:
        self._metrics.accepted.inc(sum(map(len, self.next.readings)))
        if sealed:
            self._ledger.stored()
        if sealed:
            self._open, self._open_count, self._open_since = [], 0, None
        else:
            self._open.extend(self.next.readings)
            self._open_count = count
        for settle in self.next.owed:
            settle()
        self.next = Uncommitted()


def accepted_so_far(outbox: Outbox) -> Ledger:
    """Returns the ledger: the stored runs, and what stands in the journal."""
    ledger = Ledger(outbox.accepted())
    for identity in columns.concat(outbox.open_readings()).identities():
        ledger.add(*identity)
    return ledger
