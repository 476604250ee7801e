"""Changes of the directory: a rota's rows to entries and references, and the right to make them."""

from collections.abc import Iterable

from msgspec.structs import replace

from cloud.duty.house import House, addresses_of
from vitals.contacts import Contact, own_channels
from vitals.duty import Person


class DirectoryError(ValueError):
    """A contact is unknown, or only an admin of the house may make the change; the message has the remedy."""


def entered(
    house: House, ward: str, rows: Iterable[Contact], version: int, *, whole: bool = False
) -> tuple[list[Person], tuple[Contact, ...]]:
    """Divides the rows of a rota into the entries of the directory that they change, and the duties by reference.

    Args:
        house: Present state.
        ward: Ward of the rota and of its new contacts.
        rows: Duties. A row without phone and e-mail refers to an existing entry.
        version: Version of the entries.
        whole: The change is by an admin of all wards.

    Raises:
        DirectoryError: A row is not allowed, or refers to no entry.
    """
    people: dict[str, Person] = {}
    duties = []
    for row in rows:
        known = people.get(row.contact) or house.person(row.contact)
        if not own_channels(row):
            if known is None or known.left:
                raise DirectoryError(f"contact {row.contact} is not in the directory: enter a phone or an e-mail")
            person = known
        else:
            home = known.ward if known is not None and not known.left else ward
            person = Person(contact=row.contact, version=version, name=row.name, ward=home, **addresses_of(row))
            if row.contact in people and not _alike(people[row.contact], person):
                raise DirectoryError(f"contact {row.contact} has two names or addresses in one rota")
        if house.people.get(row.contact) is None or not _alike(known, person):
            permit(house, ward, person, whole=whole)
            people[row.contact] = replace(person, version=version)
        duties.append(replace(row, name="", phone=None, email=None, push=False, webhook=None))
    return list(people.values()), tuple(duties)


def permit(house: House, ward: str, person: Person, *, whole: bool = False) -> None:
    """Checks the right to make an entry.

    An admin of all wards (`whole`) may make any. An admin of a ward may enter a new contact, and change one of the own
    ward that is on no other ward's rota.

    Raises:
        DirectoryError: The admin of this ward may not.
    """
    known = house.person(person.contact)
    if whole or known is None or (not known.left and _alike(known, person)):
        return
    if known.left:
        raise DirectoryError(f"contact {person.contact} has left the house: an admin of all wards may enter it again")
    others = sorted(house.wards_of(person.contact) - {ward})
    if known.ward != ward or others:
        where = f"is on the rota of {', '.join(others)}" if others else "belongs to the house or to another ward"
        raise DirectoryError(
            f"contact {person.contact} {where}: an admin of all wards may change name and address. "
            "Leave phone and e-mail empty to refer to the contact"
        )


def gone(house: House, contact: str, now: int) -> Person:
    """Returns the entry that removes a contact from the house at `now`, UTC epoch ms, without name and address.

    Raises:
        DirectoryError: There is no such contact.
    """
    known = house.person(contact)
    if known is None or known.left:
        raise DirectoryError(f"contact {contact} is not in the directory")
    return Person(contact=contact, version=max(now, known.version + 1), ward=known.ward, left=now)


def _alike(a: Person | None, b: Person) -> bool:
    return a is not None and (a.name, addresses_of(a)) == (b.name, addresses_of(b))
