"""The notifier on an in-memory log, with a sender written by hand."""

from collections.abc import Callable

import msgspec
import pytest
from prometheus_client import REGISTRY

from cloud.ack_links import verify_token
from cloud.kafka.in_memory import MemoryReader
from cloud.notify.notifier import Notifier
from tests.cloud.conftest import T0, MakeEvent
from tests.cloud.station import KEY, Station
from vitals.admissions import Admission
from vitals.alarm_events import AlarmEvent, AlarmState, Inactivation, Kind, Phase, Priority
from vitals.contacts import Channel, Contact
from vitals.status import Health, Status
from vitals.wire import topics


def test_everybody_on_duty_is_told_once_and_it_is_recorded(
    station: Station, event: MakeEvent, contact: Callable[..., Contact]
) -> None:
    station.duty(contact("nurse"), contact("doctor"))
    notifier = station.start()
    station.alarm(event())
    station.settle(notifier)
    assert sorted(name for name, _ in station.phones.got) == ["doctor", "nurse"]
    assert sorted((n.contact, n.handover, n.n) for n in station.notifications()) == [("doctor", 0, 0), ("nurse", 0, 0)]
    assert all(n.sns and n.accepted >= T0 for n in station.notifications())


def test_an_alarm_read_again_after_a_restart_is_told_nobody_twice(
    station: Station, event: MakeEvent, contact: Callable[..., Contact]
) -> None:
    station.duty(contact("nurse"))
    station.alarm(event())
    station.settle(station.start())
    # The commit never arrived, the record did.
    station.reader = MemoryReader(station.log)
    station.settle(station.start())
    assert len(station.phones.got) == 1


def test_an_alarm_that_was_not_told_before_a_crash_is_told_after_it(
    station: Station, event: MakeEvent, contact: Callable[..., Contact]
) -> None:
    station.duty(contact("nurse"))
    crashed = station.start()
    station.alarm(event())
    crashed._take(station.log.records(topics.ALARMS)[0])
    crashed._commit()
    station.settle(station.start())
    assert [name for name, _ in station.phones.got] == ["nurse"]


def test_a_handover_is_a_notification_of_its_own(
    station: Station, event: MakeEvent, contact: Callable[..., Contact]
) -> None:
    station.duty(contact("nurse"), contact("consultant", step=1))
    notifier = station.start()
    station.alarm(event())
    station.alarm(event(n=1, phase=Phase.CONTINUE, handover=1))
    station.settle(notifier)
    assert [name for name, _ in station.phones.got] == ["nurse", "consultant"]


def test_a_failing_publish_is_tried_again_and_then_sent_by_the_other_channel(
    station: Station, event: MakeEvent, contact: Callable[..., Contact]
) -> None:
    station.duty(contact("nurse"))
    station.phones.refuse = {"nurse"}
    notifier = station.start()
    station.alarm(event())
    station.settle(notifier)
    assert station.phones.calls == 4
    (notification,) = station.notifications()
    assert notification.channels == (Channel.SMS,)
    assert "Throttling" in (notification.error or "")


def test_what_no_channel_takes_becomes_an_alarm_told_to_the_others(
    station: Station, event: MakeEvent, contact: Callable[..., Contact]
) -> None:
    station.duty(contact("nurse"), contact("doctor"))
    station.phones.refuse = station.phones.refuse_directly = {"nurse"}
    notifier = station.start()
    station.alarm(event())
    station.settle(notifier)
    notifier.step(0)
    station.settle(notifier)
    (failed,) = station.raised("not-notified")
    assert (failed.subject, failed.ward) == ("nurse", "icu")
    assert [n.sns for n in station.notifications() if n.contact == "nurse"] == [None]
    assert [name for name, _ in station.phones.got] == ["doctor", "doctor"]


def test_one_contact_that_cannot_be_reached_holds_up_no_other(
    station: Station, event: MakeEvent, contact: Callable[..., Contact]
) -> None:
    station.duty(contact("nurse"), contact("doctor"))
    station.phones.refuse = {"nurse"}
    notifier = station.start()
    station.alarm(event())
    for _ in range(3):
        notifier.step(0)
        station.pool.submit(int).result()
    assert [name for name, _ in station.phones.got] == ["doctor"]


