"""A topic made anew beside snapshots of the former one: the alarm engine begins again, and waits for nothing."""

import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from confluent_kafka.admin import AdminClient

from cloud.alarm.shard import Shard, share
from cloud.alarm.shard_runner import ShardRunner
from cloud.alarm.snapshot.store import FolderSnapshots
from cloud.cli import topics as topics_job
from cloud.kafka.client import KafkaReader, KafkaWriter
from cloud.kafka.in_memory import MemoryLog, MemoryReader, MemoryWriter
from cloud.kafka.partitioning import Partitioning
from cloud.kafka.port import KafkaUnavailableError, Reader, Writer
from cloud.settings import Topics
from vitals.admissions import Admission
from vitals.readings import Readings
from vitals.runtime.daemon import now_ms
from vitals.wire import topics

T0 = 1_763_812_800_000
PATIENT = "p-1"
ONE = Partitioning(lanes=1, partitions=1)
WITHIN_S = 60.0
Scored = Callable[..., bytes]
Reading = Callable[..., Readings]


def shard(layout: Partitioning, reader: Reader, writer: Writer, folder: Path) -> ShardRunner:
    state = Shard(layout, share(layout, 0, 1), equipment=True)
    return ShardRunner(state, reader, writer, FolderSnapshots(folder))


def paged(loop: ShardRunner) -> bool:
    return any(e.patient == PATIENT and e.condition == "spo2" for e in loop.shard.active())


@pytest.mark.parametrize("longer", [False, True], ids=["shorter than before", "longer already in another partition"])
def test_snapshots_of_a_log_that_is_gone_do_not_make_the_engine_deaf_to_the_new_one(
    layout: Partitioning,
    tmp_path: Path,
    admission: Callable[..., Admission],
    reading: Reading,
    scored: Scored,
    *,
    longer: bool,
) -> None:
    own = layout.partition(PATIENT)

    def live(seconds: int, spo2: float, *, begun: int) -> tuple[MemoryLog, ShardRunner]:
        now = begun
        log = MemoryLog(lambda: now)
        log.append((topics.PATIENTS, own), PATIENT.encode(), msgspec.json.encode(admission(PATIENT)))
        for other in range(layout.partitions) if longer and begun > T0 else ():
            for offset in range(200 if other != own else 0):
                log.append((topics.SCORED, other), b"", scored(other, offset))
        loop = shard(layout, MemoryReader(log), MemoryWriter(log), tmp_path)
        loop.start()
        loop.step(0)
        for offset in range(seconds):
            now = begun + 1000 * offset
            log.append((topics.SCORED, own), b"", scored(own, offset, reading(PATIENT, now, spo2)))
            loop.step(0)
        return log, loop

    _, before = live(100, 97, begun=T0)
    assert not paged(before)
    before.save()
    log, after = live(40, 78, begun=T0 + 200_000)
    assert paged(after)
    assert after.shard.clocks()[own] == T0 + 239_000
    # What it keeps from now on is of the new log.
    after.save()
    again = shard(layout, MemoryReader(log), MemoryWriter(log), tmp_path)
    told = log.end((topics.ALARMS, own))
    again.start()
    again.step(0)
    assert paged(again)
    assert log.end((topics.ALARMS, own)) == told


@pytest.mark.timeout(180)
def test_scored_made_anew_under_a_running_engine_ends_it_and_the_next_one_judges_at_once(
    own_kafka: str, tmp_path: Path, admission: Callable[..., Admission], reading: Reading, scored: Scored
) -> None:
    settings = Topics(kafka_bootstrap=own_kafka, lanes=1, partitions=1)
    topics_job.ensure(settings)
    writer, ends = KafkaWriter(settings, "feed"), time.monotonic() + WITHIN_S
    writer.write((topics.PATIENTS, 0), PATIENT.encode(), msgspec.json.encode(admission(PATIENT, since=now_ms())))

    def feed(count: int, spo2: float) -> None:
        newest = now_ms()
        for n in range(count):
            t = newest - 1000 * (count - n)
            writer.write((topics.SCORED, 0), b"", scored(0, n, reading(PATIENT, t, spo2)))
        writer.flush()

    def until(loop: ShardRunner, met: Callable[[], bool]) -> None:
        while not met():
            assert time.monotonic() < ends
            loop.step(0.1)

    feed(100, 97)
    reader = KafkaReader(settings, "before")
    before = shard(ONE, reader, KafkaWriter(settings, "before"), tmp_path)
    before.start()
    until(before, lambda: before.shard.engines["p0"].readings == 100)
    before.save()

    admin = AdminClient(settings.client())
    admin.delete_topics([topics.SCORED])[topics.SCORED].result(WITHIN_S)
    while topics.SCORED in admin.list_topics(timeout=5).topics:
        assert time.monotonic() < ends
    topics_job.ensure(settings)
    writer = KafkaWriter(settings, "feed-anew")
    feed(40, 78)
    with pytest.raises(KafkaUnavailableError, match=r"vitals\.scored\[0\]"):
        until(before, lambda: False)
    reader.close()

    reader = KafkaReader(settings, "after")
    after = shard(ONE, reader, KafkaWriter(settings, "after"), tmp_path)
    after.start()
    until(after, lambda: paged(after))
    reader.close()
