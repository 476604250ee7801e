"""Send order of batches: live ones at once, unconfirmed ones again after a pause, the backlog at a bounded rate."""

import heapq
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from edge.store.batching import Sealed, Stored
from vitals.runtime.token_bucket import TokenBucket

RESEND_S: Final = 5.0
RESEND_MAX_S: Final = 20.0
WINDOW: Final = 256
"""Most batches sent and not confirmed; beyond it each live batch displaces one."""
IDLE_S: Final = 60.0
BACKLOG_S: Final = 0.05
"""Time between two reads of the backlog while there is one."""
BURST_S: Final = 0.25
"""Largest unused sending time, s, that the backlog may use at once."""
BACKLOG_BYTES_PER_S: Final = 256 * 1024
"""Half of AWS IoT Core's limit for one connection: the other half is for live batches."""


class SendScheduler:
    """Schedules batches for sending. Times are of a monotonic clock, s.

    Args:
        backlog_per_s: Most batches of the backlog sent per second.
        fetch: Returns the next batches of the outbox above a number (first argument), at most a count (second).
    """

    def __init__(self, backlog_per_s: float, fetch: Callable[[int, int], list[Stored]]) -> None:
        self._fetch = fetch
        self._live: deque[int] = deque()
        self._attempts: dict[int, tuple[int, float]] = {}
        self._due: list[tuple[float, int]] = []
        self._cursor = 0
        self._connected = False
        self._has_more = True
        self._batches = TokenBucket(max(1.0, BURST_S * backlog_per_s), 1 / backlog_per_s, 0.0, 0.0)
        self._bytes = TokenBucket(BURST_S * BACKLOG_BYTES_PER_S, 1 / BACKLOG_BYTES_PER_S, 0.0, 0.0)

    def connected(self) -> None:
        """Marks every unconfirmed batch as due, including those sent before."""
        self._connected = True
        self._forget()

    def disconnected(self) -> None:
        """Stops sending."""
        self._connected = False
        self._forget()

    def sealed(self, batches: Iterable[Sealed | Stored]) -> None:
        """Adds new batches, which precede the backlog."""
        if self._connected:
            self._live.extend(s.n for s in batches)

    def confirmed(self, ranges: Iterable[tuple[int, int]]) -> None:
        """Removes confirmed batches."""
        for first, last in ranges:
            for n in [n for n in self._attempts if first <= n <= last]:
                del self._attempts[n]

    def more(self, n: int) -> None:
        """Records that batches were added to the backlog, the lowest with number `n` or above."""
        self._cursor, self._has_more = min(self._cursor, n - 1), True

    def gone(self, n: int) -> None:
        """Removes a batch that the outbox no longer has."""
        self._attempts.pop(n, None)

    def wait_s(self, now: float) -> float:
        """Returns the seconds until a batch may be due, `IDLE_S` if none is expected."""
        if not self._connected:
            return IDLE_S
        if self._live:
            return 0.0
        wait_s = self._due[0][0] - now if self._due else IDLE_S
        return max(0.0, min(wait_s, BACKLOG_S if self._has_more else IDLE_S))

    def due(self, now: float) -> list[int]:
        """Returns the numbers to publish now, in order; they count as sent."""
        if not self._connected:
            return []
        numbers: list[int] = []
        for source in (self._take_live, self._resends, self._backlog):
            # Marked as sent source by source, so that a live batch is not sent again as backlog.
            numbers.extend(self._sent(source(now), now))
        return numbers

    def _sent(self, numbers: list[int], now: float) -> list[int]:
        for n in numbers:
            attempts = self._attempts.get(n, (0, 0.0))[0]
            again = now + min(RESEND_S * 2**attempts, RESEND_MAX_S)
            self._attempts[n] = attempts + 1, again
            heapq.heappush(self._due, (again, n))
        return numbers

    def _forget(self) -> None:
        self._live.clear()
        self._attempts.clear()
        self._due.clear()
        self._cursor = 0
        self._has_more = True

    def _take_live(self, _now: float) -> list[int]:
        numbers = list(self._live)
        self._live.clear()
        for _ in range(len(self._attempts) + len(numbers) - WINDOW):
            if not self._attempts:
                break
            # The live batch displaces the one sent longest ago, which is backlog again.
            taken_back = next(iter(self._attempts))
            del self._attempts[taken_back]
            self._cursor = min(self._cursor, taken_back - 1)
            self._has_more = True
        return numbers

    def _resends(self, now: float) -> list[int]:
        numbers = []
        while self._due and self._due[0][0] <= now:
            due, n = heapq.heappop(self._due)
            # A batch that was displaced and sent again has a later time.
            if n in self._attempts and self._attempts[n][1] == due:
                numbers.append(n)
        return numbers

    def _backlog(self, now: float) -> list[int]:
        room = min(int(self._batches.refill(now)), WINDOW - len(self._attempts))
        numbers: list[int] = []
        if self._bytes.refill(now) <= 0 or room <= 0:
            return numbers
        fetched = self._fetch(self._cursor, room)
        self._has_more = len(fetched) == room
        for stored in fetched:
            if self._bytes.tokens <= 0:
                self._has_more = True
                break
            self._cursor = stored.n
            if stored.n not in self._attempts:
                self._batches.tokens -= 1
                self._bytes.tokens -= stored.size
                numbers.append(stored.n)
        return numbers
