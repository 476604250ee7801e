"""Rate limits: token buckets in memory, of bounded number."""

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from vitals.runtime.token_bucket import TokenBucket

MOST: Final = 20_000


@dataclass(frozen=True, slots=True)
class Rate:
    """A token bucket's parameters.

    Attributes:
        burst: Requests that are allowed at once.
        every_s: Seconds until one more is allowed.
    """

    burst: int
    every_s: float


SIGN_IN: Final = Rate(6, 30.0)
"""Attempts of one name from one address."""
SIGN_IN_NAME: Final = Rate(30, 60.0)
"""Attempts of one name from any address: guessing from many addresses is slow, and no user is locked out for long."""
ADDRESS: Final = Rate(120, 0.5)
"""Requests without a session from one address."""
SESSION: Final = Rate(200, 0.05)
"""Requests of one session."""


@dataclass(slots=True)
class RateLimiter:
    """Buckets by key; the least recently used are evicted."""

    _buckets: OrderedDict[tuple[str, ...], TokenBucket] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def wait_s(self, rate: Rate, now: int, *key: str) -> float:
        """Uses one token of a bucket.

        Args:
            rate: Parameters of the bucket.
            now: UTC epoch ms.
            key: Key of the bucket.

        Returns:
            0 if it is allowed, else seconds until it will be.
        """
        with self._lock:
            bucket = self._buckets.pop(key, None) or TokenBucket(rate.burst, rate.every_s, rate.burst, now / 1000)
            self._buckets[key] = bucket
            if len(self._buckets) > MOST:
                self._buckets.popitem(last=False)
            if (left := bucket.refill(now / 1000)) < 1:
                return (1 - left) * rate.every_s
            bucket.tokens -= 1
        return 0.0
