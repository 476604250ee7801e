"""Routes alarm events to contacts: pure rules, no clock and no connection."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import msgspec

from cloud.duty.chain import called, levels
from cloud.duty.handing_over import beside_unproven, last_on_duty
from cloud.duty.house import House
from cloud.duty.records import Duty
from vitals.alarm_events import AlarmEvent, Priority
from vitals.bounds import FOREVER
from vitals.conditions import NOT_NOTIFIED, ROTA_EMPTY, technical
from vitals.contacts import Channel, Contact, DutyRole, check_addresses, own_channels

OWN: Final = frozenset((NOT_NOTIFIED, ROTA_EMPTY))
"""Conditions that the notifier itself raises; if their message fails, no further alarm is raised."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """Contacts to notify of an event.

    Attributes:
        contacts: Contacts to notify.
        rota_empty: No contact is on duty; the contacts are the last ones on duty and the ward's default.
        courtesy: Contacts of the duty before; their copy counts as no notification.
        all_declined: Every contact on duty has declined; the contacts are the ward's default.
    """

    contacts: tuple[Contact, ...]
    rota_empty: bool = False
    courtesy: tuple[Contact, ...] = ()
    all_declined: bool = False


def parse_default(entry: str) -> tuple[str, Contact]:
    """Parses `ward=contact:phone:e-mail`.

    Raises:
        ValueError: It is not of that form.
    """
    ward, _, rest = entry.partition("=")
    parts = rest.split(":")
    if not ward or len(parts) != 3:  # noqa: PLR2004 - contact, phone, e-mail
        raise ValueError(f"NOTIFY_DEFAULTS: {entry!r} is not ward=contact:phone:e-mail")
    name, phone, email = parts
    contact = Contact(contact=name, name=name, start=0, end=FOREVER, phone=phone or None, email=email or None)
    check_addresses(name, contact)
    return ward, contact


@dataclass(slots=True)
class OnCall:
    """The house's duties, and the contacts to notify when a ward's rota is empty.

    Attributes:
        defaults: Default contact per ward; `*` for any.
        technical_ward: Ward that is notified of alarms without a ward.
        house: Directory, rotas and assigned beds.
    """

    defaults: Mapping[str, Contact]
    technical_ward: str
    house: House = field(default_factory=House)

    def set(self, value: Duty) -> None:
        """Stores a record of topic `contacts`, unless a newer one is known."""
        self.house.take(value)

    def anybody(self, ward: str, now: int) -> bool:
        """Returns whether any contact is on duty on a ward at `now`, UTC epoch ms."""
        return bool(self.house.on_duty(ward, now))

    def default(self, ward: str) -> tuple[Contact, ...]:
        """Returns the default contact of a ward, if there is one."""
        found = self.defaults.get(ward, self.defaults.get("*"))
        return () if found is None else (found,)

    def on_duty(self, contact: str, now: int) -> Contact | None:
        """Returns a contact whom a ward notifies at `now`, with the present address; None for any other."""
        wards = self.house.rotas
        present = (c for ward in wards for c in self.house.on_duty(ward, now) or self._last(ward, now))
        return next((c for c in (*present, *self.defaults.values()) if c.contact == contact), None)

    def everybody(self, now: int) -> dict[str, tuple[Contact, str | None]]:
        """Returns every contact on duty at `now`, UTC epoch ms, and a ward of theirs; default contacts have none."""
        defaults = {c.contact: (c, None) for c in self.defaults.values()}
        present = ((c, ward) for ward in self.house.rotas for c in self.house.on_duty(ward, now))
        return defaults | {c.contact: (c, ward) for c, ward in present}

    def _last(self, ward: str, now: int) -> tuple[Contact, ...]:
        return last_on_duty(self.house.duties(ward), now)

    def resolve(self, event: AlarmEvent, now: int) -> Resolution:
        """Returns the contacts to notify of an event at `now`, UTC epoch ms."""
        ward = event.ward or self.technical_ward
        unheard = event.subject if event.condition == NOT_NOTIFIED else ""
        present = [c for c in self.house.on_duty(ward, now) if c.contact != unheard]
        fallback = tuple(c for c in self.default(ward) if c.contact != unheard)
        if not present:
            last = tuple(c for c in self._last(ward, now) if c.contact != unheard)
            known = {c.contact for c in last}
            return Resolution((*last, *(c for c in fallback if c.contact not in known)), rota_empty=True)
        bed = self.house.assigned(ward, event.bed, now) if event.patient and event.bed else None
        told = called(event, levels(event, present, bed))
        if told is None:
            willing = tuple(c for c in present if c.role is DutyRole.CHARGE and c.contact not in event.declined)
            return Resolution(willing or fallback, all_declined=not willing)
        beside = beside_unproven(self.house, ward, told, now)
        also = tuple(c for c in beside.called if c.contact != unheard and c.contact not in event.declined)
        return Resolution((*told, *also), courtesy=beside.courtesy)


def channels(contact: Contact, priority: Priority) -> tuple[Channel, ...]:
    """Returns the channels of a contact; low priority goes by e-mail only, if there is an address."""
    if priority is Priority.LOW and contact.email:
        return (Channel.EMAIL,)
    return own_channels(contact)


def rota_empty(event: AlarmEvent, ward: str, now: int) -> AlarmEvent:
    """Returns the technical alarm of a ward with no contact on duty; it starts with the first alarm affected."""
    text = f"Nobody is on duty on ward {ward}; the default contact is told instead. Load a rota."
    return technical(ward, ROTA_EMPTY, start=event.log_t, now=now, text=text, cause=event.priority, ward=event.ward)


def all_declined(event: AlarmEvent, ward: str, now: int) -> AlarmEvent:
    """Returns the technical alarm of a ward after every contact has declined an alarm; it is high."""
    text = f"Every contact of ward {ward} has declined an alarm. Go to the ward."
    subject, high = declined_subject(ward), Priority.HIGH
    return technical(subject, NOT_NOTIFIED, start=event.log_t, now=now, text=text, cause=high, ward=event.ward)


def declined_subject(ward: str) -> str:
    """Returns the subject of that alarm; no contact id has a space."""
    return f"ward {ward}"


def without_ward(event: AlarmEvent) -> bool:
    """Returns whether technicians receive a ward's alarm, too, because no contact of the ward is left."""
    declined = event.condition == NOT_NOTIFIED and event.subject.startswith(declined_subject(""))
    return declined or event.condition == ROTA_EMPTY


def not_notified(event: AlarmEvent, contact: str, error: str, now: int) -> AlarmEvent:
    """Returns the technical alarm of a contact that no channel reached."""
    text = f"Contact {contact} could not be notified: {error}"[:500]
    return technical(
        contact, NOT_NOTIFIED, start=event.log_t, now=now, text=text, cause=event.priority, ward=event.ward
    )


class NotificationKey(msgspec.Struct, frozen=True):
    """Deduplication key: a notification is sent once, however often its event is read."""

    alarm: str
    n: int
    contact: str
    handover: int
