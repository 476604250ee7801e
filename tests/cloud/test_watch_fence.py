"""A shard that was stopped and goes on after its successor has begun: it tells nothing any more."""

import signal
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cloud.cli import topics as topics_job
from cloud.kafka.client import KafkaReader, KafkaWriter
from cloud.kafka.port import read_to_end
from cloud.kafka.transactional import FencedError, TransactionalWriter
from cloud.settings import Kafka, Topics
from vitals.alarm_events import AlarmEvent, Phase, decode
from vitals.readings import Readings
from vitals.runtime.daemon import now_ms
from vitals.wire import topics

SCRIPT = Path(__file__).with_name("fenced_shard.py")
WITHIN_S = 30
pytestmark = pytest.mark.timeout(180)


class Ward:
    """Feeds scored readings and reads the alarms of its own patients."""

    def __init__(self, bootstrap: str, reading: Callable[..., Readings], scored: Callable[..., bytes]) -> None:
        self.settings = Kafka(kafka_bootstrap=bootstrap)
        self._writer, self._reader = KafkaWriter(self.settings, "feed"), KafkaReader(self.settings, "feed-reader")
        self._places = self.settings.layout.places(topics.ALARMS)
        self._from = self._reader.ends(self._places)
        self._reading, self._scored, self._offset = reading, scored, now_ms() * 1000
        self.spo2: dict[str, float] = {}

    def feed(self) -> None:
        now = now_ms()
        for patient, spo2 in self.spo2.items():
            self._offset += 1
            partition = self.settings.layout.partition(patient)
            value = self._scored(partition, self._offset, self._reading(patient, now, spo2, bed=f"bed-{patient}"))
            self._writer.write((topics.SCORED, partition), b"", value)
        self._writer.flush()

    def events(self) -> list[AlarmEvent]:
        records = read_to_end(self._reader, self._from)
        return [e for r in records if r.value and (e := decode(r.value)).patient in self.spo2]

    def until(self, done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + WITHIN_S
        while not done():
            assert time.monotonic() < deadline, f"not within {WITHIN_S} s: {self.events()}"
            self.feed()

    def alarmed(self) -> set[str]:
        return {e.patient or "" for e in self.events() if e.phase is Phase.START and e.condition == "spo2"}

    def close(self) -> None:
        self._reader.close()


@pytest.fixture
def start(own_kafka: str, tmp_path: Path) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    """Starts a shard; all of them have ended after the test."""
    running: list[subprocess.Popen[str]] = []

    def begin() -> subprocess.Popen[str]:
        argv = [sys.executable, str(SCRIPT), own_kafka, str(tmp_path)]
        process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)  # noqa: S603 - our own words
        running.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "live\n"
        return process

    yield begin
    for process in running:
        process.kill()
        process.communicate()


def test_a_shard_that_was_taken_for_dead_and_goes_on_tells_nothing_twice_and_ends(
    own_kafka: str,
    start: Callable[[], subprocess.Popen[str]],
    reading: Callable[..., Readings],
    scored: Callable[..., bytes],
) -> None:
    topics_job.ensure(Topics(kafka_bootstrap=own_kafka))
    ward, run = Ward(own_kafka, reading, scored), uuid.uuid4().hex[:6]
    first, second, third = ([f"{run}-{part}{i}" for i in range(4)] for part in "abc")
    ward.spo2 = dict.fromkeys(first + second + third, 97.0)
    zombie = start()
    ward.spo2 |= dict.fromkeys(first, 78.0)
    ward.until(lambda: set(first) <= ward.alarmed())
    zombie.send_signal(signal.SIGSTOP)
    # It has not read these when it stops: they are its successor's to tell, and it meets them when it goes on.
    ward.spo2 |= dict.fromkeys(second, 78.0)
    ward.feed()
    successor = start()
    ward.until(lambda: set(first + second) <= ward.alarmed())
    zombie.send_signal(signal.SIGCONT)
    assert zombie.wait(WITHIN_S) == 3
    ward.spo2 |= dict.fromkeys(third, 78.0)
    ward.until(lambda: set(first + second + third) <= ward.alarmed())
    successor.kill()
    successor.wait(WITHIN_S)
    events = ward.events()
    ward.close()
    assert max(Counter((e.id, e.n) for e in events).values()) == 1
    starts = Counter(e.patient for e in events if e.phase is Phase.START and e.condition == "spo2")
    assert starts == Counter(first + second + third)


def test_what_a_replaced_writer_had_begun_is_seen_by_nobody(own_kafka: str) -> None:
    topics_job.ensure(Topics(kafka_bootstrap=own_kafka))
    settings, name = Kafka(kafka_bootstrap=own_kafka), f"fence-{uuid.uuid4().hex[:8]}"
    place, key = (topics.REJECTED, 0), name.encode()
    reader = KafkaReader(settings, "fence-reader")
    begin = reader.ends([place])
    older = TransactionalWriter(settings, name)
    older.write(place, key, b"told")
    older.flush()
    older.write(place, key, b"begun")
    newer = TransactionalWriter(settings, name)
    newer.write(place, key, b"newer")
    newer.flush()
    with pytest.raises(FencedError):
        older.flush()

    def seen() -> list[bytes | None]:
        return [r.value for r in read_to_end(reader, begin) if r.key == key]

    # A commit is durable before readers see it.
    deadline = time.monotonic() + WITHIN_S
    while b"newer" not in seen():
        assert time.monotonic() < deadline
    assert seen() == [b"told", b"newer"]
    reader.close()
