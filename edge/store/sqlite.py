"""The outbox's file: its schema, how it is opened, and what happens to a damaged one."""

import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Final

NAME: Final = "outbox.db"
CORRUPT: Final = "outbox.corrupt"
"""A file of this name tells the next start that the database was found damaged while it ran."""
QUICK_CHECK_BYTES: Final = 256 * 2**20
PAGE_BYTES: Final = 512
"""A commit writes whole pages twice over its life, and most commits write one small row: small pages spare the card."""
CHECKPOINT_PAGES: Final = 8_192
"""Pages that are rewritten every second reach the database file once per so many, not once per commit."""
_SCHEMA_VERSION: Final = 2
_SCHEMA: Final = """
CREATE TABLE batch (n INTEGER PRIMARY KEY, t INTEGER NOT NULL, urgent INTEGER NOT NULL,
    readings INTEGER NOT NULL, payload BLOB NOT NULL);
CREATE TABLE journal (id INTEGER PRIMARY KEY, columns BLOB NOT NULL);
CREATE TABLE accepted (device TEXT, boot INTEGER, first INTEGER, last INTEGER NOT NULL,
    PRIMARY KEY (device, boot, first)) WITHOUT ROWID;
CREATE TABLE rejected (id INTEGER PRIMARY KEY, t INTEGER NOT NULL, topic TEXT NOT NULL,
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
        sqlite3.DatabaseError: It is damaged, or another version's.
    """
    db = sqlite3.connect(path, isolation_level=None, timeout=5)
    try:
        db.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        db.execute("PRAGMA journal_mode = WAL")
        # FULL: a commit is on the card before the device hears of it, power loss included. Deleted readings need not be
        # overwritten with zeros (some builds of SQLite do): the card holds others.
        for pragma in (
            "synchronous = FULL",
            "secure_delete = OFF",
            "cache_size = -4096",
            f"wal_autocheckpoint = {CHECKPOINT_PAGES}",
            f"journal_size_limit = {2 * CHECKPOINT_PAGES * PAGE_BYTES}",
        ):
            db.execute(f"PRAGMA {pragma}")
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if version == 0:
            db.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {_SCHEMA_VERSION}; COMMIT;")
        elif version != _SCHEMA_VERSION:
            raise sqlite3.DatabaseError(f"schema version {version}, and this is {_SCHEMA_VERSION}")
        if path.stat().st_size <= QUICK_CHECK_BYTES:
            (verdict,) = db.execute("PRAGMA quick_check(1)").fetchone()
            if verdict != "ok":
                raise sqlite3.DatabaseError(verdict)
    except BaseException:
        db.close()
        raise
    return db


def in_memory() -> sqlite3.Connection:
    """Returns an empty database that nothing keeps."""
    db = sqlite3.connect(":memory:", isolation_level=None)
    db.executescript(_SCHEMA)
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
        # On a full card there is no room for the mark; the next start then finds the damage by itself.
        with suppress(OSError):
            (directory / CORRUPT).touch()
    return damaged
