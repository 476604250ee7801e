"""Messages of an incident's calls: to whom, in which words, and until when."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from cloud.ack_links import number
from cloud.kafka.in_memory import MemoryReader
from cloud.notify.messages.email_body import email
from cloud.notify.messages.incident_words import LISTED
from cloud.notify.messages.templates import Links, sms
from cloud.notify.routing.incident_alarms import IncidentAlarms
from cloud.notify.routing.on_call import OnCall
from tests.cloud.conftest import T0, MakeEvent
from tests.cloud.sms_oracle import one_part
from tests.cloud.station import Station
from vitals.admissions import Admission
from vitals.alarm_events import AlarmEvent, AlarmState, Call, Inactivation, Phase, Priority, Reason
from vitals.contacts import Contact, Rota
from vitals.wire import topics

MakeContact = Callable[..., Contact]
INCIDENT = f"p-1.spo2.{T0}"
URL = Links("https://wardwatch.example.org", "an invented key of 32 characters").to(INCIDENT, "nurse", T0)
CALLED: dict[str, Any] = {"incident": INCIDENT, "call": Call.PAGE, "reason": Reason.BEGUN}
JOINED: dict[str, Any] = {"incident": INCIDENT, "reason": Reason.JOINED}
STALE_S = 400


@pytest.fixture
def call(event: MakeEvent) -> AlarmEvent:
    return event(**CALLED, problems=("oxygen-low", "rate-high"))


@pytest.fixture
def joined(event: MakeEvent) -> AlarmEvent:
    return event(condition="hr", text="heart rate 150 above 140", priority=Priority.MEDIUM, start=T0 + 1000, **JOINED)


def over(alarm: AlarmEvent, n: int = 1) -> AlarmEvent:
    return msgspec.structs.replace(alarm, n=n, phase=Phase.END, state=AlarmState.INACTIVE, call=Call.NONE, problems=())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "of 2 problems"),
        ({"problems": ("oxygen-low",)}, ""),
        ({"problems": ("oxygen-low",), "reason": Reason.WORSE}, "(worse than acknowledged)"),
        ({"reason": Reason.RETURNED}, "of 2 problems (has returned)"),
        ({"reason": Reason.RAISED}, "of 2 problems (raised)"),
        ({"reason": Reason.WORSE, "handover": 3}, "of 2 problems (worse than acknowledged)"),
        ({"reason": Reason.HANDED_OVER, "call": Call.HANDOVER, "handover": 2}, "of 2 problems (handover 2)"),
        ({"reason": Reason.REMINDED, "call": Call.REMINDER, "handover": 1}, "of 2 problems (reminder)"),
    ],
)
def test_an_sms_says_how_many_problems_and_why_and_names_none(
    call: AlarmEvent, changes: dict[str, Any], words: str
) -> None:
    text = sms([msgspec.structs.replace(call, **changes)], URL)
    assert text == " ".join(f"HIGH icu-01 12:00 ICU alarm {number(INCIDENT)} {words} {URL}".split())
    assert one_part(text)
    assert not [secret for secret in ("oxygen", "rate", "spo2", "78") if secret in text.removesuffix(URL)]


def test_an_sms_of_an_incident_among_many_alarms_leaves_the_link_in_and_fits(call: AlarmEvent) -> None:
    lead = msgspec.structs.replace(call, ward="stroke-unit-2", reason=Reason.WORSE)
    text = sms([lead] * 300, URL)
    assert one_part(text)
    assert text.endswith(URL)
    assert "and 299 more alarms" in text
    assert f"{number(INCIDENT)} of 2 problems (worse than acknowledged) and 1 more alarm" in sms([lead] * 2, "")


def test_an_email_lists_the_problems_the_reason_and_each_active_alarm_of_the_incident_once(
    call: AlarmEvent, joined: AlarmEvent
) -> None:
    known = IncidentAlarms()
    for each in (call, joined):
        known.follow(each)
    returned = msgspec.structs.replace(call, reason=Reason.RETURNED)
    body = email([returned, joined], [None, None], [URL, URL], T0, known.active)
    for told in (
        "Problems: oxygen low, rate high",
        "Reason: has returned",
        "- HIGH: SpO2 78 % below 85 % (extreme) (since 2025-11-22 12:00:00 UTC)",
        "- MEDIUM: heart rate 150 above 140 (since 2025-11-22 12:00:01 UTC)",
    ):
        assert body.count(told) == 1


def test_an_email_about_one_alarm_or_about_none_that_is_known_has_no_list(call: AlarmEvent, event: MakeEvent) -> None:
    known = IncidentAlarms()
    for each in (call, event(condition="rr", text="of no incident")):
        known.follow(each)
    alone = email([call, event()], [None, None], [URL, URL], T0, known.active)
    assert "Active alarms" not in alone
    assert "Problems: oxygen low, rate high" in email([call], [None], [URL], T0)


def test_a_list_of_alarms_is_bounded_and_says_how_many_more(event: MakeEvent, call: AlarmEvent) -> None:
    known = IncidentAlarms()
    for k in range(LISTED + 3):
        known.follow(event(condition=f"c{k}", text=f"text {k}", **JOINED))
    body = email([call], [None], [URL], T0, known.active)
    assert (body.count("- HIGH: text"), body.count("- and 3 more")) == (LISTED, 1)


def test_the_newest_event_of_each_active_alarm_is_kept_until_it_is_active_no_more(
    call: AlarmEvent, joined: AlarmEvent
) -> None:
    known = IncidentAlarms(most=2)
    worse = msgspec.structs.replace(joined, n=1, phase=Phase.ESCALATE, priority=Priority.HIGH, text="heart rate 170")
    for each in (call, joined, worse):
        known.follow(each)
    assert known.active(INCIDENT) == (call, worse)
    latched = msgspec.structs.replace(call, n=1, phase=Phase.UPDATE, state=AlarmState.LATCHED)
    for each in (latched, over(worse, 2)):
        known.follow(each)
    assert (known.active(INCIDENT), len(known)) == ((), 0)


def test_of_too_many_alarms_those_heard_of_longest_ago_are_dropped(event: MakeEvent) -> None:
    known = IncidentAlarms(most=2)
    for k in range(3):
        known.follow(event(f"p-{k}", incident=f"i-{k}"))
    assert [len(known.active(f"i-{k}")) for k in range(3)] == [0, 1, 1]


@pytest.fixture
def rotas(contact: MakeContact) -> OnCall:
    found = OnCall({"icu": contact("charge-nurse")}, "technical")
    steps = (contact("nurse"), contact("charge", step=1), contact("consultant", step=2))
    found.set(Rota(ward="icu", version=1, contacts=steps))
    return found


@pytest.mark.parametrize("priority", [Priority.MEDIUM, Priority.HIGH])
@pytest.mark.parametrize("handover", [0, 1, 2, 4])
def test_a_reminder_goes_to_the_first_contact_however_often_the_alarm_was_handed_over(
    rotas: OnCall, call: AlarmEvent, handover: int, priority: Priority
) -> None:
    about: dict[str, Any] = {"phase": Phase.CONTINUE, "handover": handover, "priority": priority}
    reminder = msgspec.structs.replace(call, call=Call.REMINDER, reason=Reason.REMINDED, **about)
    assert [c.contact for c in rotas.resolve(reminder, T0).contacts] == ["nurse"]
    handed = msgspec.structs.replace(call, call=Call.HANDOVER, reason=Reason.HANDED_OVER, **about)
    reached = [c.contact for c in rotas.resolve(handed, T0).contacts]
    assert (
        reached
        == [["nurse"], ["charge"], ["consultant"], [], ["consultant"]][
            handover if priority is Priority.MEDIUM or handover < 4 else 3
        ]
    )


def test_what_joins_an_incident_calls_nobody_and_its_call_is_one_message(
    station: Station, call: AlarmEvent, joined: AlarmEvent, contact: MakeContact
) -> None:
    station.duty(contact("nurse"))
    notifier = station.start()
    for each in (call, joined):
        station.alarm(each)
    station.settle(notifier)
    assert [(n.alarm, n.n) for n in station.notifications()] == [(call.id, 0)]


def cut(station: Station, *contacts: str) -> None:
    station.phones.refuse = station.phones.refuse_directly = set(contacts)


def sent(station: Station) -> list[str]:
    """Alarms of people that were sent, without the notifier's own."""
    return [n.alarm for n in station.notifications() if n.sns and n.patient == "p-1"]


