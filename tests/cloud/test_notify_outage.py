"""SNS refuses or is away for longer than a message is tried at first."""

from collections.abc import Callable

import msgspec
import pytest

from cloud.kafka.in_memory import MemoryReader
from cloud.notify.delivery.retry import EVERY_MS, MERGED
from cloud.notify.notifier import Notifier
from tests.cloud.conftest import T0, MakeEvent
from tests.cloud.sms_oracle import one_part
from tests.cloud.station import Station
from vitals.alarm_events import AlarmEvent, AlarmState, Call, Inactivation, Phase, Priority, Reason
from vitals.contacts import Contact, Notification, Rota
from vitals.wire import topics

MakeContact = Callable[..., Contact]


MINUTE = 60_000


def cut(station: Station, *contacts: str) -> None:
    station.phones.refuse = station.phones.refuse_directly = set(contacts)


def wait(station: Station, notifier: Notifier, seconds: int) -> None:
    """Works for a time, at least."""
    until = station.now + seconds * 1000
    while station.now < until:
        notifier.step(0)
        station.pool.submit(int).result()
        station.now += 1000
    station.settle(notifier)


def told(station: Station, contact: str) -> list[Notification]:
    return [n for n in station.notifications() if n.contact == contact]


def committed(station: Station) -> int:
    places = station.layout.places(topics.ALARMS)
    return sum(station.reader.committed(places).values())