def test_an_empty_rota_tells_the_default_and_raises_one_alarm(
    station: Station, event: MakeEvent, contact: Callable[..., Contact]
) -> None:
    station.defaults = {"*": contact("house-officer")}
    notifier = station.start()
    for i in range(3):
        station.alarm(event(f"p-{i}"))
    station.settle(notifier)
    notifier.step(0)
    station.settle(notifier)
    assert len(station.raised("rota-empty")) == 1
    assert {name for name, _ in station.phones.got} == {"house-officer"}
    assert len(station.phones.got) == 4


def test_an_alarm_that_reaches_nobody_at_all_is_on_record(station: Station, event: MakeEvent) -> None:
    notifier = station.start()
    station.alarm(event())
    station.settle(notifier)
    lost = [n for n in station.notifications() if n.contact == "nobody"]
    assert lost
    assert all("NOTIFY_DEFAULTS" in (n.error or "") for n in lost)


def nobody_yet(station: Station, *events: AlarmEvent) -> Notifier:
    """A notifier that has found nobody for these alarms, and has heard its own of the empty rota."""
    notifier = station.start()
    for event in events:
        station.alarm(event)
    for _ in range(2):
        station.settle(notifier)
        station.now += 1000
    assert station.phones.got == []
    return notifier


@pytest.mark.parametrize("priority", [Priority.MEDIUM, Priority.HIGH])
def test_an_alarm_that_met_nobody_is_told_once_to_the_first_who_comes_on_duty(
    station: Station, event: MakeEvent, contact: Callable[..., Contact], priority: Priority
) -> None:
    alarm = event(priority=priority)
    notifier = nobody_yet(station, alarm, msgspec.structs.replace(alarm, n=1, phase=Phase.CONTINUE, handover=1))
    station.duty(contact("nurse"), contact("consultant", step=1))
    comes = station.now
    for _ in range(4):
        station.now += 5_000
        station.settle(notifier)
    (told,) = [n for n in station.notifications() if n.sns]
    assert (told.contact, told.alarm, told.n) == ("nurse", alarm.id, 0)
    assert told.accepted - comes <= 30_000


def test_an_alarm_that_met_nobody_waits_for_the_shift_that_begins_by_the_clock(
    station: Station, event: MakeEvent, contact: Callable[..., Contact]
) -> None:
    station.duty(contact("nurse", start=T0 + 300_000))
    notifier = nobody_yet(station, event(priority=Priority.MEDIUM))
    station.now = T0 + 300_000
    notifier.step(0)
    station.settle(notifier)
    assert [name for name, _ in station.phones.got] == ["nurse"]


@pytest.mark.parametrize(
    "change",
    [
        {"phase": Phase.END},
        {"phase": Phase.UPDATE, "inactivation": Inactivation.ACKNOWLEDGED},
        {"phase": Phase.UPDATE, "inactivation": Inactivation.AUDIO_PAUSED},
    ],
    ids=["over", "acknowledged", "paused"],
)
def test_what_met_nobody_and_was_seen_to_meanwhile_calls_nobody_later(
    station: Station, event: MakeEvent, contact: Callable[..., Contact], change: dict[str, object]
) -> None:
    alarm = event()
    notifier = nobody_yet(station, alarm, msgspec.structs.replace(alarm, n=1, **change))
    station.duty(contact("nurse"))
    for _ in range(2):
        station.now += 5_000
        station.settle(notifier)
    assert station.phones.got == []


def test_a_canary_goes_as_far_as_sns_pages_nobody_and_is_on_record(
    station: Station, event: MakeEvent, contact: Callable[..., Contact], admission: Callable[..., Admission]
) -> None:
    station.duty(contact("nurse"))
    canary = msgspec.json.encode(admission("canary-gw", canary=True))
    station.log.append((topics.PATIENTS, station.layout.partition("canary-gw")), b"canary-gw", canary)
    notifier = station.start()
    station.alarm(event("canary-gw", "temp"))
    station.alarm(event("canary-gw", "device-silent", subject="canary-gw"))
    station.settle(notifier)
    assert [name for name, _ in station.phones.got] == ["canary"]
    assert [(n.contact, n.sns) for n in station.notifications()] == [("canary", "sns-1")]
    assert [n.patient for n in station.arrived] == ["canary-gw"]


