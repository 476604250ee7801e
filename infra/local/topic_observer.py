"""Looks at every Kafka topic of a running stack from outside."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Generic, Protocol, Self, TypeVar

import msgspec
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from vitals.runtime.daemon import now_ms
from vitals.wire import topics
from vitals.wire.vitals_record import WireError

log: Final = logging.getLogger(__name__)
WATCHED: Final = (topics.VITALS, topics.SCORED, topics.ALARMS, topics.NOTIFICATIONS, topics.REJECTED, topics.STATUS)
PARTITIONS: Final = 16
FRESH_MS: Final = 2500


class Looker(Protocol):
    """What looks at records as they pass."""

    def take(self, topic: str, partition: int, value: bytes, stamped: int) -> None:
        """Looks at one record: topic, partition, value, and Kafka timestamp, UTC epoch ms."""


@dataclass(slots=True)
class Beats:
    """Which partitions of `vitals.scored` beat: the first plan takes Spark seconds, and lanes come one after another.

    Attributes:
        newest: Newest Kafka timestamp in each.
    """

    newest: dict[int, int] = field(default_factory=dict)

    def take(self, topic: str, partition: int, value: bytes, stamped: int) -> None:
        """Looks at one record."""
        if topic == topics.SCORED:
            self.newest[partition] = stamped

    def fresh(self) -> bool:
        """Returns whether every lane's heartbeat comes out of Spark while it is fresh."""
        return len(self.newest) == PARTITIONS and now_ms() - min(self.newest.values()) < FRESH_MS


L = TypeVar("L", bound=Looker)
A = TypeVar("A")


class Observer(Generic[L]):
    """Shows every topic's records to somebody, in a thread of its own, from their beginning.

    Args:
        bootstrap: Kafka's address.
        partitions: Partitions of a topic placed by lane.
        sight: Who looks; read it under `lock`.
        bulk: Of `vitals` and `vitals.scored` so many partitions, where to read them all is too much; None for all.
    """

    def __init__(self, bootstrap: str, partitions: int, sight: L, bulk: int | None = None) -> None:
        self.sight = sight
        self.lock = threading.Lock()
        self._bootstrap = bootstrap
        self._partitions = partitions
        self._bulk = partitions if bulk is None else bulk
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="observer", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(timeout=15)

    def asked(self, question: Callable[[L], A]) -> A:
        """Returns an answer of who looks, between two records."""
        with self.lock:
            return question(self.sight)

    def _assignment(self) -> list[TopicPartition]:
        lanes = {topic.name: self._partitions if topic.by_lane else 1 for topic in topics.TOPICS}
        lanes |= dict.fromkeys((topics.VITALS, topics.SCORED), self._bulk)
        return [TopicPartition(name, p, OFFSET_BEGINNING) for name in WATCHED for p in range(lanes[name])]

    def _run(self) -> None:
        consumer = Consumer(
            {
                "bootstrap.servers": self._bootstrap,
                "group.id": "observer",
                "enable.auto.commit": False,
                "fetch.wait.max.ms": 50,
                "log_level": 0,
            }
        )
        consumer.assign(self._assignment())
        try:
            while not self._stop.is_set():
                self._take_all(consumer.consume(500, timeout=0.2))
        finally:
            consumer.close()

    def _take_all(self, messages: list[Any]) -> None:
        with self.lock:
            for message in messages:
                if message.error() is not None or message.value() is None:
                    continue
                try:
                    self.sight.take(message.topic(), message.partition(), message.value(), message.timestamp()[1])
                except (WireError, msgspec.DecodeError) as error:
                    log.warning("%s at %s: %s", message.topic(), message.offset(), error)