def test_an_outage_longer_than_all_attempts_delays_a_page_and_loses_none(
    station: Station, event: MakeEvent, contact: MakeContact
) -> None:
    station.duty(contact("nurse"))
    cut(station, "nurse")
    notifier = station.start()
    alarm = event(priority=Priority.MEDIUM)
    place = (topics.ALARMS, station.layout.of(alarm))
    station.alarm(alarm)
    wait(station, notifier, 300)
    assert [n.sns for n in told(station, "nurse")] == [None], "a failure is recorded once, not at each try"
    assert [e.phase for e in station.raised("not-notified")] == [Phase.START]
    assert station.reader.committed([place]) == {place: 0}
    cut(station)
    back = station.now
    wait(station, notifier, EVERY_MS // 1000 + 5)
    assert [name for name, _ in station.phones.got] == ["nurse"]
    failed, sent = told(station, "nurse")
    assert (failed.alarm, failed.n, failed.sns) == (sent.alarm, sent.n, None)
    assert sent.sns is not None
    assert sent.accepted - back <= EVERY_MS + 5_000
    notifier.step(0)
    assert [e.phase for e in station.raised("not-notified")] == [Phase.START, Phase.END]
    assert committed(station) == len(station.log.records(topics.ALARMS))


def test_a_crash_in_an_outage_loses_nothing_and_records_no_second_failure(
    station: Station, event: MakeEvent, contact: MakeContact
) -> None:
    station.duty(contact("nurse"))
    cut(station, "nurse")
    station.alarm(event())
    for _ in range(3):
        wait(station, station.start(), 20)
    assert [n.sns for n in told(station, "nurse")] == [None]
    assert [e.phase for e in station.raised("not-notified")] == [Phase.START]
    cut(station)
    again = station.start()
    wait(station, again, 5)
    assert [name for name, _ in station.phones.got] == ["nurse"]
    wait(station, station.start(), 30)
    assert len(station.phones.got) == 1


def test_what_is_over_and_old_when_sns_is_back_pages_nobody_and_is_closed(
    station: Station, event: MakeEvent, contact: MakeContact, caplog: pytest.LogCaptureFixture
) -> None:
    station.duty(contact("nurse"))
    cut(station, "nurse")
    notifier = station.start()
    over, holds = event("p-1"), event("p-2")
    station.alarm(over)
    station.alarm(holds)
    wait(station, notifier, 20)
    station.alarm(msgspec.structs.replace(over, n=1, phase=Phase.END))
    wait(station, notifier, 400)
    cut(station)
    wait(station, notifier, 20)
    assert [n.alarm for n in station.notifications() if n.sns] == [holds.id]
    assert "before nurse could be notified" in caplog.text
    notifier.step(0)
    assert committed(station) == len(station.log.records(topics.ALARMS))


def test_what_ended_a_moment_ago_is_told_all_the_same(station: Station, event: MakeEvent, contact: MakeContact) -> None:
    station.duty(contact("nurse"))
    cut(station, "nurse")
    notifier = station.start()
    alarm = event()
    station.alarm(alarm)
    wait(station, notifier, 10)
    station.alarm(msgspec.structs.replace(alarm, n=1, phase=Phase.END))
    cut(station)
    wait(station, notifier, 20)
    assert [n.alarm for n in station.notifications() if n.sns] == [alarm.id]


def test_fresh_messages_go_before_repeated_ones_which_never_take_every_place(
    station: Station, event: MakeEvent, contact: MakeContact
) -> None:
    names = [f"c-{k}" for k in range(12)]
    for name in names:
        station.duty(contact(name), ward=name)
    station.duty(contact("nurse"))
    cut(station, *names)
    notifier = station.start()
    for name in names:
        station.alarm(event(name, ward=name))
    while len(notifier.sender.retries) < len(names):
        wait(station, notifier, 1)
    cut(station)
    station.now += EVERY_MS
    station.alarm(event("p-1"))
    notifier.step(0)
    station.pool.submit(int).result()
    first, *repeated = [name for name, _ in station.phones.got]
    assert first == "nurse"
    assert len(repeated) < notifier.delivery.limit // 2
    wait(station, notifier, 20)
    assert {name for name, _ in station.phones.got} == {"nurse", *names}


def test_after_an_outage_a_nurse_gets_few_messages_that_tell_of_everything_the_most_urgent_first(
    station: Station, event: MakeEvent, contact: MakeContact
) -> None:
    station.duty(contact("nurse"))
    cut(station, "nurse")
    notifier = station.start()
    for k in range(60):
        station.alarm(event(f"p-{k}", priority=Priority.HIGH if k == 40 else Priority.MEDIUM))
        wait(station, notifier, 7)
    cut(station)
    wait(station, notifier, 20)
    sent = [n for n in station.notifications() if n.sns]
    assert len({n.alarm for n in sent}) == len(sent) == 60
    assert len(station.phones.got) <= 60 // MERGED + 2
    assert sent[0].patient == "p-40"


def test_whose_number_was_wrong_is_told_at_the_new_one(
    station: Station, event: MakeEvent, contact: MakeContact
) -> None:
    station.duty(contact("nurse"))
    cut(station, "nurse")
    notifier = station.start()
    station.alarm(event())
    wait(station, notifier, 5)
    station.duty(contact("nurse", phone="+441632960077"))
    notifier.step(0)
    cut(station)
    wait(station, notifier, 20)
    assert station.phones.numbers == ["+441632960077"]


def test_when_the_shift_changed_in_an_outage_those_on_duty_now_are_told(
    station: Station, event: MakeEvent, contact: MakeContact
) -> None:
    change = T0 + 60_000
    station.duty(contact("day", end=change), contact("night", start=change))
    cut(station, "day", "night")
    notifier = station.start()
    station.alarm(event())
    wait(station, notifier, 100)
    cut(station)
    wait(station, notifier, 20)
    assert [name for name, _ in station.phones.got] == ["night"]
    notifier.step(0)
    assert committed(station) == len(station.log.records(topics.ALARMS))


def test_an_alarm_that_reaches_nobody_is_recorded_once_however_often_it_is_read(
    station: Station, event: MakeEvent
) -> None:
    station.log.append((topics.CONTACTS, 0), b"icu", msgspec.json.encode(Rota(ward="icu", version=1, contacts=())))
    station.alarm(event())
    for _ in range(3):
        station.reader = MemoryReader(station.log)
        station.settle(station.start())
    assert [n.contact for n in station.notifications() if n.alarm == event().id] == ["nobody"]


def late_life(event: MakeEvent, *, handovers: int = 4) -> list[AlarmEvent]:
    """A high alarm that the alarm tier tells ten minutes late, at one stroke with its handovers."""
    first = event()
    passed = [
        msgspec.structs.replace(
            first, n=k, phase=Phase.CONTINUE, handover=k, log_t=T0 + k * 2 * MINUTE, t=T0 + k * 2 * MINUTE
        )
        for k in range(1, handovers + 1)
    ]
    return [first, *passed]


def catch_up(station: Station, *events: AlarmEvent) -> Notifier:
    """The alarm tier was away for ten minutes, and then tells everything, in several reads."""
    notifier = station.start()
    station.now = T0 + 10 * MINUTE
    for each in events:
        station.alarm(each)
        notifier.step(0)
        station.now += 1000
    station.settle(notifier)
    return notifier


def got(station: Station) -> list[str]:
    return [name for name, _ in station.phones.got]


@pytest.mark.parametrize(
    "close",
    [
        {"phase": Phase.END, "state": AlarmState.INACTIVE},
        {"phase": Phase.CONTINUE, "inactivation": Inactivation.ACKNOWLEDGED, "by": "nurse"},
    ],
    ids=["ended", "acknowledged"],
)
@pytest.mark.parametrize("away", ["alarm tier", "notifier"])
def test_after_an_outage_nobody_is_paged_for_what_ended_or_was_acknowledged_meanwhile(
    station: Station, event: MakeEvent, contact: MakeContact, close: dict[str, object], away: str
) -> None:
    station.duty(contact("nurse"), contact("consultant", step=1))
    start, *handovers = late_life(event, handovers=2)
    over = msgspec.structs.replace(start, n=3, log_t=T0 + 5 * MINUTE, **close)
    holds = event("p-2", log_t=T0 + MINUTE)
    events = (start, *handovers, over, holds)
    if away == "alarm tier":
        catch_up(station, *events)
    else:
        for each in events:
            station.alarm(each)
        station.now = T0 + 10 * MINUTE
        station.settle(station.start())
    assert [n.alarm for n in station.notifications()] == [holds.id]
    assert committed(station) == len(station.log.records(topics.ALARMS))


def test_an_alarm_that_was_acknowledged_and_is_worse_again_is_told_late_all_the_same(
    station: Station, event: MakeEvent, contact: MakeContact
) -> None:
    station.duty(contact("nurse"))
    start = event()
    seen = msgspec.structs.replace(start, n=1, phase=Phase.CONTINUE, inactivation=Inactivation.ACKNOWLEDGED, by="nurse")
    worse = msgspec.structs.replace(start, n=2, phase=Phase.ESCALATE, log_t=T0 + 5 * MINUTE)
    catch_up(station, start, seen, worse)
    assert [(n.alarm, n.n) for n in station.notifications()] == [(start.id, 2)]


def test_a_late_call_of_an_incident_is_told_while_another_alarm_of_it_is_active_and_not_acknowledged(
    station: Station, event: MakeEvent, contact: MakeContact
) -> None:
    station.duty(contact("nurse"))
    call = event(incident="p-1.i", call=Call.PAGE, reason=Reason.BEGUN)
    other = event(condition="hr", incident="p-1.i", reason=Reason.JOINED)
    over = msgspec.structs.replace(call, n=1, phase=Phase.END, state=AlarmState.INACTIVE, call=Call.NONE)
    catch_up(station, call, other, over)
    assert got(station) == ["nurse"]
    seen = event("p-2", incident="p-2.i", call=Call.PAGE, reason=Reason.BEGUN)
    also = event("p-2", condition="hr", incident="p-2.i", reason=Reason.JOINED)
    acknowledged = {"n": 1, "phase": Phase.CONTINUE, "inactivation": Inactivation.ACKNOWLEDGED, "call": Call.NONE}
    catch_up(station, seen, also, *(msgspec.structs.replace(each, **acknowledged) for each in (seen, also)))
    assert got(station) == ["nurse"]


def test_handovers_that_come_late_together_are_one_and_the_sms_says_when_it_began(
    station: Station, event: MakeEvent, contact: MakeContact
) -> None:
    station.duty(contact("nurse"), contact("registrar"), contact("consultant", step=1))
    catch_up(station, *late_life(event))
    assert sorted(got(station)) == ["consultant", "nurse", "registrar"]
    assert all("began 10 min ago" in sms and one_part(sms) for _, sms in station.phones.got)
    station.phones.got.clear()
    notifier = station.start()
    station.alarm(event("p-2", start=station.now))
    station.settle(notifier)
    assert ["ago" in sms for _, sms in station.phones.got] == [False, False]


def test_a_late_call_waits_for_what_follows_it_and_not_for_ever(
    station: Station, event: MakeEvent, contact: MakeContact
) -> None:
    station.duty(contact("nurse"))
    notifier = station.start()
    station.now = T0 + 10 * MINUTE
    station.alarm(event())
    came = station.now
    while not station.phones.got:
        notifier.step(0)
        station.pool.submit(int).result()
        station.now += 500
        assert station.now - came < 20_000
        # The alarm tier still catches up: something of this partition each half second.
        station.alarm(event(n=1, phase=Phase.UPDATE))
    assert station.now - came > 5_000


def test_a_call_that_is_in_time_does_not_wait(station: Station, event: MakeEvent, contact: MakeContact) -> None:
    station.duty(contact("nurse"))
    notifier = station.start()
    station.now += 5_000
    station.alarm(event())
    notifier.step(0)
    station.pool.submit(int).result()
    assert got(station) == ["nurse"]


def test_after_an_outage_of_sns_a_contact_gets_the_newest_call_of_an_alarm_alone(
    station: Station, event: MakeEvent, contact: MakeContact
) -> None:
    station.duty(contact("consultant"))
    cut(station, "consultant")
    notifier = station.start()
    for each in (event(priority=Priority.MEDIUM), event(n=1, phase=Phase.ESCALATE, log_t=T0 + 2 * MINUTE)):
        station.now = each.log_t
        station.alarm(each)
        wait(station, notifier, 20)
    cut(station)
    wait(station, notifier, 20)
    assert [n.n for n in station.notifications() if n.sns and n.patient == "p-1"] == [1]
    assert "more" not in station.phones.got[0][1]
    assert committed(station) == len(station.log.records(topics.ALARMS))


@pytest.mark.parametrize("restart", [False, True])
def test_one_wrong_number_pages_no_later_shift_for_what_the_day_shift_was_told(
    station: Station, event: MakeEvent, contact: MakeContact, *, restart: bool
) -> None:
    change = T0 + 10 * MINUTE
    day = [contact("day", end=change), contact("wrong", end=change)]
    station.duty(*day, contact("night", start=change), contact("other-night", start=change))
    cut(station, "wrong")
    notifier = station.start()
    for k in range(5):
        station.alarm(event(f"p-{k}"))
    wait(station, notifier, 30)
    assert {n.contact for n in station.notifications() if n.sns} == {"day"}
    station.now = change + 1000
    if restart:
        notifier = station.start()
    wait(station, notifier, 40)
    assert not [n for n in station.notifications() if "night" in n.contact]
    notifier.step(0)
    assert committed(station) == len(station.log.records(topics.ALARMS))


def test_after_a_crash_a_step_is_owed_to_its_other_recipients_and_to_nobody_else(
    station: Station, event: MakeEvent, contact: MakeContact
) -> None:
    station.duty(contact("nurse"), contact("registrar"))
    cut(station, "registrar")
    notifier = station.start()
    station.alarm(event())
    wait(station, notifier, 10)
    station.duty(contact("nurse"), contact("registrar"), contact("newcomer"))
    cut(station)
    station.settle(station.start())
    assert [n.contact for n in station.notifications() if n.sns and n.patient == "p-1"] == ["nurse", "registrar"]