def test_a_canary_that_sns_refuses_raises_no_alarm(
    station: Station, event: MakeEvent, contact: Callable[..., Contact], admission: Callable[..., Admission]
) -> None:
    station.duty(contact("nurse"))
    station.phones.refuse = station.phones.refuse_directly = {"canary"}
    canary = msgspec.json.encode(admission("canary-gw", canary=True))
    station.log.append((topics.PATIENTS, station.layout.partition("canary-gw")), b"canary-gw", canary)
    notifier = station.start()
    station.alarm(event("canary-gw", "temp"))
    station.settle(notifier)
    assert station.raised("not-notified") == []
    assert [n.sns for n in station.notifications()] == [None]
    assert station.arrived == []


def test_an_empty_rota_is_over_when_somebody_is_on_duty_also_after_a_restart(
    station: Station, event: MakeEvent, contact: Callable[..., Contact]
) -> None:
    station.defaults = {"*": contact("house-officer")}
    notifier = station.start()
    station.alarm(event())
    station.settle(notifier)
    again = station.start()
    station.now += 10_000
    again.step(0)
    assert [e.phase for e in station.raised("rota-empty")] == [Phase.START]
    station.duty(contact("nurse"))
    again.step(0)
    station.now += 10_000
    station.settle(again)
    first, last = station.raised("rota-empty")
    told = [r for r in station.log.records(topics.ALARMS) if b"rota-empty" in (r.value or b"")]
    assert {r.partition for r in told} == {station.layout.partition("pipeline")}, "where the ward page's shard reads it"
    assert (last.id, last.n, last.phase, last.state) == (first.id, 1, Phase.END, AlarmState.INACTIVE)


def test_a_contact_who_is_reached_again_ends_the_alarm_that_they_were_not(
    station: Station, event: MakeEvent, contact: Callable[..., Contact]
) -> None:
    station.duty(contact("nurse"))
    station.phones.refuse = station.phones.refuse_directly = {"nurse"}
    notifier = station.start()
    station.alarm(event())
    station.settle(notifier)
    station.alarm(event("p-2"))
    station.settle(notifier)
    station.phones.refuse = station.phones.refuse_directly = set()
    station.alarm(event("p-3"))
    station.settle(notifier)
    assert [(e.n, e.phase) for e in station.raised("not-notified")] == [(0, Phase.START), (1, Phase.END)]


def test_a_contact_who_goes_off_duty_is_no_longer_missed(
    station: Station, event: MakeEvent, contact: Callable[..., Contact]
) -> None:
    station.duty(contact("nurse", end=T0 + 3_600_000), contact("doctor"))
    station.phones.refuse = station.phones.refuse_directly = {"nurse"}
    notifier = station.start()
    station.alarm(event())
    station.settle(notifier)
    station.now = T0 + 3_600_000
    station.settle(notifier)
    notifier.step(0)
    assert [e.phase for e in station.raised("not-notified")] == [Phase.START, Phase.END]


def test_the_link_in_a_message_acknowledges_its_alarm_for_its_reader(
    station: Station, event: MakeEvent, contact: Callable[..., Contact]
) -> None:
    station.duty(contact("nurse"), contact("doctor"))
    notifier = station.start()
    alarm = event()
    station.alarm(alarm)
    station.settle(notifier)
    for name, text in station.phones.got:
        token = text.rsplit("/", 1)[1]
        link = verify_token(KEY, token, alarms=[alarm.id], contacts=["nurse", "doctor"], now=station.now)
        assert (link.alarm, link.contact) == (alarm.id, name)


def test_an_old_alarm_that_has_ended_is_left_out_and_one_that_holds_is_told(
    station: Station, event: MakeEvent, contact: Callable[..., Contact]
) -> None:
    station.duty(contact("nurse"))
    over, holds = event("p-1"), event("p-2")
    station.alarm(over)
    station.alarm(msgspec.structs.replace(over, n=1, phase=Phase.END))
    station.alarm(holds)
    station.now += 3_600_000
    station.settle(station.start())
    assert [n.alarm for n in station.notifications()] == [holds.id]


def test_offsets_are_committed_only_up_to_the_first_alarm_not_yet_told(
    station: Station, event: MakeEvent, contact: Callable[..., Contact]
) -> None:
    station.duty(contact("nurse"))
    notifier = station.start()
    first = event()
    place = (topics.ALARMS, station.layout.of(first))
    station.alarm(first)
    notifier.step(0)
    assert station.reader.committed([place]) == {place: 0}
    station.settle(notifier)
    assert station.reader.committed([place]) == {place: 1}


