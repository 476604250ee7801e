"""The sender on each SNS that there is here, moto's and the bad one; the notifier as a process, on Kafka and moto."""

import json
import os
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import msgspec
import pytest

from cloud.cli import topics as topics_job
from cloud.duty import records
from cloud.kafka.client import KafkaReader, KafkaWriter
from cloud.kafka.settings import Kafka, Topics
from cloud.notify.channels.port import RenderedMessage, SendError
from cloud.notify.channels.sns import SnsChannel
from infra.local.servers.sns.server import Options, Sns
from vitals.alarm_events import AlarmEvent, encode
from vitals.contacts import Channel, Contact, Notification, Rota
from vitals.runtime.daemon import now_ms
from vitals.wire import topics

WITHIN_S = 90
Outbox = tuple[Any, str]
"""SQS client and URL of a queue."""


@pytest.fixture
def outbox(moto: Mapping[str, str]) -> Iterator[Outbox]:
    """A queue of this test's own, as (client, URL)."""
    client = boto3.client("sqs", endpoint_url=moto["AWS_ENDPOINT_URL"])
    yield client, client.create_queue(QueueName=f"outbox-{uuid.uuid4().hex[:8]}")["QueueUrl"]
    client.close()


def receive(outbox: Outbox, count: int) -> list[dict[str, Any]]:
    """Receives until so many different messages are there."""
    client, url = outbox
    found: list[dict[str, Any]] = []
    deadline = time.monotonic() + WITHIN_S
    while len({json.dumps([m.get("alarm"), m.get("contact")]) for m in found}) < count and time.monotonic() < deadline:
        for message in client.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1).get(
            "Messages", ()
        ):
            found.append(json.loads(message["Body"]))
            client.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return found


@dataclass(frozen=True)
class Service:
    """An SNS, and the SQS of its queues."""

    sns: str
    sqs: str

    def sender(self, outbox_url: str | None = None, undelivered: str | None = None) -> SnsChannel:
        return SnsChannel(self.sqs, outbox_url, undelivered, self.sns)


@pytest.fixture(params=["moto", "bad"])
def service(request: pytest.FixtureRequest, moto: Mapping[str, str]) -> Iterator[Service]:
    """Each SNS that there is, for the contract of `Sender`."""
    aws = moto["AWS_ENDPOINT_URL"]
    if request.param == "moto":
        yield Service(aws, aws)
    else:
        with Sns(Options(confirmed=True), sqs_endpoint=aws) as bad:
            yield Service(bad.url, aws)


def test_an_sms_goes_to_the_number_itself_without_a_topic(service: Service, contact: Callable[..., Contact]) -> None:
    texts = RenderedMessage("subject", "an sms", "an email", "{}", (Channel.SMS, Channel.EMAIL))
    assert service.sender().send_directly(contact(f"c-{uuid.uuid4().hex[:8]}"), texts).channels == (Channel.SMS,)
    with pytest.raises(SendError, match="no other channel"):
        service.sender().send_directly(contact(f"c-{uuid.uuid4().hex[:8]}", phone=None), texts)


def endpoints(service: Service, contact: str) -> set[tuple[str, str]]:
    client = boto3.client("sns", endpoint_url=service.sns)
    arn = client.create_topic(Name=f"wardwatch-{contact}")["TopicArn"]
    found = client.list_subscriptions_by_topic(TopicArn=arn)["Subscriptions"]
    client.close()
    return {(s["Protocol"], s["Endpoint"]) for s in found if s["Protocol"] != "sqs"}


def test_whoever_leaves_keeps_no_subscription_not_even_one_that_nobody_confirmed(
    service: Service, contact: Callable[..., Contact]
) -> None:
    name = f"c-{uuid.uuid4().hex[:8]}"
    sender = service.sender()
    sender.check(contact(name))
    assert len(endpoints(service, name)) == 2
    sender.release(name)
    assert endpoints(service, name) == set()
    sender.check(contact(name))
    assert len(endpoints(service, name)) == 2


def test_a_changed_phone_replaces_the_former_one_and_a_second_run_changes_nothing(
    service: Service, contact: Callable[..., Contact]
) -> None:
    name = f"c-{uuid.uuid4().hex[:8]}"
    first = contact(name, phone="+441632960001")
    for _ in range(2):
        service.sender().check(first)
    assert endpoints(service, name) == {("sms", "+441632960001"), ("email", f"{name}@example.org")}
    service.sender().check(contact(name, phone="+441632960002"))
    assert endpoints(service, name) == {("sms", "+441632960002"), ("email", f"{name}@example.org")}


