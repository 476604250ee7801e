"""The directory of contacts belongs to the house; a ward's admin changes nobody else's contact."""

import io
from collections.abc import Callable

import msgspec
import pytest

from cloud.cli import contacts as contacts_command
from cloud.cli import house as house_command
from cloud.cli import rota as rota_command
from cloud.duty.changes import of_rotas
from cloud.duty.directory import DirectoryError, entered, gone
from cloud.duty.house import House
from cloud.duty.records import key_of, kind_of
from cloud.kafka.in_memory import MemoryLog, MemoryReader, MemoryWriter
from tests.cloud.conftest import T0, MakeEvent
from tests.cloud.station import Station
from vitals.bounds import decoded
from vitals.contacts import Contact, DutyRole, Rota
from vitals.duty import Assignments, BedDuty, Person, Proof

MakeContact = Callable[..., Contact]
THEIRS, MINE = "+441632960777", "+441632960001"


@pytest.fixture
def house(contact: MakeContact) -> House:
    """Two wards with old rotas: `med-nurse` is on med's, `shared` on both, `icu-nurse` on icu's."""
    found = House()
    shared = contact("shared", phone=THEIRS)
    found.take(Rota(ward="med", version=1, contacts=(contact("med-nurse", phone=THEIRS), shared)))
    found.take(Rota(ward="icu", version=2, contacts=(contact("icu-nurse"), shared)))
    return found


@pytest.mark.parametrize(
    "value",
    [
        Rota(ward="icu", version=1, contacts=(Contact(contact="a", start=0, end=1, role=DutyRole.CHARGE),), proof=True),
        Person(contact="a", version=1, name="A", phone=MINE, ward="icu"),
        Person(contact="a", version=2, left=5),
        Assignments(ward="icu", version=1, beds=(BedDuty(bed="b", nurse="a", buddy="c", start=0, end=9),)),
        Proof(contact="a", t=7),
    ],
)
def test_each_kind_of_record_is_read_by_its_key_as_it_was_written(value: object) -> None:
    assert decoded(msgspec.json.encode(value), kind_of(key_of(value))) == value


def test_an_old_rota_is_taken_over_and_a_later_one_moves_no_address(house: House, contact: MakeContact) -> None:
    house.take(Rota(ward="icu", version=3, contacts=(contact("med-nurse", phone=MINE), contact("icu-nurse"))))
    (duty, _) = house.duties("icu")
    assert (duty.contact, duty.phone) == ("med-nurse", THEIRS)
    assert [c.phone for c in house.duties("med")] == [THEIRS, THEIRS]


@pytest.mark.parametrize("claimed", ["med-nurse", "shared"])
def test_a_ward_that_claims_another_wards_contact_is_refused(house: House, contact: MakeContact, claimed: str) -> None:
    with pytest.raises(DirectoryError, match="an admin of all wards may change"):
        entered(house, "icu", [contact(claimed, phone=MINE)], 9)
    people, _ = entered(house, "icu", [contact(claimed, phone=MINE)], 9, whole=True)
    assert [(p.contact, p.phone, p.ward) for p in people] == [(claimed, MINE, "med")]


def test_a_ward_refers_to_any_contact_and_changes_the_address_of_its_own(house: House, contact: MakeContact) -> None:
    rows = [contact("icu-nurse", phone="+441632960002"), Contact(contact="med-nurse", start=0, end=9)]
    people, duties = entered(house, "icu", rows, 9)
    assert {p.contact: p.phone for p in people} == {"icu-nurse": "+441632960002", "med-nurse": THEIRS}
    assert [(d.contact, d.name, d.phone, d.email) for d in duties] == [
        ("icu-nurse", "", None, None),
        ("med-nurse", "", None, None),
    ]


def test_a_contact_between_two_rotas_of_the_own_ward_is_nobody_elses(house: House, contact: MakeContact) -> None:
    for record in of_rotas(house, {"med": [contact("med-nurse", phone=THEIRS)]}, 5):
        house.take(record)
    for record in of_rotas(house, {"med": []}, 6):
        house.take(record)
    for record in of_rotas(house, {"icu": [Contact(contact="med-nurse", start=0, end=9)]}, 7):
        house.take(record)
    with pytest.raises(DirectoryError, match="belongs to the house or to another ward"):
        entered(house, "icu", [contact("med-nurse", phone=MINE)], 8)


def test_a_reference_to_an_unknown_contact_is_refused(house: House) -> None:
    with pytest.raises(DirectoryError, match="not in the directory"):
        entered(house, "icu", [Contact(contact="stranger", start=0, end=9)], 9)


