"""What came in, from devices and from above, in order of arrival, for the gateway's one thread."""

import time
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

T = TypeVar("T")


class Inbox(Generic[T]):
    """A queue that hands over what it has at once, so that one commit serves many."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[T] = SimpleQueue()

    def put(self, item: T) -> None:
        """Adds an item; safe from any thread."""
        self._queue.put(item)

    def drain(self, *, timeout_s: float, linger_s: float, limit: int) -> list[T]:
        """Returns what is there.

        Args:
            timeout_s: How long to wait for the first item.
            linger_s: How long to wait after it for others.
            limit: The most items to return.
        """
        items: list[T] = []
        try:
            items.append(self._queue.get(timeout=timeout_s))
        except Empty:
            return items
        if linger_s:
            time.sleep(linger_s)
        with suppress(Empty):
            while len(items) < limit:
                items.append(self._queue.get_nowait())
        return items
