"""What can still be read of a damaged outbox goes into the new one: accepted readings are not lost with a bad page."""

import sqlite3
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Final, Protocol

from vitals.readings import Readings
from vitals.wire import uplink_batch, vitals_record
from vitals.wire.vitals_record import WireError

MAX_ROW_BYTES: Final = 16 * 2**20
KEPT: Final = ("roster", "engine", "memory")
"""Values that the new outbox goes on with; its own id, numbers and positions it has of its own."""


class Target(Protocol):
    """The new outbox."""

    row: int

    def append(self, row: int, readings: Readings) -> None:
        """Accepts readings."""

    def save(self, key: str, value: bytes) -> None:
        """Keeps a value."""


def readings(columns: bytes) -> Readings:
    """Reads a row of the journal.

    Raises:
        WireError: The bytes are no such row.
    """
    inflater = zlib.decompressobj()
    try:
        plain = inflater.decompress(columns, MAX_ROW_BYTES)
    except zlib.error as error:
        raise WireError(f"row does not decompress: {error}") from error
    return vitals_record.decode_vitals(plain)


def rescue(damaged: Path, outbox: Target) -> int:
    """Takes over what a damaged database still shows; returns how many readings that is.

    They are sent again under numbers of the new outbox. Some may have been confirmed: every store drops what it has.
    Runs inside a transaction of the new outbox.
    """
    count = 0
    with suppress(sqlite3.DatabaseError), closing(sqlite3.connect(f"{damaged.as_uri()}?mode=ro", uri=True)) as db:
        for key in KEPT:
            with suppress(sqlite3.DatabaseError):
                for (value,) in db.execute("SELECT value FROM meta WHERE key = ?", (key,)):
                    outbox.save(key, value)
        for part in (*_rows(db, "batch", "n", "payload", _batch), *_rows(db, "journal", "id", "columns", readings)):
            outbox.row += 1
            outbox.append(outbox.row, part)
            count += len(part)
    return count


def _batch(payload: bytes) -> Readings:
    return uplink_batch.decode(payload).readings


def _rows(
    db: sqlite3.Connection, table: str, key: str, column: str, read: Callable[[bytes], Readings]
) -> Iterator[Readings]:
    """Yields what can be read of a table, row by row, in order; a bad row hides only itself."""
    keys: set[int] = set()
    for direction in ("ASC", "DESC"):
        # A bad page ends a scan: what lies behind it is reached from the other end.
        with suppress(sqlite3.DatabaseError):
            for (k,) in db.execute(f"SELECT {key} FROM {table} ORDER BY {key} {direction}"):  # noqa: S608 - own words
                keys.add(k)
    for k in sorted(keys):
        with suppress(sqlite3.DatabaseError, WireError):
            row = db.execute(f"SELECT {column} FROM {table} WHERE {key} = ?", (k,)).fetchone()  # noqa: S608 - own words
            if row is not None:
                yield read(row[0])
