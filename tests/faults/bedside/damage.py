"""Damage to a gateway's outbox while it is down, and what can still be read of it, row by row, by SQLite alone."""

import random
import shutil
import sqlite3
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

from vitals.wire import uplink_batch, vitals_record
from vitals.wire.vitals_record import WireError

Identity = tuple[str, int, int]
NAME: Final = "outbox.db"
PAGE_BYTES: Final = 512


def flip_page(path: Path, chance: random.Random) -> int:
    """Inverts a page of the database; returns which, from 0."""
    with path.open("r+b") as file:
        page = chance.randrange(path.stat().st_size // PAGE_BYTES)
        file.seek(page * PAGE_BYTES)
        bits = file.read(PAGE_BYTES)
        file.seek(page * PAGE_BYTES)
        file.write(bytes(byte ^ 0xFF for byte in bits))
    return page


def flip_meta(path: Path, chance: random.Random) -> str:
    """Flips one bit of one kept value; returns its key."""
    with closing(sqlite3.connect(path)) as db, db:
        keys = sorted(key for (key,) in db.execute("SELECT key FROM meta"))
        key = chance.choice(keys)
        (value,) = db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        spoilt = bytearray(value)
        if spoilt:
            spoilt[chance.randrange(len(spoilt))] ^= 1 << chance.randrange(8)
        db.execute("UPDATE meta SET value = ? WHERE key = ?", (bytes(spoilt), key))
    return str(key)


def readable(path: Path) -> set[Identity]:
    """Returns the readings in rows that can be read one by one, of a copy: the file is left as it is."""
    found: set[Identity] = set()
    with tempfile.TemporaryDirectory() as name:
        copy = Path(name) / path.name
        for suffix in ("", "-wal"):
            with suppress(FileNotFoundError):
                shutil.copy(path.with_name(path.name + suffix), copy.with_name(copy.name + suffix))
        with suppress(sqlite3.DatabaseError), closing(sqlite3.connect(copy)) as db:
            for table, key, column in (("batch", "n", "payload"), ("journal", "id", "columns")):
                for row in _rows(db, table, key, column):
                    with suppress(WireError, ValueError, zlib.error):
                        found |= _identities(table, row)
    return found


def _identities(table: str, row: bytes) -> set[Identity]:
    if table == "batch":
        return set(uplink_batch.decode(row).readings.identities())
    return set(vitals_record.decode_vitals(zlib.decompress(row)).identities())


def _rows(db: sqlite3.Connection, table: str, key: str, column: str) -> Iterator[bytes]:
    keys: set[int] = set()
    for way in ("ASC", "DESC"):
        with suppress(sqlite3.DatabaseError):
            for (k,) in db.execute(f"SELECT {key} FROM {table} ORDER BY {key} {way}"):  # noqa: S608 - own words
                keys.add(k)
    for k in sorted(keys):
        with suppress(sqlite3.DatabaseError):
            row = db.execute(f"SELECT {column} FROM {table} WHERE {key} = ?", (k,)).fetchone()  # noqa: S608 - own words
            if row is not None:
                yield bytes(row[0])
