"""Contacts whom SNS does not reach although it accepts their messages: found, told, and passed to the next contact."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing

import msgspec
import pytest

from cloud.notify.channels import sns as adapter
from cloud.notify.channels.contact_channels import ContactChannels
from cloud.notify.channels.sns import SnsChannel
from cloud.notify.follow_up.reach import Reach
from cloud.notify.notifier import Notifier
from infra.local.servers.sns.server import Sns
from infra.local.servers.sns.trouble import Fate, Pace, State, Trouble
from tests.cloud.conftest import MakeEvent
from tests.cloud.station import Station
from tests.support.waiting import until
from vitals.alarm_events import AlarmEvent, Inactivation, Phase, Priority
from vitals.contact_standing import ContactStanding, Standing, read_channel_record
from vitals.contacts import Channel, Contact
from vitals.wire import topics

MakeContact = Callable[..., Contact]
EVERY_MS = 60_000
PHONE, MAIL = "+441632960001", "nurse@example.org"


@pytest.fixture
def bad(bad: Sns, monkeypatch: pytest.MonkeyPatch) -> Sns:
    # As in test_notify_bad_sns: half a second is long enough to wait for an answer.
    monkeypatch.setattr(adapter, "TIMEOUT_S", 0.5)
    return bad


@pytest.fixture
def ward(station: Station, bad: Sns) -> Iterator[Station]:
    """A station whose contacts' channels are checked each minute."""
    with closing(channels(station, bad)) as checked:
        station.sender, station.reach = checked, Reach(checked.checks)
        yield station


def channels(station: Station, bad: Sns) -> ContactChannels:
    return ContactChannels(SnsChannel(bad.url, None), (), lambda: station.now, EVERY_MS)


def standing(ward: Station, who: Contact) -> dict[Channel, Standing]:
    assert ward.reach.checks is not None
    found = ward.reach.checks.standing(who)
    return {} if found is None else found.channels


def checked(ward: Station, notifier: Notifier, who: Contact, wanted: dict[Channel, Standing]) -> None:
    """Lets a minute pass, and works until a contact's channels stand so."""
    ward.now += EVERY_MS

    def stands() -> bool:
        notifier.step(0)
        ward.now += 100
        return standing(ward, who) == wanted

    until(stands, f"{who.contact} stands as {wanted}, not {standing(ward, who)}", 20)
    ward.now += 5_000
    notifier.step(0)


def checked_again(ward: Station, notifier: Notifier, who: Contact) -> None:
    """Works until a further check has ended."""
    checks = ward.reach.checks
    assert checks is not None
    # A check that is under way has begun before what the next one shall find.
    until(lambda: checks.at_rest, "no check under way", 20)
    before = checks.standing(who)
    ward.now += EVERY_MS

    def newer() -> bool:
        notifier.step(0)
        ward.now += 100
        found = checks.standing(who)
        return found is not None and before is not None and found.t > before.t

    until(newer, "checked again", 20)


def recorded(ward: Station) -> list[ContactStanding]:
    found = [read_channel_record(r.value) for r in ward.log.records(topics.CHANNELS) if r.value]
    return [one for one in found if isinstance(one, ContactStanding)]


def phones(bad: Sns) -> list[str]:
    return [told.endpoint for told in bad.reached()]


