"""Acceptance: what is written in the next transaction, and what is owed to whom once it has committed.

Readings come as segments; each becomes a row of the journal with the next commit, which at most one second of calm
readings shares. A batch of them may be published before that: its number is never used again, and until the commit the
sender still has the readings. What the cloud confirms soon is never written as a batch. Every `HOUSEKEEPING_S` one
transaction keeps what is not confirmed, drops what is done with, and keeps ledger, engine and the devices' memory.
"""

import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

import msgspec

from edge.clock import SET_MS, rebase
from edge.driver import Delivery, acknowledge
from edge.ledger import Ledger
from edge.local import LocalAlarms
from edge.metrics import Metrics
from edge.outbox import REJECTED_KEPT, ROW, Outbox, Sealed
from edge.recall import ROSTER, keep
from edge.settings import Settings
from edge.unset import BOOT, Boot, righted
from edge.waiting import Waiting
from vitals import readings as columns
from vitals.readings import Readings
from vitals.records import MAX_READINGS
from vitals.status import Rejected

HOUSEKEEPING_S: Final = 60.0
MANY: Final = 500
"""So many messages are committed at once: a broker hands over no more than it may have unacknowledged."""
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
    owed: list[Delivery] = field(default_factory=list)
    batches: tuple[int, ...] = ()


