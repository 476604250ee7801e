"""The contacts of a bed are called first, in their order; whoever cannot come is passed over."""

import io
from collections.abc import Callable

import msgspec
import pytest

from cloud.admissions import bed_rows
from cloud.cli import beds as beds_command
from cloud.cli import house as house_command
from cloud.duty.assigning import AssignmentError, assign, free, take_over, view
from cloud.duty.records import key_of
from cloud.kafka.in_memory import MemoryLog, MemoryReader, MemoryWriter
from cloud.notify.routing.on_call import OnCall
from tests.cloud.conftest import T0, MakeEvent
from tests.cloud.station import Station
from vitals.admissions import Admission
from vitals.alarm_events import AlarmEvent, Call, Kind, Phase, Priority
from vitals.bounds import encoded
from vitals.contacts import Contact, DutyRole, Rota
from vitals.duty import Assignments, BedDuty, Takeover

MakeContact = Callable[..., Contact]
HOUR = 3_600_000
NIGHT = T0 + 8 * HOUR


@pytest.fixture
def staff(contact: MakeContact) -> tuple[Contact, ...]:
    """Three nurses of the first step, a charge nurse of the second, and a consultant for high alarms."""
    return (
        contact("anna"),
        contact("bela"),
        contact("cleo"),
        contact("head", step=1, role=DutyRole.CHARGE),
        contact("doctor", step=2, priority=Priority.HIGH),
    )


@pytest.fixture
def on_call(staff: tuple[Contact, ...]) -> OnCall:
    """Bed icu-01 is Anna's, with Bela as buddy; bed icu-02 is nobody's."""
    found = OnCall({}, "technical")
    found.set(Rota(ward="icu", version=1, contacts=staff))
    found.set(Rota(ward="technical", version=1, contacts=(staff[4],)))
    duty = BedDuty(bed="icu-01", nurse="anna", buddy="bela", start=T0 - HOUR, end=NIGHT)
    found.set(assign(found.house, "icu", [duty], T0))
    return found


def names(on_call: OnCall, event: AlarmEvent, now: int = T0) -> list[str]:
    return [c.contact for c in on_call.resolve(event, now).contacts]


def test_handovers_go_to_nurse_buddy_charge_nurse_and_then_to_the_wards_steps(
    on_call: OnCall, event: MakeEvent
) -> None:
    reached = [names(on_call, event(handover=handover)) for handover in range(6)]
    assert reached == [["anna"], ["bela"], ["head"], ["anna", "bela", "cleo"], ["head"], ["doctor"]]
    assert names(on_call, event(handover=6)) == []
    assert names(on_call, event(handover=10)) == ["doctor"]
    assert names(on_call, event(handover=3, call=Call.REMINDER)) == ["anna"]


def test_an_unassigned_bed_is_everybodys(on_call: OnCall, event: MakeEvent) -> None:
    assert names(on_call, event(bed="icu-02")) == ["anna", "bela", "cleo"]
    assert names(on_call, event(bed="icu-02", handover=1)) == ["head"]
    assert names(on_call, event(), now=NIGHT) == ["anna", "bela", "cleo"]


def test_a_nurse_who_is_not_on_duty_has_no_beds(on_call: OnCall, event: MakeEvent, staff: tuple[Contact, ...]) -> None:
    on_call.set(Rota(ward="icu", version=2, contacts=staff[1:]))
    assert names(on_call, event()) == ["bela"]
    on_call.set(Rota(ward="icu", version=3, contacts=staff[2:]))
    assert names(on_call, event()) == ["cleo"]


def test_equipment_without_a_patient_is_the_charge_nurses(
    on_call: OnCall, event: MakeEvent, staff: tuple[Contact, ...]
) -> None:
    broken = event(None, "gateway-down", kind=Kind.TECHNICAL, subject="gw-icu", bed=None)
    assert names(on_call, broken) == ["head"]
    # No handover follows it, and every bed must be watched.
    stalled = event(None, "pipeline-stalled", kind=Kind.TECHNICAL, subject="pipeline", bed=None)
    assert names(on_call, stalled) == ["anna", "bela", "cleo"]
    on_call.set(Rota(ward="icu", version=2, contacts=staff[:3]))
    assert names(on_call, broken) == ["anna", "bela", "cleo"]


