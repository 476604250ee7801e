"""The outbox: what the gateway accepted and the cloud has not confirmed. SQLite, WAL, synchronous=FULL.

A reading is accepted when a transaction with it has committed: first as a row of `journal`, later, joined with others,
as a numbered row of `batch`; one transaction moves it from the one to the other. `accepted` is brought up to date with
each batch, so that the ledger is always `accepted` plus what stands in `journal`.
"""

import logging
import secrets
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edge.ledger import Ledger, Range
from edge.storage import CORRUPT, NAME, connect, put_aside
from vitals import batches, records
from vitals.batches import Batch
from vitals.readings import Readings
from vitals.records import MAX_READINGS, WireError
from vitals.status import Rejected

log = logging.getLogger(__name__)

REJECTED_KEPT: Final = 1_000
REJECTED_BYTES: Final = 4_096


@dataclass(frozen=True, slots=True)
class Stored:
    """A batch that waits for its confirmation: number, size of its payload in bytes."""

    n: int
    size: int


@dataclass(frozen=True, slots=True)
class Trimmed:
    """What went because the outbox was full or too old."""

    batches: int
    readings: int


class Outbox:
    """One outbox database, used by one thread.

    Attributes:
        id: Random id, drawn when the database was made.
        set_aside: Where a damaged predecessor was put at this start, None if there was none.
        backlog: Batches not confirmed.
        backlog_bytes: Their size, bytes.
    """

    def __init__(self, connection: sqlite3.Connection, directory: Path, set_aside: Path | None) -> None:
        self._db = connection
        self._directory = directory
        self.set_aside = set_aside
        self.id = (self.load("outbox") or b"").decode()
        if not self.id:
            self.id = secrets.token_hex(8)
            with self.transaction():
                self.save("outbox", self.id.encode())
        self.backlog, self.backlog_bytes = self._measure("1 = 1")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commits what is done inside, durably, or none of it.

        Raises:
            sqlite3.OperationalError: Nothing was written: the disk is full or failing.
            sqlite3.DatabaseError: The database is damaged (`condemned`).
        """
        before = self.__dict__.get("backlog", 0), self.__dict__.get("backlog_bytes", 0)
        try:
            self._db.execute("BEGIN IMMEDIATE")
            yield
            self._db.execute("COMMIT")
        except BaseException:
            self.backlog, self.backlog_bytes = before
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def append(self, readings: Readings) -> None:
        """Accepts readings that wait for their batch."""
        self._db.execute("INSERT INTO journal (columns) VALUES (?)", (records.encode_vitals(readings),))

    def seal(self, gateway: str, readings: Readings, ledger: Ledger, *, now: int, urgent: bool) -> list[Stored]:
        """Makes numbered batches of readings, which with what is in the journal they replace.

        Args:
            gateway: Gateway id.
            readings: All readings of the journal, and new ones after them.
            ledger: The accepted identities, these readings among them.
            now: UTC epoch ms.
            urgent: Whether a patient with an alarm, or a value beyond a limit, is among them.
        """
        row = self._db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'batch'").fetchone()
        stored = []
        n = row[0] if row else 0
        for part, payload in _payloads(gateway, self.id, n + 1, readings):
            n += 1
            self._db.execute(
                "INSERT INTO batch (n, t, urgent, readings, payload) VALUES (?, ?, ?, ?, ?)",
                (n, now, urgent, len(part), payload),
            )
            stored.append(Stored(n, len(payload)))
        self._db.execute("DELETE FROM journal")
        changes = list(ledger.changes())
        self._db.executemany(
            "DELETE FROM accepted WHERE device = ? AND boot = ? AND first = ?",
            [r[:3] for r, exists in changes if not exists],
        )
        self._db.executemany(
            "INSERT OR REPLACE INTO accepted VALUES (?, ?, ?, ?)", [r for r, exists in changes if exists]
        )
        self.backlog += len(stored)
        self.backlog_bytes += sum(s.size for s in stored)
        return stored

    def delete(self, ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
        """Deletes confirmed batches.

        Returns:
            The runs of numbers of which a batch was there.
        """
        gone = []
        for first, last in ranges:
            count, size = self._measure("n BETWEEN ? AND ?", first, last)
            if count:
                self._db.execute("DELETE FROM batch WHERE n BETWEEN ? AND ?", (first, last))
                self.backlog -= count
                self.backlog_bytes -= size
                gone.append((first, last))
        return gone

    def trim(self, *, max_bytes: int, oldest: int) -> Trimmed:
        """Makes room in a stated order.

        Batches sealed before `oldest` [UTC epoch ms] go. While the rest is over `max_bytes`, the oldest quiet batches
        go, and only when none of those is left the oldest urgent ones: what an alarm rests on is kept longest.
        """
        excess = self.backlog_bytes - max_bytes
        gone: list[tuple[int, int, int]] = []
        for n, t, size, readings in self._db.execute(
            "SELECT n, t, length(payload), readings FROM batch ORDER BY t >= ?, urgent, n", (oldest,)
        ):
            if t >= oldest and excess <= 0:
                break
            gone.append((n, size, readings))
            excess -= size
        self._db.executemany("DELETE FROM batch WHERE n = ?", [(n,) for n, _, _ in gone])
        self.backlog -= len(gone)
        self.backlog_bytes -= sum(size for _, size, _ in gone)
        return Trimmed(len(gone), sum(readings for _, _, readings in gone))

    def payload(self, n: int) -> bytes | None:
        """Returns the MQTT payload of a batch, None when it is confirmed already."""
        row = self._db.execute("SELECT payload FROM batch WHERE n = ?", (n,)).fetchone()
        return bytes(row[0]) if row else None

    def after(self, n: int, limit: int) -> list[Stored]:
        """Returns the next batches of the backlog with a number above `n`, ascending."""
        rows = self._db.execute("SELECT n, length(payload) FROM batch WHERE n > ? ORDER BY n LIMIT ?", (n, limit))
        return [Stored(*row) for row in rows]

    def oldest(self) -> int | None:
        """Returns when the oldest unconfirmed batch was sealed, UTC epoch ms."""
        row = self._db.execute("SELECT t FROM batch ORDER BY n LIMIT 1").fetchone()
        return int(row[0]) if row else None

    def last_number(self) -> int:
        """Returns the number of the newest batch ever, 0 before the first."""
        row = self._db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'batch'").fetchone()
        return row[0] if row else 0

    def last_row(self) -> int:
        """Returns the number of the journal's newest row, 0 when it is empty."""
        (newest,) = self._db.execute("SELECT coalesce(max(id), 0) FROM journal").fetchone()
        return int(newest)

    def open_readings(self, after: int = 0) -> list[Readings]:
        """Returns the accepted readings that stand in no batch yet, of rows above `after`, in order."""
        rows = self._db.execute("SELECT columns FROM journal WHERE id > ? ORDER BY id", (after,))
        return [records.decode_vitals(columns) for (columns,) in rows]

    def sealed_readings(self, after: int) -> Iterator[Readings]:
        """Yields the readings of unconfirmed batches with a number above `after`, in order."""
        for stored in self.after(after, -1):
            payload = self.payload(stored.n)
            if payload is not None:
                yield batches.decode(payload).readings

    def accepted(self) -> Iterator[Range]:
        """Yields the stored runs of accepted identities; readings of the journal are not yet among them."""
        yield from self._db.execute("SELECT device, boot, first, last FROM accepted ORDER BY device, boot, first")

    def reject(self, rejected: Iterable[Rejected]) -> None:
        """Keeps what was refused, the newest of it, each cut to `REJECTED_BYTES`."""
        rows = [(r.t, r.topic, r.reason, r.payload[:REJECTED_BYTES]) for r in rejected]
        self._db.executemany("INSERT INTO rejected (t, topic, reason, payload) VALUES (?, ?, ?, ?)", rows)
        self._db.execute("DELETE FROM rejected WHERE id <= (SELECT max(id) FROM rejected) - ?", (REJECTED_KEPT,))

    def save(self, key: str, value: bytes) -> None:
        """Keeps a value under a key."""
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def load(self, key: str) -> bytes | None:
        """Returns the value of a key, None when there is none."""
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return bytes(row[0]) if row else None

    def close(self) -> None:
        """Closes the database."""
        self._db.close()

    def _measure(self, where: str, *arguments: int) -> tuple[int, int]:
        text = f"SELECT count(*), coalesce(sum(length(payload)), 0) FROM batch WHERE {where}"  # noqa: S608 - own text
        count, size = self._db.execute(text, arguments).fetchone()
        return count, size


