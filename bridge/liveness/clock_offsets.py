"""How far each gateway's clock is off, measured against the bridge's by what its statuses say they were sent at. Pure.

The way of a status only ever adds to the difference, so of several the smallest is the nearest; the second smallest is
taken, lest one status that fell into a moment in which somebody set the bridge's own clock decides.
"""

from collections import deque
from typing import Final

from vitals.status import ClockOffset

WINDOW_S: Final = 20.0
LEAST_S: Final = 5.0
"""Statuses that a broker kept come all at once, the oldest first, and tell of the broker."""
LEAST: Final = 3
MOST: Final = 64
CHANGE_MS: Final = 250
ANSWER_EVERY_S: Final = 60.0


class _Gateway:
    __slots__ = ("answered", "answered_at", "offset_ms", "seen")

    def __init__(self) -> None:
        self.seen: deque[tuple[float, int]] = deque(maxlen=MOST)
        self.offset_ms: int | None = None
        self.answered = 0
        self.answered_at = -float("inf")


class ClockOffsets:
    """The clocks of gateways; `at` is monotonic, s. What is to be added to a gateway's clock is its offset, ms."""

    def __init__(self) -> None:
        self._gateways: dict[str, _Gateway] = {}

    def heard(self, gateway: str, sent: int, at: float, t: int) -> ClockOffset | None:
        """Takes a status that was sent at `sent` by its gateway's clock and came at `t` by the bridge's.

        Returns:
            The offset that the gateway is to be told, once a minute and whenever it has changed; None otherwise.
        """
        if not sent:
            return None
        known, offset_ms = self._gateways.setdefault(gateway, _Gateway()), t - sent
        known.seen.append((at, offset_ms))
        while known.seen[0][0] < at - WINDOW_S:
            known.seen.popleft()
        if len(known.seen) >= LEAST and at - known.seen[0][0] >= LEAST_S:
            found = sorted(offset for _, offset in known.seen)[1]
            if known.offset_ms is None or abs(found - known.offset_ms) >= CHANGE_MS:
                known.offset_ms = found
        if abs(offset_ms - known.answered) < CHANGE_MS and at - known.answered_at < ANSWER_EVERY_S:
            return None
        known.answered, known.answered_at = offset_ms, at
        return ClockOffset(offset_ms, t)

    def of(self, gateway: str) -> int | None:
        """Returns a gateway's offset; None until it has been measured."""
        known = self._gateways.get(gateway)
        return known.offset_ms if known else None

    def begin_anew(self) -> None:
        """Forgets what was measured by a clock that was off; what was found before stands until it is found again."""
        for known in self._gateways.values():
            known.seen.clear()
            known.answered_at = -float("inf")

    def forget(self, gateway: str) -> None:
        """Forgets a gateway."""
        self._gateways.pop(gateway, None)