def test_one_publish_reaches_the_outbox_with_both_texts(
    service: Service, outbox: Outbox, contact: Callable[..., Contact]
) -> None:
    sender = service.sender(outbox[1])
    texts = RenderedMessage(
        "subject", "an sms", "an email", json.dumps({"sms": "an sms"}), (Channel.SMS, Channel.EMAIL)
    )
    sent = sender.send(contact(f"c-{uuid.uuid4().hex[:8]}"), texts)
    assert sent.id
    assert receive(outbox, 1) == [{"sms": "an sms"}]


@pytest.mark.parametrize("before", [False, True], ids=["subscribed with it", "subscribed before it was set"])
def test_what_sns_cannot_deliver_goes_to_the_queue_of_the_undelivered(
    service: Service, outbox: Outbox, contact: Callable[..., Contact], before: bool
) -> None:
    found = outbox[0].get_queue_attributes(QueueUrl=outbox[1], AttributeNames=["QueueArn"])
    arn, who = found["Attributes"]["QueueArn"], contact(f"c-{uuid.uuid4().hex[:8]}", phone="+441632960001")
    for undelivered in (None, arn) if before else (arn,):
        service.sender(undelivered=undelivered).check(who)
    client = boto3.client("sns", endpoint_url=service.sns)
    topic = client.create_topic(Name=f"wardwatch-{who.contact}")["TopicArn"]
    policies = {
        s["Protocol"]: client.get_subscription_attributes(SubscriptionArn=s["SubscriptionArn"])["Attributes"]
        for s in client.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    }
    client.close()
    assert {p: json.loads(a["RedrivePolicy"]) for p, a in policies.items()} == {
        "sms": {"deadLetterTargetArn": arn},
        "email": {"deadLetterTargetArn": arn},
    }


class Job:
    """`python -m cloud notify` as a process of its own."""

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        self._log = (folder / "notify.log").open("ab")
        argv = [sys.executable, "-m", "cloud", "notify"]
        environ = {**os.environ, **settings}
        self.process = subprocess.Popen(argv, env=environ, stderr=self._log)  # noqa: S603 - our own words

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(30)
        self._log.close()


def test_killed_in_the_middle_of_a_flood_it_tells_everybody_of_everything_once(
    *,
    kafka: str,
    moto: Mapping[str, str],
    outbox: Outbox,
    tmp_path: Path,
    event: Callable[..., AlarmEvent],
    contact: Callable[..., Contact],
) -> None:
    topics_job.ensure(Topics(kafka_bootstrap=kafka))
    settings = Kafka(kafka_bootstrap=kafka)
    run = uuid.uuid4().hex[:6]
    writer = KafkaWriter(settings, "test")
    people = (contact(f"{run}-nurse"), contact(f"{run}-doctor"))
    records.publish(writer, [Rota(ward=run, version=now_ms(), contacts=people)])
    told = KafkaReader(settings, "test-told")
    told.assign(told.ends(settings.layout.places(topics.NOTIFICATIONS)))
    environ = {
        "KAFKA_BOOTSTRAP": kafka,
        "AWS_ENDPOINT_URL": moto["AWS_ENDPOINT_URL"],
        "ALERT_OUTBOX_URL": outbox[1],
        "NOTIFY_BURST": "100",
    }
    job = Job(tmp_path, environ)
    now = now_ms()
    alarms = [event(f"{run}-p{i}", start=now, ward=run) for i in range(30)]
    for alarm in alarms:
        place = (topics.ALARMS, settings.layout.of(alarm))
        writer.write(place, alarm.subject.encode(), encode(alarm))
    writer.flush()

    found: list[Notification] = []

    def read_until(count: int) -> None:
        deadline = time.monotonic() + WITHIN_S
        while len(found) < count:
            assert time.monotonic() < deadline, f"{len(found)} of {count} notifications"
            records = [msgspec.json.decode(r.value or b"", type=Notification) for r in told.read(0.2)]
            found.extend(n for n in records if n.contact.startswith(run))

    read_until(10)
    job.kill()
    job = Job(tmp_path, environ)
    read_until(60)
    job.process.terminate()
    assert job.process.wait(30) == 0
    job.kill()
    told.close()
    keys = Counter((n.alarm, n.n, n.contact, n.handover) for n in found)
    assert set(keys) == {(a.id, 0, p.contact, 0) for a in alarms for p in people}
    assert max(keys.values()) == 1
    messages = receive(outbox, 60)
    reached = {(m["alarm"], m["contact"]) for m in messages}
    assert reached == {(a.id, p.contact) for a in alarms for p in people}
    # A crash between SNS's answer and the record is the one window; at most the publishes in flight fall into it.
    assert len(messages) <= 60 + 8
    assert all(len(m["sms"]) <= 160 for m in messages)
