"""Acceptance of readings: the next transaction, and the acknowledgements due after it.

Readings are collected in segments. With the next commit each segment becomes a row of the journal; at most one second
of calm readings shares a commit. A batch may be published before its commit: its number is never used again, and until
the commit the sender still has the readings. A batch that is confirmed soon is never written. Every `HOUSEKEEPING_S`
one transaction stores unconfirmed batches, deletes confirmed ones, and stores ledger, engine and device state.

While the gateway does not know the time, new readings are not sealed. Committed readings then stay on the shelf: in the
journal and not in memory, for any length of time. Once the time is known they are read, shifted and sealed in steps.
"""

import sqlite3
import zlib
from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from edge.alarm.bedside_alarms import BedsideAlarms
from edge.clock.boot_clock import BOOT, MOVES, Boot, Move
from edge.devices.driver import DeviceMessage
from edge.ingest.dedup import SeenSequences
from edge.ingest.device_clock import moved
from edge.metrics import Metrics
from edge.settings import Settings
from edge.store.batching import Sealed
from edge.store.clock_restore import Times
from edge.store.outbox import REJECTED_KEPT, ROW, Outbox
from edge.store.runtime_state import RuntimeState
from edge.store.segments import Segments
from edge.store.shelf import Shelf
from edge.store.snapshot import ENGINE, ROSTER, keep
from edge.store.unconfirmed import UnconfirmedBatches
from vitals import readings as columns
from vitals.readings import Readings
from vitals.status import Rejected
from vitals.wire.vitals_record import MAX_READINGS

HOUSEKEEPING_S: Final = 60.0
MANY: Final = 500
"""Messages that make a commit due at once: the broker delivers a limited number without acknowledgement."""
HELD_SHARE: Final = 0.5
"""Share of the outbox's bound that the journal may use while readings are not sealed."""
WATCHED_S: Final = 1.0
"""Longest wait of readings of an active alarm."""
UNSENT_FLUSHES: Final = 10
"""Factor of the longest wait for a batch without an uplink: it cannot be sent, and becomes fuller."""


