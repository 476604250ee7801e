"""The contract of the log port, run against the log in memory and against Kafka."""

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import confluent_kafka
import pytest
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, NewTopic

from bridge.kafka.client import KafkaConsumer, KafkaProducer, missing_topics
from bridge.kafka.port import ConsumedRecord, Consumer, DeliveryReport, MemoryLog, Producer, Record

DEADLINE_S = 30.0
MEMORY, KAFKA = "memory", "kafka"


@dataclass(frozen=True)
class Case:
    """One adapter: a log, how to read it from its beginning, and a topic of two partitions."""

    log: Producer
    feed: Callable[[], Consumer]
    topic: str


@pytest.fixture(params=[MEMORY, KAFKA])
def case(request: pytest.FixtureRequest) -> Iterator[Case]:
    topic = f"bridge-log-{time.time_ns()}"
    if request.param == MEMORY:
        log = MemoryLog({topic: 2}, clock=lambda: time.time_ns() // 1_000_000)
        yield Case(log, lambda: log.consumer([topic]), topic)
        return
    config = {"bootstrap.servers": request.getfixturevalue("kafka"), "client.id": "bridge-test"}
    admin = AdminClient(config)  # kept: without a name it is destroyed before it answers
    dated = {"message.timestamp.type": "LogAppendTime"}
    admin.create_topics([NewTopic(topic, 2, 1, config=dated)])[topic].result(DEADLINE_S)
    kafka_log = KafkaProducer(config, "lz4", 8)
    feeds: list[KafkaConsumer] = []

    def feed() -> Consumer:
        feeds.append(KafkaConsumer(config, {topic: None}))
        return feeds[-1]

    yield Case(kafka_log, feed, topic)
    kafka_log.close(DEADLINE_S)
    for reader in feeds:
        reader.close()


def reports(log: Producer, count: int) -> list[DeliveryReport]:
    found: list[DeliveryReport] = []
    ends = time.monotonic() + DEADLINE_S
    while len(found) < count and time.monotonic() < ends:
        found += log.poll(0.2)
    return found


def read(feed: Consumer) -> list[ConsumedRecord]:
    found: list[ConsumedRecord] = []
    ends = time.monotonic() + DEADLINE_S
    while not feed.caught_up() and time.monotonic() < ends:
        found += feed.poll(0.2)
    assert feed.caught_up()
    return found


def test_each_record_is_reported_once_as_stored_and_is_there_in_the_order_of_its_partition(case: Case) -> None:
    for n in range(100):
        assert case.log.send(n, Record(case.topic, n % 2, f"key {n % 2}".encode(), str(n).encode()))
    assert sorted(r.number for r in reports(case.log, 100) if r.error is None) == list(range(100))
    assert case.log.poll(0.0) == []
    found = read(case.feed())
    for partition in (0, 1):
        mine = [r for r in found if r.partition == partition]
        assert [r.value for r in mine] == [str(n).encode() for n in range(partition, 100, 2)]
        assert [r.offset for r in mine] == list(range(50))
        assert {r.key for r in mine} == {f"key {partition}".encode()}


def test_a_record_for_a_partition_that_is_not_there_is_reported_as_refused(case: Case) -> None:
    assert case.log.send(1, Record(case.topic, 7, b"k", b"v"))
    (report,) = reports(case.log, 1)
    assert report.number == 1
    assert report.error
    assert not report.final, "a partition may be made"


def test_a_record_that_is_too_large_is_reported_as_refused_for_good_and_the_next_is_stored(case: Case) -> None:
    assert case.log.send(1, Record(case.topic, 0, b"k", bytes(5 << 20)))
    assert case.log.send(2, Record(case.topic, 0, b"k", b"v"))
    found = {r.number: r for r in reports(case.log, 2)}
    assert found[1].error
    assert found[1].final
    assert found[2] == DeliveryReport(2, t=found[2].t)
    assert [r.value for r in read(case.feed())] == [b"v"]


def test_a_record_that_only_its_topic_finds_too_large_is_refused_for_good_too(kafka: str) -> None:
    topic = f"bridge-small-{time.time_ns()}"
    config = {"bootstrap.servers": kafka, "client.id": "bridge-test"}
    admin = AdminClient(config)
    admin.create_topics([NewTopic(topic, 1, 1, config={"max.message.bytes": "1000"})])[topic].result(DEADLINE_S)
    log = KafkaProducer(config, "none", 8)
    assert log.send(1, Record(topic, 0, b"k", bytes(2000)))
    (report,) = reports(log, 1)
    log.close(DEADLINE_S)
    assert report.final


def test_a_log_that_dates_records_itself_reports_the_time_that_its_readers_see(case: Case) -> None:
    before = time.time_ns() // 1_000_000
    assert case.log.send(1, Record(case.topic, 0, b"k", b"v"))
    (report,) = reports(case.log, 1)
    assert before - 1000 <= report.t <= time.time_ns() // 1_000_000 + 1000
    assert [r.t for r in read(case.feed())] == [report.t]


def test_what_is_read_whole_is_caught_up_with_however_much_there_is_of_the_rest(kafka: str) -> None:
    whole, busy = (f"bridge-{name}-{time.time_ns()}" for name in ("whole", "busy"))
    config = {"bootstrap.servers": kafka, "client.id": "bridge-test"}
    admin = AdminClient(config)
    for made in admin.create_topics([NewTopic(whole, 2, 1), NewTopic(busy, 1, 1)]).values():
        made.result(DEADLINE_S)
    producer, many = confluent_kafka.Producer(config), 5_000
    producer.produce(whole, b"v", b"k", partition=1)
    for _ in range(many):
        producer.produce(busy, bytes(1000), b"k", partition=0)
    assert producer.flush(DEADLINE_S) == 0
    feed, found, ends = KafkaConsumer(config, {whole: None, busy: 0}), [], time.monotonic() + DEADLINE_S
    while not feed.caught_up() and time.monotonic() < ends:
        found += feed.poll(0.2)
    assert [r.value for r in found if r.topic == whole] == [b"v"]
    assert len(found) <= many
    feed.close()


def test_a_mark_is_passed_when_all_that_was_there_has_been_read(case: Case) -> None:
    feed = case.feed()
    assert read(feed) == []
    for n in range(10):
        assert case.log.send(n, Record(case.topic, n % 2, b"k", b"v"))
    reports(case.log, 10)
    feed.mark()
    assert not feed.at_mark()
    found, ends = 0, time.monotonic() + DEADLINE_S
    while not feed.at_mark() and time.monotonic() < ends:
        found += len(feed.poll(0.2))
    assert found == 10
    # Nothing new has come since: it is passed with the next look.
    feed.mark()
    feed.poll(0.2)
    assert feed.at_mark()


def test_an_empty_topic_is_caught_up_with_at_once(case: Case) -> None:
    assert read(case.feed()) == []


def test_a_log_that_is_away_takes_what_it_has_room_for_then_refuses_and_stores_all_when_it_is_back() -> None:
    log = MemoryLog({"t": 1}, capacity=3)
    log.stop()
    taken = [log.send(n, Record("t", 0, b"", str(n).encode())) for n in range(5)]
    assert taken == [True] * 3 + [False] * 2
    assert log.poll(0.0) == []
    log.start()
    assert [r.number for r in log.poll(0.0)] == [0, 1, 2]
    assert [r.value for r in log.records("t")] == [b"0", b"1", b"2"]


def test_kafka_without_its_broker_takes_what_its_queue_holds_then_refuses_and_reports_nothing() -> None:
    log = KafkaProducer({"bootstrap.servers": "127.0.0.1:9", "client.id": "t", "log_level": "0"}, "none", 1)
    value = b"x" * 100_000
    taken = [log.send(n, Record("t", 0, b"", value)) for n in range(20)]
    assert taken[0]
    assert not taken[-1]
    assert [r for r in log.poll(0.1) if r.error is None] == []


class FailsOnce:
    """Makes producers, of which the first fails for good after ten records, as librdkafka tells it."""

    def __init__(self) -> None:
        self.made = 0

    def __call__(self, config: dict[str, Any]) -> confluent_kafka.Producer:
        self.made += 1
        return confluent_kafka.Producer(config) if self.made > 1 else Failing(config)


class Failing(confluent_kafka.Producer):
    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__(config)
        self._tell, self._taken = config["error_cb"], 0

    def produce(self, *args: object, **kwargs: object) -> None:
        self._taken += 1
        fatal = KafkaError(KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER, "data lost in the broker", fatal=True)
        if self._taken > 10:
            self._tell(fatal)
            raise KafkaException(fatal)
        super().produce(*args, **kwargs)


def test_a_producer_that_has_failed_for_good_is_replaced_and_what_it_refused_is_reported(kafka: str) -> None:
    topic, makes = f"bridge-fatal-{time.time_ns()}", FailsOnce()
    config = {"bootstrap.servers": kafka, "client.id": "bridge-test"}
    admin = AdminClient(config)
    admin.create_topics([NewTopic(topic, 2, 1)])[topic].result(DEADLINE_S)
    log = KafkaProducer(config, "lz4", 8, makes)
    waiting, stored = deque(range(30)), set[int]()
    ends = time.monotonic() + DEADLINE_S
    while len(stored) < 30 and time.monotonic() < ends:
        while waiting:
            number = waiting.popleft()
            assert log.send(number, Record(topic, number % 2, b"k", str(number).encode()))
        for report in log.poll(0.2):
            (stored.add if report.error is None else waiting.append)(report.number)
    log.close(DEADLINE_S)
    assert makes.made == 2
    feed = KafkaConsumer(config, {topic: None})
    assert {int(r.value or b"") for r in read(feed)} == set(range(30))
    feed.close()


def test_topics_that_are_missing_or_of_another_number_of_partitions_are_named(kafka: str) -> None:
    name = f"bridge-narrow-{time.time_ns()}"
    config = {"bootstrap.servers": kafka}
    admin = AdminClient(config)
    admin.create_topics([NewTopic(name, 2, 1)])[name].result(DEADLINE_S)
    assert missing_topics(config, {name: 2}, DEADLINE_S) == []
    for other in (1, 3):
        (told, absent) = missing_topics(config, {name: other, "nowhere": 1}, DEADLINE_S)
        assert told.startswith(f"{name} with PARTITIONS={other} (it was made with 2")
        assert absent == "nowhere"