def test_taken_beds_come_back_by_themselves_after_twenty_minutes(on_call: OnCall, event: MakeEvent) -> None:
    on_call.set(take_over(on_call.house, "icu", "anna", "cleo", T0))
    assert names(on_call, event()) == ["cleo"]
    assert names(on_call, event(handover=1)) == ["bela"]
    assert names(on_call, event(), now=T0 + 20 * 60_000 - 1) == ["cleo"]
    assert names(on_call, event(), now=T0 + 20 * 60_000) == ["anna"]
    (seen,) = view(on_call.house, "icu", ["icu-01"], T0)
    assert (seen.nurse, seen.covers) == ("cleo", "anna")


def test_a_buddy_who_takes_the_beds_is_not_called_twice(on_call: OnCall, event: MakeEvent) -> None:
    on_call.set(take_over(on_call.house, "icu", "anna", "bela", T0))
    assert [names(on_call, event(handover=handover)) for handover in range(2)] == [["bela"], ["head"]]


def test_no_beds_are_taken_for_longer_or_by_somebody_who_is_away(on_call: OnCall) -> None:
    with pytest.raises(ValueError, match="20 min"):
        take_over(on_call.house, "icu", "anna", "cleo", T0, lasts_ms=20 * 60_000 + 1)
    with pytest.raises(ValueError, match="20 min"):
        Takeover(of="anna", by="cleo", start=T0, end=T0 + HOUR)
    with pytest.raises(AssignmentError, match="not on duty"):
        take_over(on_call.house, "icu", "anna", "stranger", T0)
    on_call.set(take_over(on_call.house, "icu", "anna", "cleo", T0))
    with pytest.raises(AssignmentError, match="covered by another"):
        take_over(on_call.house, "icu", "bela", "anna", T0)


def test_a_new_assignment_ends_the_one_before_and_frees_no_other_bed(on_call: OnCall, event: MakeEvent) -> None:
    house = on_call.house
    later = BedDuty(bed="icu-01", nurse="cleo", start=T0 + HOUR, end=NIGHT)
    on_call.set(assign(house, "icu", [later, BedDuty(bed="icu-02", nurse="bela", start=T0, end=NIGHT)], T0))
    assert (names(on_call, event()), names(on_call, event(), now=T0 + HOUR)) == (["anna"], ["cleo"])
    assert names(on_call, event(bed="icu-02")) == ["bela"]
    on_call.set(free(house, "icu", ["icu-01"], T0 + 1))
    assert [(b.bed, b.everybodys) for b in view(house, "icu", ["icu-01", "icu-02"], T0)] == [
        ("icu-01", True),
        ("icu-02", False),
    ]


def test_beds_are_assigned_to_contacts_of_the_wards_rota_alone(on_call: OnCall) -> None:
    with pytest.raises(AssignmentError, match="not on the rota"):
        assign(on_call.house, "icu", [BedDuty(bed="icu-01", nurse="stranger", start=T0, end=NIGHT)], T0)
    with pytest.raises(ValueError, match="nurse and buddy"):
        BedDuty(bed="icu-01", nurse="anna", buddy="anna", start=T0, end=NIGHT)


def test_a_file_assigns_beds(staff: tuple[Contact, ...]) -> None:
    log, out = MemoryLog(lambda: T0), io.StringIO()
    rota = Rota(ward="icu", version=1, contacts=staff)
    MemoryWriter(log).write(("contacts", 0), key_of(rota), encoded(rota))
    header = "ward,bed,nurse,buddy,start,end\n"
    row = "icu,icu-01,anna,bela,2025-11-22T07:00:00+00:00,2025-11-22T19:00:00+00:00\n"
    table = bed_rows.parse([header, row, row.replace("icu-01", "icu-02").replace("bela", "")])
    beds_command.change(MemoryReader(log), MemoryWriter(log), [pair for _, pair in table.rows], T0, out)
    house = house_command.read(MemoryReader(log))
    assert [(b.nurse, b.buddy) for b in view(house, "icu", ["icu-01", "icu-02"], T0)] == [
        ("anna", "bela"),
        ("anna", None),
    ]
    with pytest.raises(AssignmentError):
        beds_command.change(
            MemoryReader(log),
            MemoryWriter(log),
            [("med", BedDuty(bed="med-01", nurse="anna", start=T0, end=NIGHT))],
            T0,
            out,
        )


