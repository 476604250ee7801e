"""The outbox: accepted readings that the cloud has not confirmed. SQLite, WAL, synchronous=FULL.

A reading is accepted when its transaction has committed, as part of a row of `journal`. A batch that the cloud confirms
soon is never written; any other is stored as a row of `batch`. Rows of the journal are deleted once every batch of
their readings is confirmed or stored and `accepted` has their identities, in one transaction. So the ledger is always
`accepted` plus the identities in `journal`.
"""

import logging
import sqlite3
import zlib
from collections.abc import Container, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from edge.ingest.decode import REJECTED_BYTES
from edge.ingest.dedup import Range, SeenSequences, as_run
from edge.store import repair, sqlite
from edge.store.batching import payloads
from edge.store.sqlite import CORRUPT, NAME, connect, quarantine
from edge.store.takeover import NUMBERS_PER_START, OUTBOX, identity, is_new, take_over
from edge.store.values import LEDGER, STARTS, SUMS, of_ledger, of_run, verified
from vitals.bounds import MAX_INT, MAX_T
from vitals.readings import Readings
from vitals.status import Rejected
from vitals.wire import uplink_batch, vitals_record
from vitals.wire.vitals_record import WireError

log = logging.getLogger(__name__)

REJECTED_KEPT: Final = 1_000

ROW, POSITION, COUNT, BOOTS = "row", "position", "count", "boots"
MOST_DIGITS: Final = 17
REPLAYED: Final = 2_000
"""Most rows of the journal that are replayed to a part that lost its state: half an hour of commits."""
SOME: Final = 3
"""Number of the newest batches that are read for the outbox's id and numbers."""


@dataclass(frozen=True, slots=True)
class Stored:
    """An unconfirmed batch: number, size of its payload in bytes."""

    n: int
    size: int


@dataclass(frozen=True, slots=True)
class Sealed:
    """A sealed batch.

    Attributes:
        n: Number.
        t: Time of sealing, UTC epoch ms.
        urgent: Whether one of its readings may lead to paging.
        readings: Number of readings.
        payload: MQTT payload.
        row: Row of the journal that holds its oldest reading.
        at: Time of sealing, monotonic, s.
    """

    n: int
    t: int
    urgent: bool
    readings: int
    payload: bytes
    row: int
    at: float

    @property
    def size(self) -> int:
        """Size of the payload, bytes."""
        return len(self.payload)


@dataclass(frozen=True, slots=True)
class Trimmed:
    """Batches and readings dropped because the outbox was full, or too old and never confirmed."""

    batches: int
    readings: int


