"""Kafka as the bridge's log. What each durability setting is for stands beside it, and in `docs/bridge.md`."""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from confluent_kafka import (
    OFFSET_BEGINNING,
    TIMESTAMP_LOG_APPEND_TIME,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)

from bridge.kafka.port import ConsumedRecord, DeliveryReport, Record

BATCH: Final = 500
METADATA_S: Final = 5.0
ASK_AGAIN_S: Final = 0.5
FOR_GOOD: Final = frozenset({KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_MSG_SIZE, KafkaError.INVALID_RECORD})
"""What no second attempt heals; a topic that is not there may be made, and a right may be given."""
logger = logging.getLogger("bridge.kafka.client")


class KafkaProducer:
    """Writes to Kafka.

    A record counts as stored when all in-sync replicas have it. There is no time at which the client gives up: while
    Kafka is away records wait in its queue, the queue fills, `send` returns False, and the bridge stops taking.

    Args:
        config: Where and who, `Settings.kafka`.
        compression: zstd, lz4 or none.
        queue_mb: Bound of the queue, MB.
        make: Makes the client, again after one that failed for good.
    """

    def __init__(
        self,
        config: Mapping[str, str],
        compression: str,
        queue_mb: int,
        make: Callable[[dict[str, Any]], Producer] = Producer,
    ) -> None:
        self._make = make
        self._config: dict[str, Any] = {
            **config,
            # With acks=all the leader answers when every in-sync replica has the record; with the topic's
            # min.insync.replicas=2 the loss of one machine then loses nothing.
            "acks": "all",
            # Numbers each record per partition, so that the client's own retries neither double nor reorder.
            "enable.idempotence": True,
            # Never give up: a record that is given up would have to be asked for again from its gateway.
            "message.timeout.ms": 0,
            "retry.backoff.max.ms": 1000,
            "reconnect.backoff.max.ms": 2000,
            # The queue in memory: the bound of what waits while Kafka is slow or away.
            "queue.buffering.max.kbytes": queue_mb * 1024,
            "queue.buffering.max.messages": 100_000,
            # The bridge has gathered already; a second wait would only add to the latency.
            "linger.ms": 0,
            "compression.type": compression,
            "error_cb": self._error,
            "logger": logging.getLogger("bridge.kafka"),
        }
        self._reports: list[DeliveryReport] = []
        self._fatal = False
        self._swap = threading.Lock()
        self._producer = make(self._config)

    def send(self, number: int, record: Record) -> bool:
        """See `Producer.send`."""

        def stored(error: KafkaError | None, message: Message) -> None:
            kind, t = message.timestamp()
            dated = error is None and kind == TIMESTAMP_LOG_APPEND_TIME
            self._reports.append(DeliveryReport(number, t=t) if dated else _report(number, error))

        with self._swap:
            try:
                self._producer.produce(
                    record.topic, record.value, record.key, partition=record.partition, on_delivery=stored
                )
            except BufferError:
                return False
            except KafkaException as error:
                # Refused on the spot, e.g. because the producer has failed for good: reported like any other refusal.
                self._reports.append(_report(number, error.args[0]))
        return True

    def poll(self, timeout_s: float) -> list[DeliveryReport]:
        """See `Producer.poll`."""
        self._producer.poll(0 if self._reports else timeout_s)
        if self._fatal:
            self._renew()
        reports, self._reports = self._reports, []
        return reports

    def close(self, timeout_s: float) -> int:
        """Waits for what is in the queue; returns how many records are not stored (no loss: none is confirmed)."""
        return int(self._producer.flush(timeout_s))

    def _error(self, error: KafkaError) -> None:
        self._fatal = self._fatal or error.fatal()
        logger.log(logging.ERROR if error.fatal() else logging.WARNING, "Kafka: %s", error.str())

    def _renew(self) -> None:
        """Replaces a producer that has failed for good; what it held is reported as refused, to be sent again."""
        logger.error("the Kafka producer has failed for good and is replaced")
        with self._swap:
            self._producer.purge()
            self._producer.flush(METADATA_S)
            self._fatal = False
            self._producer = self._make(self._config)


def _report(number: int, error: KafkaError | None) -> DeliveryReport:
    return (
        DeliveryReport(number) if error is None else DeliveryReport(number, str(error), final=error.code() in FOR_GOOD)
    )