def test_the_notifier_gives_a_sign_of_life_every_few_seconds(station: Station) -> None:
    notifier = station.start()
    for _ in range(11):
        notifier.step(0)
        station.now += 1000
    beats = [msgspec.json.decode(r.value or b"", type=Status) for r in station.log.records(topics.STATUS)]
    assert [(s.id, s.kind, s.t - T0) for s in beats] == [("notifier", "notifier", s) for s in (0, 5000, 10_000)]


def test_contacts_are_prepared_when_their_rota_comes(station: Station, contact: Callable[..., Contact]) -> None:
    station.duty(contact("nurse"))
    station.settle(station.start())
    station.pool.submit(int).result()
    assert station.phones.prepared == {"nurse"}


def test_bytes_that_are_no_alarm_stop_nobody(
    station: Station, event: MakeEvent, contact: Callable[..., Contact]
) -> None:
    station.duty(contact("nurse"))
    notifier = station.start()
    station.log.append((topics.ALARMS, station.layout.of(event())), b"", b"{")
    station.alarm(event())
    station.settle(notifier)
    assert len(station.phones.got) == 1


def test_those_on_the_ward_where_a_moved_patient_is_now_are_told(
    station: Station, event: MakeEvent, contact: Callable[..., Contact], admission: Callable[..., Admission]
) -> None:
    station.duty(contact("icu-nurse"))
    station.duty(contact("med-nurse"), ward="med")
    moved = msgspec.json.encode(admission("p-1", bed="med-07", ward="med"))
    station.log.append((topics.PATIENTS, station.layout.partition("p-1")), b"p-1", moved)
    notifier = station.start()
    station.alarm(event("p-1", phase=Phase.ESCALATE, n=1))
    station.settle(notifier)
    assert [name for name, _ in station.phones.got] == ["med-nurse"]


def test_an_empty_alarm_is_counted_as_unreadable_and_the_next_is_told(
    station: Station, event: MakeEvent, contact: Callable[..., Contact]
) -> None:
    def unreadable() -> float:
        return REGISTRY.get_sample_value("wardwatch_notify_unreadable_records_total", {"topic": topics.ALARMS}) or 0.0

    station.duty(contact("nurse"))
    notifier = station.start()
    alarm = event()
    place, before = (topics.ALARMS, station.layout.of(alarm)), unreadable()
    station.log.append(place, b"", b"")
    station.log.append(place, b"", None)
    station.alarm(alarm)
    station.settle(notifier)
    # A tombstone says that there is nothing; an empty record says nothing.
    assert unreadable() == before + 1
    assert [name for name, _ in station.phones.got] == ["nurse"]


def test_every_ward_with_patients_is_told_that_the_pipeline_stands_and_beds_lights_are_not_told_that_all_is_well(
    station: Station, event: MakeEvent, contact: Callable[..., Contact], admission: Callable[..., Admission]
) -> None:
    for ward, name in (("icu", "ida"), ("med", "mel"), ("technical", "tom"), ("empty", "eva")):
        station.duty(contact(name), ward=ward)
    here = [admission("p-1", "icu-01", ward="icu"), admission("p-2", "med-01", ward="med")]
    for one in (*here, admission("p-3", "empty-01", ward="empty", discharged=T0)):
        place = (topics.PATIENTS, station.layout.partition(one.patient))
        station.log.append(place, one.patient.encode(), msgspec.json.encode(one))
    notifier = station.start()
    stalled = event(None, "pipeline-stalled", subject="pipeline", kind=Kind.TECHNICAL, ward=None)
    station.alarm(stalled)
    station.settle(notifier)
    assert sorted(name for name, _ in station.phones.got) == ["ida", "mel", "tom"]
    beats = [msgspec.json.decode(r.value or b"", type=Status) for r in station.log.records(topics.STATUS)]
    assert beats[-1].health is Health.SILENT
    station.alarm(msgspec.structs.replace(stalled, n=1, phase=Phase.END, state=AlarmState.INACTIVE))
    station.now += 10_000
    station.settle(notifier)
    beats = [msgspec.json.decode(r.value or b"", type=Status) for r in station.log.records(topics.STATUS)]
    assert beats[-1].health is Health.UP