@pytest.mark.parametrize(
    ("address", "to", "found"),
    [
        (PHONE, "opted-out", Standing.OPTED_OUT),
        (PHONE, "removed", Standing.GONE),
        (MAIL, "pending", Standing.DEACTIVATED),
        (MAIL, "deactivated", Standing.DEACTIVATED),
        (MAIL, "removed", Standing.GONE),
    ],
)
def test_the_next_contact_is_told_at_once_when_the_first_has_no_channel(
    *, ward: Station, bad: Sns, event: MakeEvent, contact: MakeContact, address: str, to: str, found: Standing
) -> None:
    nurse = contact("nurse", email=None, phone=PHONE) if address == PHONE else contact("nurse", phone=None, email=MAIL)
    kind = Channel.SMS if address == PHONE else Channel.EMAIL
    ward.duty(nurse, contact("doctor", phone="+441632960002", email=None, step=1))
    notifier = ward.start()
    checked(ward, notifier, nurse, {kind: Standing.READY})
    bad.control(State(endpoint=address, to=to))  # type: ignore[arg-type] # one of its words
    checked(ward, notifier, nurse, {kind: found})
    assert [(e.subject, e.priority) for e in ward.raised("not-notified")] == [("nurse", Priority.MEDIUM)]
    began = ward.now
    ward.alarm(event(log_t=ward.now))
    ward.settle(notifier)
    pages = [n for n in ward.notifications() if n.patient == "p-1"]
    assert {n.contact: n.sns is not None for n in pages} == {"nurse": False, "doctor": True}
    assert max(n.accepted for n in pages) - began < 5_000, "no time of waiting for the nurse"
    assert all(address not in (n.error or "") for n in ward.notifications())
    assert next(n.error for n in pages if n.contact == "nurse") == f"nurse has no channel: {kind}: {found}"
    assert set(phones(bad)) == {"+441632960002"}
    raised = ward.raised("not-notified")
    assert [(e.phase, e.priority) for e in raised] == [(Phase.START, Priority.MEDIUM), (Phase.ESCALATE, Priority.HIGH)]


def test_what_was_accepted_since_the_last_check_is_passed_on_when_the_check_finds_no_channel(
    ward: Station, bad: Sns, event: MakeEvent, contact: MakeContact
) -> None:
    nurse = contact("nurse", phone=None, email=MAIL)
    ward.duty(nurse, contact("doctor", phone="+441632960002", email=None, step=1))
    notifier = ward.start()
    checked(ward, notifier, nurse, {Channel.EMAIL: Standing.READY})
    ward.alarm(event("p-0"))
    ward.settle(notifier)
    checked(ward, notifier, nurse, {Channel.EMAIL: Standing.READY})
    checked_again(ward, notifier, nurse)
    bad.control(State(endpoint=MAIL, to="pending"))
    for name in ("p-1", "p-2"):
        ward.alarm(event(name))
    ward.settle(notifier)
    ward.alarm(event("p-2", n=1, phase=Phase.CONTINUE, inactivation=Inactivation.ACKNOWLEDGED, by="charge"))
    checked(ward, notifier, nurse, {Channel.EMAIL: Standing.DEACTIVATED})
    ward.settle(notifier)
    told = [(n.patient, n.contact, n.state.value) for n in ward.notifications() if n.patient != "nurse"]
    assert sorted(told) == [
        ("p-0", "nurse", "accepted"),
        ("p-1", "doctor", "accepted"),
        ("p-1", "nurse", "accepted"),
        ("p-1", "nurse", "failed"),
        ("p-2", "nurse", "accepted"),
        ("p-2", "nurse", "failed"),
    ], "p-0 arrived before the last good check, and p-2 is acknowledged"
    assert max(e.priority for e in ward.raised("not-notified")) is Priority.HIGH


def test_a_rota_that_is_loaded_during_a_check_takes_nothing_from_what_the_check_finds(
    ward: Station, bad: Sns, event: MakeEvent, contact: MakeContact
) -> None:
    nurse = contact("nurse", phone=None, email=MAIL)
    ward.duty(nurse)
    notifier = ward.start()
    checked(ward, notifier, nurse, {Channel.EMAIL: Standing.READY})
    checks = ward.reach.checks
    assert checks is not None
    until(lambda: checks.at_rest, "no check under way", 20)
    ward.alarm(event("p-0"))
    ward.settle(notifier)
    bad.control(Trouble(fate=Fate.SLOW, slow_ms=300, actions=("ListSubscriptionsByTopic",)))
    ward.now += EVERY_MS
    notifier.step(0)
    assert not checks.at_rest
    checks.prepare(nurse)
    until(lambda: checks.at_rest, "no check under way", 20)
    bad.control(State(endpoint=MAIL, to="pending"))
    checked(ward, notifier, nurse, {Channel.EMAIL: Standing.DEACTIVATED})
    assert [n.state.value for n in ward.notifications() if n.patient == "p-0"] == ["accepted"]


