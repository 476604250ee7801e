"""Starts a new outbox in place of a damaged one that was set aside, under the same id.

It continues the id and numbers of the original, so kept batches follow later unchanged (`rescue`) and their
confirmations fit. The values under keys, the ledger and the newest rows of the journal are copied at once.
"""

import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

import msgspec

from edge.store.batch_table import HEADS
from edge.store.damaged.repair import LAST, Original
from edge.store.identity import OUTBOX, identity
from edge.store.values import STARTS, SUMS, Sums, of_ledger, verified

RECENT: Final = 1_000
"""Rows of the journal copied at once; they include those that the stored state lacks."""
RESCUE: Final = "rescue"
"""Key under which the outbox stores the progress of copying each original."""


class Progress(msgspec.Struct):
    """Position up to which an original is copied.

    Attributes:
        batch: Last batch number.
        journal: Last row of the journal.
        until: First row of the journal that was copied at once.
        unread: Number of unreadable places.
        done: Whether nothing is left.
    """

    batch: int = 0
    journal: int = 0
    until: int = LAST
    unread: int = 0
    done: bool = False


def progress(kept: bytes | None) -> dict[str, Progress]:
    """Reads the positions, by name of the original; an unreadable one starts again, which loses nothing."""
    with suppress(msgspec.DecodeError):
        return msgspec.json.decode(kept or b"{}", type=dict[str, Progress])
    return {}


def is_new(db: sqlite3.Connection) -> bool:
    """Returns whether a database was never written."""
    return db.execute("SELECT 1 FROM meta LIMIT 1").fetchone() is None


def take_over(db: sqlite3.Connection, path: Path) -> set[str]:
    """Fills a new database from the original in one transaction; returns the keys of lost values.

    Args:
        db: The new database.
        path: The original.
    """
    with closing(Original(path)) as original:
        found = verified(original.values())
        heads = [batch for n in original.newest("batch", HEADS) if (batch := original.batch(n))]
        id_, starts = identity(found.values, [(batch.outbox, batch.n) for batch in heads])
        newest = original.newest("journal", RECENT)
        recent = [(n, row[0]) for n in newest if (row := original.journal(n))]
        far = progress(found.values.get(RESCUE))
        far[path.name] = Progress(until=min(newest, default=LAST))
        runs = original.accepted()
        values = found.values | {
            OUTBOX: id_.encode(),
            STARTS: str(starts).encode(),
            RESCUE: msgspec.json.encode(far),
        }
        sums = Sums(ledger=of_ledger(runs))
        for key, value in values.items():
            sums.note(key, value)
        db.execute("BEGIN IMMEDIATE")
        db.executemany("INSERT INTO meta VALUES (?, ?)", (values | {SUMS: sums.encoded()}).items())
        db.executemany("INSERT INTO accepted VALUES (?, ?, ?, ?)", runs)
        db.executemany("INSERT INTO journal VALUES (?, ?)", recent)
        db.execute("COMMIT")
    return found.lost
