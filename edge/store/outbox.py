"""The outbox: what the gateway accepted and the cloud has not confirmed. SQLite, WAL, synchronous=FULL.

A reading is accepted when a transaction with it has committed, in a row of `journal`. A batch that the cloud confirms
soon is never written at all; one that it does not is kept as a row of `batch`. Rows of the journal go, in one
transaction, once every batch that holds their readings is confirmed or kept, and `accepted` has their identities. So
the ledger is always `accepted` plus what stands in `journal`.
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
REJECTED_BYTES: Final = 4_096
ROW, POSITION, COUNT, BOOTS = "row", "position", "count", "boots"
MOST_DIGITS: Final = 17
REPLAYED: Final = 2_000
"""So many rows of the journal are shown to what begins anew: half an hour of commits."""
SOME: Final = 3
"""So many of the newest batches are looked at for the outbox's id and numbers."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A batch that waits for its confirmation: number, size of its payload in bytes."""

    n: int
    size: int


@dataclass(frozen=True, slots=True)
class Sealed:
    """A batch as it was made.

    Attributes:
        n: Its number.
        t: When, UTC epoch ms.
        urgent: Whether somebody may have to be paged for one of its readings.
        readings: How many it holds.
        payload: As it is published.
        row: Row of the journal that holds its oldest reading.
        at: When, monotonic, s.
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
    """What went because the outbox was full, or too old and never confirmed."""

    batches: int
    readings: int


class Outbox:
    """One outbox database, used by one thread.

    Attributes:
        id: Random id, drawn when the database was made.
        originals: Databases that were set aside and are not yet taken over, oldest first.
        behind: Oldest row of the journal that lies in one of them alone; 0 when there is none.
        backlog: Batches kept.
        backlog_bytes: Their size, bytes.
        number: The newest batch number given.
        row: The newest row of the journal ever written.
        lost: Keys whose values the card has changed, or which nobody can read: it began without them.
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
                # Nobody knows which of them is wrong, and one that is too long would hide readings that are new.
                self.lost.add(LEDGER)
                self._db.execute("DELETE FROM accepted")
            self._sums.ledger = 0 if damaged else of_ledger(runs)
            for key in self.lost:
                self._sums.of.pop(key, None)
                self._db.execute("DELETE FROM meta WHERE key = ?", (key,))
            self.save(OUTBOX, self.id.encode())
            self.save(STARTS, str(starts + 1).encode())
        if self.lost:
            log.error("values of the outbox were damaged: %s; it goes on without them", ", ".join(sorted(self.lost)))
        (newest,) = self._db.execute("SELECT coalesce(max(id), 0) FROM journal").fetchone()
        self.row = max(int(newest), self.count(ROW), self.count(POSITION))
        self.backlog, self.backlog_bytes = self._measure("1 = 1")
        self.journal_bytes = self._journal_bytes()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commits what is done inside, durably, or none of it.

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
        """Drops the rows of the journal before `row`, and brings `accepted` up to date."""
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
        """Makes numbered batches of readings; nothing is written.

        Args:
            gateway: Gateway id.
            readings: In arrival order.
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
        """Keeps batches that are not confirmed."""
        rows = [(s.n, s.t, s.urgent, s.readings, s.payload) for s in sealed]
        self._db.executemany("INSERT INTO batch (n, t, urgent, readings, payload) VALUES (?, ?, ?, ?, ?)", rows)
        self.backlog += len(rows)
        self.backlog_bytes += sum(len(row[4]) for row in rows)

    def keep_as_they_are(self, batches: Iterable[repair.Batch]) -> None:
        """Keeps batches of an original under their own numbers; one that is here is the same."""
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
        """Makes room in a stated order.

        Batches sealed before `oldest` go, if they were offered in vain. While the rest is over `max_bytes`, the oldest
        quiet batches go, and only when none of those is left the oldest urgent ones: what an alarm rests on is kept
        longest.

        Args:
            max_bytes: Most bytes of what stays.
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
        """Moves when the kept batches were sealed; their payloads stay as they are."""
        self._db.execute("UPDATE batch SET t = max(1, t + ?)", (by_ms,))

    def payload(self, n: int) -> bytes | None:
        """Returns the MQTT payload of a kept batch, None when there is none."""
        row = self._db.execute("SELECT payload FROM batch WHERE n = ?", (n,)).fetchone()
        return _bytes(row[0], f"batch {n}") if row else None

    def after(self, n: int, limit: int) -> list[Stored]:
        """Returns the next kept batches with a number above `n`, ascending."""
        rows = self._db.execute("SELECT n, length(payload) FROM batch WHERE n > ? ORDER BY n LIMIT ?", (n, limit))
        return [Stored(*row) for row in rows]

    def between(self, first: int, last: int) -> list[Stored]:
        """Returns the kept batches with numbers from `first` to `last`."""
        if not self.backlog:
            return []
        rows = self._db.execute("SELECT n, length(payload) FROM batch WHERE n BETWEEN ? AND ?", (first, last))
        return [Stored(*row) for row in rows]

    def oldest(self) -> int | None:
        """Returns when the oldest kept batch was sealed, UTC epoch ms."""
        if not self.backlog:
            return None
        row = self._db.execute("SELECT t FROM batch ORDER BY n LIMIT 1").fetchone()
        return max(1, min(int(row[0]), MAX_T)) if row else None

    def seen(self, kept: object) -> int:
        """Returns the row of the journal up to which something that was kept has seen it.

        Args:
            kept: What was kept; where that is None, whatever has it begins anew with the newest `REPLAYED` rows.
        """
        return self.position if kept is not None else max(0, self.row - REPLAYED)

    def journal(self, after: int = 0) -> Iterator[tuple[int, Readings]]:
        """Yields the accepted readings of rows above `after`, by row, in order: there may be days of them.

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
        """Up to which row what was kept of engine, devices and ledger has seen the journal."""
        position = self.count(POSITION)
        return position if position <= self.row else 0

    @property
    def first_row(self) -> int:
        """The oldest row of the journal; one above the newest when there is none."""
        (first,) = self._db.execute("SELECT min(id) FROM journal").fetchone()
        return self.row + 1 if first is None else int(first)

    def accepted(self) -> Iterator[Range]:
        """Yields the stored runs of accepted identities; readings of the journal need not be among them."""
        rows = self._db.execute("SELECT device, boot, first, last FROM accepted ORDER BY device, boot, first")
        yield from filter(None, map(as_run, rows))

    def begun(self) -> dict[str, list[int]]:
        """Returns the boots of the devices of the ledger, oldest first, as far as that is known."""
        with suppress(msgspec.DecodeError):
            return msgspec.json.decode(self.load(BOOTS) or b"{}", type=dict[str, list[int]])
        return {}

    def reject(self, rejected: Iterable[Rejected]) -> None:
        """Keeps what was refused, the newest of it, each cut to `REJECTED_BYTES`."""
        rows = [(r.t, r.topic, r.reason, r.payload[:REJECTED_BYTES]) for r in rejected]
        self._db.executemany("INSERT INTO rejected (t, topic, reason, payload) VALUES (?, ?, ?, ?)", rows)
        self._db.execute("DELETE FROM rejected WHERE id <= (SELECT max(id) FROM rejected) - ?", (REJECTED_KEPT,))

    def save(self, key: str, value: bytes) -> None:
        """Keeps a value under a key, inside a transaction."""
        self._sums.note(key, value)
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def load(self, key: str) -> bytes | None:
        """Returns the value of a key, None when there is none."""
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return _bytes(row[0], key) if row else None

    def count(self, key: str) -> int:
        """Returns a value that is a count; 0 when there is none, or it cannot be one."""
        value = self.load(key) or b"0"
        return min(int(value), MAX_INT) if value.isdigit() and len(value) < MOST_DIGITS else 0

    def close(self) -> None:
        """Closes the database."""
        self._db.close()

    def _meta(self) -> Iterator[tuple[str, bytes]]:
        for key, value in self._db.execute("SELECT key, value FROM meta"):
            yield _bytes(key, "a key").decode(errors="replace"), _bytes(value, "a value")

    def _heads(self) -> list[tuple[str, int]]:
        """Returns outbox and number of the newest kept batches, by their payloads."""
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
    """Opens the gateway's outbox, or makes it.

    A damaged one is set aside. A new one begins as the newest of those goes on (`edge.takeover`), and what else can be
    read of them follows while the gateway runs (`edge.rescue`).

    Args:
        directory: Where it lies.
        now: UTC epoch ms; names what is set aside.
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
            log.warning("the outbox goes on as the one set aside", extra={"data": {"path": str(originals[-1])}})
        outbox = Outbox(db, originals)
        outbox.lost |= lost
        for _ in outbox.journal(outbox.position):
            pass
    except BaseException:
        db.close()
        raise
    return outbox
