"""What waits for the cloud: live batches, in memory while their confirmation is near, and those in the outbox."""

from collections.abc import Iterable
from typing import Final

from edge.outbox import Outbox, Sealed, Stored, Trimmed

KEEP_AFTER_S: Final = 10.0
"""A batch not confirmed for so long is kept on the card at the next housekeeping, or when `LIVE` are waiting."""
LIVE: Final = 64
DONE: Final = 256
"""So many confirmed batches are deleted at once."""
TRIMMED: Final = "trimmed"
"""Key under which the outbox counts what was dropped."""


class Waiting:
    """Every batch that is not confirmed.

    Args:
        outbox: Where batches are kept.
        max_bytes: Size beyond which live batches wait for nothing before they are kept.
    """

    def __init__(self, outbox: Outbox, max_bytes: int) -> None:
        self._outbox, self._max_bytes = outbox, max_bytes
        self._live: dict[int, Sealed] = {}
        self._done: set[int] = set()

    def __len__(self) -> int:
        return self._outbox.backlog - len(self._done) + len(self._live)

    @property
    def nbytes(self) -> int:
        """Their size, bytes."""
        return self._outbox.backlog_bytes + sum(sealed.size for sealed in self._live.values())

    def oldest(self) -> int | None:
        """Returns when the oldest was sealed, UTC epoch ms."""
        if self._outbox.backlog > len(self._done):
            return self._outbox.oldest()
        return min((sealed.t for sealed in self._live.values()), default=None)

    def add(self, sealed: Iterable[Sealed]) -> None:
        """Takes new batches."""
        self._live.update((s.n, s) for s in sealed)

    def confirmed(self, ranges: Iterable[tuple[int, int]]) -> int:
        """The cloud holds these batches; returns how many of them waited."""
        count = 0
        for first, last in ranges:
            live = [n for n in self._live if first <= n <= last]
            for n in live:
                del self._live[n]
            kept = {s.n for s in self._outbox.between(first, last)} - self._done
            self._done |= kept
            count += len(live) + len(kept)
        return count

    def holds(self, numbers: Iterable[int]) -> bool:
        """Returns whether any of these live batches is not confirmed."""
        return not self._live.keys().isdisjoint(numbers)

    def payload(self, n: int) -> bytes | None:
        """Returns the MQTT payload of a batch, None when it is confirmed already."""
        if n in self._live:
            return self._live[n].payload
        return None if n in self._done else self._outbox.payload(n)

    def after(self, n: int, limit: int) -> list[Stored]:
        """Returns the next batches with a number above `n`, ascending."""
        kept = [s for s in self._outbox.after(n, limit + len(self._done)) if s.n not in self._done]
        live = [Stored(s.n, s.size) for s in self._live.values() if s.n > n]
        return [*kept, *live][:limit]

    def crowded(self, clock_s: float, *, up: bool) -> bool:
        """Returns whether there is reason to tidy up before its time."""
        if len(self._done) >= DONE:
            return True
        many = len(self._live) >= LIVE or self.nbytes > self._max_bytes
        return many and bool(self._unconfirmed(clock_s, up=up))

    def tidy(self, clock_s: float, *, up: bool) -> tuple[list[Sealed], int | None]:
        """Keeps what is not confirmed soon and deletes what is confirmed, inside a transaction.

        Returns:
            The batches kept, for `tidied`; the oldest row of the journal that a live batch still needs.
        """
        kept = self._unconfirmed(clock_s, up=up)
        self._outbox.keep(kept)
        self._outbox.delete([(n, n) for n in sorted(self._done)])
        numbers = {sealed.n for sealed in kept}
        rows = [sealed.row for sealed in self._live.values() if sealed.n not in numbers]
        return kept, min(rows, default=None)

    def tidied(self, kept: Iterable[Sealed]) -> None:
        """The transaction of `tidy` has committed."""
        self._done.clear()
        for sealed in kept:
            del self._live[sealed.n]

    def trim(self, *, max_bytes: int, oldest: int) -> Trimmed:
        """Makes room when what is kept is over `max_bytes` or in part older than `oldest`; see `Outbox.trim`."""
        if self._outbox.backlog_bytes <= max_bytes and (self._outbox.oldest() or oldest) >= oldest:
            return Trimmed(0, 0)
        with self._outbox.transaction():
            self._outbox.delete([(n, n) for n in sorted(self._done)])
            trimmed = self._outbox.trim(max_bytes=max_bytes, oldest=oldest)
            count = int(self._outbox.load(TRIMMED) or b"0") + trimmed.readings
            self._outbox.save(TRIMMED, str(count).encode())
        self._done.clear()
        return trimmed

    def _unconfirmed(self, clock_s: float, *, up: bool) -> list[Sealed]:
        """Returns the live batches that are to be kept on the card."""
        after_s = KEEP_AFTER_S if up else 0.0
        return [sealed for sealed in self._live.values() if clock_s - sealed.at >= after_s]
