"""The bad SNS, as boto3 meets it: what AWS documents, and each trouble that moto never has."""

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import msgspec
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError

from infra.local.ports import Ports
from infra.local.process import Processes
from infra.local.servers.sns.part import endpoint, sns
from infra.local.servers.sns.server import Options, Sns
from infra.local.servers.sns.trouble import Fate, Pace, State, Trouble
from infra.local.stack import LocalStack

NUMBER, MAIL = "+441632960001", "nurse@example.org"
Client = Any
"""boto3 makes its clients at run time."""


def connected(url: str, service: str = "sns") -> Client:
    keys = {"aws_access_key_id": "local", "aws_secret_access_key": "local", "region_name": "eu-west-1"}
    return boto3.client(service, endpoint_url=url, config=Config(retries={"total_max_attempts": 1}), **keys)


@pytest.fixture
def bad() -> Iterator[Sns]:
    with Sns() as served:
        yield served


@pytest.fixture
def client(bad: Sns) -> Iterator[Client]:
    made = connected(bad.url)
    yield made
    made.close()


@pytest.fixture
def topic(client: Client) -> str:
    return str(client.create_topic(Name="wardwatch-nurse")["TopicArn"])


def publish(client: Client, topic: str, kinds: tuple[str, ...] = ("sms", "email"), text: str = "an sms") -> str:
    message = {"default": "a default", "sms": text, "email": "an email", "sqs": "for a queue"}
    answer = client.publish(
        TopicArn=topic,
        Message=json.dumps(message),
        MessageStructure="json",
        Subject="a subject",
        MessageAttributes={"channels": {"DataType": "String.Array", "StringValue": json.dumps(kinds)}},
    )
    return str(answer["MessageId"])


def refused(call: Callable[[], object]) -> tuple[str, int]:
    with pytest.raises(ClientError) as caught:
        call()
    answer: Mapping[str, Any] = caught.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]


def listed(client: Client, topic: str) -> dict[str, str]:
    pages = client.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
    return {s["Endpoint"]: s["SubscriptionArn"] for page in pages for s in page["Subscriptions"]}


def test_an_sms_subscription_needs_no_confirmation_and_its_text_reaches_the_phone(
    bad: Sns, client: Client, topic: str
) -> None:
    arn = client.subscribe(TopicArn=topic, Protocol="sms", Endpoint=NUMBER)["SubscriptionArn"]
    sent = publish(client, topic)
    (told,) = bad.reached()
    assert listed(client, topic) == {NUMBER: arn}
    assert (told.endpoint, told.protocol, told.topic, told.message_id) == (NUMBER, "sms", topic, sent)
    assert told.text == "an sms"


def test_nothing_goes_to_a_pending_e_mail_and_publish_succeeds_all_the_same(
    bad: Sns, client: Client, topic: str
) -> None:
    answer = client.subscribe(TopicArn=topic, Protocol="email", Endpoint=MAIL)
    sent = publish(client, topic)
    assert answer["SubscriptionArn"] == "pending confirmation"
    assert listed(client, topic) == {MAIL: "PendingConfirmation"}
    assert bad.reached() == []
    assert [(u.endpoint, u.message_id, u.reason) for u in bad.undelivered()] == [(MAIL, sent, "pending confirmation")]


def test_a_confirmed_e_mail_is_read(bad: Sns, client: Client, topic: str) -> None:
    client.subscribe(TopicArn=topic, Protocol="email", Endpoint=MAIL)
    (asked,) = bad.ledger.confirmations()
    arn = client.confirm_subscription(TopicArn=topic, Token=asked.token)["SubscriptionArn"]
    publish(client, topic)
    assert listed(client, topic) == {MAIL: arn}
    assert [(r.endpoint, r.text, r.subject) for r in bad.reached()] == [(MAIL, "an email", "a subject")]


