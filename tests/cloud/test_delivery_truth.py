"""Outcome of accepted SMS: read from SNS's delivery status logs, recorded, and acted on."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import boto3
import msgspec
import pytest

from cloud.notify.channels.contact_channels import ContactChannels
from cloud.notify.channels.port import SendError
from cloud.notify.channels.sms_delivery_log import SmsDeliveryLog
from cloud.notify.channels.sns import SnsChannel
from cloud.notify.follow_up.delivery_follow import DeliveryFollow
from cloud.notify.follow_up.reach import Reach
from cloud.notify.notifier import Notifier
from infra.local.servers.sns import delivery_log
from infra.local.servers.sns.server import Sns
from infra.local.servers.sns.trouble import State
from tests.cloud.conftest import MakeEvent
from tests.cloud.station import Station
from tests.support.waiting import until
from vitals.alarm_events import Inactivation, Phase, Priority
from vitals.contacts import Contact, DeliveryState, Notification
from vitals.wire import topics

MakeContact = Callable[..., Contact]
PHONE, OTHER = "+441632960001", "+441632960002"
GROUPS = (delivery_log.DELIVERED, delivery_log.FAILED)
RECORD_OF_AN_EARLIER_VERSION = b"""{"alarm":"p-1.spo2.1","n":0,"patient":"p-1","contact":"nurse","handover":0,
"channels":["sms"],"sns":"m-1","t":1763812800000,"accepted":1763812800000,"sms":"ICU HIGH alarm"}"""


@pytest.fixture
def ward(station: Station, bad: Sns) -> Iterator[Station]:
    """A station of which the delivery status logs are read, whose clock is the stand-in's."""
    bad.service.clock = lambda: station.now
    looked = ContactChannels(SnsChannel(bad.url, None), (), lambda: station.now, 10**9)
    with closing(looked) as channels, ThreadPoolExecutor(1) as pool:
        station.sender, station.reach = channels, Reach(channels.checks, follow(bad, pool))
        yield station


def follow(bad: Sns, pool: ThreadPoolExecutor) -> DeliveryFollow:
    return DeliveryFollow(SmsDeliveryLog(GROUPS, bad.url), pool, 10_000)


def of(ward: Station, contact: str) -> list[tuple[DeliveryState, str | None]]:
    return [(n.state, n.error) for n in ward.notifications() if n.contact == contact and n.patient == "p-1"]


def learnt(ward: Station, notifier: Notifier, contact: str, states: list[DeliveryState]) -> None:
    """Works until the records of a contact have these states; the clock runs."""

    def has() -> bool:
        notifier.step(0)
        ward.now += 1_000
        return [state for state, _ in of(ward, contact)] == states

    until(has, f"{contact}: {states}", 20)


def test_an_sms_that_is_delivered_is_recorded_so(ward: Station, event: MakeEvent, contact: MakeContact) -> None:
    ward.duty(contact("nurse", phone=PHONE, email=None))
    notifier = ward.start()
    ward.alarm(event())
    learnt(ward, notifier, "nurse", [DeliveryState.ACCEPTED, DeliveryState.DELIVERED])
    accepted, delivered = ward.notifications()
    assert accepted.sns == delivered.sns
    assert delivered.accepted >= accepted.accepted >= (accepted.queued or 10**15)
    assert (accepted.priority, accepted.ward) == (Priority.HIGH, "icu")
    assert ward.raised("not-notified") == []


def test_an_sms_that_is_not_delivered_is_not_notified_and_the_next_contact_has_the_alarm(
    ward: Station, bad: Sns, event: MakeEvent, contact: MakeContact
) -> None:
    ward.duty(contact("nurse", phone=PHONE, email=None), contact("doctor", phone=OTHER, email=None, step=1))
    notifier = ward.start()
    bad.control(State(endpoint=PHONE, to="failing", reason=f"Phone {PHONE} is unreachable"))
    began = ward.now
    ward.alarm(event())
    learnt(ward, notifier, "nurse", [DeliveryState.ACCEPTED, DeliveryState.FAILED])
    learnt(ward, notifier, "doctor", [DeliveryState.ACCEPTED, DeliveryState.DELIVERED])
    assert of(ward, "nurse")[1][1] == "sms not delivered: Phone (address) is unreachable"
    (raised,) = ward.raised("not-notified")
    assert (raised.subject, raised.priority, raised.ward) == ("nurse", Priority.HIGH, "icu")
    assert raised.log_t - began <= 30_000
    assert PHONE not in raised.text


