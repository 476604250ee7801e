"""Heartbeat of the notifier, checked without any clock but the notifier's own, which only has to run.

A broker stores heartbeats for a gateway that was away and delivers all at once: they are old. The gateway's clock
cannot show their age, as it may be wrong. But the heartbeat with the longest delay is the oldest, so the one with the
shortest delay shows the difference of the two clocks.
"""

import math
from typing import Final

LOST_S: Final = 60.0
APART_S: Final = 5.0
"""Two heartbeats this far apart, both as sent and as received, were not stored by a broker."""


class NotifierHeartbeat:
    """Supervises the heartbeat. Times are of a monotonic clock, s.

    Args:
        clock_s: Start of the supervision.
    """

    def __init__(self, clock_s: float) -> None:
        self._since = clock_s
        self._quickest = math.inf
        self._last: tuple[float, float] | None = None

    def heard(self, t: int, clock_s: float) -> bool:
        """Records a heartbeat; returns whether it is recent.

        Args:
            t: Time of sending by the notifier's clock, UTC epoch ms.
            clock_s: Time of arrival.
        """
        sent_s = t / 1000
        way = clock_s - sent_s
        regular = False
        if self._last is not None:
            sent, came = sent_s - self._last[0], clock_s - self._last[1]
            regular = came >= APART_S and abs(sent - came) <= APART_S
        self._last = sent_s, clock_s
        if regular:
            # The notifier's clock was set: its new time is the reference from here on.
            self._quickest = way
        self._quickest = min(self._quickest, way)
        if way - self._quickest > LOST_S:
            return False
        self._since = clock_s
        return True

    def lost(self, clock_s: float) -> bool:
        """Returns whether the last recent heartbeat is too long ago."""
        return clock_s - self._since > LOST_S
