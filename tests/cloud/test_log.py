"""One contract for both logs."""

import contextlib
import random
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

import msgspec
import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, NewTopic

from cloud.kafka.client import KafkaReader, KafkaWriter
from cloud.kafka.in_memory import MemoryLog, MemoryReader, MemoryWriter
from cloud.kafka.port import KafkaUnavailableError, Reader, Writer, read_to_end
from cloud.kafka.transactional import TransactionalWriter
from cloud.settings import Kafka
from vitals.status import Rejected
from vitals.wire import topics


@dataclass
class Ends:
    """Both ends of one log, and a topic of two partitions in it."""

    reader: Reader
    writer: Writer
    topic: str

    def write(self, partition: int, *values: bytes) -> None:
        for value in values:
            self.writer.write((self.topic, partition), b"key", value)
        self.writer.flush()


@pytest.fixture(params=["memory", "kafka"])
def log(request: pytest.FixtureRequest) -> Iterator[Ends]:
    if request.param == "memory":
        ticks = count(1)
        memory = MemoryLog(lambda: next(ticks))
        yield Ends(MemoryReader(memory), MemoryWriter(memory), "t")
        return
    bootstrap = request.getfixturevalue("kafka")
    topic = f"contract-{uuid.uuid4().hex[:8]}"
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([NewTopic(topic, 2, 1)])[topic].result(30)
    settings = Kafka(kafka_bootstrap=bootstrap)
    reader = KafkaReader(settings, "contract", group=topic)
    yield Ends(reader, KafkaWriter(settings, "contract"), topic)
    reader.close()


def test_what_was_written_is_read_back_in_order_with_offsets_key_and_time(log: Ends) -> None:
    log.write(0, b"a", b"b", b"c")
    records = read_to_end(log.reader, {(log.topic, 0): 0})
    assert [(r.offset, r.key, r.value) for r in records] == [(0, b"key", b"a"), (1, b"key", b"b"), (2, b"key", b"c")]
    assert all(r.t > 0 for r in records)


def test_reading_begins_at_the_offset_asked_for(log: Ends) -> None:
    log.write(0, b"a", b"b", b"c")
    assert [r.value for r in read_to_end(log.reader, {(log.topic, 0): 2})] == [b"c"]


def test_reading_to_the_end_of_nothing_returns_at_once(log: Ends) -> None:
    log.write(0, b"a")
    assert read_to_end(log.reader, {(log.topic, 0): 1, (log.topic, 1): 0}) == []


def test_only_assigned_partitions_are_read(log: Ends) -> None:
    log.write(0, b"a")
    log.write(1, b"b")
    assert [r.value for r in read_to_end(log.reader, {(log.topic, 1): 0})] == [b"b"]


def test_the_position_passes_the_end_when_all_is_read(log: Ends) -> None:
    log.write(1, b"a", b"b")
    read_to_end(log.reader, {(log.topic, 1): 0})
    assert log.reader.position((log.topic, 1)) == log.reader.ends([(log.topic, 1)])[log.topic, 1] == 2


def test_flush_tells_the_offset_after_the_last_acknowledged_record(log: Ends) -> None:
    log.writer.write((log.topic, 0), b"", b"a")
    log.writer.write((log.topic, 1), b"", b"b")
    log.writer.write((log.topic, 1), b"", None)
    assert log.writer.flush() == {(log.topic, 0): 1, (log.topic, 1): 2}


def test_a_tombstone_is_read_as_one(log: Ends) -> None:
    log.writer.write((log.topic, 0), b"key", None)
    log.writer.flush()
    assert [r.value for r in read_to_end(log.reader, {(log.topic, 0): 0})] == [None]


def test_a_missing_topic_is_named_with_the_command_that_makes_it(kafka: str) -> None:
    reader = KafkaReader(Kafka(kafka_bootstrap=kafka), "contract")
    with pytest.raises(KafkaUnavailableError, match=r"nowhere\[0\], made by `python -m cloud topics`"):
        reader.ends([("nowhere", 0)])
    reader.close()


@pytest.mark.parametrize("fenced", [False, True])
def test_a_record_that_is_too_large_is_put_aside_with_its_reason_and_those_around_it_are_written(
    own_kafka: str, fenced: bool
) -> None:
    topic = f"aside-{uuid.uuid4().hex[:8]}"
    admin = AdminClient({"bootstrap.servers": own_kafka})
    limit = {"max.message.bytes": str(topics.MAX_RECORD_BYTES)}
    wanted = [NewTopic(name, 1, 1, config=limit) for name in (topic, topics.REJECTED)]
    for made in admin.create_topics(wanted).values():
        with contextlib.suppress(KafkaException):  # the other case has made the second one
            made.result(30)
    settings = Kafka(kafka_bootstrap=own_kafka)
    writer = TransactionalWriter(settings, topic) if fenced else KafkaWriter(settings, topic, aside=True)
    reader = KafkaReader(settings, "contract", group=topic)
    before = reader.ends([(topics.REJECTED, 0)])
    # What fits is not compressible: a topic's limit is that of what arrives.
    fits = random.Random(1).randbytes(topics.MAX_RECORD_BYTES - (5 << 10))  # noqa: S311 - no secret
    for value in (b"a", bytes(topics.MAX_RECORD_BYTES), fits, b"b"):
        writer.write((topic, 0), b"key", value)
    writer.flush()
    # A transaction is seen once its marker has reached the partition, which is a moment after the commit.
    until = time.monotonic() + 30
    while not (written := read_to_end(reader, {(topic, 0): 0})) and time.monotonic() < until:
        pass
    assert [r.value for r in written] == [b"a", fits, b"b"]
    (aside,) = read_to_end(reader, before)
    refused = msgspec.json.decode(aside.value or b"", type=Rejected)
    assert (refused.topic, refused.payload) == (topic, bytes(16 << 10))
    assert f"{topics.MAX_RECORD_BYTES} bytes for {topic}[0] are too large" in refused.reason
    reader.close()


def test_a_writer_that_can_tell_a_person_refuses_what_is_too_large(own_kafka: str) -> None:
    writer = KafkaWriter(Kafka(kafka_bootstrap=own_kafka), "contract")
    with pytest.raises(KafkaUnavailableError, match="was not taken"):
        writer.write(("any", 0), b"key", bytes(topics.MAX_RECORD_BYTES))
