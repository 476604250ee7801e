"""Two notifiers: the second one waits while the first lives, and a first one that was stopped sends nothing later."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import msgspec
import pytest

from cloud.cli import topics as topics_job
from cloud.duty import records
from cloud.kafka.client import KafkaReader, KafkaWriter
from cloud.kafka.in_memory import MemoryLog, MemoryReader, MemoryWriter
from cloud.kafka.port import KafkaUnavailableError, Place
from cloud.kafka.settings import Kafka, Topics
from cloud.notify.lease import LeaseView, first_heartbeat, may_live, release, wait_for_lease, write
from tests.cloud.conftest import T0, MakeEvent
from tests.cloud.station import Station
from vitals.alarm_events import encode
from vitals.contacts import Contact, Notification, Rota
from vitals.runtime.daemon import now_ms
from vitals.status import Health, Status
from vitals.wire import topics

BEAT_MS = 5_000
ELSEWHERE = "another-host/17/ab"
WITHIN_S = 60
MakeContact = Callable[..., Contact]


class FencedWriter(MemoryWriter):
    """A writer that another notifier has fenced."""

    def flush(self, timeout_s: float = 30.0) -> dict[Place, int]:
        raise KafkaUnavailableError("fenced")


def seen(log: MemoryLog, at: int = 0) -> LeaseView:
    view = LeaseView(BEAT_MS)
    for record in log.records(topics.STATUS):
        view.see(record, at)
    return view


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog(lambda: T0)


def beat(log: MemoryLog, holder: str, *, starting: bool = False) -> Status:
    status = first_heartbeat(holder, None, T0)
    status = msgspec.structs.replace(status, starting=starting)
    write(MemoryWriter(log), status)
    return status


@pytest.mark.parametrize(("starting", "quiet"), [(False, 15_000), (True, 60_000)])
def test_the_lease_is_free_after_three_heartbeats_are_missed_and_later_while_its_holder_starts(
    log: MemoryLog, *, starting: bool, quiet: int
) -> None:
    beat(log, ELSEWHERE, starting=starting)
    view = seen(log, at=1_000)
    assert not view.free(1_000 + quiet - 1, T0, lambda _: True)
    assert view.free(1_000 + quiet, T0, lambda _: True)


def test_a_lease_that_was_released_never_taken_or_left_behind_long_ago_is_free_at_once(log: MemoryLog) -> None:
    assert seen(log).free(0, T0, lambda _: True)
    last = beat(log, ELSEWHERE)
    assert not seen(log).free(0, T0, lambda _: True)
    assert seen(log).free(0, T0, lambda _: False)
    assert seen(log).free(0, T0 + 3_600_000, lambda _: True)
    release(MemoryWriter(log), last)
    assert seen(log).free(0, T0, lambda _: True)


def test_a_holder_is_gone_only_if_its_process_was_on_this_host_and_does_not_exist() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait(WITHIN_S)
    host = socket.gethostname()
    assert may_live(ELSEWHERE)
    assert may_live(f"{host}/{os.getppid()}/ab")
    assert not may_live(f"{host}/{ended.pid}/ab")
    assert not may_live(f"{host}/{os.getpid()}/of-the-container-before")


def test_a_waiting_notifier_ends_when_it_is_stopped_and_keeps_the_alarms_of_the_one_before(log: MemoryLog) -> None:
    write(MemoryWriter(log), msgspec.structs.replace(first_heartbeat(ELSEWHERE, None, T0), alarms=("a.b.1",)))
    stop, view, others = threading.Event(), LeaseView(BEAT_MS), set[str]()

    def waiting(other: str) -> None:
        others.add(other)
        stop.set()

    assert not wait_for_lease(MemoryReader(log), view, stop, lambda: T0, waiting)
    assert others == {ELSEWHERE}
    mine = first_heartbeat("mine", view.newest, T0)
    assert (mine.alarms, mine.health, mine.starting) == (("a.b.1",), Health.SILENT, True)


def test_a_notifier_that_was_stopped_and_is_fenced_sends_nothing_when_it_continues(
    station: Station, event: MakeEvent, contact: MakeContact
) -> None:
    station.duty(contact("nurse"))
    notifier = station.start()
    notifier.output.holder, notifier.output.heart = "mine", MemoryWriter(station.log)
    notifier.step(0)
    assert notifier.output.status is not None
    assert notifier.output.status.holder == "mine"
    station.alarm(event())
    notifier.output.heart = FencedWriter(station.log)
    # It is stopped after its last look at the clock, with a message that is ready to be sent.
    notifier.clock = lambda: station.now + (4 * BEAT_MS if len(notifier.delivery) else 0)
    with pytest.raises(KafkaUnavailableError, match="fenced"):
        notifier.step(0)
    assert len(notifier.delivery) == 1
    station.pool.submit(int).result()
    assert station.phones.calls == 0


class Notifiers:
    """Processes of `python -m cloud notify` on one Kafka and one SNS."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self._folder, self._environ = folder, {**os.environ, **environ}
        self._running: list[subprocess.Popen[bytes]] = []

    def begin(self, name: str) -> subprocess.Popen[bytes]:
        with self.log(name).open("ab") as log:
            process = subprocess.Popen([sys.executable, "-m", "cloud", "notify"], env=self._environ, stderr=log)
        self._running.append(process)
        return process

    def log(self, name: str) -> Path:
        return self._folder / f"{name}.log"

    def until(self, name: str, word: str) -> None:
        deadline = time.monotonic() + WITHIN_S
        while word not in self.log(name).read_text():
            assert time.monotonic() < deadline, self.log(name).read_text()
            threading.Event().wait(0.05)

    def end(self) -> None:
        for process in self._running:
            process.kill()
            process.wait(WITHIN_S)


