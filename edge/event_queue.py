"""Queue of messages from devices and downlink, in order of arrival, for the gateway's one thread."""

from collections import deque
from threading import Event
from typing import Generic, TypeVar

T = TypeVar("T")


class EventQueue(Generic[T]):
    """Queue that is drained as a whole: calm items wait and share a turn of the loop, urgent items wake it.

    Args:
        enough: Length from which the queue wakes the loop even if all items are calm.
    """

    def __init__(self, enough: int) -> None:
        self._enough = enough
        self._items: deque[T] = deque()
        self._awake = Event()

    def put(self, item: T, *, hurries: bool = True) -> None:
        """Adds an item and wakes the loop if the item is urgent; safe from any thread."""
        self._items.append(item)
        if hurries or len(self._items) >= self._enough:
            self._awake.set()

    def wait(self, wait_s: float) -> None:
        """Waits for an urgent item, at most `wait_s`."""
        self._awake.wait(wait_s)

    def drain(self) -> list[T]:
        """Removes and returns all items."""
        # Cleared first: an item added from now on is either returned below or wakes the next call.
        self._awake.clear()
        return [self._items.popleft() for _ in range(len(self._items))]