def test_a_token_that_was_never_sent_confirms_nothing(client: Client, topic: str) -> None:
    asked = refused(lambda: client.confirm_subscription(TopicArn=topic, Token="0" * 64))
    assert asked == ("InvalidParameter", 400)


def test_everybody_may_have_confirmed_from_the_start() -> None:
    with Sns(Options(confirmed=True)) as bad:
        client = connected(bad.url)
        topic = client.create_topic(Name="t")["TopicArn"]
        assert client.subscribe(TopicArn=topic, Protocol="email", Endpoint=MAIL)["SubscriptionArn"].startswith("arn:")
        client.close()


def test_what_its_receiver_ended_is_listed_as_deleted_and_gets_nothing(bad: Sns, client: Client, topic: str) -> None:
    client.subscribe(TopicArn=topic, Protocol="sms", Endpoint=NUMBER)
    bad.control(State(endpoint=NUMBER, to="removed"))
    publish(client, topic)
    assert listed(client, topic) == {NUMBER: "Deleted"}
    assert [u.reason for u in bad.undelivered()] == ["unsubscribed by its receiver"]


def test_what_its_receiver_ended_stays_so_when_it_is_subscribed_again(bad: Sns, client: Client, topic: str) -> None:
    client.subscribe(TopicArn=topic, Protocol="sms", Endpoint=NUMBER)
    bad.control(State(endpoint=NUMBER, to="removed"))
    client.subscribe(TopicArn=topic, Protocol="sms", Endpoint=NUMBER)
    publish(client, topic)
    assert listed(client, topic) == {NUMBER: "Deleted"}
    assert bad.reached() == []


def test_what_was_pending_for_too_long_is_gone(bad: Sns, client: Client, topic: str) -> None:
    client.subscribe(TopicArn=topic, Protocol="email", Endpoint=MAIL)
    bad.control(State(endpoint=MAIL, to="expired"))
    publish(client, topic)
    assert listed(client, topic) == {}
    assert [u.reason for u in bad.undelivered()] == ["nobody is subscribed"]


def test_the_word_in_place_of_an_arn_cannot_be_unsubscribed(client: Client) -> None:
    assert refused(lambda: client.unsubscribe(SubscriptionArn="Deleted")) == ("InvalidParameter", 400)


def test_what_its_owner_ends_is_gone(client: Client, topic: str) -> None:
    arn = client.subscribe(TopicArn=topic, Protocol="sms", Endpoint=NUMBER)["SubscriptionArn"]
    client.unsubscribe(SubscriptionArn=arn)
    assert listed(client, topic) == {}
    assert refused(lambda: client.get_subscription_attributes(SubscriptionArn=arn)) == ("NotFound", 404)


def test_publish_accepts_for_a_number_that_opted_out_by_topic_and_directly_and_no_phone_has_it(
    bad: Sns, client: Client, topic: str
) -> None:
    client.subscribe(TopicArn=topic, Protocol="sms", Endpoint=NUMBER)
    bad.control(State(endpoint=NUMBER, to="opted-out"))
    sent = [publish(client, topic), client.publish(PhoneNumber=NUMBER, Message="directly")["MessageId"]]
    assert bad.reached() == []
    assert [(u.message_id, u.reason) for u in bad.undelivered()] == [(s, "Phone number is opted out") for s in sent]
    assert client.check_if_phone_number_is_opted_out(phoneNumber=NUMBER)["isOptedOut"] is True
    assert client.list_phone_numbers_opted_out()["phoneNumbers"] == [NUMBER]
    assert listed(client, topic)[NUMBER].startswith("arn:")


def test_a_number_that_opts_in_again_is_reached(bad: Sns, client: Client) -> None:
    for to in ("opted-out", "fine"):
        bad.control(State(endpoint=NUMBER, to=to))
    client.publish(PhoneNumber=NUMBER, Message="directly")
    assert [r.text for r in bad.reached()] == ["directly"]
    assert client.check_if_phone_number_is_opted_out(phoneNumber=NUMBER)["isOptedOut"] is False


