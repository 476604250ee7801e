"""Who waits for what: messages for records, acknowledgements for those before them, gateways for their turn. Pure."""

from collections import OrderedDict, deque
from collections.abc import Collection, Iterable, Sequence
from typing import Generic, Protocol, TypeVar

T = TypeVar("T")


class Tracker(Generic[T]):
    """Which messages wait for which records.

    What is written together is done together: the messages of one write are done when all of its records are stored.
    """

    def __init__(self) -> None:
        self._writes: dict[int, tuple[set[int], Sequence[T]]] = {}
        self._waiting = 0

    def __len__(self) -> int:
        return self._waiting

    def register(self, records: Collection[int], messages: Sequence[T]) -> None:
        """Notes one write: all the records that carry any part of these messages, before any of them is sent."""
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
        """Notes that the log holds a record; returns the messages done with it. A repeated report does nothing."""
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
    """Something that is done with at some time."""

    @property
    def done(self) -> bool:
        """Whether it is."""


F = TypeVar("F", bound=Finishing)


class AckOrder(Generic[F]):
    """Messages in the order of arrival, in which MQTT 5 demands their acknowledgements (section 4.6)."""

    def __init__(self) -> None:
        self._line: deque[F] = deque()

    def __len__(self) -> int:
        return len(self._line)

    def arrived(self, message: F) -> None:
        """Notes a message."""
        self._line.append(message)

    def first(self) -> F | None:
        """Returns the oldest that has not left."""
        return self._line[0] if self._line else None

    def pop_acknowledgeable(self) -> list[F]:
        """Returns those done with, of which all before are done with too; they leave."""
        left = []
        while self._line and self._line[0].done:
            left.append(self._line.popleft())
        return left


class FairQueue(Generic[T]):
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
        """Returns the next message: the oldest of the gateway whose turn it is."""
        if not self._queues:
            return None
        gateway, queue = self._queues.popitem(last=False)
        message = queue.popleft()
        self._waiting -= 1
        if queue:
            self._queues[gateway] = queue
        return message

    def clear(self) -> Iterable[T]:
        """Empties all queues; returns what waited."""
        waiting = [message for queue in self._queues.values() for message in queue]
        self._queues.clear()
        self._waiting = 0
        return waiting
