"""The outbox: accepted readings that the cloud has not confirmed. SQLite, WAL, synchronous=FULL.

A reading is accepted when its transaction has committed, as part of a row of `journal`. A batch that the cloud confirms
soon is never written; any other is stored as a row of `batch`. Rows of the journal are deleted once every batch of
their readings is confirmed or stored and `accepted` has their identities, in one transaction. So the ledger is always
`accepted` plus the identities in `journal`.
"""

import logging
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from copy import copy
from pathlib import Path
from typing import Final

import msgspec

from edge.devices.driver import DeviceMessage
from edge.devices.identities import KEPT_MS
from edge.ingest.decode import REJECTED_BYTES
from edge.ingest.dedup import Range, SeenSequences, as_run
from edge.store import journal_rows
from edge.store.batch_table import BatchTable
from edge.store.batching import Sealed, payloads
from edge.store.identity import NUMBERS_PER_START, OUTBOX, identity
from edge.store.sqlite import damage, stored_bytes
from edge.store.values import LEDGER, STARTS, SUMS, of_ledger, of_run, verified
from vitals.bounds import MAX_INT
from vitals.readings import Readings
from vitals.status import Rejected
from vitals.wire.vitals_record import WireError

log = logging.getLogger(__name__)

REJECTED_KEPT: Final = 1_000

ROW, POSITION, COUNT, BOOTS = "row", "position", "count", "boots"
MOST_DIGITS: Final = 17
REPLAYED: Final = 2_000
"""Most rows of the journal that are replayed to a part that lost its state: half an hour of commits."""


class Outbox:
    """One outbox database, used by one thread.

    Attributes:
        id: Random id, drawn when the database was created.
        originals: Damaged databases that were set aside and are not fully copied, oldest first.
        behind: Oldest row of the journal that only an original has; 0 when there is none.
        batches: Stored unconfirmed batches.
        number: Newest batch number.
        row: Newest row of the journal ever written.
        lost: Keys of values that were damaged or unreadable; the gateway started without them.
        journal_bytes: Size of the journal's rows, bytes.
    """

    def __init__(self, connection: sqlite3.Connection, originals: Sequence[Path] = ()) -> None:
        self._db = connection
        self.originals = tuple(originals)
        self.behind = 0
        self.batches = BatchTable(connection)
        self.journal_bytes = self._journal_bytes()
        found = verified(dict(self._meta()))
        self.lost, self._sums = found.lost, found.sums
        self.id, starts = identity(found.values, self.batches.heads())
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

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commits all statements of the block durably, or none of them.

        Raises:
            sqlite3.OperationalError: Nothing was written: the disk is full or failing.
            sqlite3.DatabaseError: The database is damaged (`is_corrupt`).
        """
        before = self.batches.count, self.batches.nbytes, self.journal_bytes, copy(self._sums)
        try:
            self._db.execute("BEGIN IMMEDIATE")
            yield
            self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (SUMS, self._sums.encoded()))
            self._db.execute("COMMIT")
        except BaseException:
            self.batches.count, self.batches.nbytes, self.journal_bytes, self._sums = before
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def append(self, row: int, readings: Readings) -> None:
        """Accepts readings as a row of the journal; rows ascend."""
        columns = journal_rows.encode(readings)
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
                yield row, journal_rows.decode(stored_bytes(columns, f"row {row} of the journal"))
            except WireError as error:
                raise damage(f"row {row} of the journal: {error}") from error

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

    def remember(self, messages: Sequence[DeviceMessage]) -> None:
        """Stores identities of messages that the gateway numbers, in a transaction, and drops those of a day ago."""
        if messages:
            t, entries = messages[-1].t_gw, b"".join(message.entry for message in messages)
            self._db.execute("INSERT INTO identity (t, entries) VALUES (?, ?)", (t, entries))
            oldest = "SELECT id FROM identity WHERE t >= ? ORDER BY id LIMIT 1"
            self._db.execute(f"DELETE FROM identity WHERE id < ({oldest})", (t - KEPT_MS,))  # noqa: S608 - own words

    def identities(self) -> Iterator[tuple[int, bytes]]:
        """Yields arrival (UTC epoch ms) and identities of each commit of the last day, oldest first."""
        for t, entries in self._db.execute("SELECT t, entries FROM identity ORDER BY id"):
            if isinstance(t, int) and isinstance(entries, bytes):
                yield t, entries

    def save(self, key: str, value: bytes) -> None:
        """Stores a value under a key, inside a transaction."""
        self._sums.note(key, value)
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def load(self, key: str) -> bytes | None:
        """Returns the value of a key, None if it has none."""
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return stored_bytes(row[0], key) if row else None

    def count(self, key: str) -> int:
        """Returns a value that is a count; 0 if it is absent or invalid."""
        value = self.load(key) or b"0"
        return min(int(value), MAX_INT) if value.isdigit() and len(value) < MOST_DIGITS else 0

    def close(self) -> None:
        """Closes the database."""
        self._db.close()

    def _meta(self) -> Iterator[tuple[str, bytes]]:
        for key, value in self._db.execute("SELECT key, value FROM meta"):
            yield stored_bytes(key, "a key").decode(errors="replace"), stored_bytes(value, "a value")

    def _journal_bytes(self) -> int:
        (size,) = self._db.execute("SELECT coalesce(sum(length(columns)), 0) FROM journal").fetchone()
        return int(size)
