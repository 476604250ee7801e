"""How a new outbox begins where a damaged one was set aside: as the same outbox, and with what cannot wait.

It goes on under the id and numbers of the original, so kept batches follow later as they are (`edge.rescue`), and what
confirms them fits. At once come the values that are kept under keys, the ledger, and the newest rows of the journal.
"""

import secrets
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

import msgspec

from edge.salvage import LAST, Original

RECENT: Final = 1_000
"""So many rows of the journal are taken over at once: what engine, filter and ledger have not seen is among them."""
NUMBERS_PER_START: Final = 2**32
"""Each start numbers from the next multiple: a number that was sent but not kept is never given to other readings."""
LEAP: Final = 1_024
"""So many starts are passed over when nobody knows how many there were."""
MOST_DIGITS, MOST_STARTS = 12, 2**30
SOME: Final = 10
"""So many of the newest batches are looked at for the outbox's id and numbers."""
OUTBOX, STARTS, RESCUE = "outbox", "starts", "rescue"
"""Keys under which the outbox keeps its id, how often it was opened, and how far each original is taken over."""


class Progress(msgspec.Struct):
    """How far an original is taken over.

    Attributes:
        batch: Up to which number.
        journal: Up to which row of its journal.
        until: First row of the journal that was taken over at once.
        unread: Places of it that could not be read.
        done: Whether nothing is left.
    """

    batch: int = 0
    journal: int = 0
    until: int = LAST
    unread: int = 0
    done: bool = False


def progress(kept: bytes | None) -> dict[str, Progress]:
    """Reads how far originals are taken over, by name; what cannot be read is begun again, which loses nothing."""
    with suppress(msgspec.DecodeError):
        return msgspec.json.decode(kept or b"{}", type=dict[str, Progress])
    return {}


def is_new(db: sqlite3.Connection) -> bool:
    """Returns whether nothing was ever kept in a database."""
    return db.execute("SELECT 1 FROM meta LIMIT 1").fetchone() is None


def take_over(db: sqlite3.Connection, path: Path) -> None:
    """Begins a new database as the original goes on, in one transaction.

    Args:
        db: The new database.
        path: The original.
    """
    with closing(Original(path)) as original:
        values = original.values()
        values |= _identity(values, original)
        recent = {row: original.columns(row) for row in original.newest("journal", RECENT)}
        far = progress(values.get(RESCUE))
        far[path.name] = Progress(until=min(recent, default=LAST))
        values[RESCUE] = msgspec.json.encode(far)
        db.execute("BEGIN IMMEDIATE")
        db.executemany("INSERT INTO meta VALUES (?, ?)", values.items())
        db.executemany("INSERT OR IGNORE INTO accepted VALUES (?, ?, ?, ?)", original.accepted())
        rows = [(row, columns) for row, columns in recent.items() if columns is not None]
        db.executemany("INSERT INTO journal VALUES (?, ?)", rows)
        db.execute("COMMIT")


def _identity(values: dict[str, bytes], original: Original) -> dict[str, bytes]:
    """Returns under which id the original's batches are numbered on, and which start comes next."""
    kept = [batch for n in original.newest("batch", SOME) if (batch := original.batch(n))]
    counted = starts_of(values.get(STARTS))
    if kept:
        above = max(batch.n for batch in kept) // NUMBERS_PER_START + 1
        counted = above + LEAP if counted is None else max(above, counted)
        return {OUTBOX: kept[0].outbox.encode(), STARTS: str(counted).encode()}
    if counted is None or OUTBOX not in values:
        return {OUTBOX: secrets.token_hex(8).encode(), STARTS: str(counted or 0).encode()}
    return {}


def starts_of(kept: bytes | None) -> int | None:
    """Reads how often an outbox was opened; None when that cannot be so."""
    starts = int(kept) if kept is not None and kept.isdigit() and len(kept) < MOST_DIGITS else None
    return starts if starts is not None and starts < MOST_STARTS else None
