"""Clock offset of each gateway against the bridge's clock, from the send times in its statuses. Pure.

Transit only adds to the difference, so the smallest of several is the most accurate. The second smallest is used, since
one status may have arrived while the bridge's own clock was being set.
"""

from collections import deque
from typing import Final

from vitals.status import ClockOffset

WINDOW_S: Final = 20.0
LEAST_S: Final = 5.0
"""Statuses that a broker queued arrive together, the oldest first, and measure the broker's delay."""
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
    """Clock offsets of gateways, ms: the value to add to a gateway's clock. `at` is monotonic, s."""

    def __init__(self) -> None:
        self._gateways: dict[str, _Gateway] = {}

    def heard(self, gateway: str, sent: int, at: float, t: int) -> ClockOffset | None:
        """Notes a status that was sent at `sent` by its gateway's clock and arrived at `t` by the bridge's.

        Returns:
            The offset to send to the gateway, once a minute and whenever it has changed; None otherwise.
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
        """Drops differences measured by a wrong clock; offsets found earlier are kept until new ones are found."""
        for known in self._gateways.values():
            known.seen.clear()
            known.answered_at = -float("inf")

    def forget(self, gateway: str) -> None:
        """Removes a gateway."""
        self._gateways.pop(gateway, None)