class Acceptance:
    """Writes what came in, one transaction for all of it.

    Args:
        settings: The gateway's settings.
        outbox: The outbox.
        ledger: The accepted identities.
        local: The local alarms, whose state is kept beside the readings that it has seen.
        memory: Returns what is to be kept of the devices.
        metrics: What is counted.
        boot: The machine's boot.
        now: UTC epoch ms.
    """

    def __init__(
        self,
        settings: Settings,
        outbox: Outbox,
        ledger: Ledger,
        local: LocalAlarms,
        memory: Callable[[], bytes],
        *,
        metrics: Metrics,
        boot: Boot,
        now: int,
    ) -> None:
        self._settings, self._outbox, self._ledger = settings, outbox, ledger
        self._local, self._memory, self._metrics = local, memory, metrics
        kept = outbox.journal()
        self._open = [part for _, part in kept]
        self._boot = boot if now < SET_MS else None
        if self._boot is None:
            before = outbox.load(BOOT)
            unset = msgspec.json.decode(before, type=Boot) if before else None
            self._open = [righted(part, unset, boot) for part in self._open]
        self._open_row = kept[0][0] if kept else outbox.row + 1
        self._open_since: float | None = None
        self.waiting = Waiting(outbox, settings.outbox_max_bytes)
        self._segments: list[Segment] = []
        self._rejected: list[Rejected] = []
        self._roster: bytes | None = None
        self._committed_at = self._kept_at = -float("inf")
        self._was_up = False
        self.urgent = False
        """Whether what is open must go up at once."""
        self.pressing = False
        """Whether the next commit must not linger: a light at a bed shows what it holds."""
        self.failing = False
        """Whether the last commit failed."""

    @property
    def outbox(self) -> str:
        """Id of the outbox."""
        return self._outbox.id

    @property
    def count(self) -> int:
        """How many readings were accepted since the outbox was made."""
        return self._ledger.count - sum(len(part) for s in self._segments for part in s.readings)

    def take(self, readings: Readings, owed: Iterable[Delivery], rejected: Iterable[Rejected], clock_s: float) -> None:
        """Takes what the next commit is to hold."""
        self._rejected = [*self._rejected, *rejected][-REJECTED_KEPT:]
        segment = self._segment()
        segment.owed.extend(owed)
        if len(readings):
            segment.readings.append(readings)
            self._open.append(readings)
            self._open_since = clock_s if self._open_since is None else self._open_since

    def hurry(self) -> None:
        """Has what is open go up at once."""
        self.urgent = bool(self._open)

    def put_in_force(self, roster: bytes) -> None:
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
        count = sum(map(len, self._open))
        # Times of a clock that was never set are not sent; `rebase` rights them once it is.
        if not count or now < SET_MS:
            return []
        self._open_since = clock_s if self._open_since is None else self._open_since
        flush_s = self._settings.uplink_flush_s * (1 if up else UNSENT_FLUSHES)
        due = count >= MAX_READINGS or clock_s - self._open_since >= flush_s
        if not (force or due or (up and (self.urgent or self.failing))):
            return []
        sealed = self._outbox.seal(
            self._settings.gateway,
            columns.concat(self._open),
            row=self._open_row,
            now=now,
            clock_s=clock_s,
            urgent=self.urgent,
        )
        numbers = tuple(s.n for s in sealed)
        for segment in self._segments:
            segment.batches = segment.batches or numbers
        self.waiting.add(sealed)
        self._open, self._open_since, self.urgent = [], None, False
        self._open_row = self._segments[-1].row + 1 if self._segments else self._outbox.row + 1
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
        tidy = force or self.failing or self._tidy_is_due(clock_s, up=up)
        self._was_up |= up
        many = sum(len(segment.owed) for segment in self._segments) >= MANY
        due = (self._segments or self._rejected) and (self.pressing or many or self.wait_s(clock_s) == 0)
        if not (tidy or due):
            return
        before = self._local.dirty
        try:
            with self._metrics.commit.time(), self._outbox.transaction():
                self._write()
                kept = self._tidy(clock_s, up=up) if tidy else []
        except BaseException as error:
            self._local.dirty = before
            self.failing = True
            if isinstance(error, sqlite3.OperationalError):
                self._let_go()
            raise
        self.failing, self._committed_at = False, clock_s
        self._settle()
        if tidy:
            self._ledger.stored()
            self.waiting.tidied(kept)
            self._kept_at, self._was_up = clock_s, up

    def rebase(self, jump_ms: int) -> None:
        """Rights the times of what was accepted before the gateway's clock was set, and has it sent."""
        self._open = [rebase(part, jump_ms) for part in self._open]
        for segment in self._segments:
            segment.readings = [rebase(part, jump_ms) for part in segment.readings]
        self.hurry()

    def _segment(self) -> Segment:
        if not self._segments or self._segments[-1].batches:
            row = self._segments[-1].row if self._segments else self._outbox.row
            self._segments.append(Segment(row + 1))
        return self._segments[-1]

    def _tidy_is_due(self, clock_s: float, *, up: bool) -> bool:
        news = self._local.dirty or self._roster is not None or (self._was_up and not up)
        return (
            news or clock_s - self._kept_at >= HOUSEKEEPING_S or self.waiting.crowded(clock_s, up=up)
        )  # fmt: skip

    def _write(self) -> None:
        for segment in self._segments:
            if segment.readings:
                self._outbox.append(segment.row, columns.concat(segment.readings))
        if self._rejected:
            self._outbox.reject(self._rejected)
        if self._roster is not None:
            self._outbox.save(ROSTER, self._roster)
        if self._boot is not None:
            # With the first readings that need it: a restart must be able to tell when they were taken.
            self._outbox.save(BOOT, msgspec.json.encode(self._boot))

    def _tidy(self, clock_s: float, *, up: bool) -> list[Sealed]:
        outbox = self._outbox
        kept, row = self.waiting.tidy(clock_s, up=up)
        newest = self._segments[-1].row if self._segments else outbox.row
        outbox.settle(self._open_row if row is None else min(row, self._open_row), self._ledger)
        outbox.save(ROW, str(newest).encode())
        keep(outbox, self._local, self._memory(), newest)
        return kept

    def _settle(self) -> None:
        self._metrics.accepted.inc(sum(len(part) for s in self._segments for part in s.readings))
        if self._segments:
            self._outbox.row = self._segments[-1].row
        owed = [delivery for segment in self._segments for delivery in segment.owed]
        self._segments, self._rejected, self._roster, self._boot = [], [], None, None
        self.pressing = False
        acknowledge(owed)

    def _let_go(self) -> None:
        """Acknowledges, though the card takes nothing, what the cloud has confirmed: that is durable too."""
        while self._segments and (batches := self._segments[0].batches) and not self.waiting.holds(batches):
            segment = self._segments.pop(0)
            self._outbox.row = segment.row
            acknowledge(segment.owed)


def accepted_so_far(outbox: Outbox) -> Ledger:
    """Returns the ledger: the stored runs, and what stands in the journal."""
    ledger = Ledger(outbox.accepted(), count=int(outbox.load("count") or b"0"))
    for _, part in outbox.journal():
        for identity in part.identities():
            ledger.add(*identity)
    return ledger