class CommitQueue:
    """Commits accepted readings, one transaction for all of them.

    Args:
        settings: The gateway's settings.
        outbox: Outbox.
        ledger: Accepted identities.
        local: Bedside alarms; their state is stored with the readings that it includes.
        memory: Returns the device state to store.
        metrics: Metrics.
        boot: Returns the machine's boot by the gateway's own time.
        times: State of the times in the journal.
    """

    def __init__(
        self,
        settings: Settings,
        outbox: Outbox,
        ledger: SeenSequences,
        local: BedsideAlarms,
        memory: Callable[[], dict[str, bytes]],
        *,
        metrics: Metrics,
        boot: Callable[[], Boot],
        times: Times,
    ) -> None:
        self._settings, self._outbox, self._seen = settings, outbox, ledger
        self._alarms, self._memory, self._metrics = local, memory, metrics
        self._open: list[Readings] = []
        self._open_row = outbox.row + 1
        self._open_since: float | None = None
        self._boot, self.times, self._beside = boot, times, RuntimeState(settings.runtime_directory)
        self._shelf = Shelf(outbox, times)
        self.unconfirmed = UnconfirmedBatches(outbox, settings.outbox_max_bytes)
        self._segments = Segments(outbox)
        self._rejected: list[Rejected] = []
        self._roster: bytes | None = None
        self._committed_at = self._kept_at = -float("inf")
        self._was_up = False
        self.urgent = False
        """True if the open readings must be sent at once."""
        self.watched = False
        """True if the open readings must be sent within a second: a condition is pending or active."""
        self.pressing = False
        """True if the next commit must not linger: a light at a bed shows an alarm of its readings."""
        self.held = False
        """True if new readings are not sealed, as the gateway does not know the time."""
        self.failing = False
        """True if the last commit failed."""

    @property
    def outbox(self) -> str:
        """Id of the outbox."""
        return self._outbox.id

    @property
    def count(self) -> int:
        """Number of readings accepted since the outbox was created."""
        return self._seen.count - self._segments.readings

    def take(
        self, readings: Readings, owed: Iterable[DeviceMessage], rejected: Iterable[Rejected], clock_s: float
    ) -> None:
        """Adds readings, acknowledgements and rejected messages to the next commit."""
        self._rejected = [*self._rejected, *rejected][-REJECTED_KEPT:]
        self._segments.add(readings, owed)
        if len(readings):
            self._open.append(readings)
            self._open_since = clock_s if self._open_since is None else self._open_since

    @property
    def shelf_bytes(self) -> int:
        """Size of committed readings with unknown times, bytes."""
        return self._outbox.journal_bytes if self.held else 0

    @property
    def shelved(self) -> bool:
        """True if rows on the shelf can be sealed."""
        return self._shelf.ready(held=self.held)

    def flush_now(self) -> None:
        """Marks the open readings as urgent."""
        self.urgent = bool(self._open)

    def apply_roster(self, roster: bytes) -> None:
        """Adds a new roster to the next commit."""
        self._roster = roster

    def seal(self, now: int, clock_s: float, *, up: bool, force: bool = False) -> list[Sealed]:
        """Seals the open readings into batches if that is due; returns the batches.

        Args:
            now: UTC epoch ms.
            clock_s: Monotonic clock, s.
            up: Whether the uplink is connected.
            force: Whether it is due at any age.
        """
        row, parts = self._shelf.take(clock_s, held=self.held)
        sealed = self._seal(parts, row, now, clock_s, urgent=False) if parts else []
        count = sum(map(len, self._open))
        # Times of a clock that was never set are not sent; `rebase` corrects them once it is.
        if not count or self.held:
            return sealed
        self._open_since = clock_s if self._open_since is None else self._open_since
        flush_s = (
            min(WATCHED_S, self._settings.uplink_flush_s) if up and self.watched else self._settings.uplink_flush_s
        )
        flush_s *= 1 if up else UNSENT_FLUSHES
        due = count >= MAX_READINGS or clock_s - self._open_since >= flush_s
        if not (force or due or (up and (self.urgent or self.failing))):
            return sealed
        fresh = self._seal(self._open, self._open_row, now, clock_s, urgent=self.urgent or self.watched)
        self._segments.sealed(tuple(s.n for s in fresh))
        self._open, self._open_since, self.urgent, self.watched = [], None, False, False
        self._open_row = self._segments.row + 1
        return sealed + fresh

    def _seal(self, parts: list[Readings], row: int, now: int, clock_s: float, *, urgent: bool) -> list[Sealed]:
        gateway = self._settings.gateway
        sealed = self._outbox.seal(gateway, columns.concat(parts), row=row, now=now, clock_s=clock_s, urgent=urgent)
        self.unconfirmed.add(sealed)
        self._metrics.sealed.inc(len(sealed))
        return sealed

    def watched_wait_s(self, clock_s: float) -> float:
        """Returns the seconds until the readings of an active alarm are sent; infinite without any."""
        since = self._open_since
        return max(0.0, since + WATCHED_S - clock_s) if self.watched and since is not None else float("inf")

    def wait_s(self, clock_s: float) -> float:
        """Returns the seconds until a commit is due, if there is anything to write by then."""
        return max(0.0, self._committed_at + self._settings.commit_linger_ms / 1000 - clock_s)

    def commit(self, clock_s: float, *, up: bool, force: bool = False) -> None:
        """Commits if that is due, then acknowledges.

        Args:
            clock_s: Monotonic clock, s.
            up: Whether the uplink is connected.
            force: Whether everything is due, including the housekeeping.

        Raises:
            sqlite3.OperationalError: Nothing was written; the next call retries.
            sqlite3.DatabaseError: The database is damaged.
        """
        # After a failure everything is written, so that a success proves that the card can be written again.
        tidy = force or self.failing or self._deletion_is_due(clock_s, up=up)
        self._was_up |= up
        many = self._segments.pending_acks >= MANY
        due = (self._segments or self._rejected) and (self.pressing or many or self.wait_s(clock_s) == 0)
        if not (tidy or due):
            return
        before = self._alarms.dirty
        try:
            with self._metrics.commit.time(), self._outbox.transaction():
                self._write()
                kept = self._delete_confirmed(clock_s, up=up) if tidy else []
        except BaseException as error:
            self._alarms.dirty = before
            self.failing = True
            if isinstance(error, sqlite3.OperationalError):
                self._segments.release(self.unconfirmed)
                self._segments.forget()
                self._beside.keep(self._needed())
                self._alarms.dirty = before
            raise
        self.failing, self._committed_at = False, clock_s
        self._settle()
        if self.held:
            self._put_on_shelf()
        if tidy:
            self._beside.drop()
            self._seen.stored()
            self.unconfirmed.tidied(kept)
            self._kept_at, self._was_up = clock_s, up

    def hold(self, *, held: bool) -> None:
        """Starts or stops holding back new readings from sealing, because their times may be wrong.

        If the card is full or fails, nothing is held back: readings with wrong times are worth more than none.
        """
        room = self._outbox.journal_bytes < self._settings.outbox_max_bytes * HELD_SHARE
        held = held and room and not self.failing
        if held and not self.held:
            self.times.unset = self.times.unset or self._open_row
            self._put_on_shelf()
        elif self.held and not held:
            self.times.unset = 0
            self._alarms.dirty = True
            self.flush_now()
        self.held = held

    def rebase(self, jump_ms: int) -> None:
        """Shifts the times of readings that are not sealed, after the gateway's own time was set."""
        self._open = [moved(part, jump_ms) for part in self._open]
        self._segments.rebase(jump_ms)
        # Rows from before a start with an unknown time already have their final times.
        lowest = self._shelf.first or self._open_row
        first = max(min(lowest, self._outbox.behind or lowest), self.times.unset)
        if first <= self._outbox.row:
            self.times.moves.append(Move(first, self._outbox.row, jump_ms))
        self.unconfirmed.rebase(jump_ms)
        # Stored with the next commit, in one transaction with all shifted times.
        self._alarms.dirty = True

    def _put_on_shelf(self) -> None:
        """Removes open, committed readings from memory: they stay in the journal until their times are known."""
        if self._segments:
            return
        if self._open:
            self._shelf.put(self._open_row)
        self._open, self._open_since, self._open_row = [], None, self._outbox.row + 1

    def _deletion_is_due(self, clock_s: float, *, up: bool) -> bool:
        news = self._alarms.dirty or self._roster is not None or (self._was_up and not up)
        return (
            news or clock_s - self._kept_at >= HOUSEKEEPING_S or self.unconfirmed.crowded(clock_s, up=up)
        )  # fmt: skip

    def _write(self) -> None:
        self._segments.write()
        if self._rejected:
            self._outbox.reject(self._rejected)
        if self._roster is not None:
            self._outbox.save(ROSTER, self._roster)

    def _delete_confirmed(self, clock_s: float, *, up: bool) -> list[Sealed]:
        outbox = self._outbox
        kept, row = self.unconfirmed.tidy(clock_s, up=up)
        newest = self._segments.row
        needed = [n for n in (self._open_row, row, self._shelf.first) if n is not None]
        outbox.settle(min(needed), self._seen)
        outbox.save(ROW, str(newest).encode())
        still = min(*needed, outbox.behind or min(needed))
        self.times.moves = [move for move in self.times.moves if move.last >= still]
        outbox.save(MOVES, msgspec.json.encode(self.times.moves))
        outbox.save(BOOT, msgspec.json.encode(msgspec.structs.replace(self._boot(), unset=self.times.unset)))
        keep(outbox, self._alarms, self._memory(), newest)
        return kept

    def _needed(self) -> dict[str, bytes]:
        """Returns the state that a restart needs while the card cannot be written."""
        return self._memory() | {
            ROSTER: msgspec.json.encode(self._alarms.assignments.roster),
            ENGINE: zlib.compress(self._alarms.snapshot(), 6),
            BOOT: msgspec.json.encode(self._boot()),
        }

    def _settle(self) -> None:
        self._metrics.accepted.inc(self._segments.readings)
        self._rejected, self._roster, self.pressing = [], None, False
        self._segments.committed()
