"""The port to Kafka, and an in-memory log that meets the same contract.

Kafka's adapter is `bridge.kafka.client`. One contract suite (`tests/bridge/test_log.py`) holds for both.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Record:
    """A record to store; the bridge chooses the partition, never a hash of the key."""

    topic: str
    partition: int
    key: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """Outcome of sending a record.

    Attributes:
        number: Number under which it was sent.
        error: Reason for which it was not stored; None if it is stored durably.
        final: Whether the log refuses this record, or one sent in the same batch, at every attempt.
        t: Append time by the log's clock, UTC epoch ms; 0 if it is not stored or the log sets no append time.
    """

    number: int
    error: str | None = None
    final: bool = False
    t: int = 0


@dataclass(frozen=True, slots=True)
class ConsumedRecord:
    """A record as read. `value` None is a tombstone; `t` is its time in the log, UTC epoch ms."""

    topic: str
    partition: int
    offset: int
    key: bytes
    value: bytes | None
    t: int


class Producer(Protocol):
    """Stores records; safe to use from several threads."""

    def send(self, number: int, record: Record) -> bool:
        """Queues a record behind earlier ones of its partition; returns False if the queue is full."""

    def poll(self, timeout_s: float) -> list[DeliveryReport]:
        """Returns one report for each record sent; waits at most `timeout_s` for the first."""


class Consumer(Protocol):
    """Reads records."""

    def poll(self, timeout_s: float) -> list[ConsumedRecord]:
        """Returns records in the order of each partition; waits at most `timeout_s` for the first."""

    def caught_up(self) -> bool:
        """Returns whether all records present at the start have been returned, for topics read from their beginning."""

    def mark(self) -> None:
        """Marks the present end of the topics read from their beginning."""

    def at_mark(self) -> bool:
        """Returns whether all records before the mark have been returned."""


class MemoryLog:
    """An in-memory log for tests, and for running the bridge without Kafka.

    Args:
        partitions: Number of partitions by topic.
        capacity: Maximum of records sent and not yet stored.
        most_bytes: Size of a value beyond which it is refused for good.
        clock: Time of records, UTC epoch ms. Without it their offset is their time, and reports have no append time.
    """

    def __init__(
        self,
        partitions: Mapping[str, int],
        capacity: int = 10_000,
        most_bytes: int = 4 << 20,
        clock: Callable[[], int] | None = None,
    ) -> None:
        self._clock = clock
        self._stored: dict[tuple[str, int], list[ConsumedRecord]] = {
            (topic, p): [] for topic, count in partitions.items() for p in range(count)
        }
        self._taken: deque[tuple[int, Record]] = deque()
        self._capacity, self._most_bytes = capacity, most_bytes
        self._up = True
        self._changed = threading.Condition()

    def stop(self) -> None:
        """Stores nothing until `start`, like a log that is away."""
        with self._changed:
            self._up = False

    def start(self) -> None:
        """Stores again."""
        with self._changed:
            self._up = True
            self._changed.notify_all()

    def send(self, number: int, record: Record) -> bool:
        """See `Producer.send`."""
        with self._changed:
            if len(self._taken) >= self._capacity:
                return False
            self._taken.append((number, record))
            self._changed.notify_all()
            return True

    def poll(self, timeout_s: float) -> list[DeliveryReport]:
        """See `Producer.poll`. A record for a missing partition is reported as failed."""
        with self._changed:
            self._changed.wait_for(lambda: self._up and self._taken, timeout_s)
            if not self._up:
                return []
            reports = [self._store(number, record) for number, record in self._taken]
            self._taken.clear()
            return reports

    def _store(self, number: int, record: Record) -> DeliveryReport:
        try:
            partition = self._stored[record.topic, record.partition]
        except KeyError:
            return DeliveryReport(number, f"no partition {record.partition} of {record.topic}: create the topic")
        if len(record.value) > self._most_bytes:
            return DeliveryReport(number, f"{len(record.value)} bytes are over {self._most_bytes}", final=True)
        t = self._clock() if self._clock else 0
        partition.append(
            ConsumedRecord(
                record.topic, record.partition, len(partition), record.key, record.value, t or len(partition)
            )
        )
        return DeliveryReport(number, t=t)

    def append(self, topic: str, partition: int, key: bytes, value: bytes | None, t: int = 0) -> None:
        """Stores a record of another producer."""
        with self._changed:
            records = self._stored[topic, partition]
            records.append(ConsumedRecord(topic, partition, len(records), key, value, t))

    def records(self, topic: str) -> list[ConsumedRecord]:
        """Returns the records of a topic, partition by partition."""
        with self._changed:
            return [r for (name, _), records in self._stored.items() if name == topic for r in records]

    def consumer(self, topics: Iterable[str]) -> "MemoryConsumer":
        """Returns a reader of these topics from their beginning."""
        return MemoryConsumer(self, tuple(topics))


class MemoryConsumer:
    """Reads a `MemoryLog` from its beginning."""

    def __init__(self, log: MemoryLog, topics: tuple[str, ...]) -> None:
        self._log = log
        self._topics = topics
        self._next: dict[tuple[str, int], int] = {}
        self._start = {r for topic in topics for r in log.records(topic)}
        self._marked: set[ConsumedRecord] = set()

    def poll(self, timeout_s: float) -> list[ConsumedRecord]:
        """See `Consumer.poll`."""
        found = [
            r
            for topic in self._topics
            for r in self._log.records(topic)
            if r.offset >= self._next.get((topic, r.partition), 0)
        ]
        for r in found:
            self._next[r.topic, r.partition] = r.offset + 1
        self._start.difference_update(found)
        self._marked.difference_update(found)
        return found

    def caught_up(self) -> bool:
        """See `Consumer.caught_up`."""
        return not self._start

    def mark(self) -> None:
        """See `Consumer.mark`."""
        there = (r for topic in self._topics for r in self._log.records(topic))
        self._marked = {r for r in there if r.offset >= self._next.get((r.topic, r.partition), 0)}

    def at_mark(self) -> bool:
        """See `Consumer.at_mark`."""
        return not self._marked