class Outbox:
    """One outbox database, used by one thread.

    Attributes:
        id: Random id, drawn when the database was created.
        originals: Damaged databases that were set aside and are not fully copied, oldest first.
        behind: Oldest row of the journal that only an original has; 0 when there is none.
        backlog: Number of stored batches.
        backlog_bytes: Their size, bytes.
        number: Newest batch number.
        row: Newest row of the journal ever written.
        lost: Keys of values that were damaged or unreadable; the gateway started without them.
        journal_bytes: Size of the journal's rows, bytes.
    """

    def __init__(self, connection: sqlite3.Connection, originals: Sequence[Path] = ()) -> None:
        self._db = connection
        self.originals = tuple(originals)
        self.behind = 0
        found = verified(dict(self._meta()))
        self.lost, self._sums = found.lost, found.sums
        self.id, starts = identity(found.values, self._heads())
        self.number = starts * NUMBERS_PER_START
        runs = list(self.accepted())
        damaged = self._sums.ledger not in {None, of_ledger(runs)}
        with self.transaction():
            if damaged:
                # It is unknown which run is wrong, and one that is too long would hide new readings.
                self.lost.add(LEDGER)
                self._db.execute("DELETE FROM accepted")
            self._sums.ledger = 0 if damaged else of_ledger(runs)
            for key in self.lost:
                self._sums.of.pop(key, None)
                self._db.execute("DELETE FROM meta WHERE key = ?", (key,))
            self.save(OUTBOX, self.id.encode())
            self.save(STARTS, str(starts + 1).encode())
        if self.lost:
            log.error("outbox values were damaged: %s; they are discarded", ", ".join(sorted(self.lost)))
        (newest,) = self._db.execute("SELECT coalesce(max(id), 0) FROM journal").fetchone()
        self.row = max(int(newest), self.count(ROW), self.count(POSITION))
        self.backlog, self.backlog_bytes = self._measure("1 = 1")
        self.journal_bytes = self._journal_bytes()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commits all statements of the block durably, or none of them.

        Raises:
            sqlite3.OperationalError: Nothing was written: the disk is full or failing.
            sqlite3.DatabaseError: The database is damaged (`is_corrupt`).
        """
        sizes = "backlog", "backlog_bytes", "journal_bytes"
        before = {name: self.__dict__.get(name, 0) for name in sizes} | {"_sums": copy(self._sums)}
        try:
            self._db.execute("BEGIN IMMEDIATE")
            yield
            self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (SUMS, self._sums.encoded()))
            self._db.execute("COMMIT")
        except BaseException:
            self.__dict__.update(before)
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def append(self, row: int, readings: Readings) -> None:
        """Accepts readings as a row of the journal; rows ascend."""
        columns = zlib.compress(vitals_record.encode_vitals(readings), 6)
        self._db.execute("INSERT INTO journal (id, columns) VALUES (?, ?)", (row, columns))
        self.journal_bytes += len(columns)

    def settle(self, row: int, ledger: SeenSequences) -> None:
        """Deletes the rows of the journal before `row`, and updates `accepted`."""
        if self._db.execute("DELETE FROM journal WHERE id < ?", (row,)).rowcount:
            self.journal_bytes = self._journal_bytes()
        where = "device = ? AND boot = ? AND first = ?"
        for run, exists in ledger.changes():
            before = self._db.execute(f"SELECT last FROM accepted WHERE {where}", run[:3]).fetchone()  # noqa: S608 - own words
            if before is not None:
                self._db.execute(f"DELETE FROM accepted WHERE {where}", run[:3])  # noqa: S608 - own words
            if exists:
                self._db.execute("INSERT INTO accepted VALUES (?, ?, ?, ?)", run)
            sums = (of_run((*run[:3], before[0])) if before else 0) ^ (of_run(run) if exists else 0)
            self._sums.ledger = (self._sums.ledger or 0) ^ sums
        if ledger.turned:
            self.save(BOOTS, msgspec.json.encode(ledger.begun()))
        self.save(COUNT, str(ledger.count).encode())

    def seal(
        self, gateway: str, readings: Readings, *, row: int, now: int, clock_s: float, urgent: bool
    ) -> list[Sealed]:
        """Seals readings into numbered batches, in memory only.

        Args:
            gateway: Gateway id.
            readings: Readings in arrival order.
            row: Row of the journal with the oldest of them.
            now: UTC epoch ms.
            clock_s: Monotonic clock, s.
            urgent: Whether a patient with an alarm, or a value beyond a limit, is among them.
        """
        sealed = []
        for part, payload in payloads(gateway, self.id, self.number + 1, readings):
            self.number += 1
            sealed.append(Sealed(self.number, now, urgent, len(part), payload, row, clock_s))
        return sealed

    def keep(self, sealed: Iterable[Sealed]) -> None:
        """Stores unconfirmed batches."""
        rows = [(s.n, s.t, s.urgent, s.readings, s.payload) for s in sealed]
        self._db.executemany("INSERT INTO batch (n, t, urgent, readings, payload) VALUES (?, ?, ?, ?, ?)", rows)
        self.backlog += len(rows)
        self.backlog_bytes += sum(len(row[4]) for row in rows)

    def keep_as_they_are(self, batches: Iterable[repair.Batch]) -> None:
        """Stores batches of an original under their own numbers; a number that is stored already is the same batch."""
        for b in batches:
            row = (b.n, b.t, b.urgent, b.readings, b.payload)
            found = self._db.execute(
                "INSERT OR IGNORE INTO batch (n, t, urgent, readings, payload) VALUES (?, ?, ?, ?, ?)", row
            )
            self.backlog += found.rowcount
            self.backlog_bytes += len(b.payload) * found.rowcount

    def delete(self, ranges: Iterable[tuple[int, int]]) -> None:
        """Deletes confirmed batches."""
        for first, last in ranges:
            count, size = self._measure("n BETWEEN ? AND ?", first, last)
            if count:
                self._db.execute("DELETE FROM batch WHERE n BETWEEN ? AND ?", (first, last))
                self.backlog -= count
                self.backlog_bytes -= size

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
        excess = self.backlog_bytes - max_bytes - sum(size for _, size, _ in gone)
        stale = {n for n, _, _ in gone}
        for row in self._db.execute("SELECT n, length(payload), readings FROM batch ORDER BY urgent, n"):
            if excess <= 0:
                break
            if row[0] not in stale:
                gone.append(row)
                excess -= row[1]
        self._db.executemany("DELETE FROM batch WHERE n = ?", [(n,) for n, _, _ in gone])
        self.backlog -= len(gone)
        self.backlog_bytes -= sum(size for _, size, _ in gone)
        return Trimmed(len(gone), sum(readings for _, _, readings in gone))

    def rebase(self, by_ms: int) -> None:
        """Shifts the sealing times of stored batches; their payloads stay unchanged."""
        self._db.execute("UPDATE batch SET t = max(1, t + ?)", (by_ms,))

    def payload(self, n: int) -> bytes | None:
        """Returns the MQTT payload of a stored batch, None when there is none."""
        row = self._db.execute("SELECT payload FROM batch WHERE n = ?", (n,)).fetchone()
        return _bytes(row[0], f"batch {n}") if row else None

    def after(self, n: int, limit: int) -> list[Stored]:
        """Returns the next stored batches with a number above `n`, ascending."""
        rows = self._db.execute("SELECT n, length(payload) FROM batch WHERE n > ? ORDER BY n LIMIT ?", (n, limit))
        return [Stored(*row) for row in rows]

    def between(self, first: int, last: int) -> list[Stored]:
        """Returns the stored batches with numbers from `first` to `last`."""
        if not self.backlog:
            return []
        rows = self._db.execute("SELECT n, length(payload) FROM batch WHERE n BETWEEN ? AND ?", (first, last))
        return [Stored(*row) for row in rows]

    def oldest(self) -> int | None:
        """Returns the sealing time of the oldest stored batch, UTC epoch ms."""
        if not self.backlog:
            return None
        row = self._db.execute("SELECT t FROM batch ORDER BY n LIMIT 1").fetchone()
        return max(1, min(int(row[0]), MAX_T)) if row else None

    def seen(self, kept: object) -> int:
        """Returns the row of the journal up to which a stored state includes the readings.

        Args:
            kept: The stored state; None is a lost state, which is rebuilt from the newest `REPLAYED` rows.
        """
        return self.position if kept is not None else max(0, self.row - REPLAYED)

    def journal(self, after: int = 0) -> Iterator[tuple[int, Readings]]:
        """Yields row and accepted readings of each row above `after`, one by one: there may be days of readings.

        Raises:
            sqlite3.DatabaseError: A row is damaged.
        """
        for row, columns in self._db.execute("SELECT id, columns FROM journal WHERE id > ? ORDER BY id", (after,)):
            try:
                yield row, repair.readings(_bytes(columns, f"row {row} of the journal"))
            except WireError as error:
                raise _damage(f"row {row} of the journal: {error}") from error

    @property
    def position(self) -> int:
        """Row of the journal up to which the stored state of engine, devices and ledger includes the readings."""
        position = self.count(POSITION)
        return position if position <= self.row else 0

    @property
    def first_row(self) -> int:
        """Oldest row of the journal; one above the newest row when the journal is empty."""
        (first,) = self._db.execute("SELECT min(id) FROM journal").fetchone()
        return self.row + 1 if first is None else int(first)

    def accepted(self) -> Iterator[Range]:
        """Yields the stored runs of accepted identities; readings of the journal may be absent from them."""
        rows = self._db.execute("SELECT device, boot, first, last FROM accepted ORDER BY device, boot, first")
        yield from filter(None, map(as_run, rows))

    def begun(self) -> dict[str, list[int]]:
        """Returns the boots of the ledger's devices, oldest first; an empty dict if they are unknown."""
        with suppress(msgspec.DecodeError):
            return msgspec.json.decode(self.load(BOOTS) or b"{}", type=dict[str, list[int]])
        return {}

    def reject(self, rejected: Iterable[Rejected]) -> None:
        """Stores rejected messages, each cut to `REJECTED_BYTES`; only the newest `REJECTED_KEPT` remain."""
        rows = [(r.t, r.topic, r.reason, r.payload[:REJECTED_BYTES]) for r in rejected]
        self._db.executemany("INSERT INTO rejected (t, topic, reason, payload) VALUES (?, ?, ?, ?)", rows)
        self._db.execute("DELETE FROM rejected WHERE id <= (SELECT max(id) FROM rejected) - ?", (REJECTED_KEPT,))

    def save(self, key: str, value: bytes) -> None:
        """Stores a value under a key, inside a transaction."""
        self._sums.note(key, value)
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def load(self, key: str) -> bytes | None:
        """Returns the value of a key, None if it has none."""
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return _bytes(row[0], key) if row else None

    def count(self, key: str) -> int:
        """Returns a value that is a count; 0 if it is absent or invalid."""
        value = self.load(key) or b"0"
        return min(int(value), MAX_INT) if value.isdigit() and len(value) < MOST_DIGITS else 0

    def close(self) -> None:
        """Closes the database."""
        self._db.close()

    def _meta(self) -> Iterator[tuple[str, bytes]]:
        for key, value in self._db.execute("SELECT key, value FROM meta"):
            yield _bytes(key, "a key").decode(errors="replace"), _bytes(value, "a value")

    def _heads(self) -> list[tuple[str, int]]:
        """Returns outbox and number of the newest stored batches, from their payloads."""
        found = []
        for (payload,) in self._db.execute("SELECT payload FROM batch ORDER BY n DESC LIMIT ?", (SOME,)):
            with suppress(WireError):
                head = uplink_batch.head(_bytes(payload, "a batch"))
                found.append((head.outbox, head.n))
        return found

    def _journal_bytes(self) -> int:
        (size,) = self._db.execute("SELECT coalesce(sum(length(columns)), 0) FROM journal").fetchone()
        return int(size)

    def _measure(self, where: str, *arguments: int) -> tuple[int, int]:
        text = f"SELECT count(*), coalesce(sum(length(payload)), 0) FROM batch WHERE {where}"  # noqa: S608 - own text
        count, size = self._db.execute(text, arguments).fetchone()
        return count, size