def test_more_than_ten_e_mails_a_second_deactivate_a_subscription() -> None:
    with Sns(Options(confirmed=True, emails_per_s=3)) as bad:
        client = connected(bad.url)
        topic = client.create_topic(Name="t")["TopicArn"]
        client.subscribe(TopicArn=topic, Protocol="email", Endpoint=MAIL)
        for second in (0.0, 0.1, 0.2, 1.5, 1.6, 1.7, 1.8):
            bad.service.monotonic = lambda at=second: at
            publish(client, topic)
        assert len(bad.reached()) == 6
        assert listed(client, topic) == {MAIL: "PendingConfirmation"}
        assert [u.reason.split(":")[0] for u in bad.undelivered()] == ["deactivated"]
        client.close()


def test_what_fails_at_a_number_stands_with_its_reason_and_the_queue_that_keeps_it(
    bad: Sns, client: Client, topic: str
) -> None:
    queue = "arn:aws:sqs:eu-west-1:123456789012:undelivered"
    redrive = {"RedrivePolicy": json.dumps({"deadLetterTargetArn": queue})}
    client.subscribe(TopicArn=topic, Protocol="sms", Endpoint=NUMBER, Attributes=redrive)
    bad.control(State(endpoint=NUMBER, to="failing", reason="Invalid phone number"))
    publish(client, topic)
    assert [(u.reason, u.queue) for u in bad.undelivered()] == [("Invalid phone number", queue)]


def test_a_subscription_gets_what_its_filter_lets_through(bad: Sns, client: Client, topic: str) -> None:
    for protocol, endpoint_ in (("sms", NUMBER), ("sqs", "arn:aws:sqs:eu-west-1:123456789012:outbox")):
        attributes = {"FilterPolicy": json.dumps({"channels": ["sms"]})} if protocol == "sms" else {}
        client.subscribe(TopicArn=topic, Protocol=protocol, Endpoint=endpoint_, Attributes=attributes)
    publish(client, topic, ("email",))
    publish(client, topic, ("sms", "email"))
    assert [r.protocol for r in bad.reached()] == ["sqs", "sms", "sqs"]


def test_a_message_to_nobody_is_accepted_and_told(bad: Sns, client: Client, topic: str) -> None:
    assert publish(client, topic)
    assert [u.reason for u in bad.undelivered()] == ["nobody is subscribed"]


def test_a_second_subscription_of_the_same_address_is_the_first(client: Client, topic: str) -> None:
    arns = {client.subscribe(TopicArn=topic, Protocol="sms", Endpoint=NUMBER)["SubscriptionArn"] for _ in range(2)}
    assert len(arns) == 1


def test_subscriptions_come_in_pages_of_a_hundred(client: Client, topic: str) -> None:
    for k in range(120):
        client.subscribe(TopicArn=topic, Protocol="sms", Endpoint=f"+4416329{k:05d}")
    assert len(client.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]) == 100
    assert len(listed(client, topic)) == 120


def test_attributes_of_a_subscription_are_kept_and_can_be_changed(client: Client, topic: str) -> None:
    arn = client.subscribe(TopicArn=topic, Protocol="sms", Endpoint=NUMBER)["SubscriptionArn"]
    value = json.dumps({"channels": ["email"]})
    client.set_subscription_attributes(SubscriptionArn=arn, AttributeName="FilterPolicy", AttributeValue=value)
    found = client.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]
    assert (found["FilterPolicy"], found["Protocol"], found["PendingConfirmation"]) == (value, "sms", "false")


