"""Reach of messages: follows the standing of contacts' channels, and names contacts without any.

*Accepted* by a service is not *reached*. A contact on duty without a channel is an alarm before the first page needs
the person, and the alarm's next contact is notified at once.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import msgspec

from cloud.kafka.port import Record
from cloud.notify.channels.contact_channels import ContactChannels
from cloud.notify.routing import OnCall
from vitals.alarm_events import AlarmEvent
from vitals.conditions import NOT_NOTIFIED, technical
from vitals.contact_standing import ContactStanding, in_words, read_channel_record
from vitals.contacts import Contact

logger = logging.getLogger("notify")


@dataclass(slots=True)
class Reach:
    """Standing of the contacts' channels, as the notifier's loop sees it.

    Attributes:
        channels: The contacts' channels; None where nothing can be checked.
    """

    channels: ContactChannels | None = None
    _without: set[str] = field(default_factory=set)

    def reachable(self, contact: Contact) -> bool:
        """Returns whether any channel of a contact is ready; true while nothing is known."""
        standing = self.channels.standing(contact) if self.channels else None
        return standing is None or standing.reachable

    def take(self, record: Record) -> None:
        """Applies a record of topic `channels`."""
        if self.channels is None or record.value is None:
            return
        value = read_channel_record(record.value)
        if isinstance(value, ContactStanding):
            self.channels.restore(value)

    def review(
        self,
        on_call: OnCall,
        now: int,
        *,
        record: Callable[[ContactStanding], None],
        start: Callable[[AlarmEvent], None],
        end: Callable[[str], None],
    ) -> None:
        """Begins due checks, records changed standings, starts and ends the alarms of contacts without a channel.

        Args:
            on_call: Rotas.
            now: UTC epoch ms.
            record: Writes a standing to the log.
            start: Starts an alarm.
            end: Ends *not notified* of a contact.
        """
        if self.channels is None:
            return
        self.channels.check(now, on_call.on_duty)
        for standing in self.channels.changes():
            record(standing)
            logger.info("channels of %s: %s", standing.contact, in_words(standing.channels) or "ready")
        for contact, ward in on_call.everybody(now).values():
            known = self.channels.standing(contact)
            if known is not None and not known.reachable and contact.contact not in self._without:
                self._without.add(contact.contact)
                start(no_channel(contact, ward, in_words(known.channels), now))
        for name in sorted(self._without):
            present = on_call.on_duty(name, now)
            if present is None or self.reachable(present):
                self._without.discard(name)
                if present is not None:
                    end(name)


def no_channel(contact: Contact, ward: str | None, why: str, now: int) -> AlarmEvent:
    """Returns the technical alarm of a contact on duty whom no channel reaches; it is sent to the ward's others."""
    text = f"Contact {contact.contact} has no channel: {why}"
    return technical(contact.contact, NOT_NOTIFIED, start=now, now=now, text=text, ward=ward)


def next_contacts(on_call: OnCall, event: AlarmEvent, now: int, reachable: Callable[[Contact], bool]) -> list[Contact]:
    """Returns the first later handover step's contacts with a channel, for an alarm whose contact has none."""
    for contacts in _later(on_call, event, now):
        found = [contact for contact in contacts if reachable(contact)]
        if found:
            return found
    return []


def _later(on_call: OnCall, event: AlarmEvent, now: int) -> Iterator[tuple[Contact, ...]]:
    asked = on_call.resolve(event, now).contacts
    for handover in range(event.handover + 1, 10):
        found = on_call.resolve(msgspec.structs.replace(event, handover=handover), now).contacts
        yield tuple(contact for contact in found if contact not in asked)
