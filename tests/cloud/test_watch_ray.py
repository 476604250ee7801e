"""The whole job: Ray, Kafka, and a kill -9 of both actors in the middle of it."""

import json
import os
import secrets
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from cloud.cli import topics as topics_job
from cloud.kafka.client import KafkaReader, KafkaWriter
from cloud.settings import Kafka, Topics
from infra.local.ports import Ports
from vitals.alarm_events import AlarmEvent, Phase, decode
from vitals.readings import Readings
from vitals.runtime.daemon import now_ms
from vitals.wire import topics

READY_S, BACK_S = 150, 120
pytestmark = pytest.mark.timeout(420)


class Job:
    """`python -m cloud watch` as a process of its own, its lines in a file."""

    def __init__(self, folder: Path, bootstrap: str, token: str, **more: str) -> None:
        self._log = folder / "watch.log"
        self.port = Ports.ephemeral().ray
        settings = {
            "KAFKA_BOOTSTRAP": bootstrap,
            "WATCH_SNAPSHOTS": (folder / "snapshots").as_uri(),
            "WATCH_SNAPSHOT_S": "2",
            "RAY_PORT": str(self.port),
            "RAY_AUTH_TOKEN": token,
            **more,
        }
        with self._log.open("wb") as log:
            argv = [sys.executable, "-m", "cloud", "watch"]
            self.process = subprocess.Popen(argv, env=os.environ | settings, stderr=log)  # noqa: S603 - our own words

    def lines(self, message: str) -> list[dict[str, object]]:
        found = [json.loads(line) for line in self._log.read_text().splitlines() if line.startswith("{")]
        return [line for line in found if line["message"] == message]

    def pids(self) -> list[int]:
        shards = self.lines("watch is ready")[-1]["shards"]
        assert isinstance(shards, dict)
        return list(shards.values())


class Feed:
    """Scored readings of invented patients, straight into Kafka, and the alarms that come of them."""

    def __init__(self, bootstrap: str, reading: Callable[..., Readings], scored: Callable[..., bytes]) -> None:
        self._settings = Kafka(kafka_bootstrap=bootstrap)
        self._writer = KafkaWriter(self._settings, "feed")
        self._reader = KafkaReader(self._settings, "feed-reader")
        self._reader.assign(self._reader.ends(self._settings.layout.places(topics.ALARMS)))
        self._reading, self._scored = reading, scored
        self._offset = now_ms() * 1000
        self.patients: dict[str, float] = {}
        self.events: list[AlarmEvent] = []

    def send(self) -> None:
        """One reading of every patient, a heartbeat in every partition; then what alarms there are."""
        now = now_ms()
        for partition in range(self._settings.partitions):
            self._put(partition)
        for patient, spo2 in self.patients.items():
            self._put(self._settings.layout.partition(patient), self._reading(patient, now, spo2, bed=f"bed-{patient}"))
        self._writer.flush()
        for record in self._reader.read(0.2):
            event = decode(record.value or b"")
            if event.patient in self.patients:
                self.events.append(event)

    def _put(self, partition: int, *readings: Readings) -> None:
        self._offset += 1
        self._writer.write((topics.SCORED, partition), b"", self._scored(partition, self._offset, *readings))

    def until(self, done: Callable[[], bool], within_s: float) -> None:
        deadline = time.monotonic() + within_s
        while not done():
            assert time.monotonic() < deadline, f"not within {within_s} s; alarms so far: {len(self.events)}"
            self.send()

    def started(self) -> Counter[str]:
        return Counter(e.patient or "" for e in self.events if e.phase is Phase.START and e.condition == "spo2")

    def close(self) -> None:
        self._reader.close()


@pytest.fixture
def feed(own_kafka: str, reading: Callable[..., Readings], scored: Callable[..., bytes]) -> Iterator[Feed]:
    topics_job.ensure(Topics(kafka_bootstrap=own_kafka))
    made = Feed(own_kafka, reading, scored)
    yield made
    made.close()


@pytest.fixture
def token() -> str:
    """What Ray's processes prove to each other."""
    return secrets.token_urlsafe(32)


@pytest.fixture
def job(tmp_path: Path, own_kafka: str, token: str, feed: Feed) -> Iterator[Job]:
    del feed  # its topics must be there
    running = Job(tmp_path, own_kafka, token)
    yield running
    running.process.kill()
    running.process.wait(30)


ASK = """
import sys
from cloud.alarm.query import answers
from cloud.alarm.ray import cluster
ray = cluster.join(sys.argv[1], sys.argv[2])
for shard in (ray.get_actor(cluster.shard_name(n)) for n in (0, 1)):
    for seen in answers.decode_now(ray.get(shard.now.remote(wards=("icu",)))).patients:
        print(seen.patient, seen.signs["spo2"].value, seen.signs["spo2"].breach)
"""


def ask(port: int, token: str) -> dict[str, str]:
    """Joins the job's Ray as the page does, and returns SpO2 and its breach by patient."""
    argv = [sys.executable, "-c", ASK, f"127.0.0.1:{port}", token]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=READY_S)  # noqa: S603 - our own words
    return {patient: seen for patient, _, seen in (line.partition(" ") for line in done.stdout.splitlines())}


