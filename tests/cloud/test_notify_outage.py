"""SNS refuses or is away for longer than a message is tried at first."""

from collections.abc import Callable

import msgspec
import pytest

from cloud.kafka.in_memory import MemoryReader
from cloud.notify.notifier import Notifier
from cloud.notify.retry import EVERY_MS, MERGED
from tests.cloud.conftest import T0, MakeEvent
from tests.cloud.station import Station
from vitals.alarm_events import Phase, Priority
from vitals.contacts import Contact, Notification, Rota
from vitals.wire import topics

MakeContact = Callable[..., Contact]


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
    assert "ended before nurse could be told" in caplog.text
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
    while len(notifier.retries) < len(names):
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