def declined(event: AlarmEvent, *by: str) -> AlarmEvent:
    """Returns the handover that the last of these contacts has caused."""

    return msgspec.structs.replace(
        event, n=event.n + len(by), phase=Phase.CONTINUE, handover=len(by), by=by[-1], declined=by
    )


def test_whoever_cannot_come_is_passed_over_and_the_next_one_is_called(on_call: OnCall, event: MakeEvent) -> None:
    assert names(on_call, declined(event(), "anna")) == ["bela"]
    assert names(on_call, declined(event(), "anna", "bela")) == ["head"]
    assert names(on_call, declined(event(), "anna", "bela", "head")) == ["cleo"]
    everybody = event(bed="icu-02")
    assert names(on_call, declined(everybody, "anna")) == ["head"]
    assert names(on_call, declined(everybody, "anna", "head")) == ["doctor"]
    # The last step has declined, and the first has not answered.
    assert names(on_call, declined(everybody, "anna", "head", "doctor")) == ["bela", "cleo"]
    assert names(on_call, declined(everybody, "doctor", "doctor", "doctor", "doctor", "doctor", "doctor")) == ["head"]


def test_when_all_decline_the_charge_nurse_is_called_and_then_nobody_is_left(
    on_call: OnCall, event: MakeEvent, contact: MakeContact
) -> None:
    high_only = contact("head", role=DutyRole.CHARGE, priority=Priority.HIGH)
    on_call.set(Rota(ward="icu", version=2, contacts=(contact("anna"), high_only)))
    medium = event(priority=Priority.MEDIUM)
    found = on_call.resolve(declined(medium, "anna"), T0)
    assert ([c.contact for c in found.contacts], found.all_declined) == (["head"], False)
    found = on_call.resolve(declined(medium, "anna", "head"), T0)
    assert (found.contacts, found.all_declined) == ((), True)


def test_an_alarm_that_all_decline_is_not_notified_at_high_priority_until_somebody_goes(
    station: Station, event: MakeEvent, contact: MakeContact
) -> None:
    station.duty(contact("nurse"), contact("head", role=DutyRole.CHARGE))
    station.duty(contact("engineer"), ward="technical")
    notifier = station.start()
    lead = event(priority=Priority.MEDIUM)
    station.alarm(lead)
    station.settle(notifier)
    station.phones.got.clear()
    station.alarm(declined(lead, "nurse"))
    station.alarm(declined(lead, "nurse", "head"))
    station.settle(notifier)
    (raised,) = station.raised("not-notified")
    assert (raised.priority, raised.ward, raised.phase) == (Priority.HIGH, "icu", Phase.START)
    notifier.step(0)
    station.settle(notifier)
    called = {name for name, _ in station.phones.got}
    assert called == {"head", "engineer"}
    station.now += 10_000
    notifier.step(0)
    assert len(station.raised("not-notified")) == 1

    coming = msgspec.structs.replace(
        declined(lead, "nurse", "head"), n=9, phase=Phase.UPDATE, coming="nurse", by="nurse"
    )
    station.alarm(coming)
    station.now += 10_000
    notifier.step(0)
    assert [e.phase for e in station.raised("not-notified")] == [Phase.START, Phase.END]


def test_a_patient_who_moved_within_the_ward_is_the_new_beds_nurses(
    station: Station, event: MakeEvent, contact: MakeContact, admission: Callable[..., Admission]
) -> None:
    station.duty(contact("anna"), contact("bela"))
    beds = [
        BedDuty(bed="icu-01", nurse="anna", start=T0 - 1, end=NIGHT),
        BedDuty(bed="icu-07", nurse="bela", start=T0 - 1, end=NIGHT),
    ]
    station.enter(Assignments(ward="icu", version=1, beds=tuple(beds)))
    station.admit(admission(bed="icu-07"))
    notifier = station.start()
    station.alarm(event())
    station.settle(notifier)
    assert [name for name, _ in station.phones.got] == ["bela"]
