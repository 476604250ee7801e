"""Acceptance: what is written in the next transaction, and what is owed to whom once it has committed.

Readings come as segments; each becomes a row of the journal with the next commit, which at most one second of calm
readings shares. A batch of them may be published before that: its number is never used again, and until the commit the
sender still has the readings. What the cloud confirms soon is never written as a batch. Every `HOUSEKEEPING_S` one
transaction keeps what is not confirmed, drops what is done with, and keeps ledger, engine and the devices' memory.

While the gateway does not know the time nothing new is sealed. What is committed then lies on the shelf: in the journal
and not in memory, however long that takes. Once the time is known the shelf is read, moved and sealed piece by piece.
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
from edge.store.clock_restore import Times
from edge.store.outbox import COUNT, REJECTED_KEPT, ROW, Outbox, Sealed
from edge.store.runtime_state import RuntimeState
from edge.store.snapshot import ENGINE, ROSTER, keep
from edge.store.unconfirmed import UnconfirmedBatches
from vitals import readings as columns
from vitals.readings import Readings
from vitals.status import Rejected
from vitals.wire.vitals_record import MAX_READINGS

HOUSEKEEPING_S: Final = 60.0
MANY: Final = 500
"""So many messages are committed at once: a broker hands over no more than it may have unacknowledged."""
HELD_SHARE: Final = 0.5
"""Share of the outbox's bound that the journal may take while nothing is sealed."""
UNKEPT: Final = 1_500
"""So many messages at most are not acknowledged while the card takes nothing: a broker hands over 2,000."""
PIECE: Final = 4 * MAX_READINGS
"""So many readings of the shelf are sealed at once."""
PIECE_EVERY_S: Final = 0.25
UNSENT_FLUSHES: Final = 10
"""Without an uplink nobody waits for a batch: it may grow this many times older, and so fuller."""


@dataclass(slots=True)
class Segment:
    """Readings of one row of the journal to be, and what is owed when it has committed.

    Attributes:
        row: Its row.
        readings: New readings.
        owed: Messages to be acknowledged.
        batches: Numbers of the batches that hold its readings, once they are sealed.
    """

    row: int
    readings: list[Readings] = field(default_factory=list)
    pending_acks: list[DeviceMessage] = field(default_factory=list)
    batches: tuple[int, ...] = ()


