"""The notifier on an SNS whose answers are lost, throttled or slow, and whose receivers are not there."""

from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from cloud.notify.channels import sns as adapter
from cloud.notify.channels.contact_channels import ContactChannels
from cloud.notify.channels.sns import SnsChannel
from infra.local.servers.sns.server import Sns
from infra.local.servers.sns.trouble import Fate, Trouble
from tests.cloud.conftest import MakeEvent
from tests.cloud.station import Station
from vitals.contacts import Contact

MakeContact = Callable[..., Contact]


@pytest.fixture
def bad(bad: Sns, monkeypatch: pytest.MonkeyPatch) -> Sns:
    # Whoever waits for an answer waits half a second, so that a test need not wait five.
    monkeypatch.setattr(adapter, "TIMEOUT_S", 0.5)
    return bad


@pytest.fixture
def notifying(station: Station, bad: Sns) -> Iterator[Station]:
    channels = station.sender = ContactChannels(SnsChannel(bad.url, None), (), lambda: station.now, 180_000)
    yield station
    channels.close()


def read(bad: Sns, protocol: str = "sms") -> Counter[str]:
    """Returns how often each text is on a phone, or in a mailbox."""
    return Counter(told.text for told in bad.reached() if told.protocol == protocol)


def test_a_message_whose_answer_is_lost_may_come_twice_and_is_never_lost(
    notifying: Station, bad: Sns, event: MakeEvent, contact: MakeContact
) -> None:
    notifying.duty(contact("nurse"))
    notifier = notifying.start()
    bad.control(Trouble(fate=Fate.LOSE, count=2))
    for name in ("p-1", "p-2", "p-3"):
        notifying.alarm(event(name))
    notifying.settle(notifier)
    told = read(bad)
    assert len(told) == 3
    assert told.total() == 5, "each lost answer is one message more"
    assert len([n for n in notifying.notifications() if n.sns]) == 3


def test_an_answer_lost_at_every_try_leaves_a_failure_on_record_and_the_message_on_the_phone(
    notifying: Station, bad: Sns, event: MakeEvent, contact: MakeContact
) -> None:
    notifying.duty(contact("nurse"))
    notifier = notifying.start()
    bad.control(Trouble(fate=Fate.LOSE, count=4))
    notifying.alarm(event())
    notifying.settle(notifier)
    assert read(bad).total() >= 1
    assert [n.sns is None for n in notifying.notifications()][:1] == [True]
    assert [e.subject for e in notifying.raised("not-notified")] == ["nurse"]


def test_while_sns_throttles_messages_come_late_and_none_is_lost(
    notifying: Station, bad: Sns, event: MakeEvent, contact: MakeContact
) -> None:
    notifying.duty(contact("nurse"))
    notifier = notifying.start()
    bad.control(Trouble(fate=Fate.THROTTLE, count=6))
    began = notifying.now
    for name in ("p-1", "p-2", "p-3"):
        notifying.alarm(event(name))
    notifying.settle(notifier)
    assert sorted(read(bad).values()) == [1, 1, 1]
    sent = [n for n in notifying.notifications() if n.sns]
    assert max(n.accepted for n in sent) > began, "the tries after a pause took them"
    assert bad.ledger.counts()["ThrottlingException"] == 6
    assert notifying.raised("not-notified") == []


def test_answers_slower_than_the_notifier_waits_lose_nothing(
    notifying: Station, bad: Sns, event: MakeEvent, contact: MakeContact
) -> None:
    notifying.duty(contact("nurse"))
    notifier = notifying.start()
    bad.control(Trouble(fate=Fate.SLOW, count=2, slow_ms=1_000))
    for name in ("p-1", "p-2", "p-3"):
        notifying.alarm(event(name))
    notifying.settle(notifier)
    told = read(bad)
    assert len(told) == 3
    assert told.total() == 5, "SNS had taken what it answered too late"
    assert len([n for n in notifying.notifications() if n.sns]) == 3


def test_a_topic_that_cannot_be_made_at_once_is_made_with_the_next_try(
    notifying: Station, bad: Sns, event: MakeEvent, contact: MakeContact
) -> None:
    bad.control(Trouble(fate=Fate.THROTTLE, count=2, actions=("CreateTopic", "Subscribe")))
    notifying.duty(contact("nurse"))
    notifier = notifying.start()
    notifying.alarm(event())
    notifying.settle(notifier)
    assert read(bad).total() == 1
