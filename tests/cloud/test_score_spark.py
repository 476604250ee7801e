"""Scoring as it runs: Spark in real-time mode beside a real Kafka, fed junk, and killed."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import psutil
import pytest
from confluent_kafka import Producer

from cloud.commands.topics import ensure
from cloud.log.kafka import KafkaReader
from cloud.log.port import read_to_end
from cloud.settings import Kafka, Topics
from infra.local.jars import connector_mismatch, spark_jars
from infra.local.process import base_env
from vitals import topics
from vitals.status import Rejected

PARTITIONS = 2
GOOD = b'{"hr":[170],"limits":[0]}'
HUGE = b'{"hr":[170],"limits":[0],"ward":["' + b"w" * topics.MAX_RECORD_BYTES + b'"]}'
START_S = 240.0


class Scorer:
    """`python -m cloud score`, in a process group of its own, so that a kill takes Spark along."""

    def __init__(self, kafka: str, log: Path, **settings: str) -> None:
        self._log = log
        layout = {"LANES": str(PARTITIONS), "PARTITIONS": str(PARTITIONS)}
        # `make test-spark40` runs on an older Spark, with its own connector and without real-time mode.
        spark = {"SCORE_JARS": spark_jars()} if connector_mismatch() is None else {"SCORE_TRIGGER": "micro-batch"}
        with log.open("ab") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "cloud", "score"],
                env=base_env() | {"KAFKA_BOOTSTRAP": kafka, **spark, **layout, **settings},
                stdout=file,
                stderr=file,
                start_new_session=True,
            )

    def until(self, met: Callable[[], bool], what: str) -> None:
        end = time.monotonic() + START_S
        while not met():
            assert time.monotonic() < end, f"not within {START_S} s: {what}\n{self.tail()}"
            assert self.process.poll() is None, f"scoring ended before: {what}\n{self.tail()}"
            threading.Event().wait(0.1)

    def tail(self) -> str:
        return self._log.read_text(errors="replace")[-4000:]

    def kill(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(20)

    def executors(self) -> list[psutil.Process]:
        """Processes of Spark's executors, when they are not the driver's own."""
        found = []
        for process in psutil.Process(self.process.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):  # it ended meanwhile
                if "CoarseGrainedExecutorBackend" in " ".join(process.cmdline()):
                    found.append(process)
        return found

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


class Stage:
    """A broker with empty topics, scoring on it, and what came of it."""

    def __init__(self, kafka: str, log: Path) -> None:
        self.kafka, self._log = kafka, log
        self._started: list[Scorer] = []
        large = {"message.max.bytes": 8 << 20, "compression.type": "lz4"}
        self._producer = Producer({"bootstrap.servers": kafka, **large})
        self._reader = KafkaReader(Kafka(kafka_bootstrap=kafka, lanes=PARTITIONS, partitions=PARTITIONS), "test")
        self._before = dict.fromkeys(self._places(), 0)

    def make_topics(self) -> None:
        ensure(Topics(kafka_bootstrap=self.kafka, lanes=PARTITIONS, partitions=PARTITIONS))

    def goes_on(self) -> None:
        """Leaves what an earlier test wrote out of account."""
        self._before = self._reader.ends(self._places())

    def start(self, **settings: str) -> Scorer:
        self._started.append(Scorer(self.kafka, self._log, **settings))
        return self._started[-1]

    def produce(self, *values: bytes) -> None:
        for value in values:
            for partition in range(PARTITIONS):
                self._producer.produce(topics.VITALS, value, partition=partition)
        assert self._producer.flush(30) == 0

    def scored(self) -> list[tuple[int, int]]:
        """Partition and source offset of every record in `vitals.scored`."""
        places = {place: offset for place, offset in self._before.items() if place[0] == topics.SCORED}
        records = read_to_end(self._reader, places)
        values = [json.loads(r.value or b"") for r in records]
        assert [v["partition"] for v in values] == [r.partition for r in records]
        return sorted((v["partition"], v["offset"]) for v in values)

    def refused(self) -> list[Rejected]:
        records = read_to_end(self._reader, {(topics.REJECTED, 0): 0})
        return [msgspec.json.decode(r.value or b"", type=Rejected) for r in records]

    def close(self) -> None:
        self._reader.close()
        for scorer in self._started:
            if scorer.process.poll() is None:
                scorer.kill()

    def _places(self) -> list[tuple[str, int]]:
        return [(topic, p) for topic in (topics.VITALS, topics.SCORED) for p in range(PARTITIONS)]


@pytest.fixture
def stage(own_kafka: str, tmp_path: Path) -> Iterator[Stage]:
    """No scoring that it starts outlives the test."""
    made = Stage(own_kafka, tmp_path / "log")
    yield made
    made.close()


def places(*offsets: int) -> list[tuple[int, int]]:
    return [(partition, offset) for partition in range(PARTITIONS) for offset in offsets]


@pytest.mark.long
@pytest.mark.timeout(600)
def test_bad_records_stop_nothing_and_a_kill_loses_and_repeats_nothing(stage: Stage) -> None:
    scorer = stage.start()
    scorer.until(lambda: "waiting for topics" in scorer.tail(), "it waits for topics that are not there yet")
    stage.make_topics()
    stage.produce(GOOD, b"\xff no record", HUGE, b"", GOOD)
    scorer.until(lambda: len(stage.scored()) >= 4, "what can be scored is scored")
    scorer.kill()
    stage.produce(GOOD, GOOD)
    scorer = stage.start()
    scorer.until(lambda: len(stage.scored()) >= 8, "scoring goes on")
    stage.produce(GOOD)
    scorer.until(lambda: len(stage.scored()) >= 10, "and on")
    assert scorer.end() == 0, scorer.tail()
    assert stage.scored() == places(0, 4, 5, 6, 7)
    reasons = {1: "not UTF-8", 2: "too large", 3: "not a record of readings"}
    assert sorted((r.topic, r.reason) for r in stage.refused()) == [
        (f"vitals/{partition}/{offset}", reasons[offset]) for partition, offset in places(1, 2, 3)
    ]


@pytest.mark.long
@pytest.mark.timeout(600)
def test_on_a_cluster_the_death_of_an_executor_loses_and_repeats_nothing(stage: Stage) -> None:
    stage.make_topics()
    stage.goes_on()
    # Two executors, each a process with one slot: a Spark cluster on this machine, by nothing but its master URL.
    scorer = stage.start(SCORE_MASTER=f"local-cluster[{PARTITIONS},1,1024]", SPARK_LOCAL_IP="127.0.0.1")
    stage.produce(GOOD, GOOD)
    scorer.until(lambda: len(stage.scored()) >= 4, "the cluster scores")
    victim, *_ = scorer.executors()
    victim.kill()
    stage.produce(GOOD, GOOD)
    scorer.until(lambda: len(stage.scored()) >= 8, "scoring goes on with another executor")
    first = min(offset for _, offset in stage.scored())
    assert stage.scored() == places(*range(first, first + 4))
    assert scorer.end() == 0, scorer.tail()