class CommitQueue:
    """Writes what came in, one transaction for all of it.

    Args:
        settings: The gateway's settings.
        outbox: The outbox.
        ledger: The accepted identities.
        local: The local alarms, whose state is kept beside the readings that it has seen.
        memory: Returns what is to be kept of the devices.
        metrics: What is counted.
        boot: Returns the machine's boot by the gateway's own time.
        times: What is known of the times in the journal.
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
        # Rows that are committed, not sealed and not in memory: from the first on up to and with the last.
        self._shelf = outbox.first_row, outbox.row
        self._piece_at = -float("inf")
        self.unconfirmed = UnconfirmedBatches(outbox, settings.outbox_max_bytes)
        self._segments: list[Segment] = []
        self._rejected: list[Rejected] = []
        self._roster: bytes | None = None
        self._committed_at = self._kept_at = -float("inf")
        self._was_up = False
        self.urgent = False
        """Whether what is open must go up at once."""
        self.pressing = False
        """Whether the next commit must not linger: a light at a bed shows what it holds."""
        self.held = False
        """Whether nothing new is sealed, as the gateway does not know the time."""
        self.failing = False
        """Whether the last commit failed."""

    @property
    def outbox(self) -> str:
        """Id of the outbox."""
        return self._outbox.id

    @property
    def count(self) -> int:
        """How many readings were accepted since the outbox was made."""
        return self._seen.count - sum(len(part) for s in self._segments for part in s.readings)

    def take(
        self, readings: Readings, owed: Iterable[DeviceMessage], rejected: Iterable[Rejected], clock_s: float
    ) -> None:
        """Takes what the next commit is to hold."""
        self._rejected = [*self._rejected, *rejected][-REJECTED_KEPT:]
        segment = self._segment()
        segment.pending_acks.extend(owed)
        if len(readings):
            segment.readings.append(readings)
            self._open.append(readings)
            self._open_since = clock_s if self._open_since is None else self._open_since

    @property
    def shelf_bytes(self) -> int:
        """Size of what is committed and waits for its times, bytes."""
        return self._outbox.journal_bytes if self.held else 0

    @property
    def shelved(self) -> bool:
        """Whether rows lie on the shelf that can be sealed."""
        return self._shelf[0] <= self._sealable

    @property
    def _sealable(self) -> int:
        """The last row on the shelf whose times are known."""
        return min(self._shelf[1], self._times.unset - 1) if self.held else self._shelf[1]

    def flush_now(self) -> None:
        """Has what is open go up at once."""
        self.urgent = bool(self._open)

    def apply_roster(self, roster: bytes) -> None:
        """Has a new roster kept."""
        self._roster = roster

    def seal(self, now: int, clock_s: float, *, up: bool, force: bool = False) -> list[Sealed]:
        """Makes batches of what is open if that is due; returns them.

        Args:
            now: UTC epoch ms.
            clock_s: Monotonic clock, s.
            up: Whether the uplink is connected.
            force: Whether it is due whatever its age.
        """
        sealed = self._from_shelf(now, clock_s)
        count = sum(map(len, self._open))
        # Times of a clock that was never set are not sent; `rebase` rights them once it is.
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
        """Seals the next piece of what was committed while the time was not known, or before a restart."""
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
        """Returns after how many seconds a commit is due, if there is anything to write by then."""
        return max(0.0, self._committed_at + self._settings.commit_linger_ms / 1000 - clock_s)

    def commit(self, clock_s: float, *, up: bool, force: bool = False) -> None:
        """Writes what is due, then acknowledges it.

        Args:
            clock_s: Monotonic clock, s.
            up: Whether the uplink is connected.
            force: Whether everything is due, the housekeeping too.

        Raises:
            sqlite3.OperationalError: Nothing was written; the next call tries again.
            sqlite3.DatabaseError: The database is damaged.
        """
        # After a failure everything is tried, so that success means that the card takes something again.
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
        """Begins or ends that nothing new is sealed, as the times may be wrong.

        A card that is full or fails holds nothing back: readings whose times are wrong are worth more than none.
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
        """Moves the times of what is not sealed yet with the gateway's own time, which was set."""
        self._open = [moved(part, jump_ms) for part in self._open]
        for segment in self._segments:
            segment.readings = [moved(part, jump_ms) for part in segment.readings]
        # The rows of before a start whose clock is not known have their right times.
        lowest = self._shelf[0] if self._shelf[0] <= self._shelf[1] else self._open_row
        first = max(min(lowest, self._outbox.behind or lowest), self._times.unset)
        if first <= self._outbox.row:
            self._times.moves.append(Move(first, self._outbox.row, jump_ms))
        self.unconfirmed.rebase(jump_ms)
        # Kept with the next commit, in one transaction with all that is moved.
        self._alarms.dirty = True

    def righted(self, row: int, readings: Readings) -> Readings:
        """Returns the readings of a row of the journal with the times that are known now."""
        return correct_boot_times(row, readings, self._times.moves)

    def _put_on_shelf(self) -> None:
        """Forgets what is open and committed: it stays in the journal until its times are known."""
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
        """Returns what a restart needs, the card taking nothing."""
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
        """Acknowledges, though the card takes nothing, what the cloud has confirmed: that is durable too."""
        while self._segments and (batches := self._segments[0].batches) and not self.unconfirmed.holds(batches):
            segment = self._segments.pop(0)
            self._outbox.row = segment.row
            acknowledge(segment.pending_acks)

    def _forget(self) -> None:
        """Acknowledges the oldest of what neither card nor cloud takes: a broker whose window is full is silent.

        Those readings wait in memory alone. A device that is not heard lights no bed, which is worse.
        """
        while len(self._segments) > 1 and sum(len(segment.pending_acks) for segment in self._segments) > UNKEPT:
            segment = self._segments.pop(0)
            self._outbox.row = segment.row
            acknowledge(segment.pending_acks)


def accepted_so_far(outbox: Outbox) -> SeenSequences:
    """Returns the ledger: the stored runs, and what the journal has had since."""
    count = outbox.count(COUNT) if outbox.load(COUNT) else None
    ledger = SeenSequences(outbox.accepted(), count, outbox.begun())
    for _, part in outbox.journal(outbox.position):
        for identity in part.identities():
            ledger.add(*identity)
    return ledger