def _bytes(value: object, what: str) -> bytes:
    if not isinstance(value, bytes):
        raise _damage(f"{what} is {type(value).__name__} where bytes should be")
    return value


def _damage(what: str) -> sqlite3.DatabaseError:
    error = sqlite3.DatabaseError(what)
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error


def open_outbox(directory: Path, now: int) -> Outbox:
    """Opens the gateway's outbox, or creates it.

    A damaged outbox is set aside. A new one continues the newest original (`edge.store.takeover`); the remaining
    readable content follows while the gateway runs (`edge.store.rescue`).

    Args:
        directory: Directory of the outbox.
        now: UTC epoch ms; part of the name of an outbox that is set aside.
    """
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    path, marker = directory / NAME, directory / CORRUPT
    if not marker.exists():
        try:
            return _opened(path)
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise
            log.error("the outbox is damaged and set aside", extra={"data": {"path": str(path), "error": str(error)}})
    quarantine(path, now)
    marker.unlink(missing_ok=True)
    return _opened(path)


def _opened(path: Path) -> Outbox:
    db = connect(path)
    try:
        originals, lost = sqlite.originals(path.parent), set[str]()
        if originals and is_new(db):
            lost = take_over(db, originals[-1])
            log.warning("the outbox continues the one set aside", extra={"data": {"path": str(originals[-1])}})
        outbox = Outbox(db, originals)
        outbox.lost |= lost
        for _ in outbox.journal(outbox.position):
            pass
    except BaseException:
        db.close()
        raise
    return outbox
