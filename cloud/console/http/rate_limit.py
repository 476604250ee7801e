"""Rate limits: token buckets in memory, of bounded number."""

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

MOST: Final = 20_000


@dataclass(frozen=True, slots=True)
class Rate:
    """What is allowed.

    Attributes:
        burst: At once.
        every_s: Seconds until one more is.
    """

    burst: int
    every_s: float


SIGN_IN: Final = Rate(6, 30.0)
"""Tries of one name from one address."""
SIGN_IN_NAME: Final = Rate(30, 60.0)
"""Tries of one name from anywhere: guessing from many addresses is slow, and nobody is locked out for long."""
ADDRESS: Final = Rate(120, 0.5)
"""Requests without a session from one address."""
SESSION: Final = Rate(200, 0.05)
"""Requests of one session."""


@dataclass(slots=True)
class RateLimiter:
    """Buckets by key; the least recently used give way."""

    _buckets: OrderedDict[tuple[str, ...], tuple[float, int]] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def wait_s(self, rate: Rate, now: int, *key: str) -> float:
        """Takes one from a bucket.

        Args:
            rate: What is allowed.
            now: UTC epoch ms.
            key: Whose bucket.

        Returns:
            0 when it is allowed, else seconds until it will be.
        """
        with self._lock:
            left, then = self._buckets.pop(key, (float(rate.burst), now))
            left = min(float(rate.burst), left + max(0, now - then) / 1000 / rate.every_s)
            allowed = left >= 1
            self._buckets[key] = (left - 1 if allowed else left, now)
            if len(self._buckets) > MOST:
                self._buckets.popitem(last=False)
        return 0.0 if allowed else (1 - left) * rate.every_s
