"""Scoring as it runs: Spark in real-time mode beside a real Kafka, fed junk, and killed."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import psutil
import pytest
from confluent_kafka import Producer

from cloud.alarm.shard import Shard
from cloud.cli.topics import ensure
from cloud.kafka.client import KafkaReader
from cloud.kafka.partitioning import Partitioning
from cloud.kafka.port import Record, read_to_end
from cloud.settings import Kafka, Topics
from infra.local.maven_jars import connector_mismatch, spark_jars
from infra.local.process import base_env
from vitals.status import Rejected
from vitals.wire import topics

PARTITIONS = 2
GOOD = b'{"hr":[170],"limits":[0]}'
HUGE = b'{"hr":[170],"limits":[0],"ward":["' + b"w" * topics.MAX_RECORD_BYTES + b'"]}'
START_S = 240.0
READING = {
    "patient": ["p1"], "device": ["d1"], "gateway": ["gw-1"], "ward": ["w1"], "bed": ["b1"], "boot": [1], "seq": [0],
    "t": [1_763_812_800_000], "t_gw": [1_763_812_800_000], "roster": [1], "suspect": [0], "limits": [0], "hr": [170],
}  # fmt: skip


def changed(**columns: object) -> bytes:
    """A good record of one reading with other columns."""
    return json.dumps(READING | columns).encode()


def mended(value: bytes, before: bytes, after: bytes) -> bytes:
    """What `json.dumps` would not write."""
    assert value.count(before) == 1
    return value.replace(before, after)


WHOLE = changed()
ANY = {
    "a good record": WHOLE,
    "nothing": b"",
    "a tombstone": None,
    "zeros": b"\x00" * 1000,
    "damaged zlib": zlib.compress(WHOLE)[:-7],
    "zlib": zlib.compress(WHOLE),
    "msgpack": msgspec.msgpack.encode(READING),
    "damaged msgpack": msgspec.msgpack.encode(READING)[:40],
    "cut short": WHOLE[:-20],
    "a byte order mark": b"\xef\xbb\xbf" + WHOLE,
    "UTF-16": WHOLE.decode().encode("utf-16"),
    "half a character": mended(WHOLE, b'"w1"', b'"w\xe2\x82"'),
    "half a surrogate": mended(WHOLE, b'"w1"', b'"\\ud800"'),
    "a NUL in a name": changed(ward=["w\x00"]),
    "two objects": WHOLE + WHOLE,
    "an array of records": b"[" + WHOLE + b"]",
    "a null": b"null",
    "a number": b"170",
    "the key twice": mended(WHOLE, b'"hr"', b'"hr": [7], "hr"'),
    "scores of its own": changed(breach=[7], news2=[7], partition=0, offset=2**62, timestamp=1),
    "a null column": changed(hr=None),
    "a null value": changed(hr=[None]),
    "null limits": changed(limits=[None]),
    "null limit sets": changed(limits=[-1], limit_sets=[None]),
    "a limit set of nulls": changed(limits=[-1], limit_sets=[{"profile": None, "hr": None}]),
    "a limit set cut short": changed(limits=[-1], limit_sets=[{"profile": "adult", "hr": [40]}]),
    "limits of texts": changed(limits=[-1], limit_sets=[{"profile": "adult", "hr": ["a", "b", "c", "d", "e"]}]),
    "the least limits": changed(limits=[-(2**31)]),
    "the most limits": changed(limits=[2**31 - 1]),
    "limits beyond": changed(limits=[2**31]),
    "a text for a value": changed(hr=["170"]),
    "an object for a value": changed(hr=[{"a": 1}]),
    "an object for a column": changed(hr={"a": 1}),
    "a time of texts": changed(t=["now"]),
    "no time": json.dumps({k: v for k, v in READING.items() if k != "t"}).encode(),
    "a negative time": changed(t=[-1]),
    "a time beyond": changed(t=[2**64]),
    "a name of numbers": changed(patient=[7]),
    "no name": changed(patient=[None], ward=[None], bed=[None]),
    "names that lack": changed(patient=[]),
    "values that lack": changed(hr=[]),
    "values too many": changed(hr=[170] * 1_000_000),
    "a million readings": changed(hr=[170] * 400_000, limits=[0] * 400_000),
    "readings over the most": changed(**{name: column * 1_001 for name, column in READING.items()}),
    "infinite": mended(WHOLE, b"170", b"1e999"),
    "not a number": mended(WHOLE, b"170", b"NaN"),
    "a number of 3,000 digits": mended(WHOLE, b"170", b"1" + b"0" * 3_000),
    "a number of 2 MB": mended(WHOLE, b"170", b"1" + b"0" * 2_000_000),
    "a name of 2 MB": changed(ward=["w" * 2_000_000]),
    "a key of 200,000": changed(**{"k" * 200_000: 1}),
    "deep": changed(deep=0).replace(b'"deep": 0', b'"deep": ' + b"[" * 900 + b"]" * 900),
    "very deep": changed(deep=0).replace(b'"deep": 0', b'"deep": ' + b"[" * 200_000 + b"]" * 200_000),
    "deep where a value is": mended(WHOLE, b"170", b"[" * 5_000 + b"]" * 5_000),
    "objects that never end": b'{"hr":' * 100_000,
    "4 MB": HUGE,
    "spaces behind": WHOLE + b" \n\r\t ",
    "spaces that JSON has not": WHOLE + "\u2003".encode(),
    "a bracket of another": WHOLE[:-1] + b"]}",
    "the last good one": WHOLE,
}  # fmt: skip

JUDGED = {
    "a good record", "the key twice", "scores of its own", "a null column", "a null value", "no name", "deep",
    "a limit set of nulls", "a NUL in a name", "the last good one", "a long key",
}  # fmt: skip
"""The rest is put aside, by scoring or, where only a whole reading shows that it is none, by the alarm tier."""


def source(record: Record) -> tuple[int, int]:
    """Partition and offset that a scored record came from, which are the last that it says."""
    (*_, partition, offset) = re.findall(rb'"(?:partition|offset)":(\d+)', record.value or b"")
    return int(partition), int(offset)


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

    def produce(self, *values: bytes | None, key: bytes | None = None) -> None:
        for value in values:
            for partition in range(PARTITIONS):
                self._producer.produce(topics.VITALS, value, key, partition=partition)
        assert self._producer.flush(30) == 0

    def records(self) -> list[Record]:
        """What is in `vitals.scored`."""
        places = {place: offset for place, offset in self._before.items() if place[0] == topics.SCORED}
        return read_to_end(self._reader, places)

    def scored(self) -> list[tuple[int, int]]:
        """Partition and source offset of every record in `vitals.scored`."""
        records = self.records()
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


@pytest.mark.long
@pytest.mark.timeout(600)
def test_whatever_a_record_holds_scoring_goes_on_and_it_is_scored_or_put_aside_once(stage: Stage) -> None:
    stage.make_topics()
    stage.goes_on()
    begins = len(stage.refused())
    scorer = stage.start()
    stage.produce(*ANY.values())
    # A key counts as well for what Kafka takes.
    stage.produce(WHOLE, b"junk", key=b"k" * (topics.MAX_RECORD_BYTES - 2_000))
    stage.produce(GOOD)
    everything = (len(ANY) + 3) * PARTITIONS
    scorer.until(
        lambda: len(stage.records()) + len(stage.refused()) - begins >= everything, "every record is dealt with"
    )
    assert scorer.tail().count("scoring failed") == 0
    records, refused = stage.records(), stage.refused()[begins:]
    assert len(records) + len(refused) == everything
    shard = Shard(Partitioning(lanes=PARTITIONS, partitions=PARTITIONS), range(PARTITIONS), equipment=True)
    aside = [rejected for rejected, _ in shard.apply(records).put_aside]
    assert all(one.reason for one in (*refused, *aside))
    # What was put aside by both, or twice by one, would be two patients' to whoever counts.
    assert max(Counter(one.topic for one in (*refused, *aside)).values()) == 1
    unread = {one.topic for one in aside}
    read = {source(r) for r in records if f"{r.topic}[{r.partition}]@{r.offset}" not in unread}
    first = min(offset for _, offset in map(source, records))
    names = [*ANY, "a long key", "junk with a long key", "behind it"]
    assert {names[offset - first] for _, offset in read} == JUDGED
    assert len(read) == len(JUDGED) * PARTITIONS
    assert scorer.end() == 0, scorer.tail()