@pytest.mark.parametrize(
    ("action", "asked"),
    [
        ("subscribe", {"Protocol": "sms", "Endpoint": "0800 nurse"}),
        ("subscribe", {"Protocol": "pigeon", "Endpoint": "loft"}),
        ("publish", {"Message": "no json", "MessageStructure": "json"}),
        ("publish", {"Message": json.dumps({"sms": "no default"}), "MessageStructure": "json"}),
        ("publish", {"Message": ""}),
        ("publish", {"Message": "m" * 300_000}),
        ("publish", {"Message": "m", "Subject": "s" * 101}),
    ],
)
def test_what_aws_does_not_take_is_an_invalid_parameter(
    client: Client, topic: str, action: str, asked: dict[str, str]
) -> None:
    assert refused(lambda: getattr(client, action)(TopicArn=topic, **asked)) == ("InvalidParameter", 400)


def test_a_topic_that_is_not_there_is_not_found(client: Client, topic: str) -> None:
    assert refused(lambda: publish(client, topic + "-of-nobody")) == ("NotFound", 404)


def test_a_throttled_call_is_refused_as_aws_does_and_keeps_nothing(bad: Sns, client: Client, topic: str) -> None:
    client.subscribe(TopicArn=topic, Protocol="sms", Endpoint=NUMBER)
    bad.control(Trouble(fate=Fate.THROTTLE, count=2))
    assert [refused(lambda: publish(client, topic)) for _ in range(2)] == [("ThrottlingException", 400)] * 2
    assert publish(client, topic)
    assert len(bad.reached()) == 1
    bad.control(Trouble(fate=Fate.THROTTLE, actions=("ListPhoneNumbersOptedOut",)))
    assert refused(client.list_phone_numbers_opted_out) == ("Throttled", 429)


def test_beyond_its_rate_publish_is_throttled(bad: Sns, client: Client, topic: str) -> None:
    bad.control(Pace(publishes_per_s=2))
    answers = []
    for _ in range(6):
        try:
            answers.append(bool(publish(client, topic)))
        except ClientError:
            answers.append(False)
    assert answers[:2] == [True, True]
    assert False in answers
    bad.control(Pace(publishes_per_s=0))
    assert publish(client, topic)


@pytest.mark.parametrize(("code", "status"), [("InternalError", 500), ("AuthorizationError", 403)])
def test_an_error_comes_as_it_was_ordered(bad: Sns, client: Client, topic: str, code: str, status: int) -> None:
    bad.control(Trouble(fate=Fate.ERROR, error=code))
    assert refused(lambda: publish(client, topic)) == (code, status)
    assert publish(client, topic)


def test_an_answer_is_lost_after_the_message_was_kept(bad: Sns, client: Client, topic: str) -> None:
    client.subscribe(TopicArn=topic, Protocol="sms", Endpoint=NUMBER)
    bad.control(Trouble(fate=Fate.LOSE))
    with pytest.raises(ConnectionClosedError):
        publish(client, topic)
    assert [r.text for r in bad.reached()] == ["an sms"]
    assert bad.ledger.counts()["lost"] == 1


def test_an_answer_takes_the_time_that_was_ordered(bad: Sns, client: Client, topic: str) -> None:
    bad.control(Pace(answer_ms=150))
    began = time.monotonic()
    publish(client, topic)
    assert time.monotonic() - began >= 0.15
    bad.control(Pace(answer_ms=0))
    bad.control(Trouble(fate=Fate.SLOW, slow_ms=250))
    began = time.monotonic()
    publish(client, topic)
    assert time.monotonic() - began >= 0.25


def test_only_the_last_messages_are_kept_and_all_are_counted() -> None:
    with Sns(Options(keep=10)) as bad:
        client = connected(bad.url)
        for k in range(30):
            client.publish(PhoneNumber=NUMBER, Message=f"message {k}")
        assert [r.text for r in bad.reached()] == [f"message {k}" for k in range(20, 30)]
        assert bad.ledger.counts()["reached"] == 30
        client.close()


