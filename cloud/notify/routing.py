"""Who is told of what: pure rules, no clock and no connection."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

import msgspec

from vitals.alarm_events import AlarmEvent, Phase, Priority, technical
from vitals.bounds import FOREVER
from vitals.conditions import priority_of
from vitals.contacts import Channel, Contact, Rota, recipients

NOT_NOTIFIED: Final = "not-notified"
ROTA_EMPTY: Final = "rota-empty"
OWN: Final = frozenset((NOT_NOTIFIED, ROTA_EMPTY))
"""Conditions that the notifier itself raises; failing to tell of them raises no further one."""
LAST_EVERY: Final = 5
"""Of the handovers of a high alarm that come round to the last contact, every so many calls: each ten minutes."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """Who is to be told.

    Attributes:
        contacts: They.
        rota_empty: Nobody is on duty; the contacts are the ward's defaults.
    """

    contacts: tuple[Contact, ...]
    rota_empty: bool = False


def parse_default(entry: str) -> tuple[str, Contact]:
    """Reads `ward=contact:phone:e-mail`.

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
    """Every ward's rota, with who is told when it is empty.

    Attributes:
        defaults: Default contact per ward; `*` for any.
        technical_ward: Ward that is told of what belongs to no ward.
    """

    defaults: Mapping[str, Contact]
    technical_ward: str
    _wards: dict[str, Rota] = field(default_factory=dict)

    def set(self, duty: Rota) -> None:
        """Takes a ward's rota in, unless a newer one is known."""
        known = self._wards.get(duty.ward)
        if known is None or known.version <= duty.version:
            self._wards[duty.ward] = duty

    def anybody(self, ward: str, now: int) -> bool:
        """Whether somebody is on duty on a ward at `now`, UTC epoch ms."""
        duty = self._wards.get(ward)
        return duty is not None and any(c.start <= now < c.end for c in duty.contacts)

    def on_duty(self, contact: str, now: int) -> Contact | None:
        """Returns a contact who is on duty anywhere, or is told where nobody is, as the rota has them now."""
        present = (c for duty in self._wards.values() for c in duty.contacts if c.start <= now < c.end)
        return next((c for c in (*present, *self.defaults.values()) if c.contact == contact), None)

    def resolve(self, event: AlarmEvent, now: int) -> Resolution:
        """Returns who is told of an event at `now`, UTC epoch ms."""
        ward = event.ward or self.technical_ward
        duty = self._wards.get(ward)
        present = [c for c in (duty.contacts if duty else ()) if c.start <= now < c.end]
        if event.condition == NOT_NOTIFIED:
            present = [c for c in present if c.contact != event.subject]
        if not present:
            default = self.defaults.get(ward, self.defaults.get("*"))
            unreachable = default is None or (event.condition == NOT_NOTIFIED and default.contact == event.subject)
            return Resolution(() if unreachable or default is None else (default,), rota_empty=True)
        last = max((c.step for c in present if event.priority >= c.priority), default=0)
        if event.priority is Priority.HIGH and (event.handover - last) % LAST_EVERY and event.handover > last:
            return Resolution(())
        # A handover beyond the last step comes round to the last who can be told; the alarm is nobody's otherwise.
        for step in range(event.handover, -1, -1):
            told = recipients(present, now=now, priority=event.priority, step=step)
            if told:
                return Resolution(tuple(told))
        later = sorted(c.step for c in present if event.priority >= c.priority)
        return Resolution(tuple(recipients(present, now=now, priority=event.priority, step=later[0])) if later else ())


def channels(contact: Contact, priority: Priority) -> tuple[Channel, ...]:
    """Returns how a person is reached: low priority by e-mail alone when they read any."""
    email = (Channel.EMAIL,) if contact.email else ()
    sms = (Channel.SMS,) if contact.phone else ()
    if priority is Priority.LOW and email:
        return email
    return sms + email


def rota_empty(event: AlarmEvent, ward: str, now: int) -> AlarmEvent:
    """Returns the technical alarm of a ward on which nobody is on duty, begun with the first alarm that met nobody."""
    text = f"Nobody is on duty on ward {ward}; the default contact is told instead. Load a rota."
    return _technical(ward, ROTA_EMPTY, (event.log_t, now), text, event)


def not_notified(event: AlarmEvent, contact: str, error: str, now: int) -> AlarmEvent:
    """Returns the technical alarm of a contact whom no channel reached."""
    text = f"Contact {contact} could not be told of an alarm: {error}"
    return _technical(contact, NOT_NOTIFIED, (event.log_t, now), text[:500], event)


def _technical(subject: str, condition: str, times: tuple[int, int], text: str, cause: AlarmEvent) -> AlarmEvent:
    start, now = times
    priority = max(cause.priority, priority_of(condition))
    return technical(subject, condition, priority, start=start, now=now, text=text, ward=cause.ward)


class NotificationKey(msgspec.Struct, frozen=True):
    """What makes a notification one and the same: it is sent once, however often its event is read."""

    alarm: str
    n: int
    contact: str
    handover: int


def ended(events: Iterable[AlarmEvent]) -> frozenset[str]:
    """Returns the ids of alarms that end among these events."""
    return frozenset(event.id for event in events if event.phase is Phase.END)
