"""Reads a damaged outbox row by row, so that a bad page hides only its own rows."""

import sqlite3
from pathlib import Path
from typing import Final

from edge.ingest.dedup import Range, as_run
from edge.store import journal_rows
from edge.store.batching import StoredBatch
from vitals.bounds import MAX_T
from vitals.readings import Readings
from vitals.wire import uplink_batch
from vitals.wire.vitals_record import MAX_READINGS, WireError

LAST: Final = 2**63 - 1
"""Highest key of a table."""
_LATER: Final = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_PERM,
}
_KEYS: Final = {"batch": "n", "journal": "id"}


class _Damage:
    """Suppresses errors of damaged rows, but not errors because the file is unavailable for now."""

    def __enter__(self) -> None:
        """Enters the block."""

    def __exit__(self, _type: object, error: BaseException | None, _trace: object) -> bool:
        """Suppresses damage."""
        if isinstance(error, WireError):
            return True
        return isinstance(error, sqlite3.DatabaseError) and getattr(error, "sqlite_errorcode", 0) & 0xFF not in _LATER


class Original:
    """A database that was set aside, opened for reading only.

    Args:
        path: Path of the database.

    Attributes:
        unread: Number of unreadable places so far.
    """

    def __init__(self, path: Path) -> None:
        self.unread = 0
        self._db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
        # In a damaged row any value may be marked as text.
        self._db.text_factory = bytes

    def close(self) -> None:
        """Closes the database."""
        self._db.close()

    def values(self) -> dict[str, bytes]:
        """Returns the readable values, by key."""
        found: dict[str, bytes] = {}
        for order in ("ASC", "DESC"):
            # A bad page ends a scan; rows beyond it are reached from the other end.
            with _Damage():
                for key, value in self._db.execute(f"SELECT key, value FROM meta ORDER BY key {order}"):  # noqa: S608
                    if isinstance(key, bytes) and isinstance(value, bytes):
                        found[key.decode(errors="replace")] = value
        return found

    def accepted(self) -> set[Range]:
        """Returns the stored runs of accepted identities."""
        found: set[Range] = set()
        for order in ("ASC", "DESC"):
            rows = (
                f"SELECT device, boot, first, last FROM accepted ORDER BY device {order}, boot {order}, first {order}"  # noqa: S608
            )
            with _Damage():
                for row in self._db.execute(rows):
                    run = as_run(row)
                    if run is not None:
                        found.add(run)
        return found

    def newest(self, table: str, count: int) -> list[int]:
        """Returns the highest keys of a table that are reachable from its end, descending."""
        key, found = _KEYS[table], []
        with _Damage():
            for (k,) in self._db.execute(f"SELECT {key} FROM {table} ORDER BY {key} DESC LIMIT ?", (count,)):  # noqa: S608
                found.append(int(k))
        return found

    def after(self, table: str, k: int) -> int | None:
        """Returns the next key of a table above `k`; None at its end.

        After a bad page the next readable key is found by exponential search, then bisection.
        """
        with _Damage():
            return self._key(table, k)
        self.unread += 1
        bad, good = k, k + 1
        while not self._walks(table, good):
            bad, good = good, good + 2 * (good - k)
            if good > LAST:
                return None
        while good - bad > 1:
            middle = (good + bad) // 2
            bad, good = (bad, middle) if self._walks(table, middle) else (middle, good)
        return self._key(table, good)

    def journal(self, row: int) -> tuple[bytes, Readings] | None:
        """Returns a row of the journal, as it is stored and decoded; None if it is unreadable."""
        with _Damage():
            columns = _bytes(self._row("SELECT columns FROM journal WHERE id = ?", row)[0])
            return columns, journal_rows.decode(columns)
        self.unread += 1
        return None

    def batch(self, n: int) -> StoredBatch | None:
        """Returns a stored batch, None if it is unreadable."""
        with _Damage():
            t, urgent, count, payload = self._row("SELECT t, urgent, readings, payload FROM batch WHERE n = ?", n)
            whole = _bytes(payload)
            head = uplink_batch.head(whole)
            return StoredBatch(
                head.n, head.outbox, _number(t, 1, MAX_T), bool(urgent), _number(count, 0, MAX_READINGS), whole
            )
        self.unread += 1
        return None

    def _walks(self, table: str, k: int) -> bool:
        with _Damage():
            self._key(table, k)
            return True
        return False

    def _row(self, query: str, key: int) -> tuple[object, ...]:
        row: tuple[object, ...] | None = self._db.execute(query, (key,)).fetchone()
        if row is None:
            raise WireError(f"row {key} is gone")
        return row

    def _key(self, table: str, k: int) -> int | None:
        key = _KEYS[table]
        row = self._db.execute(f"SELECT {key} FROM {table} WHERE {key} > ? ORDER BY {key} LIMIT 1", (k,)).fetchone()  # noqa: S608
        if row is None:
            return None
        if not isinstance(row[0], int) or row[0] <= k:
            raise sqlite3.DatabaseError(f"{table}: key {row[0]!r} after {k}")
        return int(row[0])


def _bytes(value: object) -> bytes:
    if not isinstance(value, bytes):
        raise WireError(f"{value!r} where bytes should be")
    return value


def _number(value: object, least: int, most: int) -> int:
    return max(least, min(value, most)) if isinstance(value, int) else least