def asked(url: str, order: object) -> int:
    body = msgspec.json.encode(order)
    try:
        with urllib.request.urlopen(urllib.request.Request(f"{url}/control", body)) as answer:  # noqa: S310 - loopback
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_orders_and_ledgers_go_over_http(bad: Sns, client: Client, topic: str) -> None:
    client.subscribe(TopicArn=topic, Protocol="sms", Endpoint=NUMBER)
    publish(client, topic)
    assert asked(bad.url, {"set": "state", "endpoint": NUMBER, "to": "opted-out"}) == 200
    publish(client, topic)
    found = {}
    for what in ("reached", "undelivered"):
        with urllib.request.urlopen(f"{bad.url}/{what}") as answer:  # noqa: S310 - loopback
            found[what] = [json.loads(line)["endpoint"] for line in answer]
    assert found == {"reached": [NUMBER], "undelivered": [NUMBER]}


@pytest.mark.parametrize("order", [{"set": "state", "endpoint": NUMBER, "to": "asleep"}, {"set": "weather"}, []])
def test_an_order_that_cannot_be_is_refused(bad: Sns, order: object) -> None:
    assert asked(bad.url, order) == 400


def test_a_subscribed_queue_of_a_real_sqs_has_the_raw_text_and_the_undelivered_go_to_theirs(
    moto: Mapping[str, str],
) -> None:
    sqs = connected(moto["AWS_ENDPOINT_URL"], "sqs")
    urls = [sqs.create_queue(QueueName=f"sns-{name}")["QueueUrl"] for name in ("outbox", "undelivered")]
    outbox, undelivered = (
        sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"] for url in urls
    )
    with Sns(sqs_endpoint=moto["AWS_ENDPOINT_URL"]) as bad:
        client = connected(bad.url)
        topic = client.create_topic(Name="t")["TopicArn"]
        raw, redrive = {"RawMessageDelivery": "true"}, {"RedrivePolicy": f'{{"deadLetterTargetArn":"{undelivered}"}}'}
        client.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=outbox, Attributes=raw)
        client.subscribe(TopicArn=topic, Protocol="sms", Endpoint=NUMBER, Attributes=redrive)
        bad.control(State(endpoint=NUMBER, to="opted-out"))
        sent = publish(client, topic)
        found = [sqs.receive_message(QueueUrl=url, WaitTimeSeconds=10)["Messages"][0]["Body"] for url in urls]
        client.close()
    sqs.close()
    assert found[0] == "for a queue"
    assert json.loads(found[1])["MessageId"] == sent


def test_it_runs_as_a_process_of_the_stack(tmp_path: Path) -> None:
    port = Ports.ephemeral(0).console
    processes = Processes(tmp_path)
    spec = sns(port, Options(answer_ms=5, confirmed=True), None)
    processes.start(spec)
    try:
        processes.wait_ready(spec)
        client = connected(endpoint(port))
        topic = client.create_topic(Name="t")["TopicArn"]
        assert client.subscribe(TopicArn=topic, Protocol="email", Endpoint=MAIL)["SubscriptionArn"].startswith("arn:")
        client.close()
    finally:
        processes.end()


def test_a_stack_that_asks_for_it_has_it_beside_moto_and_another_has_not(tmp_path: Path) -> None:
    ports = Ports.ephemeral(0)
    chosen = {"ports": ports, "gateways": (), "parts": ()}
    assert "AWS_ENDPOINT_URL_SNS" not in LocalStack(tmp_path / "without", **chosen).env()
    with LocalStack(tmp_path / "with", **chosen, sns=Options(confirmed=True)) as stack:
        url = stack.env()["AWS_ENDPOINT_URL_SNS"]
        client = connected(url)
        assert client.create_topic(Name="t")["TopicArn"].endswith(":t")
        client.close()
        assert set(stack.processes.alive()) == {"sns"}
    assert stack.processes.alive() == {}


def test_its_help_tells_every_option() -> None:
    words = [sys.executable, "-m", "infra.local.servers.sns", "--help"]
    told = subprocess.run(words, capture_output=True, text=True, check=True).stdout  # noqa: S603 - our own words
    assert all(f"--{name}" in told for name in ("port", "answer-ms", "confirmed", "emails-per-s", "keep"))
