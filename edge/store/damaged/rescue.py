"""Copies a damaged outbox into the new one in steps, while the gateway runs; each step and its position is one commit.

Stored batches keep their numbers. Older rows of the journal are sealed as new batches, once the time is known, as their
times may need a correction. A batch that was copied twice, or confirmed before, is sent twice, and every store drops
duplicates. An interruption costs only the step that was not committed. An original is only ever read; its name shows
when it is fully copied (`edge.store.sqlite`).
"""

import logging
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from edge.store import sqlite
from edge.store.batching import Sealed, StoredBatch
from edge.store.damaged.repair import LAST, Original
from edge.store.damaged.takeover import RESCUE, Progress, progress
from edge.store.outbox import Outbox
from vitals import readings as columns
from vitals.readings import Readings
from vitals.wire import uplink_batch
from vitals.wire.vitals_record import MAX_READINGS, WireError

log = logging.getLogger(__name__)
Righted = Callable[[int, Readings], Readings]
PIECE: Final = 8
"""Stored batches copied in one commit."""
ROWS: Final = 100
"""Most rows of the journal copied in one commit."""
EVERY_S: Final = 0.25
RETRY_S: Final = 10.0
LOOK_S: Final = 3_600.0
"""Time between two searches for expired originals."""


class Rescue:
    """Copies the readable content of the outbox's originals.

    Args:
        directory: Directory of the outbox.
        outbox: Outbox.
        gateway: Gateway id.
    """

    def __init__(self, directory: Path, outbox: Outbox, gateway: str) -> None:
        self._directory, self._outbox, self._gateway = directory, outbox, gateway
        self._left = list(outbox.originals)
        far = progress(outbox.load(RESCUE))
        self._far = {path.name: far.get(path.name, Progress()) for path in self._left}
        self._original: Original | None = None
        self._at = self._looked_at = -float("inf")
        self.unread = 0
        """Unreadable places of the originals that are done, until they are reported."""
        self._note()

    @property
    def pending(self) -> bool:
        """True while an original has rows left."""
        return bool(self._left)

    def turn(self, now: int, machine: int, clock_s: float, righted: Righted | None) -> int:
        """Copies the next step if it is due; returns the lowest number of the batches added, 0 for none.

        Args:
            now: UTC epoch ms.
            machine: System clock, UTC epoch ms.
            clock_s: Monotonic clock, s.
            righted: Returns readings of a row of the journal with corrected times; None while the time is unknown.

        Raises:
            sqlite3.DatabaseError: The outbox itself is damaged.
        """
        if clock_s - self._looked_at >= LOOK_S:
            self._looked_at = clock_s
            sqlite.expire(self._directory, machine)
        if not self._left or clock_s - self._at < EVERY_S:
            return 0
        self._at = clock_s
        path = self._left[0]
        try:
            self._original = self._original or Original(path)
            added = self._piece(self._original, path.name, now, clock_s, righted)
            if self._far[path.name].done:
                self._finish(path)
        except (sqlite3.OperationalError, OSError) as error:
            self._at = clock_s + RETRY_S
            log.warning("damaged outbox cannot be copied for now: %s", error)
            return 0
        return added

    def close(self) -> None:
        """Closes the original; the next start continues with it."""
        if self._original is not None:
            self._original.close()
            self._original = None

    def _piece(self, original: Original, name: str, now: int, clock_s: float, righted: Righted | None) -> int:
        far, unread, outbox = msgspec.structs.replace(self._far[name]), original.unread, self._outbox
        kept = _batches(original, far)
        parts = [part for batch in kept if batch.outbox != outbox.id for part in _readings(batch)]
        if far.batch == LAST:
            parts += _journal(original, far, righted)
        far.unread += original.unread - unread
        far.done = far.batch == far.journal == LAST
        mine = [batch for batch in kept if batch.outbox == outbox.id]
        sealed: list[Sealed] = []
        if parts:
            whole = columns.concat(parts)
            sealed = outbox.seal(self._gateway, whole, row=outbox.row, now=now, clock_s=clock_s, urgent=False)
        with outbox.transaction():
            outbox.batches.keep_as_they_are(mine)
            outbox.batches.keep(sealed)
            outbox.save(RESCUE, msgspec.json.encode(self._far | {name: far}))
        self._far[name] = far
        self._note()
        return min([batch.n for batch in mine] + [batch.n for batch in sealed], default=0)

    def _finish(self, path: Path) -> None:
        self.close()
        sqlite.rescued(path)
        self._left.pop(0)
        far = self._far.pop(path.name)
        self.unread += far.unread
        told = {"path": str(path), "unread": far.unread}
        log.warning("readable content of a damaged outbox is copied", extra={"data": told})

    def _note(self) -> None:
        rows = [far.journal + 1 for far in self._far.values() if far.journal < LAST]
        self._outbox.behind = min(rows, default=0)


def _batches(original: Original, far: Progress) -> list[StoredBatch]:
    """Returns the next readable stored batches, and advances the position."""
    found: list[StoredBatch] = []
    for _ in range(PIECE):
        n = original.after("batch", far.batch) if far.batch < LAST else None
        if n is None:
            far.batch = LAST
            break
        far.batch = n
        batch = original.batch(n)
        found += [] if batch is None else [batch]
    return found


def _journal(original: Original, far: Progress, righted: Righted | None) -> list[Readings]:
    """Returns the next readable older rows of the journal, with corrected times, and advances the position."""
    found: list[Readings] = []
    for _ in range(ROWS):
        row = original.after("journal", far.journal) if far.journal < LAST else None
        if row is None or row >= far.until:
            far.journal = LAST
            break
        if righted is None or sum(map(len, found)) >= MAX_READINGS:
            break
        far.journal = row
        whole = original.journal(row)
        found += [] if whole is None else [righted(row, whole[1])]
    return found


def _readings(batch: StoredBatch) -> list[Readings]:
    """Returns the readings of a batch numbered by another outbox."""
    try:
        return [uplink_batch.decode(batch.payload).readings]
    except WireError as error:
        log.error("stored batch is unreadable: %s", error, extra={"data": {"n": batch.n}})
        return []
