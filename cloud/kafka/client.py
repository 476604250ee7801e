"""The one place that builds Kafka clients, so that durability and security are decided once."""

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import msgspec
from confluent_kafka import (
    OFFSET_BEGINNING,
    TIMESTAMP_NOT_AVAILABLE,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)

from cloud.kafka.port import KafkaUnavailableError, Place, Record
from cloud.settings import Kafka
from vitals.bounds import MAX_REFUSED
from vitals.runtime.daemon import now_ms
from vitals.status import Rejected
from vitals.wire import topics

logger = logging.getLogger(__name__)
METADATA_TIMEOUT_S: Final = 20.0
NEW_TOPIC_S: Final = 5.0
MAX_POLL_RECORDS: Final = 2000
LARGEST: Final = topics.MAX_RECORD_BYTES - (4 << 10)
"""What no topic would take is refused here, with room for a batch's head, before it can spoil a transaction."""


def _producer_config(settings: Kafka, client: str, linger_ms: float) -> dict[str, Any]:
    return settings.client() | {
        "client.id": client,
        # A record counts once every in-sync replica has it; less would let a broker's death take an alarm along.
        "acks": "all",
        # Retries of our own neither double nor reorder records.
        "enable.idempotence": True,
        # Alarms are few and urgent: they wait for company no longer than this.
        "linger.ms": linger_ms,
        # Past this a record is reported as failed, and the job restarts from what the log holds.
        "delivery.timeout.ms": 30_000,
        "compression.type": "lz4",
        "message.max.bytes": LARGEST,
    }


def _consumer_config(settings: Kafka, client: str, group: str) -> dict[str, Any]:
    return settings.client() | {
        "client.id": client,
        # Partitions are assigned by us, and offsets live with the state they belong to: a group would only rebalance.
        "group.id": group,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        # What is older than retention is gone; the oldest that is kept comes next, nothing is skipped silently.
        "auto.offset.reset": "earliest",
        "enable.partition.eof": True,
        # A record is handed over at once; batches form by themselves under load.
        "fetch.wait.max.ms": 20,
        "fetch.min.bytes": 1,
        "fetch.error.backoff.ms": 100,
        "reconnect.backoff.max.ms": 1000,
        # Bounds the memory of a consumer that lags behind a full log.
        "queued.max.messages.kbytes": 16 << 10,
        "queued.min.messages": 2000,
        "fetch.message.max.bytes": 4 << 20,
    }


class KafkaWriter:
    """`cloud.kafka.port.Writer` on Kafka.

    Args:
        settings: How to reach Kafka.
        client: Name of this client, for brokers' logs.
        linger_ms: How long a record may wait for company.
        config: Further settings of librdkafka.
        aside: Whether a record that is too large is put aside with its reason, for who must go on whatever it meets;
            who can tell a person raises instead.
    """

    def __init__(
        self,
        settings: Kafka,
        client: str,
        linger_ms: float = 1.0,
        config: Mapping[str, Any] | None = None,
        *,
        aside: bool = False,
    ) -> None:
        self._producer = Producer({**_producer_config(settings, client, linger_ms), **(config or {})}, logger=logger)
        self._acked: dict[Place, int] = {}
        self._failed: str | None = None
        self._refusal: KafkaError | None = None
        self._aside = aside

    def write(self, place: Place, key: bytes, value: bytes | None) -> None:
        """See `cloud.kafka.port.Writer.write`."""
        self._raise_failure()
        topic, partition = place
        try:
            self._producer.produce(topic, value, key, partition, on_delivery=self._delivered)
        except (BufferError, KafkaException) as error:
            if not (self._aside and _too_large(error) and value and topic != topics.REJECTED):
                raise KafkaUnavailableError(f"record for {topic}[{partition}] was not taken: {error}") from error
            logger.error("a record of %s bytes for %s[%s] is put aside: %s", len(value), topic, partition, error)
            reason = f"{len(value)} bytes for {topic}[{partition}] are too large for a record"
            refused = Rejected(topic=topic, reason=reason, t=now_ms(), payload=value[:MAX_REFUSED])
            self.write((topics.REJECTED, 0), key, msgspec.json.encode(refused))
        self._producer.poll(0)

    def check(self) -> None:
        """See `cloud.kafka.port.Writer.check`."""
        self._producer.poll(0)
        self._raise_failure()

    def flush(self, timeout_s: float = 30.0) -> dict[Place, int]:
        """See `cloud.kafka.port.Writer.flush`."""
        left = self._producer.flush(timeout_s)
        self._raise_failure()
        if left:
            raise KafkaUnavailableError(f"{left} records are not acknowledged after {timeout_s} s: is Kafka up?")
        return dict(self._acked)

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        topic, partition, offset = message.topic(), message.partition(), message.offset()
        if error is not None:
            self._refusal = error
            self._failed = f"record for {topic}[{partition}] was refused: {error}"
        elif topic is not None and partition is not None and offset is not None:
            self._acked[topic, partition] = max(offset + 1, self._acked.get((topic, partition), 0))

    def _raise_failure(self) -> None:
        if self._failed is not None:
            raise KafkaUnavailableError(self._failed)


