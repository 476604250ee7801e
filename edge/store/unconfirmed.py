"""Unconfirmed batches: live ones, in memory while their confirmation is expected, and those stored in the outbox."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from edge.store.batching import Sealed, Stored, Trimmed
from edge.store.outbox import Outbox

KEEP_AFTER_S: Final = 10.0
"""Age from which an unconfirmed batch is stored on the card, at the next housekeeping or when `LIVE` are waiting."""
LIVE: Final = 64
IN_VAIN_S: Final = 3_600.0
"""Time after its first offer from which an unconfirmed batch counts as offered in vain: other batches are accepted."""
UNKEPT_BYTES: Final = 16 * 2**20
"""Most bytes of live batches in memory while the card cannot be written."""
DONE: Final = 256
"""Number of confirmed batches that are deleted at once."""
TRIMMED: Final = "trimmed"
"""Key under which the outbox counts dropped readings."""


class UnconfirmedBatches:
    """All unconfirmed batches.

    Args:
        outbox: Outbox that stores batches.
        max_bytes: Size beyond which live batches are stored at once.
    """

    def __init__(self, outbox: Outbox, max_bytes: int) -> None:
        self._outbox, self._batches, self._max_bytes = outbox, outbox.batches, max_bytes
        self._live: dict[int, Sealed] = {}
        # Time of each batch's first offer to a connected uplink, monotonic, s.
        self._offered: dict[int, float] = {}
        # Shift of the sealing times of stored batches, ms, until the next housekeeping.
        self._by_ms = 0
        self._done: set[int] = set()

    def __len__(self) -> int:
        return self._batches.count - len(self._done) + len(self._live)

    @property
    def nbytes(self) -> int:
        """Size of all unconfirmed batches, bytes."""
        return self._batches.nbytes + sum(sealed.size for sealed in self._live.values())

    def oldest(self) -> int | None:
        """Returns the sealing time of the oldest batch, UTC epoch ms."""
        if self._batches.count > len(self._done):
            kept = self._batches.oldest()
            return None if kept is None else kept + self._by_ms
        return min((sealed.t for sealed in self._live.values()), default=None)

    def offered(self, n: int, clock_s: float) -> None:
        """Records that a batch is sent to the connected uplink."""
        self._offered.setdefault(n, clock_s)

    def rebase(self, by_ms: int) -> None:
        """Shifts the sealing times of batches, and nothing else, after the gateway's own time was set."""
        self._live = {n: replace(sealed, t=max(1, sealed.t + by_ms)) for n, sealed in self._live.items()}
        self._by_ms += by_ms

    def add(self, sealed: Iterable[Sealed]) -> None:
        """Adds new batches."""
        self._live.update((s.n, s) for s in sealed)

    def confirmed(self, ranges: Iterable[tuple[int, int]]) -> int:
        """Removes batches that the cloud holds; returns how many of them were unconfirmed."""
        count = 0
        for first, last in ranges:
            for n in [n for n in self._offered if first <= n <= last]:
                del self._offered[n]
            live = [n for n in self._live if first <= n <= last]
            for n in live:
                del self._live[n]
            kept = {s.n for s in self._batches.between(first, last)} - self._done
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
        return None if n in self._done else self._batches.payload(n)

    def after(self, n: int, limit: int) -> list[Stored]:
        """Returns the next batches with a number above `n`, ascending."""
        kept = [s for s in self._batches.after(n, limit + len(self._done)) if s.n not in self._done]
        live = [Stored(s.n, s.size) for s in self._live.values() if s.n > n]
        return [*kept, *live][:limit]

    def crowded(self, clock_s: float, *, up: bool) -> bool:
        """Returns whether housekeeping is due early."""
        if len(self._done) >= DONE:
            return True
        many = len(self._live) >= LIVE or self.nbytes > self._max_bytes
        return many and bool(self._unconfirmed(clock_s, up=up))

    def tidy(self, clock_s: float, *, up: bool) -> tuple[list[Sealed], int | None]:
        """Stores batches that were not confirmed in time and deletes confirmed ones, inside a transaction.

        Returns:
            The batches stored, for `tidied`; the oldest row of the journal that a live batch still needs.
        """
        if self._by_ms:
            self._batches.rebase(self._by_ms)
        kept = self._unconfirmed(clock_s, up=up)
        self._batches.keep(kept)
        self._batches.delete([(n, n) for n in sorted(self._done)])
        numbers = {sealed.n for sealed in kept}
        rows = [sealed.row for sealed in self._live.values() if sealed.n not in numbers]
        return kept, min(rows, default=None)

    def tidied(self, kept: Iterable[Sealed]) -> None:
        """Applies the result of `tidy` after its transaction has committed."""
        self._done.clear()
        self._by_ms = 0
        for sealed in kept:
            del self._live[sealed.n]

    def shed(self) -> Trimmed:
        """Drops the oldest live batches beyond `UNKEPT_BYTES` while the card cannot be written."""
        excess, count, readings = sum(sealed.size for sealed in self._live.values()) - UNKEPT_BYTES, 0, 0
        for n in sorted(self._live, key=lambda n: (self._live[n].urgent, n)):
            if excess <= 0:
                break
            gone = self._live.pop(n)
            self._offered.pop(n, None)
            excess, count, readings = excess - gone.size, count + 1, readings + gone.readings
        return Trimmed(count, readings)

    def trim(self, *, max_bytes: int, oldest: int, clock_s: float) -> Trimmed:
        """Drops stored batches beyond `max_bytes`, and batches sealed before `oldest` that were long offered in vain.

        Args:
            max_bytes: Most bytes to store.
            oldest: UTC epoch ms.
            clock_s: Monotonic clock, s.
        """
        oldest -= self._by_ms
        old = (self._batches.oldest() or oldest) < oldest
        vain = {n for n, at in self._offered.items() if clock_s - at >= IN_VAIN_S} if old else set()
        if self._batches.nbytes <= max_bytes and not vain:
            return Trimmed(0, 0)
        with self._outbox.transaction():
            self._batches.delete([(n, n) for n in sorted(self._done)])
            trimmed = self._batches.trim(max_bytes=max_bytes, oldest=oldest, offered=vain)
            count = self._outbox.count(TRIMMED) + trimmed.readings
            self._outbox.save(TRIMMED, str(count).encode())
        self._done.clear()
        return trimmed

    def _unconfirmed(self, clock_s: float, *, up: bool) -> list[Sealed]:
        """Returns the live batches to store on the card."""
        after_s = KEEP_AFTER_S if up else 0.0
        return [sealed for sealed in self._live.values() if clock_s - sealed.at >= after_s]
