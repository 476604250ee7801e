"""Unconfirmed batches of the outbox, table `batch`."""

import sqlite3
from collections.abc import Container, Iterable
from contextlib import suppress
from typing import Final

from edge.store.batching import Sealed, Stored, StoredBatch, Trimmed
from edge.store.sqlite import stored_bytes
from vitals.bounds import MAX_T
from vitals.wire import uplink_batch
from vitals.wire.vitals_record import WireError

HEADS: Final = 10
"""Number of the newest batches that are read for the outbox's id and numbers."""


class BatchTable:
    """Stored batches.

    Attributes:
        count: Their number.
        nbytes: Size of their payloads, bytes.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection
        self.count, self.nbytes = self._measure("1 = 1")

    def keep(self, sealed: Iterable[Sealed]) -> None:
        """Stores unconfirmed batches."""
        rows = [(s.n, s.t, s.urgent, s.readings, s.payload) for s in sealed]
        self._db.executemany("INSERT INTO batch (n, t, urgent, readings, payload) VALUES (?, ?, ?, ?, ?)", rows)
        self.count += len(rows)
        self.nbytes += sum(len(row[4]) for row in rows)

    def keep_as_they_are(self, batches: Iterable[StoredBatch]) -> None:
        """Stores batches of an original under their own numbers; a number that is stored already is the same batch."""
        for b in batches:
            row = (b.n, b.t, b.urgent, b.readings, b.payload)
            found = self._db.execute(
                "INSERT OR IGNORE INTO batch (n, t, urgent, readings, payload) VALUES (?, ?, ?, ?, ?)", row
            )
            self.count += found.rowcount
            self.nbytes += len(b.payload) * found.rowcount

    def delete(self, ranges: Iterable[tuple[int, int]]) -> None:
        """Deletes confirmed batches."""
        for first, last in ranges:
            count, size = self._measure("n BETWEEN ? AND ?", first, last)
            if count:
                self._db.execute("DELETE FROM batch WHERE n BETWEEN ? AND ?", (first, last))
                self.count -= count
                self.nbytes -= size

    def trim(self, *, max_bytes: int, oldest: int, offered: Container[int] = ()) -> Trimmed:
        """Drops batches in a stated order.

        Batches sealed before `oldest` go first, if they were offered in vain. While the rest exceeds `max_bytes`, the
        oldest calm batches go, and only then the oldest urgent ones: the evidence of an alarm is stored longest.

        Args:
            max_bytes: Most bytes to store.
            oldest: UTC epoch ms.
            offered: Numbers of the batches that were offered in vain.
        """
        rows = self._db.execute("SELECT n, length(payload), readings FROM batch WHERE t < ? ORDER BY n", (oldest,))
        gone = [row for row in rows if row[0] in offered]
        excess = self.nbytes - max_bytes - sum(size for _, size, _ in gone)
        stale = {n for n, _, _ in gone}
        for row in self._db.execute("SELECT n, length(payload), readings FROM batch ORDER BY urgent, n"):
            if excess <= 0:
                break
            if row[0] not in stale:
                gone.append(row)
                excess -= row[1]
        self._db.executemany("DELETE FROM batch WHERE n = ?", [(n,) for n, _, _ in gone])
        self.count -= len(gone)
        self.nbytes -= sum(size for _, size, _ in gone)
        return Trimmed(len(gone), sum(readings for _, _, readings in gone))

    def rebase(self, by_ms: int) -> None:
        """Shifts the sealing times of stored batches; their payloads stay unchanged."""
        self._db.execute("UPDATE batch SET t = max(1, t + ?)", (by_ms,))

    def payload(self, n: int) -> bytes | None:
        """Returns the MQTT payload of a stored batch, None when there is none."""
        row = self._db.execute("SELECT payload FROM batch WHERE n = ?", (n,)).fetchone()
        return stored_bytes(row[0], f"batch {n}") if row else None

    def after(self, n: int, limit: int) -> list[Stored]:
        """Returns the next stored batches with a number above `n`, ascending."""
        rows = self._db.execute("SELECT n, length(payload) FROM batch WHERE n > ? ORDER BY n LIMIT ?", (n, limit))
        return [Stored(*row) for row in rows]

    def between(self, first: int, last: int) -> list[Stored]:
        """Returns the stored batches with numbers from `first` to `last`."""
        if not self.count:
            return []
        rows = self._db.execute("SELECT n, length(payload) FROM batch WHERE n BETWEEN ? AND ?", (first, last))
        return [Stored(*row) for row in rows]

    def oldest(self) -> int | None:
        """Returns the sealing time of the oldest stored batch, UTC epoch ms."""
        if not self.count:
            return None
        row = self._db.execute("SELECT t FROM batch ORDER BY n LIMIT 1").fetchone()
        return max(1, min(int(row[0]), MAX_T)) if row else None

    def heads(self) -> list[tuple[str, int]]:
        """Returns outbox and number of the newest stored batches, from their payloads."""
        found = []
        for (payload,) in self._db.execute("SELECT payload FROM batch ORDER BY n DESC LIMIT ?", (HEADS,)):
            with suppress(WireError):
                head = uplink_batch.head(stored_bytes(payload, "a batch"))
                found.append((head.outbox, head.n))
        return found

    def _measure(self, where: str, *arguments: int) -> tuple[int, int]:
        text = f"SELECT count(*), coalesce(sum(length(payload)), 0) FROM batch WHERE {where}"  # noqa: S608 - own text
        count, size = self._db.execute(text, arguments).fetchone()
        return count, size