@pytest.fixture
def outbox(moto: Mapping[str, str]) -> Iterator[tuple[Any, str]]:
    client = boto3.client("sqs", endpoint_url=moto["AWS_ENDPOINT_URL"])
    yield client, client.create_queue(QueueName=f"lease-{uuid.uuid4().hex[:8]}")["QueueUrl"]
    client.close()


@pytest.mark.long
def test_of_two_notifiers_one_sends_and_one_that_was_taken_for_dead_sends_nothing_more(
    *,
    own_kafka: str,
    moto: Mapping[str, str],
    outbox: tuple[Any, str],
    tmp_path: Path,
    event: MakeEvent,
    contact: MakeContact,
) -> None:
    topics_job.ensure(Topics(kafka_bootstrap=own_kafka))
    settings, run = Kafka(kafka_bootstrap=own_kafka), uuid.uuid4().hex[:6]
    writer = KafkaWriter(settings, "test")
    records.publish(writer, [Rota(ward=run, version=now_ms(), contacts=(contact(f"{run}-nurse"),))])
    told = KafkaReader(settings, "test-told")
    told.assign(told.ends(settings.layout.places(topics.NOTIFICATIONS)))
    notifiers = Notifiers(
        tmp_path,
        {
            "KAFKA_BOOTSTRAP": own_kafka,
            "AWS_ENDPOINT_URL": moto["AWS_ENDPOINT_URL"],
            "ALERT_OUTBOX_URL": outbox[1],
            "NOTIFY_BURST": "1000",
            "NOTIFY_HEARTBEAT_S": "0.5",
        },
    )
    found: list[Notification] = []
    alarms: set[str] = set()

    def raise_some(name: str) -> None:
        for k in range(10):
            alarm = event(f"{run}-{name}{k}", start=now_ms(), ward=run)
            alarms.add(alarm.id)
            writer.write((topics.ALARMS, settings.layout.of(alarm)), alarm.subject.encode(), encode(alarm))
        writer.flush()

    def all_told() -> None:
        deadline = time.monotonic() + WITHIN_S
        while {n.alarm for n in found} != alarms:
            assert time.monotonic() < deadline, f"{len(found)} of {len(alarms)}"
            decoded = [msgspec.json.decode(r.value or b"", type=Notification) for r in told.read(0.2)]
            found.extend(n for n in decoded if n.contact.startswith(run))

    try:
        first = notifiers.begin("first")
        notifiers.until("first", "notifier ready")
        notifiers.begin("second")
        notifiers.until("second", "this one waits")
        raise_some("a")
        all_told()
        assert "notifier ready" not in notifiers.log("second").read_text()
        first.send_signal(signal.SIGSTOP)
        raise_some("b")
        notifiers.until("second", "notifier ready")
        all_told()
        first.send_signal(signal.SIGCONT)
        raise_some("c")
        all_told()
        assert first.wait(WITHIN_S) == 1
        assert "fenced" in notifiers.log("first").read_text()
    finally:
        notifiers.end()
        told.close()
    assert set(Counter((n.alarm, n.contact) for n in found).values()) == {1}
    messages: list[str] = []
    while (
        got := outbox[0].receive_message(QueueUrl=outbox[1], MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages")
    ):
        for message in got:
            messages.append(json.loads(message["Body"])["alarm"])
            outbox[0].delete_message(QueueUrl=outbox[1], ReceiptHandle=message["ReceiptHandle"])
    assert sorted(messages) == sorted(alarms)
