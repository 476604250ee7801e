"""In-flight messages: their records, MQTT acknowledgements in arrival order, a fair queue of gateways. Pure."""

from collections import OrderedDict, deque
from collections.abc import Collection, Iterable, Sequence
from typing import Generic, Protocol, TypeVar

T = TypeVar("T")


class Tracker(Generic[T]):
    """The records that each message waits for.

    Messages of one write are done together, when all records of that write are stored.
    """

    def __init__(self) -> None:
        self._writes: dict[int, tuple[set[int], Sequence[T]]] = {}
        self._waiting = 0

    def __len__(self) -> int:
        return self._waiting

    def register(self, records: Collection[int], messages: Sequence[T]) -> None:
        """Notes one write: all records that carry any part of these messages, before any of them is sent."""
        if not messages:
            return
        if not records:
            raise ValueError("messages without a record could never be done")
        write = (set(records), messages)
        for record in records:
            if record in self._writes:
                raise ValueError(f"record {record} is carried already: number each record once")
            self._writes[record] = write
        self._waiting += len(messages)

    def delivered(self, record: int) -> Sequence[T]:
        """Notes that Kafka has stored a record; returns the messages this completes. A repeated report does nothing."""
        write = self._writes.pop(record, None)
        if write is None:
            return ()
        left, messages = write
        left.remove(record)
        if left:
            return ()
        self._waiting -= len(messages)
        return messages


class Finishing(Protocol):
    """A message that is done at some time."""

    @property
    def done(self) -> bool:
        """True once all of its records are stored."""


F = TypeVar("F", bound=Finishing)


class AckOrder(Generic[F]):
    """Messages in the order of arrival, in which MQTT 5 requires their acknowledgements (section 4.6)."""

    def __init__(self) -> None:
        self._line: deque[F] = deque()

    def __len__(self) -> int:
        return len(self._line)

    def arrived(self, message: F) -> None:
        """Notes a message."""
        self._line.append(message)

    def first(self) -> F | None:
        """Returns the oldest unacknowledged message."""
        return self._line[0] if self._line else None

    def pop_acknowledgeable(self) -> list[F]:
        """Removes and returns the messages that are done, up to the first that is not."""
        left = []
        while self._line and self._line[0].done:
            left.append(self._line.popleft())
        return left


class FairQueue(Generic[T]):
    """Messages in a queue per gateway, taken round robin, so that a flood of messages delays only its own gateway.

    Args:
        window: Maximum of queued messages per gateway.
    """

    def __init__(self, window: int) -> None:
        self._window = window
        self._queues: OrderedDict[str, deque[T]] = OrderedDict()
        self._waiting = 0

    def __len__(self) -> int:
        return self._waiting

    def put(self, gateway: str, message: T) -> bool:
        """Adds a message; returns False if this gateway's queue is full."""
        queue = self._queues.get(gateway)
        if queue is None:
            self._queues[gateway] = deque((message,))
        elif len(queue) >= self._window:
            return False
        else:
            queue.append(message)
        self._waiting += 1
        return True

    def take(self) -> T | None:
        """Returns the oldest message of the next gateway in turn."""
        if not self._queues:
            return None
        gateway, queue = self._queues.popitem(last=False)
        message = queue.popleft()
        self._waiting -= 1
        if queue:
            self._queues[gateway] = queue
        return message

    def clear(self) -> Iterable[T]:
        """Empties all queues; returns their messages."""
        waiting = [message for queue in self._queues.values() for message in queue]
        self._queues.clear()
        self._waiting = 0
        return waiting
