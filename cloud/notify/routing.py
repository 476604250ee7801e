"""Routes alarm events to contacts: pure rules, no clock and no connection."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

import msgspec

from vitals.alarm_events import AlarmEvent, AlarmState, Call, Phase, Priority
from vitals.bounds import FOREVER
from vitals.conditions import NOT_NOTIFIED, ROTA_EMPTY, technical
from vitals.contacts import Channel, Contact, Rota, own_channels, recipients

OWN: Final = frozenset((NOT_NOTIFIED, ROTA_EMPTY))
"""Conditions that the notifier itself raises; if their message fails, no further alarm is raised."""
LAST_EVERY: Final = 5
"""Beyond the last step, one in this many handovers of a high alarm is sent, to the last contact: each ten minutes."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """Contacts to notify of an event.

    Attributes:
        contacts: Contacts to notify.
        rota_empty: No contact is on duty; the contacts are the ward's defaults.
    """

    contacts: tuple[Contact, ...]
    rota_empty: bool = False


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
    return ward, Contact(contact=name, name=name, start=0, end=FOREVER, phone=phone or None, email=email or None)


@dataclass(slots=True)
class OnCall:
    """Every ward's rota and the contacts to notify when it is empty.

    Attributes:
        defaults: Default contact per ward; `*` for any.
        technical_ward: Ward that is notified of alarms without a ward.
    """

    defaults: Mapping[str, Contact]
    technical_ward: str
    _wards: dict[str, Rota] = field(default_factory=dict)

    def set(self, duty: Rota) -> None:
        """Stores a ward's rota, unless a newer one is known."""
        known = self._wards.get(duty.ward)
        if known is None or known.version <= duty.version:
            self._wards[duty.ward] = duty

    def anybody(self, ward: str, now: int) -> bool:
        """Returns whether any contact is on duty on a ward at `now`, UTC epoch ms."""
        duty = self._wards.get(ward)
        return duty is not None and any(c.start <= now < c.end for c in duty.contacts)

    def on_duty(self, contact: str, now: int) -> Contact | None:
        """Returns a contact on duty on any ward, or a default contact, with the present address; None otherwise."""
        present = (c for duty in self._wards.values() for c in duty.contacts if c.start <= now < c.end)
        return next((c for c in (*present, *self.defaults.values()) if c.contact == contact), None)

    def everybody(self, now: int) -> dict[str, tuple[Contact, str | None]]:
        """Returns every contact on duty at `now`, UTC epoch ms, and a ward of theirs; default contacts have none."""
        defaults = {c.contact: (c, None) for c in self.defaults.values()}
        present = ((c, ward) for ward, duty in self._wards.items() for c in duty.contacts if c.start <= now < c.end)
        return defaults | {c.contact: (c, ward) for c, ward in present}

    def resolve(self, event: AlarmEvent, now: int) -> Resolution:
        """Returns the contacts to notify of an event at `now`, UTC epoch ms."""
        ward = event.ward or self.technical_ward
        duty = self._wards.get(ward)
        present = [c for c in (duty.contacts if duty else ()) if c.start <= now < c.end]
        if event.condition == NOT_NOTIFIED:
            present = [c for c in present if c.contact != event.subject]
        if not present:
            default = self.defaults.get(ward, self.defaults.get("*"))
            unreachable = default is None or (event.condition == NOT_NOTIFIED and default.contact == event.subject)
            return Resolution(() if unreachable or default is None else (default,), rota_empty=True)
        # A reminder is for the first contact, however often the alarm was handed over.
        handover = 0 if event.call is Call.REMINDER else event.handover
        last = max((c.step for c in present if event.priority >= c.priority), default=0)
        if event.priority is Priority.HIGH and (handover - last) % LAST_EVERY and handover > last:
            return Resolution(())
        # A handover beyond the last step returns to the last step with a contact; otherwise the alarm would have none.
        for step in range(handover, -1, -1):
            told = recipients(present, now=now, priority=event.priority, step=step)
            if told:
                return Resolution(tuple(told))
        later = sorted(c.step for c in present if event.priority >= c.priority)
        return Resolution(tuple(recipients(present, now=now, priority=event.priority, step=later[0])) if later else ())


def channels(contact: Contact, priority: Priority) -> tuple[Channel, ...]:
    """Returns the channels of a contact; low priority goes by e-mail only, if there is an address."""
    if priority is Priority.LOW and contact.email:
        return (Channel.EMAIL,)
    return own_channels(contact)


def rota_empty(event: AlarmEvent, ward: str, now: int) -> AlarmEvent:
    """Returns the technical alarm of a ward with no contact on duty; it starts with the first alarm affected."""
    text = f"Nobody is on duty on ward {ward}; the default contact is told instead. Load a rota."
    return technical(ward, ROTA_EMPTY, start=event.log_t, now=now, text=text, cause=event.priority, ward=event.ward)


def not_notified(event: AlarmEvent, contact: str, error: str, now: int) -> AlarmEvent:
    """Returns the technical alarm of a contact that no channel reached."""
    text = f"Contact {contact} could not be told of an alarm: {error}"[:500]
    return technical(
        contact, NOT_NOTIFIED, start=event.log_t, now=now, text=text, cause=event.priority, ward=event.ward
    )


class NotificationKey(msgspec.Struct, frozen=True):
    """Deduplication key: a notification is sent once, however often its event is read."""

    alarm: str
    n: int
    contact: str
    handover: int


def ended(events: Iterable[AlarmEvent]) -> frozenset[str]:
    """Returns the ids of alarms that end among these events, without those of an incident with an active alarm."""
    over: dict[str, str] = {}
    active: dict[str, str] = {}
    for event in events:
        active.pop(event.id, None)
        if event.phase is Phase.END:
            over[event.id] = event.incident
        elif event.incident and event.state is AlarmState.ACTIVE:
            active[event.id] = event.incident
    go_on = frozenset(active.values())
    return frozenset(alarm for alarm, incident in over.items() if incident not in go_on)
