"""Id of an outbox, and numbers of its batches that no other readings have."""

import secrets
from collections.abc import Mapping, Sequence
from typing import Final

from edge.store.values import LEAP, STARTS, starts_of
from vitals.bounds import is_name

OUTBOX: Final = "outbox"
"""Key under which the outbox stores its id."""
NUMBERS_PER_START: Final = 2**32
"""Each start numbers from the next multiple: a number that was sent but not stored is never given to other readings."""


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