@pytest.mark.long
def test_killing_both_actors_misses_no_alarm_doubles_none_and_leaves_no_process(
    job: Job, feed: Feed, token: str
) -> None:
    run = uuid.uuid4().hex[:6]
    before, during = ([f"{run}-{part}{i}" for i in range(8)] for part in "ab")
    feed.patients = dict.fromkeys(before + during, 97.0)
    feed.until(lambda: bool(job.lines("watch is ready")), READY_S)
    feed.patients |= dict.fromkeys(before, 78.0)
    feed.until(lambda: set(before) <= set(feed.started()), BACK_S)

    for pid in job.pids():
        os.kill(pid, signal.SIGKILL)
    killed = time.monotonic()
    # These begin while nobody is there to see them.
    feed.patients |= dict.fromkeys(during, 78.0)
    feed.until(lambda: set(during) <= set(feed.started()), BACK_S)
    assert time.monotonic() - killed < BACK_S
    for _ in range(10):
        feed.send()
    seen = ask(job.port, token)
    assert {seen[patient] for patient in before + during} == {"78.0 1"}
    assert feed.started() == Counter(before + during)
    assert max(Counter((e.id, e.n) for e in feed.events).values()) == 1

    family = psutil.Process(job.process.pid).children(recursive=True)
    assert all(
        connection.laddr.ip.removeprefix("::ffff:") == "127.0.0.1"
        for process in family
        for connection in process.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    )
    job.process.terminate()
    assert job.process.wait(60) == 0
    _, alive = psutil.wait_procs(family, 20)
    assert not alive


@pytest.fixture
def strict(tmp_path: Path, own_kafka: str, token: str, feed: Feed) -> Iterator[Job]:
    """A job that gives a shard which stands still less time than a ward does."""
    del feed  # its topics must be there
    running = Job(tmp_path, own_kafka, token, WATCH_STUCK_S="6")
    yield running
    running.process.kill()
    running.process.wait(30)


@pytest.mark.long
def test_an_actor_that_is_stopped_but_not_dead_is_killed_and_its_successor_misses_and_doubles_nothing(
    strict: Job, feed: Feed
) -> None:
    run = uuid.uuid4().hex[:6]
    before, during = ([f"{run}-{part}{i}" for i in range(8)] for part in "ab")
    feed.patients = dict.fromkeys(before + during, 97.0)
    feed.until(lambda: bool(strict.lines("watch is ready")), READY_S)
    feed.patients |= dict.fromkeys(before, 78.0)
    feed.until(lambda: set(before) <= set(feed.started()), BACK_S)
    stopped = psutil.Process(strict.pids()[0])
    stopped.suspend()
    feed.patients |= dict.fromkeys(during, 78.0)
    feed.until(lambda: set(during) <= set(feed.started()), BACK_S)
    for _ in range(10):
        feed.send()
    assert strict.lines("shard 0 stands still and is killed; it begins again from its snapshot")
    assert not strict.lines("shard 1 stands still and is killed; it begins again from its snapshot")
    assert not stopped.is_running()
    assert feed.started() == Counter(before + during)
    assert max(Counter((e.id, e.n) for e in feed.events).values()) == 1


@pytest.fixture
def nodes(token: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Two Ray nodes and the port of their head; a line of input kills the second."""
    port, script = Ports.ephemeral().ray, Path(__file__).with_name("two_nodes.py")
    # As `cluster.join` has it for a loopback address.
    env = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token, "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
    process = subprocess.Popen(  # noqa: S603 - our own words
        [sys.executable, str(script), str(port)],
        env=os.environ | env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == f"127.0.0.1:{port}\n"
    family = psutil.Process(process.pid).children(recursive=True)
    yield process, port
    process.kill()
    process.communicate()
    for member in family:
        if member.is_running():
            member.kill()
    psutil.wait_procs(family, 20)


@pytest.mark.long
def test_a_ray_node_that_dies_moves_its_shard_and_no_alarm_is_missed_or_doubled(
    tmp_path: Path, own_kafka: str, token: str, nodes: tuple[subprocess.Popen[str], int], feed: Feed
) -> None:
    cluster, port = nodes
    job = Job(tmp_path, own_kafka, token, RAY_ADDRESS=f"127.0.0.1:{port}")
    run = uuid.uuid4().hex[:6]
    before, during = ([f"{run}-{part}{i}" for i in range(8)] for part in "ab")
    feed.patients = dict.fromkeys(before + during, 97.0)
    try:
        feed.until(lambda: bool(job.lines("watch is ready")), READY_S)
        homes = {psutil.Process(pid).ppid() for pid in job.pids()}
        assert len(homes) == 2
        feed.patients |= dict.fromkeys(before, 78.0)
        feed.until(lambda: set(before) <= set(feed.started()), BACK_S)
        assert cluster.stdin is not None
        cluster.stdin.write("kill\n")
        cluster.stdin.flush()
        feed.patients |= dict.fromkeys(during, 78.0)
        feed.until(lambda: set(during) <= set(feed.started()), BACK_S)
        for _ in range(10):
            feed.send()
    finally:
        job.process.kill()
        job.process.wait(30)
    assert feed.started() == Counter(before + during)
    assert max(Counter((e.id, e.n) for e in feed.events).values()) == 1
