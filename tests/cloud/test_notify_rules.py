"""What is told to whom, in which words, and how often."""

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from cloud.ack_links import number
from cloud.notify.delivery.throttle import Item, RecipientQueues
from cloud.notify.messages.email_body import age, email
from cloud.notify.messages.templates import Links, sms, subject
from cloud.notify.routing.on_call import OnCall, channels, parse_default, rota_empty
from tests.cloud.sms_oracle import one_part
from vitals.admissions import Admission
from vitals.alarm_events import AlarmEvent, Kind, Phase, Priority, pages
from vitals.contacts import Channel, Contact, Rota

MakeEvent = Callable[..., AlarmEvent]
MakeContact = Callable[..., Contact]
T0 = 1_763_812_800_000
CONSOLE = "https://wardwatch.example.org"
KEY = "an invented key of 32 characters"
URL = Links(CONSOLE, KEY).to("p-1.spo2.1", "nurse", T0)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
@given(
    ward=st.one_of(st.none(), st.text(min_size=1, max_size=128)),
    value=st.floats(20, 300),
    count=st.integers(1, 60),
    handover=st.integers(0, 12),
    console=st.sampled_from([CONSOLE, "http://127.0.0.1:18805", "https://" + "long." * 40 + "example.org"]),
)
def test_an_sms_is_one_part_and_tells_no_name_no_value_and_no_diagnosis(
    event: MakeEvent, *, ward: str | None, value: float, count: int, handover: int, console: str
) -> None:
    lead = event("patient-4711", value=value, ward=ward, handover=handover, text=f"SpO2 {value} % of Ada Brandt")
    url = Links(console, KEY).to(lead.id, "nurse", T0)
    text = sms([lead, *[event(f"p-{i}", ward=ward) for i in range(count - 1)]], url)
    assert one_part(text)
    assert number(lead.id) in text
    assert "HIGH" in text
    told = text.removeprefix("HIGH icu-01 12:00 ").removeprefix((ward or "").upper()[:10])
    for secret in ("4711", "Ada", "Brandt", "spo2", "SpO2", "%"):
        assert secret not in told or secret in (ward or "").upper()


def test_an_sms_carries_the_link_whenever_it_fits(event: MakeEvent) -> None:
    lead = event()
    assert sms([lead], URL) == f"HIGH icu-01 12:00 ICU alarm {number(lead.id)} {URL}"
    flood = [event(f"p-{i}", kind=Kind.TECHNICAL, handover=3, ward="stroke-unit-2") for i in range(20)]
    text = sms(flood, URL)
    assert text.startswith("HIGH icu-01 12:00 STROKE-UNIT")
    assert text.endswith(f"and 19 more alarms handover 3 {URL}")
    short = URL.replace("wardwatch.", "")
    assert sms(flood, short).endswith(f"and 19 more alarms in STROKE-UNIT- handover 3 {short}")


def test_without_a_key_a_link_leads_to_the_alarms_page_alone(event: MakeEvent) -> None:
    assert Links(CONSOLE).to(event().id, "nurse", T0) == f"{CONSOLE}/a/{number(event().id)}"


def test_a_merged_message_says_how_many_more_and_where(event: MakeEvent) -> None:
    events = [event(f"p-{i}") for i in range(5)]
    assert "and 4 more alarms in ICU" in sms(events, URL)
    assert "and 4 more alarms " in sms([*events[:4], event("p-9", ward="med")], URL)


def test_an_email_has_what_is_needed_at_the_bedside(event: MakeEvent, admission: Callable[..., Admission]) -> None:
    recent = ((T0 - 120_000, 92.0), (T0 - 30_000, 88.0))
    body = email([event(recent=recent)], [admission()], [URL], T0)
    for told in (
        "Ada Brandt, 67 years",
        "+44 1632 960123",
        "12 Rowan Road",
        "Ward: icu, bed: icu-01",
        "oxygen saturation 78 % (limit 85)",
        "Limits: 90 to none %, extreme 85 and none",
        "Trend: 92 (2 min before), 88 (30 s before)",
        URL,
        "secondary notification",
    ):
        assert told in body


