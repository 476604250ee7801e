"""The outbox's file: its schema, how it is opened, and what happens to a damaged one."""

import sqlite3
from pathlib import Path
from typing import Final

from vitals import records

NAME: Final = "outbox.db"
CORRUPT: Final = "outbox.corrupt"
"""A file of this name tells the next start that the database was found damaged while it ran."""
QUICK_CHECK_BYTES: Final = 256 * 2**20
_SCHEMA_VERSION: Final = 1
_SCHEMA: Final = """
CREATE TABLE batch (n INTEGER PRIMARY KEY AUTOINCREMENT, t INTEGER NOT NULL, urgent INTEGER NOT NULL,
    readings INTEGER NOT NULL, payload BLOB NOT NULL);
CREATE TABLE journal (id INTEGER PRIMARY KEY, columns BLOB NOT NULL);
CREATE TABLE accepted (device TEXT, boot INTEGER, first INTEGER, last INTEGER NOT NULL,
    PRIMARY KEY (device, boot, first)) WITHOUT ROWID;
CREATE TABLE rejected (id INTEGER PRIMARY KEY AUTOINCREMENT, t INTEGER NOT NULL, topic TEXT NOT NULL,
    reason TEXT NOT NULL, payload BLOB NOT NULL);
CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
"""


def read_only(directory: Path) -> sqlite3.Connection:
    """Opens the database for reading while a gateway may be writing.

    Raises:
        sqlite3.OperationalError: There is none.
    """
    return sqlite3.connect(f"{(directory / NAME).absolute().as_uri()}?mode=ro", uri=True, timeout=5)


def connect(path: Path) -> sqlite3.Connection:
    """Opens the database for writing, made anew when there is none.

    Raises:
        sqlite3.DatabaseError: It is damaged.
        WireError: A row of its journal is.
    """
    db = sqlite3.connect(path, isolation_level=None, timeout=5)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        # FULL: a commit is on the card before the device hears of it, power loss included.
        for pragma in ("synchronous = FULL", "cache_size = -4096", "journal_size_limit = 4194304"):
            db.execute(f"PRAGMA {pragma}")
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if version == 0:
            db.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {_SCHEMA_VERSION}; COMMIT;")
        if path.stat().st_size <= QUICK_CHECK_BYTES:
            (verdict,) = db.execute("PRAGMA quick_check(1)").fetchone()
            if verdict != "ok":
                raise sqlite3.DatabaseError(verdict)
        for (columns,) in db.execute("SELECT columns FROM journal"):
            records.decode_vitals(columns)
    except BaseException:
        db.close()
        raise
    return db


def put_aside(path: Path, now: int) -> Path:
    """Renames a damaged database with all that belongs to it; returns its new path."""
    target = path.with_name(f"{path.name}.damaged-{now}")
    for suffix in ("", "-wal", "-shm"):
        file = path.with_name(path.name + suffix)
        if file.exists():
            file.rename(target.with_name(target.name + suffix))
    return target


def condemned(directory: Path, error: sqlite3.DatabaseError) -> bool:
    """Returns whether the error means damage; then the next `open_outbox` sets the database aside."""
    damaged = getattr(error, "sqlite_errorcode", 0) & 0xFF in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
    if damaged:
        (directory / CORRUPT).touch()
    return damaged
