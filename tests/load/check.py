"""Counts the readings of a load in Kafka: lost ones, repeated ones, and repeats that differ."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition

from tests.load.plan import Plan, boot_of
from vitals.readings import Readings
from vitals.wire import topics
from vitals.wire.vitals_record import decode_vitals

READ_S: Final = 600.0


@dataclass(frozen=True, slots=True)
class Arrived:
    """Count of a load's readings in Kafka.

    Attributes:
        expected: Readings that the load's gateways accepted.
        lost: Expected readings that are absent.
        repeated: Further copies of readings.
        altered: Repeats that differ from the first in time or values, so that deduplication would be wrong.
        foreign: Readings of this load's devices that it never sent.
    """

    expected: int
    lost: int
    repeated: int
    altered: int
    foreign: int


def arrived(bootstrap: str, plan: Plan, batches: int) -> Arrived:
    """Reads all of topic `vitals` and counts.

    Args:
        bootstrap: Kafka's address.
        plan: The load.
        batches: Number of batches that were sent, gateway by gateway in turn.
    """
    return count((decode_vitals(value) for value in _values(bootstrap)), plan, batches)


def count(records: Iterable[Readings], plan: Plan, batches: int) -> Arrived:
    """Counts a plan's readings among records."""
    rounds = -(-batches // plan.gateways)
    seen = np.zeros((plan.gateways * plan.per_gateway, rounds), dtype=np.int32)
    first = np.zeros(seen.shape, dtype=np.int64)
    altered = foreign = 0
    prefix, boot = f"{plan.name}-d", boot_of(plan.seed)
    for readings in records:
        for i in np.flatnonzero(readings.boot == boot).tolist():
            device = str(readings.device[i])
            if not device.startswith(prefix):
                continue
            bed, seq = int(device.removeprefix(prefix)), int(readings.seq[i])
            if bed >= len(seen) or seq >= rounds:
                foreign += 1
                continue
            seen[bed, seq] += 1
            content = hash((int(readings.t[i]), readings.values[i].tobytes()))
            altered += seen[bed, seq] > 1 and first[bed, seq] != content
            first[bed, seq] = content
    gateway = np.arange(plan.gateways)
    made = batches // plan.gateways + (gateway < batches % plan.gateways)
    sent = np.repeat(made, plan.per_gateway)[:, None] > np.arange(rounds)
    there = seen > 0
    return Arrived(
        expected=int(sent.sum()),
        lost=int((sent & ~there).sum()),
        repeated=int((seen[there] - 1).sum()),
        altered=altered,
        foreign=foreign + int((there & ~sent).sum()),
    )


def _values(bootstrap: str) -> Iterator[bytes]:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "load-check", "enable.partition.eof": True})
    partitions = consumer.list_topics(topics.VITALS, 30).topics[topics.VITALS].partitions
    consumer.assign([TopicPartition(topics.VITALS, p, OFFSET_BEGINNING) for p in partitions])
    behind, ends = set(partitions), time.monotonic() + READ_S
    while behind:
        if time.monotonic() > ends:
            raise TimeoutError(f"topic {topics.VITALS} was not read to its end within {READ_S:.0f} s")
        for message in consumer.consume(500, 1.0):
            error, value = message.error(), message.value()
            if error is None and value:
                yield value
            elif error is not None and error.code() == KafkaError._PARTITION_EOF:
                behind.discard(message.partition())
    consumer.close()
