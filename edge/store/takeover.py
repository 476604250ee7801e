"""Starts a new outbox in place of a damaged one that was set aside, under the same id.

It continues the id and numbers of the original, so kept batches follow later unchanged (`edge.store.rescue`) and their
confirmations fit. The values under keys, the ledger and the newest rows of the journal are copied at once.
"""

import secrets
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

import msgspec

from edge.store.batch_table import HEADS
from edge.store.repair import LAST, Original
from edge.store.values import LEAP, STARTS, SUMS, Sums, of_ledger, starts_of, verified
from vitals.bounds import is_name

RECENT: Final = 1_000
"""Rows of the journal copied at once; they include those that the stored state lacks."""
NUMBERS_PER_START: Final = 2**32
"""Each start numbers from the next multiple: a number that was sent but not stored is never given to other readings."""
OUTBOX, RESCUE = "outbox", "rescue"
"""Keys under which the outbox stores its id, and the progress of copying each original."""


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


def identity(values: Mapping[str, bytes], newest: Sequence[tuple[str, int]]) -> tuple[str, int]:
    """Returns an outbox's id, and a start number with batch numbers that no other readings have.

    Args:
        values: Stored values, by key.
        newest: Outbox and number of the newest stored batches, from their payloads; the newest first.
    """
    counted = starts_of(values.get(STARTS))
    if newest:
        id_ = newest[0][0]
        above = max(n for outbox, n in newest if outbox == id_) // NUMBERS_PER_START + 1
        return id_, above + LEAP if counted is None else max(above, counted)
    kept = values.get(OUTBOX, b"").decode(errors="replace")
    if counted is None or not is_name(kept):
        return secrets.token_hex(8), counted or 0
    return kept, counted
