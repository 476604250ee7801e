"""A duty begins with a proof, and no change of duty leaves a ward without a reachable contact."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from cloud.ack_links import LinkError, verify_token
from cloud.duty.handing_over import duty_over
from cloud.duty.house import House
from cloud.duty.proofs import ids
from cloud.notify.channels.sns import Receipt, RenderedMessage, SendError
from cloud.notify.notifier import Notifier
from cloud.notify.routing.on_call import OnCall
from tests.cloud.conftest import T0, MakeEvent
from tests.cloud.station import KEY, Phones, Station
from vitals.alarm_events import AlarmEvent, Kind, Priority
from vitals.contacts import Contact, DutyRole, MessageKind, Rota
from vitals.duty import Proof

MakeContact = Callable[..., Contact]
HOUR = 3_600_000


def duties(contact: MakeContact, *, head: bool = True) -> tuple[Contact, ...]:
    """Old's duty ends and New's begins at T0; the charge nurse has been there for an hour."""
    old = contact("old", start=T0 - 8 * HOUR, end=T0)
    new = contact("new", start=T0, end=T0 + 8 * HOUR)
    charge = contact("head", start=T0 - HOUR, end=T0 + HOUR, step=1, role=DutyRole.CHARGE)
    return (old, new, charge) if head else (old, new)


@pytest.fixture
def on_call(contact: MakeContact) -> OnCall:
    """A ward that wants a proof; the charge nurse has given it."""
    found = OnCall({}, "technical")
    found.set(Rota(ward="icu", version=1, contacts=duties(contact), proof=True))
    found.set(Proof(contact="head", t=T0 - HOUR))
    found.set(Proof(contact="old", t=T0 - 8 * HOUR))
    return found


def called(on_call: OnCall, event: AlarmEvent, now: int = T0) -> tuple[list[str], list[str]]:
    found = on_call.resolve(event, now)
    return [c.contact for c in found.contacts], [c.contact for c in found.courtesy]


def test_until_the_proof_comes_new_and_charge_nurse_are_called_and_the_one_before_has_a_copy(
    on_call: OnCall, event: MakeEvent
) -> None:
    assert called(on_call, event(), T0 - 1) == (["old"], [])
    assert called(on_call, event()) == (["new", "head"], ["old"])
    on_call.set(Proof(contact="new", t=T0 + 1))
    assert called(on_call, event(), T0 + 1) == (["new"], [])


def test_a_proof_of_the_duty_before_is_none(on_call: OnCall, event: MakeEvent) -> None:
    on_call.set(Proof(contact="new", t=T0 - 1))
    assert called(on_call, event()) == (["new", "head"], ["old"])


def test_without_anybody_who_is_proven_the_one_before_stays_on_duty(
    on_call: OnCall, event: MakeEvent, contact: MakeContact
) -> None:
    on_call.set(Rota(ward="icu", version=2, contacts=duties(contact, head=False), proof=True))
    assert called(on_call, event()) == (["new", "old"], [])


def test_a_ward_that_wants_no_proof_is_as_before(on_call: OnCall, event: MakeEvent, contact: MakeContact) -> None:
    on_call.set(Rota(ward="icu", version=2, contacts=duties(contact)))
    assert called(on_call, event()) == (["new"], [])


def test_a_gap_never_removes_the_last_contact_who_can_be_reached(
    on_call: OnCall, event: MakeEvent, contact: MakeContact
) -> None:
    later = contact("new", start=T0 + HOUR, end=T0 + 8 * HOUR)
    on_call.set(Rota(ward="icu", version=2, contacts=(duties(contact)[0], later), proof=True))
    gap = on_call.resolve(event(), T0 + 1)
    assert ([c.contact for c in gap.contacts], gap.rota_empty) == (["old"], True)
    assert called(on_call, event(), T0 + HOUR) == (["new", "old"], [])
    on_call.set(Proof(contact="new", t=T0 + HOUR))
    assert called(on_call, event(), T0 + HOUR) == (["new"], [])


def test_in_a_gap_the_last_contact_the_default_and_the_technicians_are_called_and_the_next_on_duty(
    station: Station, event: MakeEvent, contact: MakeContact
) -> None:
    station.duty(contact("old", end=T0), contact("new", start=T0 + 60_000))
    station.duty(contact("engineer"), ward="technical")
    notifier = station.start()
    station.alarm(event(priority=Priority.MEDIUM))
    station.settle(notifier)
    notifier.step(0)
    station.settle(notifier)
    assert sorted(name for name, _ in station.phones.got) == ["engineer", "old", "old"]
    (raised,) = station.raised("rota-empty")
    assert raised.kind is Kind.TECHNICAL
    station.now = T0 + 60_000
    notifier.step(0)
    station.settle(notifier)
    assert [name for name, _ in station.phones.got][3:] == ["new"]


def links(station: Station, contact: str) -> list[str]:
    return [text.rsplit("/p/", 1)[1] for name, text in station.phones.got if name == contact and "/p/" in text]


def test_one_message_asks_at_the_begin_of_a_duty_and_its_link_proves_this_duty_alone(
    station: Station, contact: MakeContact
) -> None:
    station.duty(*duties(contact), proof=True)
    station.enter(Proof(contact="head", t=T0 - HOUR), Proof(contact="old", t=T0 - HOUR))
    station.now = T0 - 10_000
    notifier = station.start()
    station.settle(notifier)
    assert station.phones.got == []
    for _ in range(30):
        station.now += 1000
        notifier.step(0)
        station.settle(notifier)
    (token,) = links(station, "new")
    assert [n.kind for n in station.notifications()] == [MessageKind.PROOF]
    house = notifier.on_call.house
    who = verify_token(KEY, token, alarms=ids(house, station.now), contacts={"new"}, now=station.now)
    assert who.contact == "new"
    with pytest.raises(LinkError):
        verify_token(KEY, token, alarms=ids(house, T0 + 8 * HOUR), contacts={"new"}, now=station.now)
    # A restart asks nobody twice.
    again = station.start()
    station.now += 10_000
    again.step(0)
    station.settle(again)
    assert len(links(station, "new")) == 1


def test_a_contact_whom_the_request_does_not_reach_is_not_notified_and_is_asked_again_until_it_is_over(
    station: Station, contact: MakeContact
) -> None:
    station.duty(*duties(contact), proof=True)
    station.enter(Proof(contact="head", t=T0))
    station.phones.refuse = station.phones.refuse_directly = {"new"}
    notifier = station.start()
    for _ in range(30):
        station.now += 1000
        notifier.step(0)
        station.settle(notifier)
    (raised,) = station.raised("not-notified")
    assert (raised.subject, raised.ward) == ("new", "icu")
    station.phones.refuse = station.phones.refuse_directly = set()
    for _ in range(20):
        station.now += 1000
        notifier.step(0)
        station.settle(notifier)
    assert len(links(station, "new")) == 1
    assert len(station.raised("not-notified")) == 2


def test_a_contact_without_a_channel_has_the_request_passed_on_to_nobody(
    station: Station, event: MakeEvent, contact: MakeContact
) -> None:
    station.duty(*duties(contact), contact("second", step=2), proof=True)
    station.enter(Proof(contact="head", t=T0), Proof(contact="second", t=T0))
    station.phones.without = {"new", "old"}
    notifier = station.start()
    for _ in range(30):
        station.now += 1000
        notifier.step(0)
        station.settle(notifier)
    assert [e.subject for e in station.raised("not-notified")] == ["new"]
    station.phones.got.clear()
    station.alarm(event())
    station.settle(notifier)
    assert {name for name, _ in station.phones.got} == {"head", "second"}
    assert not [text for _, text in station.phones.got if "/p/" in text]


def test_a_copy_says_that_it_is_one_and_fits_one_sms(station: Station, event: MakeEvent, contact: MakeContact) -> None:
    station.duty(*duties(contact), proof=True)
    station.enter(Proof(contact="head", t=T0))
    notifier = station.start()
    station.alarm(event())
    station.alarm(event("p-2", ward="icu", text="long"))
    station.settle(notifier)
    told = {name: text for name, text in station.phones.got if "/p/" not in text}
    assert told["old"].startswith("Copy: HIGH icu-01 12:00 ICU alarm")
    assert told["new"].startswith("HIGH icu-01 12:00 ICU alarm")
    assert all(len(text.encode()) <= 140 for text in told.values())


def test_a_failed_copy_is_nobodys_failure(station: Station, event: MakeEvent, contact: MakeContact) -> None:
    station.duty(*duties(contact), proof=True)
    station.enter(Proof(contact="head", t=T0))
    station.phones.refuse = station.phones.refuse_directly = {"old"}
    notifier = station.start()
    station.alarm(event())
    station.settle(notifier)
    assert station.raised("not-notified") == []
    kinds = {(n.contact, n.kind, n.sns is not None) for n in station.notifications() if n.kind is not MessageKind.PROOF}
    assert kinds == {("new", MessageKind.ALARM, True), ("head", MessageKind.ALARM, True)}
    assert len(notifier.sender.retries) == 0


@dataclass
class LimitedPhones(Phones):
    """Phones behind an SNS that refuses more than 20 messages in any second."""

    clock: Callable[[], int] = lambda: 0
    sent: deque[int] = field(default_factory=deque)
    throttled: int = 0
    when: dict[str, int] = field(default_factory=dict)

    def send(self, contact: Contact, texts: RenderedMessage) -> Receipt:
        now = self.clock()
        while self.sent and self.sent[0] <= now - 1000:
            self.sent.popleft()
        if len(self.sent) >= 20:
            self.throttled += 1
            raise SendError("Throttling: rate exceeded")
        self.sent.append(now)
        self.when.setdefault(contact.contact, now)
        return super().send(contact, texts)


def round_of(station: Station, notifier: Notifier) -> None:
    """Works for a tenth of a second."""
    notifier.step(0)
    for future in [a.future for a in notifier.delivery._open if a.future is not None]:
        future.exception()
    station.now += 100


def test_two_hundred_contacts_are_asked_within_a_minute_of_a_shift_change_and_alarms_do_not_wait(
    station: Station, event: MakeEvent, contact: MakeContact
) -> None:
    phones = station.phones = LimitedPhones(clock=lambda: station.now)
    people = [contact(f"n-{i}", start=T0, end=T0 + 8 * HOUR, step=1) for i in range(200)]
    station.duty(*people, contact("old"), proof=True)
    station.enter(Proof(contact="old", t=T0))
    station.now = T0 - 1000
    notifier = station.start()
    while station.now < T0 + 5_000:
        round_of(station, notifier)
    station.alarm(event())
    begun = station.now
    while station.now < T0 + 60_000:
        round_of(station, notifier)
    asked = {name: t for name, t in phones.when.items() if name.startswith("n-")}
    assert len(asked) == 200
    assert max(asked.values()) < T0 + 60_000
    assert phones.throttled == 0
    assert phones.when["old"] - begun <= 500


def test_the_contact_before_may_answer_by_link_only_while_it_is_called(contact: MakeContact) -> None:
    house = House()
    house.take(Rota(ward="icu", version=1, contacts=duties(contact), proof=True))
    assert not duty_over(house, "icu", "old", T0), "called, as neither new nor head is proven"
    house.take(Proof(contact="head", t=T0))
    assert duty_over(house, "icu", "old", T0), "a copy counts as no notification"
    for name in ("new", "head", "a-default-contact"):
        assert not duty_over(house, "icu", name, T0)
    assert duty_over(house, None, "old", T0)
    later = T0 + 30 * 24 * 3_600_000
    assert not duty_over(house, "icu", "old", later), "nobody is on duty: every notified contact may answer"