def test_an_email_about_an_unknown_patient_has_no_empty_line(
    event: MakeEvent, admission: Callable[..., Admission]
) -> None:
    unknown = replace(admission(), name="Unknown patient", born="", phone="", address="")
    body = email([event()], [unknown], [URL], T0)
    assert "Unknown patient, age unknown" in body
    assert "Phone" not in body
    assert "Address" not in body


def test_an_emails_subject_tells_no_more_than_an_sms_in_plain_ascii(event: MakeEvent) -> None:
    line = subject([event(ward="Stroke-Unit Süd\n")])
    assert line.isascii()
    assert line.isprintable()
    assert "spo2" not in line.lower()


def test_an_infants_age_is_told_in_months() -> None:
    assert age("2025-05-20", T0) == "6 months"
    assert age("1958-11-23", T0) == "66 years"


@pytest.mark.parametrize(
    ("changes", "paged"),
    [
        ({"phase": Phase.START}, True),
        ({"phase": Phase.ESCALATE}, True),
        ({"phase": Phase.CONTINUE, "handover": 1}, True),
        ({"phase": Phase.CONTINUE}, False),
        ({"phase": Phase.UPDATE}, False),
        ({"phase": Phase.DEESCALATE}, False),
        ({"phase": Phase.END}, False),
    ],
)
def test_people_are_told_when_it_begins_grows_or_passes_to_them(
    event: MakeEvent, changes: dict[str, object], paged: bool
) -> None:
    assert pages(event(**changes)) is paged


@pytest.mark.requirement("Q5")
@pytest.mark.parametrize("changes", [{}, {"phase": Phase.ESCALATE}, {"phase": Phase.CONTINUE, "handover": 1}])
def test_low_priority_is_for_the_page_and_pages_nobody(event: MakeEvent, changes: dict[str, object]) -> None:
    assert not pages(event(priority=Priority.LOW, **changes))
    assert pages(event(priority=Priority.MEDIUM, **changes))


@pytest.fixture
def rotas(contact: MakeContact) -> OnCall:
    found = OnCall({"icu": contact("charge-nurse")}, "technical")
    on_duty = (
        contact("nurse"),
        contact("registrar", priority=Priority.MEDIUM),
        contact("consultant", priority=Priority.HIGH, step=1),
        contact("night-nurse", start=T0 + 1000, end=T0 + 2000),
    )
    found.set(Rota(ward="icu", version=2, contacts=on_duty))
    return found


def names(rotas: OnCall, event: AlarmEvent, now: int = T0) -> list[str]:
    return [c.contact for c in rotas.resolve(event, now).contacts]


def test_a_high_alarm_reaches_the_first_step_and_a_low_one_those_who_want_it(rotas: OnCall, event: MakeEvent) -> None:
    assert names(rotas, event()) == ["nurse", "registrar"]
    assert names(rotas, event(priority=Priority.LOW)) == ["nurse"]
    assert names(rotas, event(), now=T0 + 1500) == ["nurse", "registrar", "night-nurse"]


@pytest.mark.requirement("R7")
def test_handover_reaches_the_next_step_and_never_nobody(rotas: OnCall, event: MakeEvent) -> None:
    assert names(rotas, event(handover=1)) == ["consultant"]
    assert names(rotas, event(handover=6)) == ["consultant"]


@pytest.mark.requirement("R7")
def test_after_the_last_contact_a_high_alarm_is_handed_over_every_ten_minutes(rotas: OnCall, event: MakeEvent) -> None:
    reached = [handover for handover in range(1, 13) if names(rotas, event(handover=handover))]
    assert reached == [1, 6, 11]