def open_outbox(directory: Path, now: int) -> Outbox:
    """Opens the gateway's outbox, or makes it; a damaged one is set aside, never deleted.

    Args:
        directory: Where it lies.
        now: UTC epoch ms; names what is set aside.
    """
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = directory / NAME
    set_aside = None
    marker = directory / CORRUPT
    if marker.exists():
        set_aside = put_aside(path, now)
        marker.unlink()
    try:
        return Outbox(connect(path), directory, set_aside)
    except (sqlite3.DatabaseError, WireError) as error:
        if isinstance(error, sqlite3.OperationalError):
            raise
        log.error("the outbox is damaged and set aside", extra={"data": {"path": str(path), "error": str(error)}})
        set_aside = put_aside(path, now)
        return Outbox(connect(path), directory, set_aside)


def _payloads(gateway: str, outbox: str, n: int, readings: Readings) -> Iterator[tuple[Readings, bytes]]:
    """Splits readings into batches that hold few enough and fit into one publish."""
    start = 0
    size = MAX_READINGS
    while start < len(readings):
        part = readings.take(slice(start, start + size))
        payload = batches.encode(Batch(gateway, outbox, n, part))
        if len(payload) > batches.MAX_PAYLOAD_BYTES and len(part) > 1:
            size = max(1, size // 2)
            continue
        yield part, payload
        start += len(part)
        n += 1
