"""State of topic `contacts`: directory, rotas, assigned beds and proofs of duty.

**Takeover of old rotas.** A rota of before version 0.2 has addresses of its own. While the directory has no entry of a
contact, the address in the oldest such rota counts, and its ward is the contact's; a later rota that names another
address for the same id changes nothing.
"""

from dataclasses import dataclass, field
from typing import TypedDict

from msgspec.structs import replace

from cloud.duty.records import Duty
from vitals.contacts import Addresses, Contact, Messages, Rota, own_channels
from vitals.duty import Assignments, BedDuty, Person, Proof


@dataclass(slots=True)
class House:
    """The newest record of each key. Any thread may read it; a change replaces a collection and never edits one.

    Attributes:
        people: Directory entries by contact id, former contacts among them.
        rotas: Rota by ward.
        beds: Assigned beds by ward.
        proofs: Time of each contact's last proof, UTC epoch ms.
    """

    people: dict[str, Person] = field(default_factory=dict)
    rotas: dict[str, Rota] = field(default_factory=dict)
    beds: dict[str, Assignments] = field(default_factory=dict)
    proofs: dict[str, int] = field(default_factory=dict)
    _inherited: dict[str, Person] = field(default_factory=dict)
    _duties: dict[str, tuple[Contact, ...]] = field(default_factory=dict)

    def take(self, value: Duty) -> None:
        """Stores a record's value, unless a newer one is known."""
        match value:
            case Rota():
                known = self.rotas.get(value.ward)
                if known is None or known.version <= value.version:
                    self.rotas = {**self.rotas, value.ward: value}
                    self._inherited = _inherited(self.rotas)
                    self._duties = {}
            case Person():
                person = self.people.get(value.contact)
                if person is None or person.version <= value.version:
                    self.people = {**self.people, value.contact: value}
                    self._duties = {}
            case Assignments():
                assigned = self.beds.get(value.ward)
                if assigned is None or assigned.version <= value.version:
                    self.beds = {**self.beds, value.ward: value}
            case Proof():
                self.proofs = {**self.proofs, value.contact: max(value.t, self.proofs.get(value.contact, 0))}

    def person(self, contact: str) -> Person | None:
        """Returns the entry of a contact; None if unknown. It may say that the contact has left."""
        return self.people.get(contact) or self._inherited.get(contact)

    def present(self) -> list[Person]:
        """Returns the present contacts of the house, by id."""
        found = {**self._inherited, **self.people}
        return [found[contact] for contact in sorted(found) if not found[contact].left]

    def addressed(self, duty: Contact) -> Contact | None:
        """Returns a duty with the directory's name and address; None for an unknown or former contact."""
        person = self.person(duty.contact)
        if person is None or person.left:
            return None
        return replace(duty, name=person.name, **addresses_of(person))

    def duties(self, ward: str) -> tuple[Contact, ...]:
        """Returns all duties of a ward with names and addresses, without former contacts."""
        # Another thread may replace this dictionary: a value of before a change must not enter the one of after it.
        cache = self._duties
        known = cache.get(ward)
        if known is None:
            rota = self.rotas.get(ward)
            found = (self.addressed(duty) for duty in (rota.contacts if rota else ()))
            known = cache[ward] = tuple(duty for duty in found if duty is not None)
        return known

    def on_duty(self, ward: str, now: int) -> list[Contact]:
        """Returns the contacts on duty on a ward at `now`, UTC epoch ms."""
        return [duty for duty in self.duties(ward) if duty.start <= now < duty.end]

    def wards_of(self, contact: str) -> set[str]:
        """Returns the wards with a contact on their rota, at any time."""
        return {ward for ward, rota in self.rotas.items() if any(d.contact == contact for d in rota.contacts)}

    def proven(self, ward: str, duty: Contact) -> bool:
        """Returns whether a contact's duty needs no proof, or has it."""
        rota = self.rotas.get(ward)
        return rota is None or not rota.proof or self.proofs.get(duty.contact, 0) >= duty.start

    def messages(self, ward: str | None) -> Messages:
        """Returns a ward's setting of the content of messages; the default one without a rota."""
        rota = self.rotas.get(ward or "")
        return Messages() if rota is None else rota.messages

    def own_duty(self, ward: str, bed: str, now: int) -> BedDuty | None:
        """Returns the assignment of a bed at `now`, UTC epoch ms, without takeovers; the latest one of several."""
        known = self.beds.get(ward)
        here = [each for each in known.beds if each.bed == bed and each.start <= now < each.end] if known else []
        return max(here, key=lambda each: each.start, default=None)

    def assigned(self, ward: str, bed: str, now: int) -> BedDuty | None:
        """Returns the assignment of a bed at `now`, UTC epoch ms, with the takeovers of that moment; None without one.

        During a takeover its contact is the nurse of the bed.
        """
        duty = self.own_duty(ward, bed, now)
        if duty is None:
            return None
        covers = {take.of: take.by for take in self.beds[ward].takes if take.start <= now < take.end}
        nurse = covers.get(duty.nurse, duty.nurse)
        buddy = None if duty.buddy is None else covers.get(duty.buddy, duty.buddy)
        return replace(duty, nurse=nurse, buddy=None if buddy == nurse else buddy)


class AddressFields(TypedDict):
    """Addresses as fields of a contact or an entry."""

    phone: str | None
    email: str | None
    push: bool
    webhook: str | None


def addresses_of(has: Addresses) -> AddressFields:
    """Returns the addresses of a duty or an entry."""
    return {"phone": has.phone, "email": has.email, "push": has.push, "webhook": has.webhook}


def _inherited(rotas: dict[str, Rota]) -> dict[str, Person]:
    found: dict[str, Person] = {}
    for rota in sorted(rotas.values(), key=lambda each: (each.version, each.ward)):
        for duty in rota.contacts:
            if duty.contact not in found and own_channels(duty):
                found[duty.contact] = Person(
                    contact=duty.contact, version=0, name=duty.name, ward=rota.ward, **addresses_of(duty)
                )
    return found