def test_one_contact_has_one_address_in_a_rota(house: House, contact: MakeContact) -> None:
    rows = [contact("new", phone=MINE), contact("new", phone=THEIRS)]
    with pytest.raises(DirectoryError, match="two names or addresses"):
        entered(house, "icu", rows, 9)


def test_whoever_has_left_is_entered_again_by_the_house_alone(house: House, contact: MakeContact) -> None:
    left = gone(house, "icu-nurse", 5)
    assert (left.name, left.phone, left.email, left.left) == ("", None, None, 5)
    house.take(left)
    assert [duty.contact for duty in house.duties("icu")] == ["shared"]
    with pytest.raises(DirectoryError, match="has left the house"):
        entered(house, "icu", [contact("icu-nurse")], 9)
    people, _ = entered(house, "icu", [contact("icu-nurse")], 9, whole=True)
    assert [p.ward for p in people] == ["icu"]


def test_the_command_refuses_a_claim_and_writes_nothing(contact: MakeContact) -> None:
    log = MemoryLog(lambda: T0)
    out = io.StringIO()

    def load(ward: str, one: Contact, *, whole: bool = False) -> None:
        rota_command.change(MemoryReader(log), MemoryWriter(log), [(ward, one)], T0, whole=whole, out=out)

    load("med", contact("med-nurse", phone=THEIRS))
    before = len(log.records("contacts"))
    with pytest.raises(DirectoryError):
        load("icu", contact("med-nurse", phone=MINE))
    assert len(log.records("contacts")) == before
    load("icu", contact("med-nurse", phone=MINE), whole=True)
    assert house_command.read(MemoryReader(log)).duties("med")[0].phone == MINE


def test_the_command_says_that_nobody_is_on_duty_now(contact: MakeContact) -> None:
    log, out = MemoryLog(lambda: T0), io.StringIO()
    later = contact("nurse", start=T0 + 1, end=T0 + 2)
    rota_command.change(MemoryReader(log), MemoryWriter(log), [("icu", later)], T0, whole=False, out=out)
    assert out.getvalue() == "1 duties on 1 wards\nward icu: nobody is on duty now\n"


def test_the_command_enters_and_removes_contacts_of_the_house(contact: MakeContact) -> None:
    log = MemoryLog(lambda: T0)
    (_, person) = contacts_command.parse(["contact,name,phone\n", f"nurse,Bela Holt,{MINE}\n"], T0).rows[0]
    assert (person.contact, person.phone, person.ward) == ("nurse", MINE, "")
    MemoryWriter(log).write(("contacts", 0), key_of(person), msgspec.json.encode(person))
    rota_command.change(
        MemoryReader(log),
        MemoryWriter(log),
        [("icu", Contact(contact="nurse", start=0, end=9))],
        T0,
        whole=False,
        out=io.StringIO(),
    )
    assert contacts_command.remove(MemoryReader(log), MemoryWriter(log), "nurse", T0) == {"icu"}
    assert house_command.read(MemoryReader(log)).present() == []
    with pytest.raises(DirectoryError):
        contacts_command.remove(MemoryReader(log), MemoryWriter(log), "nurse", T0)


def test_a_ward_that_claims_another_wards_contact_moves_no_message(
    station: Station, event: MakeEvent, contact: MakeContact
) -> None:
    station.duty(contact("med-nurse", phone=THEIRS), ward="med")
    station.now += 1
    station.duty(contact("med-nurse", phone=MINE), contact("icu-nurse"))
    notifier = station.start()
    station.alarm(event(ward="med"))
    station.settle(notifier)
    assert station.phones.numbers == [THEIRS]
    assert station.phones.addresses["med-nurse"] == THEIRS


def test_whoever_leaves_the_house_is_notified_of_nothing_and_unsubscribed(
    station: Station, event: MakeEvent, contact: MakeContact
) -> None:
    station.duty(contact("nurse"), contact("doctor"))
    notifier = station.start()
    assert station.phones.released == []
    station.enter(Person(contact="nurse", version=T0, left=T0))
    station.settle(notifier)
    station.alarm(event())
    station.settle(notifier)
    assert station.phones.released == ["nurse"]
    assert [name for name, _ in station.phones.got] == ["doctor"]


def test_a_new_address_in_the_directory_is_used_at_once(
    station: Station, event: MakeEvent, contact: MakeContact
) -> None:
    station.duty(contact("nurse"))
    notifier = station.start()
    station.enter(Person(contact="nurse", version=T0, name="Bela Holt", phone=THEIRS))
    station.alarm(event())
    station.settle(notifier)
    assert station.phones.numbers == [THEIRS]