def test_an_expired_confirmation_is_asked_for_again_and_is_pending_until_it_comes(
    ward: Station, bad: Sns, contact: MakeContact
) -> None:
    nurse = contact("nurse", phone=None, email=MAIL)
    ward.duty(nurse)
    notifier = ward.start()
    checked(ward, notifier, nurse, {Channel.EMAIL: Standing.READY})
    bad.service.confirmed = False
    bad.control(State(endpoint=MAIL, to="expired"))
    checked(ward, notifier, nurse, {Channel.EMAIL: Standing.DEACTIVATED})
    assert [c.endpoint for c in bad.ledger.confirmations()] == [MAIL]


def test_the_other_channel_is_used_where_one_does_not_reach_and_nobody_is_alarmed(
    ward: Station, bad: Sns, event: MakeEvent, contact: MakeContact
) -> None:
    nurse = contact("nurse", phone=PHONE, email=MAIL)
    ward.duty(nurse)
    notifier = ward.start()
    bad.control(State(endpoint=PHONE, to="opted-out"))
    checked(ward, notifier, nurse, {Channel.SMS: Standing.OPTED_OUT, Channel.EMAIL: Standing.READY})
    ward.alarm(event(log_t=ward.now))
    ward.settle(notifier)
    assert [n.channels for n in ward.notifications()] == [(Channel.EMAIL,)]
    assert phones(bad) == [MAIL]
    bad.control(State(endpoint=PHONE, to="fine"))
    bad.control(State(endpoint=MAIL, to="pending"))
    checked(ward, notifier, nurse, {Channel.SMS: Standing.READY, Channel.EMAIL: Standing.DEACTIVATED})
    ward.alarm(event("p-2", log_t=ward.now, priority=Priority.MEDIUM))
    ward.settle(notifier)
    (medium,) = [n for n in ward.notifications() if n.patient == "p-2"]
    assert medium.channels == (Channel.SMS,), "the mail reaches nobody"
    first = [(n.channels, n.state.value) for n in ward.notifications() if n.patient == "p-1"]
    assert first == [
        ((Channel.EMAIL,), "accepted"),
        ((Channel.EMAIL,), "failed"),
        ((Channel.SMS,), "accepted"),
    ], "the mail may have been lost: it is repeated by the channel that is ready"
    assert ward.raised("not-notified") == []


def test_a_contact_whose_channel_is_back_gets_what_waited_and_the_alarm_ends(
    ward: Station, bad: Sns, event: MakeEvent, contact: MakeContact
) -> None:
    nurse = contact("nurse", phone=PHONE, email=None)
    ward.duty(nurse)
    notifier = ward.start()
    bad.control(State(endpoint=PHONE, to="opted-out"))
    checked(ward, notifier, nurse, {Channel.SMS: Standing.OPTED_OUT})
    ward.alarm(event(log_t=ward.now))
    ward.settle(notifier)
    assert phones(bad) == []
    bad.control(State(endpoint=PHONE, to="fine"))
    checked(ward, notifier, nurse, {Channel.SMS: Standing.READY})
    ward.now += 15_000
    ward.settle(notifier)
    assert phones(bad) == [PHONE]
    assert [e.phase for e in ward.raised("not-notified")][-1] is Phase.END


def test_who_has_not_confirmed_an_address_is_asked_again_when_the_duty_begins_and_no_more(
    ward: Station, bad: Sns, contact: MakeContact
) -> None:
    bad.service.confirmed = False
    start = ward.now + 10 * EVERY_MS
    nurse = contact("nurse", phone=PHONE, email=MAIL, start=start, end=start + 8 * 3_600_000)
    ward.duty(nurse)
    notifier = ward.start()
    pending = {Channel.SMS: Standing.READY, Channel.EMAIL: Standing.PENDING}
    checked(ward, notifier, nurse, pending)
    asked = len(bad.ledger.confirmations())
    ward.now = start

    def asked_again() -> bool:
        notifier.step(0)
        return len(bad.ledger.confirmations()) > asked

    until(asked_again, "asked again", 20)
    for _ in range(5):
        checked(ward, notifier, nurse, pending)
    assert len(bad.ledger.confirmations()) == asked + 1


