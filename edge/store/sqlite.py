"""The outbox's file: its schema, its opening, and the renaming of a damaged one."""

import logging
import os
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Final

log = logging.getLogger(__name__)

NAME: Final = "outbox.db"
CORRUPT: Final = "outbox.corrupt"
"""Marker file: the database was found damaged while the gateway ran, and the next start sets it aside."""
DAMAGED, RESCUED = ".damaged-", "-rescued"
"""Part of the name of a database that was set aside; suffix once it was copied."""
EXPIRES_S: Final = 14 * 86_400.0
"""Retention of an original after it was copied."""
QUICK_CHECK_BYTES: Final = 256 * 2**20
PAGE_BYTES: Final = 512
"""A commit writes whole pages twice over its life, and most commits write one small row: small pages spare the card."""
CHECKPOINT_PAGES: Final = 8_192
"""Pages in the log before a checkpoint, so that pages rewritten each second reach the database file rarely."""
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
_ADDED: Final = """
CREATE TABLE IF NOT EXISTS identity (id INTEGER PRIMARY KEY, t INTEGER NOT NULL, entries BLOB NOT NULL);
"""
"""Tables that an older version neither has nor misses."""


def read_only(directory: Path) -> sqlite3.Connection:
    """Opens the database for reading while a gateway may be writing.

    Raises:
        sqlite3.OperationalError: There is none.
    """
    db = sqlite3.connect(f"{(directory / NAME).absolute().as_uri()}?mode=ro", uri=True, timeout=5)
    db.text_factory = lambda text: text.decode(errors="replace")
    return db


def connect(path: Path) -> sqlite3.Connection:
    """Opens the database for writing, and creates it if there is none.

    Raises:
        sqlite3.DatabaseError: It is damaged, or of another version.
    """
    db = sqlite3.connect(path, isolation_level=None, timeout=5)
    try:
        db.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        db.execute("PRAGMA journal_mode = WAL")
        # FULL: a commit is on the card before its messages are acknowledged, even at power loss. Deleted readings need
        # no overwriting with zeros (the default of some SQLite builds): the card holds others.
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
        db.executescript(_ADDED)
        if path.stat().st_size <= QUICK_CHECK_BYTES:
            (verdict,) = db.execute("PRAGMA quick_check(1)").fetchone()
            if verdict != "ok":
                raise sqlite3.DatabaseError(verdict)
        # In a damaged row any value may be marked as text.
        db.text_factory = bytes
    except BaseException:
        db.close()
        raise
    return db


def in_memory() -> sqlite3.Connection:
    """Returns an empty database in memory."""
    db = sqlite3.connect(":memory:", isolation_level=None)
    db.executescript(_SCHEMA + _ADDED)
    db.text_factory = bytes
    return db


def quarantine(path: Path, now: int) -> Path | None:
    """Renames a damaged database and its log; returns the new path, None if there is no database.

    After an interruption at any point the database is either unchanged or set aside with its log, which for a moment
    has both names.
    """
    if not path.exists():
        return None
    while _taken(target := path.with_name(f"{path.name}{DAMAGED}{now}")):
        now += 1
    written = path.with_name(f"{path.name}-wal")
    if written.is_file():
        target.with_name(f"{target.name}-wal").hardlink_to(written)
    path.rename(target)
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    _settled(path.parent)
    return target


def originals(directory: Path) -> list[Path]:
    """Returns the databases that were set aside and are not fully copied, oldest first."""
    found = (path for path in directory.glob(f"{NAME}{DAMAGED}*") if path.name.rpartition("-")[2].isdigit())
    return sorted(found, key=lambda path: int(path.name.rpartition("-")[2]))


def rescued(original: Path) -> None:
    """Renames an original that was copied; from then on it expires."""
    target = original.with_name(original.name + RESCUED)
    for suffix in ("-shm", "-wal", ""):
        file = original.with_name(original.name + suffix)
        if file.exists():
            os.utime(file)
            file.rename(target.with_name(target.name + suffix))
    _settled(original.parent)


def expire(directory: Path, now: int) -> None:
    """Deletes originals copied `EXPIRES_S` ago.

    Args:
        directory: Directory of the outbox.
        now: System clock, UTC epoch ms.
    """
    for file in directory.glob(f"{NAME}{DAMAGED}*{RESCUED}*"):
        if now / 1000 - file.stat().st_mtime > EXPIRES_S:
            log.warning("copied damaged outbox is deleted", extra={"data": {"path": str(file)}})
            file.unlink(missing_ok=True)


def _taken(target: Path) -> bool:
    return any(target.with_name(target.name + suffix).exists() for suffix in ("", "-wal", RESCUED))


def _settled(directory: Path) -> None:
    """Syncs the directory, so that renames are durable."""
    folder = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def stored_bytes(value: object, what: str) -> bytes:
    """Returns a stored value.

    Raises:
        sqlite3.DatabaseError: It is no bytes: `what` is damaged.
    """
    if not isinstance(value, bytes):
        raise damage(f"{what} is {type(value).__name__} where bytes should be")
    return value


def damage(what: str) -> sqlite3.DatabaseError:
    """Returns the error of a damaged place, which `is_corrupt` recognises."""
    error = sqlite3.DatabaseError(what)
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error


def is_corrupt(directory: Path, error: sqlite3.DatabaseError) -> bool:
    """Returns whether the error is damage; the next `open_outbox` then sets the database aside."""
    damaged = getattr(error, "sqlite_errorcode", 0) & 0xFF in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
    if damaged:
        # A full card has no room for the marker; the next start then finds the damage by its own check.
        with suppress(OSError):
            (directory / CORRUPT).touch()
    return damaged