def test_an_empty_rota_falls_back_to_the_wards_default_and_says_so(rotas: OnCall, event: MakeEvent) -> None:
    rotas.set(Rota(ward="icu", version=3, contacts=()))
    found = rotas.resolve(event(), T0)
    assert found.rota_empty
    assert [c.contact for c in found.contacts] == ["charge-nurse"]
    assert rotas.resolve(event(ward="med"), T0).contacts == ()
    first, second = (rota_empty(event(f"p-{i}"), "icu", T0 + i) for i in range(2))
    assert first.id == second.id


def test_an_older_rota_that_comes_late_changes_nothing(rotas: OnCall, event: MakeEvent) -> None:
    rotas.set(Rota(ward="icu", version=1, contacts=()))
    assert names(rotas, event()) == ["nurse", "registrar"]


def test_a_default_contact_is_read_from_its_setting() -> None:
    ward, contact = parse_default("icu=charge:+441632960009:charge@example.org")
    assert (ward, contact.contact, contact.phone) == ("icu", "charge", "+441632960009")
    with pytest.raises(ValueError, match="NOTIFY_DEFAULTS"):
        parse_default("icu:charge")


def test_low_priority_rings_no_phone_of_somebody_who_reads_email(contact: MakeContact) -> None:
    assert channels(contact(), Priority.LOW) == (Channel.EMAIL,)
    assert channels(contact(email=None), Priority.LOW) == (Channel.SMS,)
    assert channels(contact(), Priority.HIGH) == (Channel.SMS, Channel.EMAIL)


def item(event: AlarmEvent, contact: Contact) -> Item:
    return Item(event, contact, ("alarms", 0), 0)


def test_a_flood_becomes_few_messages_the_most_urgent_first_and_nothing_is_dropped(
    event: MakeEvent, contact: MakeContact
) -> None:
    queue = RecipientQueues(burst=3, refill_ms=10_000, low_ms=60_000)
    events = [event(f"p-{i}", priority=Priority.MEDIUM) for i in range(40)] + [event("p-high")]
    for each in events:
        queue.add(item(each, contact()), T0)
    messages = [*queue.due(T0), *queue.due(T0 + 10_000), *queue.due(T0 + 20_000)]
    assert len(messages) == 3
    assert messages[0].items[0].event.patient == "p-high"
    assert sorted(i.event.id for m in messages for i in m.items) == sorted(e.id for e in events)


def test_a_high_alarm_goes_at_once_while_messages_are_left(event: MakeEvent, contact: MakeContact) -> None:
    queue = RecipientQueues(burst=3, refill_ms=10_000, low_ms=60_000)
    queue.add(item(event(), contact()), T0)
    assert [len(m.items) for m in queue.due(T0)] == [1]


def test_a_clock_that_is_set_back_holds_up_no_message(event: MakeEvent, contact: MakeContact) -> None:
    queue = RecipientQueues(burst=3, refill_ms=10_000, low_ms=60_000)
    for now in (T0, T0 - 3_600_000):
        queue.add(item(event(), contact()), now)
        assert len(list(queue.due(now))) == 1


def test_low_priority_waits_for_company_but_not_for_ever(event: MakeEvent, contact: MakeContact) -> None:
    queue = RecipientQueues(burst=3, refill_ms=10_000, low_ms=60_000)
    for i in range(3):
        queue.add(item(event(f"p-{i}", priority=Priority.LOW), contact()), T0 + i)
    assert list(queue.due(T0 + 59_999)) == []
    assert [len(m.items) for m in queue.due(T0 + 60_000)] == [3]


def test_one_recipients_flood_holds_up_nobody_else(event: MakeEvent, contact: MakeContact) -> None:
    queue = RecipientQueues(burst=1, refill_ms=10_000, low_ms=60_000)
    for i in range(5):
        queue.add(item(event(f"p-{i}"), contact("busy")), T0)
    list(queue.due(T0))
    queue.add(item(event("p-9"), contact("other")), T0 + 1)
    assert [m.contact.contact for m in queue.due(T0 + 1)] == ["other"]