def test_a_standing_is_on_record_and_counts_after_a_restart_before_the_first_look(
    ward: Station, bad: Sns, event: MakeEvent, contact: MakeContact
) -> None:
    nurse = contact("nurse", phone=PHONE, email=None)
    ward.duty(nurse)
    notifier = ward.start()
    bad.control(State(endpoint=PHONE, to="opted-out"))
    checked(ward, notifier, nurse, {Channel.SMS: Standing.OPTED_OUT})
    assert [(s.contact, s.channels) for s in recorded(ward)] == [("nurse", {Channel.SMS: Standing.OPTED_OUT})]
    assert PHONE not in str(ward.log.records(topics.CHANNELS)[-1].value)
    bad.control(Trouble(fate=Fate.THROTTLE, count=1_000, actions=("CreateTopic", "ListSubscriptionsByTopic")))
    with closing(channels(ward, bad)) as later:
        ward.sender, ward.reach = later, Reach(later.checks)
        notifier = ward.start()
        ward.alarm(event(log_t=ward.now))
        ward.settle(notifier)
    assert [n.sns for n in ward.notifications() if n.patient == "p-1"] == [None]


def test_a_changed_number_has_no_standing_of_the_former_one(ward: Station, bad: Sns, contact: MakeContact) -> None:
    nurse = contact("nurse", phone=PHONE, email=None)
    ward.duty(nurse)
    notifier = ward.start()
    bad.control(State(endpoint=PHONE, to="opted-out"))
    checked(ward, notifier, nurse, {Channel.SMS: Standing.OPTED_OUT})
    changed = contact("nurse", phone="+441632960009", email=None)
    ward.now += 1
    ward.duty(changed)
    checked(ward, notifier, changed, {Channel.SMS: Standing.READY})


def test_a_check_that_hangs_delays_no_message_to_its_contact(
    *, ward: Station, bad: Sns, event: MakeEvent, contact: MakeContact, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapter, "TIMEOUT_S", 3)
    with closing(channels(ward, bad)) as patient:
        ward.sender, ward.reach = patient, Reach(patient.checks)
        hanging_check(ward, bad, event(), contact("nurse", phone=PHONE, email=None))


def hanging_check(ward: Station, bad: Sns, alarm: AlarmEvent, nurse: Contact) -> None:
    ward.duty(nurse)
    notifier = ward.start()
    checked(ward, notifier, nurse, {Channel.SMS: Standing.READY})
    bad.control(Trouble(fate=Fate.SLOW, count=9, slow_ms=60_000, actions=("ListSubscriptionsByTopic", "CreateTopic")))
    ward.now += EVERY_MS
    notifier.step(0)
    began = time.monotonic()
    ward.alarm(msgspec.structs.replace(alarm, log_t=ward.now))
    while PHONE not in phones(bad):
        notifier.step(0.005)
        assert time.monotonic() - began < 20
    assert time.monotonic() - began < 2


def test_a_ward_without_rota_has_its_default_contact_checked(ward: Station, bad: Sns, contact: MakeContact) -> None:
    default = contact("porter", phone="+441632960003", email=None)
    ward.defaults["*"] = default
    notifier = ward.start()
    bad.control(State(endpoint="+441632960003", to="opted-out"))
    checked(ward, notifier, default, {Channel.SMS: Standing.OPTED_OUT})


def test_the_first_page_after_a_restart_with_200_contacts_does_not_wait_for_their_preparation(
    ward: Station, bad: Sns, event: MakeEvent, contact: MakeContact
) -> None:
    people = [contact(f"c-{i}", phone=f"+44163296{i:04d}", step=9) for i in range(199)]
    ward.duty(*people, contact("nurse", phone=PHONE, email=None))
    bad.control(Pace(answer_ms=100))
    began = time.monotonic()
    notifier = ward.start()
    ward.alarm(event(log_t=ward.now))
    while PHONE not in phones(bad):
        notifier.step(0.005)
        assert time.monotonic() - began < 20
    assert time.monotonic() - began < 1.0