class KafkaConsumer:
    """Reads topics from Kafka without a consumer group: a bridge reads all partitions and keeps what it needs.

    Args:
        config: Where and who, `Settings.kafka`.
        starts: Where to begin, by topic: None for the beginning, else a time, UTC epoch ms.
    """

    def __init__(self, config: Mapping[str, str], starts: Mapping[str, int | None]) -> None:
        self._consumer = Consumer(
            {
                **config,
                # The client insists on a group; nothing is committed to it.
                "group.id": f"bridge-{config.get('client.id', '')}",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "earliest",
                "reconnect.backoff.max.ms": 2000,
                "fetch.wait.max.ms": 100,
                "logger": logging.getLogger("bridge.kafka"),
            }
        )
        self._starts = starts
        self._behind: set[tuple[str, int]] | None = None
        self._next: dict[tuple[str, int], int] = {}
        self._marked: dict[tuple[str, int], int] = {}
        self._asks = False
        self._whole: frozenset[tuple[str, int]] = frozenset()

    def poll(self, timeout_s: float) -> list[ConsumedRecord]:
        """See `Feed.poll`. While Kafka cannot be asked what there is to read, there is nothing."""
        if self._behind is None and not self._assign():
            return []
        if self._asks:
            self._ask()
        found = []
        for message in self._consumer.consume(BATCH, timeout_s):
            error = message.error()
            if error is None:
                found.append(_received(message))
                self._next[found[-1].topic, found[-1].partition] = found[-1].offset + 1
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - the client's own name for the end
                self._at_end(message)
            else:
                logger.warning("Kafka: reading %s: %s", message.topic(), error.str())
        return found

    def caught_up(self) -> bool:
        """See `Feed.caught_up`."""
        return self._behind is not None and not self._behind

    def mark(self) -> None:
        """See `Feed.mark`. Kafka is asked with the next `poll`, again until it answers."""
        self._asks = True

    def at_mark(self) -> bool:
        """See `Feed.at_mark`."""
        return not self._asks and all(self._next.get(place, 0) >= end for place, end in self._marked.items())

    def close(self) -> None:
        """Ends reading."""
        self._consumer.close()

    def _at_end(self, message: Message) -> None:
        place = str(message.topic()), int(message.partition() or 0)
        # Records that only readers of transactions know of have places, too.
        self._next[place] = max(int(message.offset() or 0), self._next.get(place, 0))
        if self._behind is not None:
            self._behind.discard(place)

    def _ask(self) -> None:
        try:
            self._marked = {
                (topic, partition): self._consumer.get_watermark_offsets(TopicPartition(topic, partition), METADATA_S)[
                    1
                ]
                for topic, partition in self._whole
            }
            self._asks = False
        except KafkaException as error:
            logger.warning("Kafka: cannot learn what there is to read: %s", error)

    def _assign(self) -> bool:
        try:
            partitions = [
                TopicPartition(topic, partition, OFFSET_BEGINNING if start is None else start)
                for topic, start in self._starts.items()
                for partition in self._consumer.list_topics(topic, METADATA_S).topics[topic].partitions
            ]
            if {p.topic for p in partitions} != set(self._starts):
                missing = ", ".join(sorted(set(self._starts) - {p.topic for p in partitions}))
                logger.warning("Kafka has no topic %s: create the topics with python -m cloud topics", missing)
                time.sleep(ASK_AGAIN_S)
                return False
            timed = [p for p in partitions if self._starts[p.topic] is not None]
            begun = self._consumer.offsets_for_times(timed, METADATA_S) if timed else []
        except KafkaException as error:
            logger.warning("Kafka: cannot learn what there is to read: %s", error)
            time.sleep(ASK_AGAIN_S)
            return False
        self._consumer.assign([p for p in partitions if self._starts[p.topic] is None] + begun)
        # What begins in the middle has no end that matters: `status` never stands still.
        self._whole = frozenset((p.topic, p.partition) for p in partitions if self._starts[p.topic] is None)
        self._behind = set(self._whole)
        return True


def _received(message: Message) -> ConsumedRecord:
    return ConsumedRecord(
        str(message.topic()),
        int(message.partition() or 0),
        int(message.offset() or 0),
        message.key() or b"",
        message.value(),
        message.timestamp()[1],
    )


def missing_topics(config: Mapping[str, str], wanted: Mapping[str, int], timeout_s: float) -> list[str]:
    """Returns which topics are not there with so many partitions: with another number patients lie on other ones.

    Raises:
        KafkaException: Kafka does not answer.
    """
    found = Producer({**config, "logger": logging.getLogger("bridge.kafka")}).list_topics(timeout=timeout_s).topics
    counts = {name: len(topic.partitions) for name, topic in found.items()}
    absent = [name for name in wanted if not counts.get(name)]
    other = [
        f"{name} with PARTITIONS={count} (it was made with {counts[name]}, and keeps them)"
        for name, count in wanted.items()
        if counts.get(name, 0) not in {0, count}
    ]
    return sorted((*absent, *other))


def topics_or_wait(check: Callable[[], Iterable[str]], wait: Callable[[float], bool], every_s: float = 2.0) -> bool:
    """Waits until Kafka answers and has the topics; returns False when told to stop before.

    Producing to a topic that is not there fails its records for good, so nothing is taken before.
    """
    while True:
        try:
            missing = list(check())
            if not missing:
                return True
            logger.warning("Kafka lacks %s: create the topics with python -m cloud topics", ", ".join(missing))
        except KafkaException as error:
            logger.warning("Kafka does not answer: %s", error)
        if wait(every_s):
            return False
