"""The archive as it runs: Spark, Kafka, a lake in a directory; killed in the middle of a batch, as a power cut does."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pyarrow as pa
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from cloud.lake import Store, manifest_names, open_lake, read_manifest
from cloud.lake.parquet import from_parquet
from cloud.lake.schema import TABLES
from infra.local.maven_jars import jar_folder
from infra.local.process import base_env
from vitals.alarm_events import AlarmEvent, AlarmState, Kind, Phase, Priority, encode
from vitals.signs import FIELDS
from vitals.wire import topics

PARTITIONS = 4
START_S = 240
T = 1_795_305_600_000


class Archiver:
    """`python -m cloud archive`, in a process group of its own, so that a kill takes Spark along."""

    def __init__(self, kafka: str, lake: Path, log: Path) -> None:
        self._log = log
        jars = ",".join(str(jar) for jar in sorted(jar_folder("spark").glob("*.jar")))
        settings = {"KAFKA_BOOTSTRAP": kafka, "LAKE": lake.as_uri(), "ARCHIVE_JARS": jars, "ARCHIVE_INTERVAL_S": "0.2"}
        with log.open("ab") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "cloud", "archive"],
                env=base_env() | settings,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )

    def until(self, met: Callable[[], bool], what: str, deadline_s: float = START_S) -> None:
        end = time.monotonic() + deadline_s
        while not met():
            assert time.monotonic() < end, f"not within {deadline_s} s: {what}\n{self.tail()}"
            assert self.process.poll() is None, f"the archive ended before: {what}\n{self.tail()}"
            threading.Event().wait(0.005)

    def tail(self) -> str:
        return self._log.read_text(errors="replace")[-4000:]

    def kill(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(20)

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


@pytest.fixture
def start(own_kafka: str, tmp_path: Path) -> Iterator[Callable[[], Archiver]]:
    """Starts an archive; none outlives the test."""
    started: list[Archiver] = []

    def begin() -> Archiver:
        started.append(Archiver(own_kafka, tmp_path / "lake", tmp_path / "log"))
        return started[-1]

    yield begin
    for archiver in started:
        if archiver.process.poll() is None:
            archiver.kill()


def scored(partition: int, offset: int) -> bytes:
    """Three readings whose identities follow from the source partition and offset."""
    n = 3
    words = {"patient": f"p{partition}", "device": f"d{partition}", "gateway": "g1", "ward": "w1", "bed": "b1"}
    numbers = {"boot": 7, "t": T, "t_gw": T, "roster": 1, "suspect": 0, "limits": 0, "breach": 0, "news2": 0}
    columns = {name: [value] * n for name, value in (words | numbers).items()}
    signs = {field: [60 + i, None, 61] for i, field in enumerate(FIELDS)}
    seq = {"seq": [offset * n + i for i in range(n)]}
    return msgspec.json.encode(columns | signs | seq | {"limit_sets": [], "partition": partition, "offset": offset})


def event(n: int) -> bytes:
    return encode(
        AlarmEvent(
            id="p0.hr.1",
            n=n,
            subject="p0",
            condition="hr",
            kind=Kind.PHYSIOLOGICAL,
            priority=Priority.HIGH,
            phase=Phase.UPDATE,
            state=AlarmState.ACTIVE,
            start=T,
            t=T,
            log_t=T,
            text="HR 131",
        )
    )


def held(store: Store, topic: str) -> pa.Table:
    names = [o.name for m in manifest_names(store, topic) for o in read_manifest(store, m).objects]
    tables = [from_parquet(store.get(name)) for name in names]
    return pa.concat_tables([TABLES[topic].schema().empty_table(), *tables])


def uncommitted(store: Store, lake: Path) -> bool:
    """Whether an object lies there that no manifest names: a batch is between its objects and its commit."""
    objects = {name for name in store.names(topics.SCORED) if name.endswith(".parquet")}
    named = {o.name for m in manifest_names(store, topics.SCORED) for o in read_manifest(store, m).objects}
    return bool(objects - named)


def in_transactions(kafka: str) -> range:
    """Writes five alarms that are given up, then three that count; returns the numbers of the five."""
    producer = Producer({"bootstrap.servers": kafka, "transactional.id": "a shard"})
    producer.init_transactions(30)
    given_up = range(2000, 2005)
    for numbers, finish in ((given_up, producer.abort_transaction), (range(2005, 2008), producer.commit_transaction)):
        producer.begin_transaction()
        for n in numbers:
            producer.produce(topics.ALARMS, event(n), partition=1)
        assert producer.flush(30) == 0
        finish(30)
    return given_up


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_kill_in_the_middle_of_a_batch_loses_and_doubles_nothing(
    own_kafka: str, start: Callable[[], Archiver], tmp_path: Path
) -> None:
    lake = tmp_path / "lake"
    store = open_lake(lake.as_uri())
    archiver = start()
    archiver.until(lambda: "waiting for topics" in archiver.tail(), "it waits for topics that are not there yet")
    admin = AdminClient({"bootstrap.servers": own_kafka})
    for made in admin.create_topics([NewTopic(t, PARTITIONS, 1) for t in TABLES]).values():
        made.result(30)
    # As Spark's sink: retries keep the order, on which the high-water mark of source offsets rests.
    producer = Producer({"bootstrap.servers": own_kafka, "linger.ms": 5, "enable.idempotence": True})

    def produce(first: int, count: int) -> None:
        for offset in range(first, first + count):
            for partition in range(PARTITIONS):
                producer.produce(topics.SCORED, scored(partition, offset), partition=partition)
            producer.produce(topics.ALARMS, event(offset), partition=1)
        assert producer.flush(30) == 0

    produce(0, 50)
    archiver.until(lambda: held(store, topics.SCORED).num_rows >= 600, "the first records are archived")
    producer.produce(topics.SCORED, b"\xff no record", partition=2)
    produce(50, 1500)
    archiver.until(lambda: uncommitted(store, lake), "a batch lies between its objects and its commit")
    archiver.kill()

    archiver = start()
    produce(1400, 300)  # scoring crashed too, and repeats its last trigger
    archiver.until(lambda: held(store, topics.SCORED).num_rows >= 1700 * 12, "everything is archived")
    given_up = in_transactions(own_kafka)
    archiver.until(lambda: held(store, topics.ALARMS).num_rows >= 1853, "every alarm is archived")
    assert archiver.end() == 0, archiver.tail()

    rows = held(store, topics.SCORED)
    got = Counter(zip(rows.column("device").to_pylist(), rows.column("seq").to_pylist(), strict=True))
    assert got == Counter((f"d{p}", seq) for p in range(PARTITIONS) for seq in range(1700 * 3))
    # The first kill came before the alarms' commit or after it: either way each record of the topic is there once.
    offsets = held(store, topics.ALARMS).column("source_offset").to_pylist()
    assert sorted(offsets)[:1850] == list(range(1850))
    assert len(offsets) == 1853
    assert not set(given_up) & set(held(store, topics.ALARMS).column("n").to_pylist())
    rejected = [read_manifest(store, name).rejected for name in manifest_names(store, topics.SCORED)]
    assert sum(rejected) == 1
