"""The shelf: committed rows that are not sealed and not in memory, from before a restart or with unknown times."""

from typing import Final

from edge.store.clock_restore import Times
from edge.store.outbox import Outbox
from vitals.readings import Readings
from vitals.wire.vitals_record import MAX_READINGS

PIECE: Final = 4 * MAX_READINGS
"""Readings that are sealed in one step."""
PIECE_EVERY_S: Final = 0.25


class Shelf:
    """A range of rows of the journal.

    Args:
        outbox: Outbox.
        times: State of the times in the journal.
    """

    def __init__(self, outbox: Outbox, times: Times) -> None:
        self._outbox, self._times = outbox, times
        self._first, self._last = outbox.first_row, outbox.row
        self._piece_at = -float("inf")

    @property
    def first(self) -> int | None:
        """Oldest row, None if there is none."""
        return self._first if self._first <= self._last else None

    def ready(self, *, held: bool) -> bool:
        """Returns whether rows can be sealed: while the time is unknown (`held`), only those with known times."""
        return self._first <= self._until(held=held)

    def put(self, row: int) -> None:
        """Adds the committed rows from `row` on."""
        self._first, self._last = self.first or row, self._outbox.row

    def take(self, clock_s: float, *, held: bool) -> tuple[int, list[Readings]]:
        """Removes the next step, if it is due; returns its first row, and its readings with corrected times."""
        first, until = self._first, self._until(held=held)
        if first > until or clock_s - self._piece_at < PIECE_EVERY_S:
            return first, []
        self._piece_at = clock_s
        parts, count = [], 0
        for row, part in self._outbox.journal(first - 1):
            if row > until:
                break
            parts.append(self._times.righted(row, part))
            count += len(part)
            if count >= PIECE:
                until = row
                break
        self._first = until + 1
        return first, parts

    def _until(self, *, held: bool) -> int:
        return min(self._last, self._times.unset - 1) if held else self._last
