"""The notifier's sign of life, judged without anybody's clock but the notifier's own, which only has to go on.

A broker keeps heartbeats for a gateway that was away and hands them all over at once: those are old. How old cannot be
told by the gateway's clock, which may be wrong. But a heartbeat that took longest on its way is the oldest, so the one
that was quickest says by how much the two clocks differ.
"""

import math
from typing import Final

LOST_S: Final = 60.0
APART_S: Final = 5.0
"""Two heartbeats this far apart, at both ends alike, were not kept by anybody."""


class NotifierHeartbeat:
    """Times are of a monotonic clock, s.

    Args:
        clock_s: Start; from then on a heartbeat is waited for.
    """

    def __init__(self, clock_s: float) -> None:
        self._since = clock_s
        self._quickest = math.inf
        self._last: tuple[float, float] | None = None

    def heard(self, t: int, clock_s: float) -> bool:
        """Takes a heartbeat; returns whether it is a sign of life.

        Args:
            t: When it was sent, by the notifier's clock, UTC epoch ms.
            clock_s: When it came.
        """
        sent_s = t / 1000
        way = clock_s - sent_s
        regular = False
        if self._last is not None:
            sent, came = sent_s - self._last[0], clock_s - self._last[1]
            regular = came >= APART_S and abs(sent - came) <= APART_S
        self._last = sent_s, clock_s
        if regular:
            # The notifier's clock was set: from here on it counts.
            self._quickest = way
        self._quickest = min(self._quickest, way)
        if way - self._quickest > LOST_S:
            return False
        self._since = clock_s
        return True

    def lost(self, clock_s: float) -> bool:
        """Returns whether there has been no sign of life for too long."""
        return clock_s - self._since > LOST_S