def test_a_further_message_that_is_only_accepted_does_not_end_the_alarm_but_a_delivery_does(
    ward: Station, bad: Sns, event: MakeEvent, contact: MakeContact
) -> None:
    ward.duty(contact("nurse", phone=PHONE, email=None))
    notifier = ward.start()
    bad.control(State(endpoint=PHONE, to="failing"))
    ward.alarm(event())
    learnt(ward, notifier, "nurse", [DeliveryState.ACCEPTED, DeliveryState.FAILED])
    ward.alarm(event("p-2"))
    ward.settle(notifier)
    assert [e.phase for e in ward.raised("not-notified")] == [Phase.START]
    bad.control(State(endpoint=PHONE, to="fine"))
    ward.alarm(event("p-3"))

    def has_ended() -> bool:
        notifier.step(0)
        ward.now += 1_000
        return ward.raised("not-notified")[-1].phase is Phase.END

    until(has_ended, "the alarm has ended", 20)


def test_a_person_who_acknowledges_is_reached(ward: Station, bad: Sns, event: MakeEvent, contact: MakeContact) -> None:
    ward.duty(contact("nurse", phone=PHONE, email=None))
    notifier = ward.start()
    bad.control(State(endpoint=PHONE, to="failing"))
    ward.alarm(event())
    learnt(ward, notifier, "nurse", [DeliveryState.ACCEPTED, DeliveryState.FAILED])
    ward.alarm(event(n=1, phase=Phase.CONTINUE, inactivation=Inactivation.ACKNOWLEDGED, by="nurse"))
    ward.settle(notifier)
    assert [e.phase for e in ward.raised("not-notified")] == [Phase.START, Phase.END]


def test_an_opt_out_in_the_log_is_no_channel_from_then_on(
    ward: Station, bad: Sns, event: MakeEvent, contact: MakeContact
) -> None:
    nurse = contact("nurse", phone=PHONE, email=None)
    ward.duty(nurse)
    notifier = ward.start()
    assert ward.reach.checks is not None
    until(lambda: ward.reach.checks is not None and ward.reach.checks.standing(nurse) is not None, "checked", 20)
    bad.control(State(endpoint=PHONE, to="opted-out"))
    ward.alarm(event())
    learnt(ward, notifier, "nurse", [DeliveryState.ACCEPTED, DeliveryState.FAILED])
    assert not ward.reach.reachable(nurse)


def test_a_failure_is_learnt_after_a_restart_too(
    ward: Station, bad: Sns, event: MakeEvent, contact: MakeContact
) -> None:
    ward.duty(contact("nurse", phone=PHONE, email=None))
    notifier = ward.start()
    bad.control(State(endpoint=PHONE, to="failing"))
    ward.alarm(event())
    for _ in range(100):
        notifier.step(0)
        if ward.notifications():
            break
        ward.pool.submit(int).result()
    with ThreadPoolExecutor(1) as pool:
        ward.reach = Reach(ward.reach.checks, follow(bad, pool))
        notifier = ward.start()
        learnt(ward, notifier, "nurse", [DeliveryState.ACCEPTED, DeliveryState.FAILED])
    (raised,) = ward.raised("not-notified")
    assert (raised.subject, raised.priority, raised.ward) == ("nurse", Priority.HIGH, "icu")
    assert len(bad.undelivered()) == 1, "nobody is paged a second time"


def test_a_record_of_an_earlier_version_stays_readable(station: Station, contact: MakeContact) -> None:
    old = msgspec.json.decode(RECORD_OF_AN_EARLIER_VERSION, type=Notification)
    assert (old.state, old.queued, old.priority, old.ward) == (DeliveryState.ACCEPTED, None, None, None)
    station.log.append((topics.NOTIFICATIONS, 0), b"p-1", RECORD_OF_AN_EARLIER_VERSION)
    station.duty(contact("nurse"))
    assert len(station.start().known.told) == 1


def test_what_cannot_be_read_in_the_log_is_left_out_and_all_pages_are_read(
    bad: Sns, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery_log, "PAGE", 7)
    client = boto3.client("sns", endpoint_url=bad.url)
    ids = {client.publish(PhoneNumber=PHONE, Message="text")["MessageId"] for _ in range(20)}
    client.close()
    assert {o.id for o in SmsDeliveryLog(GROUPS, bad.url).read(0)} == ids
    texts = ("no JSON", "[]", json.dumps({"status": "SUCCESS"}), json.dumps({"notification": {"messageId": "m"}}))
    events = [{"message": text, "timestamp": 1} for text in texts]
    monkeypatch.setattr(delivery_log, "filter_log_events", lambda *_: {"events": events})
    assert SmsDeliveryLog(GROUPS, bad.url).read(0) == []


def test_a_log_that_is_not_to_be_had_is_an_error_and_one_that_does_not_exist_yet_is_empty(bad: Sns) -> None:
    with pytest.raises(SendError, match="delivery log"):
        SmsDeliveryLog(GROUPS, "http://127.0.0.1:9").read(0)
    assert SmsDeliveryLog(("sns/another",), bad.url).read(0) == [], "a group is made with its first message"
