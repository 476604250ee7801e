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
from dataclasses import dataclass, field
from typing import Final

import msgspec

from edge.alarm.bedside_alarms import BedsideAlarms
from edge.clock.boot_clock import BOOT, MOVES, Boot, Move, correct_boot_times
from edge.devices.driver import DeviceMessage, acknowledge
from edge.ingest.dedup import SeenSequences
from edge.ingest.device_clock import moved
from edge.metrics import Metrics
from edge.settings import Settings
from edge.store.batching import Sealed
from edge.store.clock_restore import Times
from edge.store.outbox import COUNT, REJECTED_KEPT, ROW, Outbox
from edge.store.runtime_state import RuntimeState
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
UNKEPT: Final = 1_500
"""Most unacknowledged messages while the card cannot be written: a broker delivers up to 2,000."""
PIECE: Final = 4 * MAX_READINGS
"""Readings of the shelf that are sealed in one step."""
PIECE_EVERY_S: Final = 0.25
UNSENT_FLUSHES: Final = 10
"""Factor of the longest wait for a batch without an uplink: it cannot be sent, and becomes fuller."""


@dataclass(slots=True)
class Segment:
    """Readings of a future row of the journal, and the acknowledgements due after its commit.

    Attributes:
        row: Row of the journal.
        readings: New readings.
        pending_acks: Messages to acknowledge.
        batches: Numbers of the batches of its readings, once they are sealed.
    """

    row: int
    readings: list[Readings] = field(default_factory=list)
    pending_acks: list[DeviceMessage] = field(default_factory=list)
    batches: tuple[int, ...] = ()


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
        self._boot, self._times, self._beside = boot, times, RuntimeState(settings.runtime_directory)
        # First and last row that are committed, not sealed and not in memory.
        self._shelf = outbox.first_row, outbox.row
        self._piece_at = -float("inf")
        self.unconfirmed = UnconfirmedBatches(outbox, settings.outbox_max_bytes)
        self._segments: list[Segment] = []
        self._rejected: list[Rejected] = []
        self._roster: bytes | None = None
        self._committed_at = self._kept_at = -float("inf")
        self._was_up = False
        self.urgent = False
        """True if the open readings must be sent at once."""
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
        return self._seen.count - sum(len(part) for s in self._segments for part in s.readings)

    def take(
        self, readings: Readings, owed: Iterable[DeviceMessage], rejected: Iterable[Rejected], clock_s: float
    ) -> None:
        """Adds readings, acknowledgements and rejected messages to the next commit."""
        self._rejected = [*self._rejected, *rejected][-REJECTED_KEPT:]
        segment = self._segment()
        segment.pending_acks.extend(owed)
        if len(readings):
            segment.readings.append(readings)
            self._open.append(readings)
            self._open_since = clock_s if self._open_since is None else self._open_since

    @property
    def shelf_bytes(self) -> int:
        """Size of committed readings with unknown times, bytes."""
        return self._outbox.journal_bytes if self.held else 0

    @property
    def shelved(self) -> bool:
        """True if rows on the shelf can be sealed."""
        return self._shelf[0] <= self._sealable

    @property
    def _sealable(self) -> int:
        """Last row on the shelf with known times."""
        return min(self._shelf[1], self._times.unset - 1) if self.held else self._shelf[1]

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
        sealed = self._from_shelf(now, clock_s)
        count = sum(map(len, self._open))
        # Times of a clock that was never set are not sent; `rebase` corrects them once it is.
        if not count or self.held:
            return sealed
        self._open_since = clock_s if self._open_since is None else self._open_since
        flush_s = self._settings.uplink_flush_s * (1 if up else UNSENT_FLUSHES)
        due = count >= MAX_READINGS or clock_s - self._open_since >= flush_s
        if not (force or due or (up and (self.urgent or self.failing))):
            return sealed
        fresh = self._seal(self._open, self._open_row, now, clock_s, urgent=self.urgent)
        numbers = tuple(s.n for s in fresh)
        for segment in self._segments:
            segment.batches = segment.batches or numbers
        self._open, self._open_since, self.urgent = [], None, False
        self._open_row = self._segments[-1].row + 1 if self._segments else self._outbox.row + 1
        return sealed + fresh

    def _from_shelf(self, now: int, clock_s: float) -> list[Sealed]:
        """Seals the next step of readings that were committed while the time was unknown, or before a restart."""
        if not self.shelved or clock_s - self._piece_at < PIECE_EVERY_S:
            return []
        self._piece_at = clock_s
        first, last = self._shelf
        until, parts, count = self._sealable, [], 0
        for row, part in self._outbox.journal(first - 1):
            if row > until:
                break
            parts.append(self.righted(row, part))
            count += len(part)
            if count >= PIECE:
                until = row
                break
        self._shelf = until + 1, last
        return self._seal(parts, first, now, clock_s, urgent=False) if parts else []

    def _seal(self, parts: list[Readings], row: int, now: int, clock_s: float, *, urgent: bool) -> list[Sealed]:
        gateway = self._settings.gateway
        sealed = self._outbox.seal(gateway, columns.concat(parts), row=row, now=now, clock_s=clock_s, urgent=urgent)
        self.unconfirmed.add(sealed)
        self._metrics.sealed.inc(len(sealed))
        return sealed

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
        many = sum(len(segment.pending_acks) for segment in self._segments) >= MANY
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
                self._release_acks()
                self._forget()
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
            self._times.unset = self._times.unset or self._open_row
            self._put_on_shelf()
        elif self.held and not held:
            self._times.unset = 0
            self._alarms.dirty = True
            self.flush_now()
        self.held = held

    def rebase(self, jump_ms: int) -> None:
        """Shifts the times of readings that are not sealed, after the gateway's own time was set."""
        self._open = [moved(part, jump_ms) for part in self._open]
        for segment in self._segments:
            segment.readings = [moved(part, jump_ms) for part in segment.readings]
        # Rows from before a start with an unknown time already have their final times.
        lowest = self._shelf[0] if self._shelf[0] <= self._shelf[1] else self._open_row
        first = max(min(lowest, self._outbox.behind or lowest), self._times.unset)
        if first <= self._outbox.row:
            self._times.moves.append(Move(first, self._outbox.row, jump_ms))
        self.unconfirmed.rebase(jump_ms)
        # Stored with the next commit, in one transaction with all shifted times.
        self._alarms.dirty = True

    def righted(self, row: int, readings: Readings) -> Readings:
        """Returns the readings of a row of the journal with corrected times."""
        return correct_boot_times(row, readings, self._times.moves)

    def _put_on_shelf(self) -> None:
        """Removes open, committed readings from memory: they stay in the journal until their times are known."""
        if self._segments:
            return
        first, last = self._shelf
        if self._open:
            self._shelf = (first if first <= last else self._open_row), self._outbox.row
        self._open, self._open_since, self._open_row = [], None, self._outbox.row + 1

    def _segment(self) -> Segment:
        if not self._segments or self._segments[-1].batches:
            row = self._segments[-1].row if self._segments else self._outbox.row
            self._segments.append(Segment(row + 1))
        return self._segments[-1]

    def _deletion_is_due(self, clock_s: float, *, up: bool) -> bool:
        news = self._alarms.dirty or self._roster is not None or (self._was_up and not up)
        return (
            news or clock_s - self._kept_at >= HOUSEKEEPING_S or self.unconfirmed.crowded(clock_s, up=up)
        )  # fmt: skip

    def _write(self) -> None:
        for segment in self._segments:
            if segment.readings:
                self._outbox.append(segment.row, columns.concat(segment.readings))
        if self._rejected:
            self._outbox.reject(self._rejected)
        if self._roster is not None:
            self._outbox.save(ROSTER, self._roster)

    def _delete_confirmed(self, clock_s: float, *, up: bool) -> list[Sealed]:
        outbox = self._outbox
        kept, row = self.unconfirmed.tidy(clock_s, up=up)
        newest = self._segments[-1].row if self._segments else outbox.row
        first, last = self._shelf
        needed = [self._open_row, *([] if row is None else [row]), *([first] if first <= last else [])]
        outbox.settle(min(needed), self._seen)
        outbox.save(ROW, str(newest).encode())
        still = min(*needed, outbox.behind or min(needed))
        self._times.moves = [move for move in self._times.moves if move.last >= still]
        outbox.save(MOVES, msgspec.json.encode(self._times.moves))
        outbox.save(BOOT, msgspec.json.encode(msgspec.structs.replace(self._boot(), unset=self._times.unset)))
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
        self._metrics.accepted.inc(sum(len(part) for s in self._segments for part in s.readings))
        if self._segments:
            self._outbox.row = self._segments[-1].row
        owed = [delivery for segment in self._segments for delivery in segment.pending_acks]
        self._segments, self._rejected, self._roster = [], [], None
        self.pressing = False
        acknowledge(owed)

    def _release_acks(self) -> None:
        """Acknowledges messages that the cloud has confirmed, even without the card: the cloud stores them."""
        while self._segments and (batches := self._segments[0].batches) and not self.unconfirmed.holds(batches):
            segment = self._segments.pop(0)
            self._outbox.row = segment.row
            acknowledge(segment.pending_acks)

    def _forget(self) -> None:
        """Acknowledges the oldest messages beyond `UNKEPT`, which neither card nor cloud has stored.

        Their readings are in memory only. But a broker with a full window would deliver no other reading, and no bed
        would have an alarm, which is worse.
        """
        while len(self._segments) > 1 and sum(len(segment.pending_acks) for segment in self._segments) > UNKEPT:
            segment = self._segments.pop(0)
            self._outbox.row = segment.row
            acknowledge(segment.pending_acks)


def accepted_so_far(outbox: Outbox) -> SeenSequences:
    """Returns the ledger: the stored runs, and the identities in the journal since."""
    count = outbox.count(COUNT) if outbox.load(COUNT) else None
    ledger = SeenSequences(outbox.accepted(), count, outbox.begun())
    for _, part in outbox.journal(outbox.position):
        for identity in part.identities():
            ledger.add(*identity)
    return ledger
