"""What the demo sees of the path: a reader of every Kafka topic, counting by identity as the readings pass."""

import logging
import math
import threading
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Self

import msgspec
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from infra.demo.tally import Seen
from vitals import alarms, records, topics
from vitals.alarms import AlarmEvent, Kind, Phase, Priority
from vitals.contacts import Notification
from vitals.readings import Readings
from vitals.records import WireError
from vitals.status import Status

log: Final = logging.getLogger(__name__)
WATCHED: Final = (topics.VITALS, topics.SCORED, topics.ALARMS, topics.NOTIFICATIONS, topics.REJECTED, topics.STATUS)
_notification: Final = msgspec.json.Decoder(Notification)
_status: Final = msgspec.json.Decoder(Status)


@dataclass(slots=True)
class Sight:
    """All that was seen so far.

    Attributes:
        accepted: Readings that each gateway's outbox has accepted, by its own word.
        kafka: Readings in `vitals`.
        scored: Readings in `vitals.scored`.
        latest: Newest event of each alarm, by id.
        started: Alarms that started, by priority label, and "technical".
        notifications: What SNS accepted.
        rejected: Records in `vitals.rejected`.
        latencies_ms: By hop (`infra.demo.report.HOPS`).
        ended: UTC epoch ms at which the story ended; what begins later (every monitor switched off) is not of it.
        beating: Newest Kafka timestamp in each partition of `vitals.scored`: heartbeats flow before readings do.
    """

    accepted: dict[tuple[str, str], int] = field(default_factory=dict)
    kafka: Seen = field(default_factory=Seen)
    scored: Seen = field(default_factory=Seen)
    latest: dict[str, AlarmEvent] = field(default_factory=dict)
    started: Counter[str] = field(default_factory=Counter)
    notifications: list[Notification] = field(default_factory=list)
    rejected: int = 0
    latencies_ms: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    ended: float = math.inf
    beating: dict[int, int] = field(default_factory=dict)

    def take(self, topic: str, partition: int, value: bytes, stamped: int) -> None:
        """Counts one record.

        Args:
            topic: Its topic.
            partition: Its partition.
            value: Its value.
            stamped: Its Kafka timestamp, UTC epoch ms.
        """
        if topic == topics.SCORED:
            self.beating[partition] = stamped
        if topic == topics.VITALS:
            self._readings("sensor_to_kafka", self.kafka, records.decode_vitals(value), stamped)
        elif topic == topics.SCORED:
            self._readings("sensor_to_scored", self.scored, records.decode_scored(value).readings, stamped)
        elif topic == topics.ALARMS:
            self._alarm(alarms.decode(value), stamped)
        elif topic == topics.NOTIFICATIONS:
            self._notification(_notification.decode(value))
        elif topic == topics.STATUS:
            status = _status.decode(value)
            if status.outbox:
                self.accepted[status.id, status.outbox] = status.accepted
        else:
            self.rejected += 1

    def _readings(self, hop: str, place: Seen, readings: Readings, stamped: int) -> None:
        identities = readings.identities()
        # A repeat says nothing about latency: the reading was there already.
        fresh = [t for identity, t in zip(identities, readings.t.tolist(), strict=True) if not place.counts[identity]]
        self.latencies_ms[hop].extend(stamped - t for t in fresh)
        place.add(identities)

    def _alarm(self, event: AlarmEvent, stamped: int) -> None:
        if event.start > self.ended:
            return
        self.latest[event.id] = event
        if event.phase is Phase.START:
            self.started["technical" if event.kind is Kind.TECHNICAL else event.priority.label] += 1
        elif event.phase is Phase.ESCALATE and event.kind is Kind.PHYSIOLOGICAL:
            self.started[event.priority.label] += 1
        if event.seq is not None and event.phase in {Phase.START, Phase.ESCALATE}:
            self.latencies_ms["sensor_to_alarm"].append(stamped - event.t)

    def _notification(self, notification: Notification) -> None:
        if notification.sns is not None and notification.t <= self.ended:
            self.notifications.append(notification)
            told = self.latest.get(notification.alarm)
            # A low-priority alarm is collected for a minute on purpose: it says nothing of how fast the path is.
            if told is None or told.priority is not Priority.LOW:
                self.latencies_ms["sensor_to_sns"].append(notification.accepted - notification.t)


class Observer:
    """Reads all topics in a thread of its own, from their beginning."""

    def __init__(self, bootstrap: str, partitions: int) -> None:
        self.sight = Sight()
        self.lock = threading.Lock()
        self._bootstrap = bootstrap
        self._partitions = partitions
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

    def _assignment(self) -> list[TopicPartition]:
        by_lane = {topic.name: topic.by_lane for topic in topics.TOPICS}
        return [
            TopicPartition(name, p, OFFSET_BEGINNING)
            for name in WATCHED
            for p in range(self._partitions if by_lane[name] else 1)
        ]

    def _run(self) -> None:
        consumer = Consumer(
            {
                "bootstrap.servers": self._bootstrap,
                "group.id": "demo-observer",
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
