"""What came in, from devices and from above, in order of arrival, for the gateway's one thread."""

from collections import deque
from threading import Event
from typing import Generic, TypeVar

T = TypeVar("T")


class EventQueue(Generic[T]):
    """A queue that is emptied at once: quiet things wait to share a turn of the loop, urgent ones wake it.

    Args:
        enough: So many items do not wait for more.
    """

    def __init__(self, enough: int) -> None:
        self._enough = enough
        self._items: deque[T] = deque()
        self._awake = Event()

    def put(self, item: T, *, hurries: bool = True) -> None:
        """Adds an item, which wakes the loop if it hurries; safe from any thread."""
        self._items.append(item)
        if hurries or len(self._items) >= self._enough:
            self._awake.set()

    def wait(self, wait_s: float) -> None:
        """Waits until something hurries, at most `wait_s`."""
        self._awake.wait(wait_s)

    def drain(self) -> list[T]:
        """Returns what is there."""
        # Cleared first: what is put in from now on is either taken below or wakes the next call.
        self._awake.clear()
        return [self._items.popleft() for _ in range(len(self._items))]