@pytest.mark.parametrize("other_ends", [False, True])
@pytest.mark.parametrize("restart", [False, True])
def test_an_old_call_whose_alarm_has_ended_is_told_while_another_alarm_of_the_incident_is_active(
    station: Station, call: AlarmEvent, joined: AlarmEvent, contact: MakeContact, *, other_ends: bool, restart: bool
) -> None:
    station.duty(contact("nurse"))
    cut(station, "nurse")
    notifier = station.start()
    for each in (call, joined, over(call), *([over(joined)] if other_ends else [])):
        station.alarm(each)
    station.settle(notifier)
    station.now += STALE_S * 1000
    cut(station)
    if restart:
        station.reader = MemoryReader(station.log)
        notifier = station.start()
    station.settle(notifier)
    station.settle(notifier)
    assert sent(station) == ([] if other_ends else [call.id])


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"phase": Phase.UPDATE}, True),
        ({"phase": Phase.END, "state": AlarmState.INACTIVE}, False),
        ({"phase": Phase.UPDATE, "inactivation": Inactivation.ACKNOWLEDGED}, False),
    ],
    ids=["goes on", "over too", "acknowledged"],
)
def test_a_call_that_met_nobody_waits_while_anything_of_the_incident_is_active_and_unattended(
    station: Station, call: AlarmEvent, joined: AlarmEvent, contact: MakeContact, change: dict[str, Any], *, told: bool
) -> None:
    notifier = station.start()
    for each in (call, joined, over(call), msgspec.structs.replace(joined, n=1, **change)):
        station.alarm(each)
    station.settle(notifier)
    station.duty(contact("nurse"))
    for _ in range(3):
        station.now += 5_000
        station.settle(notifier)
    assert sent(station) == ([call.id] if told else [])


def test_each_alarm_of_a_canary_goes_to_sns_though_its_incident_calls_once(
    station: Station, event: MakeEvent, admission: Callable[..., Admission]
) -> None:
    canary = msgspec.json.encode(admission("canary-gw", canary=True))
    station.log.append((topics.PATIENTS, station.layout.partition("canary-gw")), b"canary-gw", canary)
    notifier = station.start()
    for k in range(3):
        about = CALLED | {"incident": "i"} if k == 0 else JOINED | {"incident": "i"}
        alarm = event("canary-gw", "temp", start=T0 + 60_000 * k, **about)
        station.alarm(alarm)
        station.alarm(over(alarm))
    station.settle(notifier)
    assert [(n.contact, n.n) for n in station.notifications()] == [("canary", 0)] * 3
