"""Web Push and webhook: what only they promise. The contract that they share is in `test_channel_contract.py`."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC

from cloud.notify.channels.contact_channels import ContactChannels
from cloud.notify.channels.port import RenderedMessage, SendError
from cloud.notify.channels.sns import SnsChannel
from cloud.notify.channels.web_push import DEVICES, WebPushChannel
from cloud.notify.channels.webhook import WebhookChannel
from cloud.notify.follow_up.reach import Reach
from cloud.push_services import SERVICES, new_private_key, public_key, served
from cloud.webhooks import webhook_urls
from infra.local.servers.sns.server import Sns
from infra.local.servers.sns.trouble import Fate, Trouble
from tests.cloud.conftest import MakeEvent
from tests.cloud.http_stand_in import HttpStandIn
from tests.cloud.push_service import Browser, PushService, text
from tests.cloud.station import Station
from tests.support.waiting import until
from vitals.contact_standing import PushDevice, Standing
from vitals.contacts import Channel, Contact
from vitals.wire import topics

MakeContact = Callable[..., Contact]
KEY = "an invented key of 32 characters"
T0 = 1_763_812_800_000
OUTBOX = {"contact": "nurse", "alarm": "p-1.spo2.1", "n": 0, "handover": 0, "ward": "icu", "email": "Ada Brandt"}
LINK = "https://wardwatch.example.org/a/T0ken"
BOTH = (Channel.PUSH, Channel.WEBHOOK)
TEXTS = RenderedMessage("HIGH alarm", f"ICU HIGH alarm ABCD2345 {LINK}", "Ada Brandt", json.dumps(OUTBOX), BOTH)


@pytest.fixture
def service() -> Iterator[PushService]:
    with PushService() as served_:
        yield served_


@pytest.fixture
def receiver() -> Iterator[HttpStandIn]:
    with HttpStandIn() as served_:
        yield served_


def device(service: PushService, number: int = 1, browser: Browser | None = None, until_: int = T0 + 1) -> PushDevice:
    own = browser or service.browser
    keys = {"p256dh": text(own.public), "auth": text(own.secret)}
    return PushDevice(contact="nurse", endpoint=f"{service.url}/push/{number}", since=number, until=until_, **keys)


def push(service: PushService, key: str | None = None) -> WebPushChannel:
    return WebPushChannel(key or new_private_key(), "mailto:op@example.org", (service.url,), lambda: T0)


def hook(receiver: HttpStandIn, clock: Callable[[], int] = lambda: T0) -> WebhookChannel:
    return WebhookChannel({"voice": f"{receiver.url}/call"}, KEY, clock, pauses_s=(0.0, 0.0))


def test_a_push_message_is_read_by_its_browser_alone_and_signed_by_this_deployment(
    service: PushService, contact: MakeContact
) -> None:
    key = new_private_key()
    channel = push(service, key)
    channel.add(device(service))
    channel.send(contact("nurse", push=True), TEXTS)
    (told,) = service.accepted
    assert json.loads(told) == {"title": "HIGH alarm", "body": "ICU HIGH alarm ABCD2345", "url": LINK}
    assert service.keys == {public_key(key)}
    assert service.claims[0]["sub"] == "mailto:op@example.org"
    (asked,) = service.requests
    assert asked.headers["urgency"] == "high"
    assert b"ABCD2345" not in asked.body
    with pytest.raises(InvalidTag):
        Browser().opened(asked.body)


def test_one_device_that_accepts_is_enough_and_a_gone_one_is_forgotten(
    service: PushService, contact: MakeContact
) -> None:
    channel, nurse = push(service), contact("nurse", push=True)
    channel.add(device(service, 1))
    channel.add(device(service, 2))
    service.statuses = [410]
    channel.send(nurse, TEXTS)
    assert [d.endpoint for d in channel.gone()] == [f"{service.url}/push/1"]
    assert channel.gone() == []
    service.statuses = [404]
    with pytest.raises(SendError, match="status 404"):
        channel.send(nurse, TEXTS)
    assert channel.check(nurse) == {Channel.PUSH: Standing.NO_DEVICE}


def test_a_device_gets_nothing_after_its_time_and_a_contact_has_few(service: PushService, contact: MakeContact) -> None:
    channel, nurse = push(service), contact("nurse", push=True)
    channel.add(device(service, 1, until_=T0))
    assert channel.check(nurse) == {Channel.PUSH: Standing.NO_DEVICE}
    for number in range(2, 3 + DEVICES):
        channel.add(device(service, number))
    channel.send(nurse, TEXTS)
    assert {r.path for r in service.requests} == {f"/push/{n}" for n in range(3, 3 + DEVICES)}


def test_a_browsers_keys_that_are_none_and_answers_that_are_no_http_are_errors(
    service: PushService, receiver: HttpStandIn, contact: MakeContact
) -> None:
    channel = push(service)
    broken = device(service)
    channel.add(
        PushDevice(contact="nurse", endpoint=broken.endpoint, p256dh="A" * 87, auth="A" * 22, since=1, until=T0 + 1)
    )
    with pytest.raises(SendError):
        channel.send(contact("nurse", push=True), TEXTS)
    channel.add(device(service))
    service.garbage = receiver.garbage = True
    with pytest.raises(SendError, match="push to nurse"):
        channel.send(contact("nurse", push=True), TEXTS)
    with pytest.raises(SendError, match="webhook voice of nurse"):
        hook(receiver).send(contact("nurse", webhook="voice"), TEXTS)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_an_answer_that_leads_elsewhere_is_not_followed(
    service: PushService, receiver: HttpStandIn, contact: MakeContact, status: int
) -> None:
    with HttpStandIn() as elsewhere:
        service.status = receiver.status = status
        service.location = receiver.location = f"{elsewhere.url}/elsewhere"
        channel = push(service)
        channel.add(device(service))
        with pytest.raises(SendError):
            channel.send(contact("nurse", push=True), TEXTS)
        with pytest.raises(SendError):
            hook(receiver).send(contact("nurse", webhook="voice"), TEXTS)
        assert elsewhere.requests == []


@pytest.mark.parametrize(
    ("endpoint", "allowed"),
    [
        ("https://fcm.googleapis.com/fcm/send/x", True),
        ("https://updates.push.services.mozilla.com/wpush/v2/x", True),
        ("https://web.push.apple.com/x", True),
        ("https://push.apple.com.example.org/x", False),
        ("https://evil.example.org/.push.apple.com", False),
        ("https://xpush.apple.com/x", False),
        ("http://fcm.googleapis.com/x", False),
        ("https://fcm.googleapis.com:8443/x", False),
        ("https://user@fcm.googleapis.com/x", False),
        ("https://169.254.169.254/x", False),
        ("https://[::1", False),
        ("", False),
    ],
)
def test_only_push_services_are_sent_to(endpoint: str, allowed: bool) -> None:
    assert served(endpoint, SERVICES) is allowed


def test_a_webhook_is_signed_dated_named_and_without_patients_data(receiver: HttpStandIn, contact: MakeContact) -> None:
    channel = hook(receiver)
    first = channel.send(contact("nurse", webhook="voice"), TEXTS)
    again = channel.send(contact("nurse", webhook="voice"), TEXTS)
    assert first.id == again.id, "a receiver knows a repeated message by its id"
    request = receiver.requests[0]
    assert request.path == "/call"
    code = HMAC(KEY.encode(), SHA256())
    code.update(f"{T0}.".encode() + request.body)
    assert request.headers["wardwatch-signature"] == code.finalize().hex()
    assert request.headers["wardwatch-time"] == str(T0)
    assert request.headers["wardwatch-id"] == first.id
    told = json.loads(request.body)
    assert (told["contact"], told["ward"], told["text"], told["id"]) == ("nurse", "icu", TEXTS.sms, first.id)
    assert b"Ada" not in request.body


def test_every_attempt_has_its_own_time_so_that_an_old_one_cannot_be_replayed(
    receiver: HttpStandIn, contact: MakeContact
) -> None:
    times = iter((T0, T0 + 5_000, T0 + 10_000))
    receiver.statuses = [500, 429]
    hook(receiver, lambda: next(times)).send(contact("nurse", webhook="voice"), TEXTS)
    assert [r.headers["wardwatch-time"] for r in receiver.requests] == [str(T0), str(T0 + 5_000), str(T0 + 10_000)]
    assert len({r.headers["wardwatch-signature"] for r in receiver.requests}) == 3
    assert len({r.headers["wardwatch-id"] for r in receiver.requests}) == 1


def test_the_receivers_check_in_the_manual_takes_a_request_once_in_time_and_no_forged_one(
    receiver: HttpStandIn, contact: MakeContact
) -> None:
    page = (Path(__file__).parents[2] / "docs" / "notifications.md").read_text(encoding="utf-8")
    manual: dict[str, Any] = {}
    exec(page.split("```python\n")[1].split("```")[0], manual)  # noqa: S102 - our own page
    hook(receiver).send(contact("nurse", webhook="voice"), TEXTS)
    (request,) = receiver.requests
    time_, signed = request.headers["wardwatch-time"], request.headers["wardwatch-signature"]
    genuine = manual["genuine"]
    assert genuine(KEY, time_, signed, request.body, T0 + 300_000)
    assert not genuine(KEY, time_, signed, request.body, T0 + 300_001)
    assert not genuine(KEY, str(T0 + 1), signed, request.body, T0)
    assert not genuine(KEY, time_, signed, request.body + b" ", T0)
    assert not genuine("another key of 32 characters ...", time_, signed, request.body, T0)


@pytest.mark.parametrize(("status", "attempts"), [(400, 1), (401, 1), (404, 1), (500, 3), (503, 3), (429, 3)])
def test_only_what_may_succeed_is_repeated(
    receiver: HttpStandIn, contact: MakeContact, status: int, attempts: int
) -> None:
    receiver.status = status
    with pytest.raises(SendError, match=f"status {status}"):
        hook(receiver).send(contact("nurse", webhook="voice"), TEXTS)
    assert len(receiver.requests) == attempts


@pytest.mark.parametrize("entry", ["voice", "=https://x.example.org", "voice=http://x.example.org", "voice=ftp://x"])
def test_a_webhook_without_name_or_tls_is_refused_at_the_start_and_its_address_not_repeated(entry: str) -> None:
    with pytest.raises(ValueError, match="NOTIFY_WEBHOOKS") as raised:
        webhook_urls((entry,))
    assert "x.example.org" not in str(raised.value)


def joined(station: Station, bad: Sns, *others: WebPushChannel | WebhookChannel) -> ContactChannels:
    return ContactChannels(SnsChannel(bad.url, None), others, lambda: station.now, 10**9)


def test_push_replaces_sns_only_when_every_attempt_of_sns_has_failed(
    *, station: Station, bad: Sns, service: PushService, event: MakeEvent, contact: MakeContact
) -> None:
    channel = push(service)
    channel.add(device(service))
    with closing(joined(station, bad, channel)) as station.sender:  # type: ignore[misc] # a field as a target
        station.duty(contact("nurse", push=True))
        notifier = station.start()
        bad.control(Trouble(fate=Fate.ERROR, count=1))
        station.alarm(event())
        station.settle(notifier)
        (sent,) = station.notifications()
        assert set(sent.channels) == {Channel.SMS, Channel.EMAIL, Channel.PUSH}
        assert len({told.endpoint for told in bad.reached()}) == 2
        bad.control(Trouble(fate=Fate.ERROR, count=100))
        station.alarm(event("p-2"))
        station.settle(notifier)
    (second,) = [n for n in station.notifications() if n.patient == "p-2"]
    assert second.channels == (Channel.PUSH,)
    assert second.error is not None


def test_a_webhook_that_hangs_delays_no_page_by_sns(
    *, station: Station, bad: Sns, receiver: HttpStandIn, contact: MakeContact
) -> None:
    receiver.slow_s = 60
    with closing(joined(station, bad, hook(receiver))) as channels:
        began = time.monotonic()
        receipt = channels.send(
            contact("nurse", webhook="voice"),
            RenderedMessage("s", "text", "mail", json.dumps(OUTBOX), (Channel.SMS, Channel.WEBHOOK)),
        )
        assert time.monotonic() - began < 2
        assert receipt.channels == (Channel.SMS,)
        receiver.release()


def test_a_device_on_record_is_sent_to_and_one_that_is_gone_leaves_the_record(
    *, station: Station, bad: Sns, service: PushService, event: MakeEvent, contact: MakeContact
) -> None:
    own = device(service, until_=station.now + 10**9)
    channel = WebPushChannel(new_private_key(), "mailto:op@example.org", (service.url,), lambda: station.now)
    with closing(joined(station, bad, channel)) as channels:
        station.sender, station.reach = channels, Reach(channels.checks, push=channel)
        station.duty(nurse := contact("nurse", phone=None, email=None, push=True))
        station.log.append((topics.CHANNELS, 0), own.key.encode(), msgspec.json.encode(own))
        notifier = station.start()
        station.alarm(event())
        station.settle(notifier)
        assert len(service.accepted) == 1
        service.status = 410
        station.alarm(event("p-2"))

        def forgotten() -> bool:
            notifier.step(0)
            station.now += 1_000
            return station.log.records(topics.CHANNELS)[-1].value is None

        until(forgotten, "a tombstone", 20)
        assert station.log.records(topics.CHANNELS)[-1].key == own.key.encode()

        def no_device() -> bool:
            notifier.step(0)
            station.now += 1_000
            found = channels.checks.standing(nurse)
            return found is not None and found.channels == {Channel.PUSH: Standing.NO_DEVICE}

        until(no_device, "no device", 20)
        until(lambda: bool(station.raised("not-notified")), "not notified", 20)