class KafkaReader:
    """`cloud.kafka.port.Reader` on Kafka.

    Args:
        settings: How to reach Kafka.
        client: Name of this client, for brokers' logs.
        group: Consumer group under which offsets are committed; nothing is committed unless `commit` is called.
    """

    def __init__(self, settings: Kafka, client: str, group: str = "wardwatch") -> None:
        self._consumer = Consumer(_consumer_config(settings, client, group), logger=logger)
        self._positions: dict[Place, int] = {}

    def assign(self, positions: Mapping[Place, int]) -> None:
        """See `cloud.kafka.port.Reader.assign`."""
        self._positions = dict(positions)
        start = [TopicPartition(t, p, offset or OFFSET_BEGINNING) for (t, p), offset in positions.items()]
        self._consumer.assign(start)

    def read(self, timeout_s: float) -> list[Record]:
        """See `cloud.kafka.port.Reader.read`."""
        # `consume` waits for a full batch or the whole timeout; so wait for one, then take what is there with it.
        first = self._consumer.poll(timeout_s)
        if first is None:
            return []
        messages = [first, *self._consumer.consume(MAX_POLL_RECORDS - 1, 0.0)]
        return [record for message in messages if (record := self._record(message)) is not None]

    def position(self, place: Place) -> int:
        """See `cloud.kafka.port.Reader.position`."""
        return self._positions.get(place, 0)

    def ends(self, places: Iterable[Place]) -> dict[Place, int]:
        """See `cloud.kafka.port.Reader.ends`."""
        return {place: self._end(place) for place in places}

    def committed(self, places: Iterable[Place]) -> dict[Place, int]:
        """Returns the committed offset of each partition, 0 where none is."""
        wanted = [TopicPartition(*place) for place in places]
        found = self._consumer.committed(wanted, timeout=METADATA_TIMEOUT_S)
        return {(tp.topic, tp.partition): max(tp.offset, 0) for tp in found}

    def commit(self, positions: Mapping[Place, int]) -> None:
        """Commits the offsets up to which everything is done, without waiting."""
        offsets = [TopicPartition(t, p, offset) for (t, p), offset in positions.items()]
        self._consumer.commit(offsets=offsets, asynchronous=True)

    def close(self) -> None:
        """See `cloud.kafka.port.Reader.close`."""
        self._consumer.close()

    def _record(self, message: Message) -> Record | None:
        error, topic, partition, offset = message.error(), message.topic(), message.partition(), message.offset()
        if error is not None:
            if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - librdkafka's name for a local event
                if topic is not None and partition is not None and offset is not None:
                    self._positions[topic, partition] = max(offset, self._positions.get((topic, partition), 0))
                return None
            if error.fatal() or not error.retriable():
                raise KafkaUnavailableError(f"reading {topic}[{partition}] failed: {error}")
            logger.warning("reading %s[%s]: %s; librdkafka tries again", topic, partition, error)
            return None
        kind, t = message.timestamp()
        if topic is None or partition is None or offset is None or kind == TIMESTAMP_NOT_AVAILABLE:
            raise KafkaUnavailableError(f"a record of {topic}[{partition}] has no place or no timestamp")
        self._positions[topic, partition] = offset + 1
        key, value = message.key(), message.value()
        return Record(topic, partition, offset, t, _bytes(key), None if value is None else _bytes(value))

    def _end(self, place: Place) -> int:
        found: list[int] = []

        def ask() -> None:
            found.append(self._consumer.get_watermark_offsets(TopicPartition(*place), timeout=METADATA_TIMEOUT_S)[1])

        # Brokers hear of a new topic a moment after its creation was confirmed.
        retry(ask, what=f"{place[0]}[{place[1]}], made by `python -m cloud topics`", deadline_s=NEW_TOPIC_S)
        return found[-1]


def _too_large(error: Exception) -> bool:
    reason = error.args[0] if isinstance(error, KafkaException) else None
    return isinstance(reason, KafkaError) and reason.code() == KafkaError.MSG_SIZE_TOO_LARGE


def _bytes(content: object) -> bytes:
    return content if isinstance(content, bytes) else str(content or "").encode()


def retry(action: Callable[[], None], *, what: str, deadline_s: float) -> None:
    """Tries again, with a pause, what a starting broker refuses.

    Raises:
        KafkaUnavailableError: It still failed at the deadline.
    """
    end = time.monotonic() + deadline_s
    while True:
        try:
            return action()
        except KafkaException as error:
            if time.monotonic() > end:
                raise KafkaUnavailableError(
                    f"{what} failed: {error}. Is Kafka at the address in KAFKA_BOOTSTRAP?"
                ) from error
            time.sleep(0.5)
