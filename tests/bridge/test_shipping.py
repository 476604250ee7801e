"""What the log refuses for good is put aside, and nothing else is."""

from collections import deque

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from bridge.kafka.port import DeliveryReport, MemoryLog, Record
from bridge.metrics import Metrics
from bridge.up.in_flight import RETRY_S, InFlightRecords
from vitals.status import Rejected
from vitals.wire import topics

LARGE, MOST = b"x" * 2000, 1000
NOW = 1_763_812_800_000


class Batching:
    """A log that stores what was sent together or, when one of it is too large, refuses all of it for good."""

    def __init__(self, log: MemoryLog, *, refusals: bool) -> None:
        self.log, self._refusals = log, refusals
        self.batch: list[tuple[int, Record]] = []

    def send(self, number: int, record: Record) -> bool:
        self.batch.append((number, record))
        return True

    def poll(self, timeout_s: float) -> list[DeliveryReport]:
        batch, self.batch = self.batch, []
        bounded = [r for _, r in batch if r.topic != topics.REJECTED or self._refusals]
        if any(len(record.value) > MOST for record in bounded):
            return [DeliveryReport(number, "the batch is too large", final=True) for number, _ in batch]
        for number, record in batch:
            self.log.send(number, record)
        return self.log.poll(timeout_s)


def made(*, refusals: bool = False) -> tuple[MemoryLog, Batching, InFlightRecords[str]]:
    memory = MemoryLog({topics.VITALS: 1, topics.REJECTED: 1})
    log = Batching(memory, refusals=refusals)
    return memory, log, InFlightRecords(log, Metrics(CollectorRegistry()), lambda: NOW)


def turn(log: Batching, shipping: InFlightRecords[str], turns: int = 20) -> list[str]:
    done: list[str] = []
    for k in range(turns):
        shipping.push(k * RETRY_S)
        done += shipping.reported(log.poll(0.0), k * RETRY_S)
    return done


def record(value: bytes) -> Record:
    return Record(topics.VITALS, 0, b"3", value)


def test_a_record_that_is_refused_for_good_is_put_aside_alone_and_those_sent_with_it_are_stored_in_order() -> None:
    memory, log, shipping = made()
    for n, value in enumerate((b"a", b"b", LARGE, b"c")):
        shipping.ship([record(value)], [f"message {n}"], 0.0)
    assert sorted(turn(log, shipping)) == [f"message {n}" for n in range(4)]
    assert [r.value for r in memory.records(topics.VITALS)] == [b"a", b"b", b"c"]
    (aside,) = memory.records(topics.REJECTED)
    refused = msgspec.json.decode(aside.value or b"", type=Rejected)
    assert (refused.topic, refused.t, refused.payload) == ("vitals[0]", NOW, LARGE)
    assert "2000 bytes were refused for good: the batch is too large" in refused.reason
    assert (shipping.full, shipping.messages) == (False, 0)


def test_a_message_is_done_only_when_the_refusal_in_its_records_place_is_stored() -> None:
    memory, log, shipping = made()
    shipping.ship([record(LARGE)], ["message"], 0.0)
    assert turn(log, shipping, 1) == []
    assert shipping.reported(log.poll(0.0), 1.0) == []
    shipping.push(2.0)
    assert shipping.reported(log.poll(0.0), 2.0) == []
    assert memory.records(topics.REJECTED) == []
    shipping.push(3.0)
    assert shipping.reported(log.poll(0.0), 3.0) == ["message"]
    assert len(memory.records(topics.REJECTED)) == 1


def test_a_refusal_that_is_itself_refused_for_good_stops_nobody(caplog: pytest.LogCaptureFixture) -> None:
    memory, log, shipping = made(refusals=True)
    shipping.ship([record(LARGE)], ["large"], 0.0)
    shipping.ship([record(b"small")], ["small"], 0.0)
    assert sorted(turn(log, shipping)) == ["large", "small"]
    assert [r.value for r in memory.records(topics.VITALS)] == [b"small"]
    assert "a refusal was itself refused for good" in caplog.text


def test_a_status_that_is_refused_is_not_sent_again_behind_a_newer_one_of_its_sender() -> None:
    memory = MemoryLog({topics.STATUS: 1})
    shipping: InFlightRecords[str] = InFlightRecords(memory, Metrics(CollectorRegistry()), lambda: NOW)
    up, gone, other = (
        Record(topics.STATUS, 0, key, value) for key, value in ((b"g", b"up"), (b"g", b"gone"), (b"h", b"up"))
    )
    for name, status in (("up", up), ("gone", gone), ("other", other)):
        shipping.ship([status], [name], 0.0)
    # Kafka may refuse what was sent first and store what was sent behind it.
    assert shipping.reported(
        [DeliveryReport(1, "the leader has changed"), DeliveryReport(3, "the leader has changed")], 0.0
    ) == ["up"]
    memory.poll(0.0)
    assert shipping.reported([DeliveryReport(2)], 0.0) == ["gone"]
    shipping.push(RETRY_S)
    assert shipping.reported(memory.poll(0.0), RETRY_S) == ["other"]
    assert [(r.key, r.value) for r in memory.records(topics.STATUS)][-2:] == [(b"h", b"up"), (b"h", b"up")]


def test_what_may_heal_is_sent_again_and_never_put_aside() -> None:
    memory, _, _ = made()

    class Away:
        def __init__(self) -> None:
            self.taken: deque[int] = deque()

        def send(self, number: int, record: Record) -> bool:
            self.taken.append(number)
            return True

        def poll(self, timeout_s: float) -> list[DeliveryReport]:
            return [DeliveryReport(self.taken.popleft(), "no right to write") for _ in range(len(self.taken))]

    log, shipping = Away(), None
    shipping = InFlightRecords[str](log, Metrics(CollectorRegistry()), lambda: NOW)
    shipping.ship([record(b"a")], ["message"], 0.0)
    for k in range(20):
        shipping.push(k * RETRY_S)
        assert shipping.reported(log.poll(0.0), k * RETRY_S) == []
    assert shipping.holds(1)
    assert memory.records(topics.REJECTED) == []
