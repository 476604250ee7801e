"""Who waits for what: batches for records, acknowledgements for those before them, gateways for their turn. Pure."""

from collections import OrderedDict, deque
from collections.abc import Iterable
from typing import Generic, TypeVar

T = TypeVar("T")


class Tracker:
    """Which batches wait for which records: a batch is done when every record that carries any of it is delivered."""

    def __init__(self) -> None:
        self._batches: dict[int, tuple[int, ...]] = {}
        self._left: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._left)

    def carry(self, records: Iterable[tuple[int, tuple[int, ...]]]) -> None:
        """Notes records and the batches they carry. All records of a batch come in one call, before any is sent."""
        fresh: dict[int, int] = {}
        for record, carried in records:
            if record in self._batches:
                raise ValueError(f"record {record} is carried already: number each record once")
            self._batches[record] = carried
            for batch in carried:
                fresh[batch] = fresh.get(batch, 0) + 1
        again = fresh.keys() & self._left.keys()
        if again:
            raise ValueError(f"batches {sorted(again)} are carried already: they could be confirmed too early")
        self._left.update(fresh)

    def delivered(self, record: int) -> list[int]:
        """Notes that the log holds a record; returns the batches done with it. A repeated report does nothing."""
        done = []
        for batch in self._batches.pop(record, ()):
            self._left[batch] -= 1
            if not self._left[batch]:
                del self._left[batch]
                done.append(batch)
        return done


class InOrder(Generic[T]):
    """Acknowledgements in the order of arrival, as MQTT 5 demands of a receiver (section 4.6)."""

    def __init__(self) -> None:
        self._receipts: OrderedDict[int, T] = OrderedDict()
        self._done: set[int] = set()

    def __len__(self) -> int:
        return len(self._receipts)

    def arrived(self, message: int, receipt: T) -> None:
        """Notes a message, and with what it is acknowledged."""
        self._receipts[message] = receipt

    def done(self, message: int) -> list[T]:
        """Notes that a message is done with; returns the receipts whose turn it is. One not noted does nothing."""
        if message not in self._receipts:
            return []
        self._done.add(message)
        ready = []
        while self._receipts and (first := next(iter(self._receipts))) in self._done:
            self._done.remove(first)
            ready.append(self._receipts.pop(first))
        return ready

    def clear(self) -> None:
        """Forgets all: their connection is gone, and what was not acknowledged on it comes again."""
        self._receipts.clear()
        self._done.clear()


class Turns(Generic[T]):
    """Waiting messages, each gateway's in order, the gateways in turn: one that floods waits behind itself alone.

    Args:
        window: Messages of one gateway that wait, at most.
    """

    def __init__(self, window: int) -> None:
        self._window = window
        self._queues: OrderedDict[str, deque[T]] = OrderedDict()
        self._waiting = 0

    def __len__(self) -> int:
        return self._waiting

    def put(self, gateway: str, message: T) -> bool:
        """Adds a message; False when this gateway has too many waiting."""
        queue = self._queues.setdefault(gateway, deque())
        if len(queue) >= self._window:
            return False
        queue.append(message)
        self._waiting += 1
        return True

    def take(self) -> T | None:
        """Returns the next message: the oldest of the gateway whose turn it is."""
        if not self._queues:
            return None
        gateway, queue = self._queues.popitem(last=False)
        message = queue.popleft()
        self._waiting -= 1
        if queue:
            self._queues[gateway] = queue
        return message

    def clear(self) -> list[T]:
        """Empties all queues; returns what waited."""
        waiting = [message for queue in self._queues.values() for message in queue]
        self._queues.clear()
        self._waiting = 0
        return waiting
