"""Reach of messages: follows the standing of contacts' channels, and names contacts without any.

*Accepted* by a service is not *reached*. A contact on duty without a channel is an alarm before the first page needs
the person, and the alarm's next contact is notified at once.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

import msgspec

from cloud.kafka.port import Record
from cloud.notify.channels.channel_checks import Change, ChannelChecks
from cloud.notify.channels.sms_delivery_log import Outcome
from cloud.notify.channels.web_push import WebPushChannel
from cloud.notify.delivery.throttle import Item
from cloud.notify.follow_up.delivery_follow import DeliveryFollow
from cloud.notify.follow_up.recent_messages import Followed, RecentMessages
from cloud.notify.routing.on_call import OWN, OnCall
from vitals.alarm_events import AlarmEvent, Priority
from vitals.conditions import NOT_NOTIFIED, technical
from vitals.contact_standing import ContactStanding, Standing, device_owner, in_words, read_channel_record
from vitals.contacts import Channel, Contact, DeliveryState, MessageKind, Notification

logger = logging.getLogger("notify")


MOST_LEVELS: Final = 14
"""Levels of a call at most: nurse, buddy, charge nurse, and the ward's ten steps."""


@dataclass(frozen=True, slots=True)
class Effects:
    """Functions of the notifier's loop that a review calls.

    Attributes:
        record: Writes a standing to the log.
        write: Writes a notification to the log.
        start: Starts an alarm.
        end: Ends *not notified* of a contact.
        pass_on: Queues an item for the next contact.
        repeat: Sends an item to the same contact once more.
        forget: Removes a record of topic `channels`, by its key.
    """

    record: Callable[[ContactStanding], None]
    write: Callable[[Notification], None]
    start: Callable[[AlarmEvent], None]
    end: Callable[[str], None]
    pass_on: Callable[[Item], None]
    repeat: Callable[[Item], None]
    forget: Callable[[str], None]


@dataclass(slots=True)
class Reach:
    """Standing of the contacts' channels and outcome of messages, as the notifier's loop sees them.

    Attributes:
        checks: Standing of the contacts' channels; None where nothing can be checked.
        follow: Messages without a known outcome; None without a delivery log.
        push: Devices for Web Push; None without a key.
        recent: Messages of the last hour.
    """

    checks: ChannelChecks | None = None
    follow: DeliveryFollow | None = None
    push: WebPushChannel | None = None
    recent: RecentMessages = field(default_factory=RecentMessages)
    _without: set[str] = field(default_factory=set)
    _failed: set[str] = field(default_factory=set)

    def reachable(self, contact: Contact) -> bool:
        """Returns whether any channel of a contact is ready; true while nothing is known."""
        standing = self.checks.standing(contact) if self.checks else None
        return standing is None or standing.reachable

    def reached(self, contact: Contact) -> bool:
        """Returns whether an accepted message ends *not notified*: not while the last SMS was not delivered."""
        return self.reachable(contact) and contact.contact not in self._failed

    def answered(self, contact: str) -> None:
        """Forgets failed deliveries and open messages: the person has answered."""
        self._failed.discard(contact)
        self.recent.take(contact, lambda *_: True)

    def sent(self, notification: Notification, item: Item | None, now: int) -> None:
        """Follows a message; `item` is None if an earlier run has sent it."""
        followed = Followed(notification, item)
        self.recent.add(followed, now)
        if self.follow is not None:
            self.follow.add(followed, now)

    def take(self, record: Record) -> None:
        """Applies a record of topic `channels`."""
        if self.checks is None:
            return
        value = read_channel_record(record.value) if record.value is not None else None
        if isinstance(value, ContactStanding):
            self.checks.restore(value)
        elif self.push is not None:
            key = record.key.decode(errors="replace")
            if value is None:
                self.push.remove(key)
            else:
                self.push.add(value)
            self.checks.again(device_owner(key))

    def review(self, on_call: OnCall, now: int, effects: Effects) -> None:
        """Records standings and outcomes, and starts and ends the alarms of contacts without a channel.

        Args:
            on_call: Rotas.
            now: UTC epoch ms.
            effects: Functions of the loop.
        """
        if self.follow is not None:
            for followed, outcome in self.follow.collect(now):
                self._apply(followed, outcome, now, effects)
        if self.checks is None:
            return
        for device in self.push.gone() if self.push else ():
            effects.forget(device.key)
        present = on_call.everybody(now)
        self.checks.check(now, {name: contact for name, (contact, _) in present.items()})
        for change in self.checks.changes():
            standing = change.standing
            effects.record(standing)
            logger.info("channels of %s: %s", standing.contact, in_words(standing.channels) or "ready")
            self._lost(change, now, effects)
        for contact, ward in present.values():
            known = self.checks.standing(contact)
            if known is not None and not known.reachable and contact.contact not in self._without:
                self._without.add(contact.contact)
                effects.start(no_channel(contact, ward, in_words(known.channels), now))
        for name in sorted(self._without):
            duty = on_call.on_duty(name, now)
            if duty is None or self.reachable(duty):
                self._without.discard(name)
                if duty is not None:
                    effects.end(name)

    def _lost(self, change: Change, now: int, effects: Effects) -> None:
        """Treats messages as failed that were accepted while none of their channels was ready."""
        for followed in self.recent.take(change.standing.contact, change.lost):
            error = f"accepted without a channel: {in_words(change.standing.channels)}"
            if not change.standing.reachable:
                self._fail(followed, error, now, effects)
                continue
            effects.write(_failed(followed.notification, error, now))
            if followed.item is not None and not self.recent.settled(followed.item.event.id):
                effects.repeat(followed.item)

    def _apply(self, followed: Followed, outcome: Outcome, now: int, effects: Effects) -> None:
        message, contact = followed.notification, followed.notification.contact
        if outcome.delivered:
            effects.write(msgspec.structs.replace(message, state=DeliveryState.DELIVERED, accepted=now))
            self._failed.discard(contact)
            self.recent.known(contact, message.sns)
            if contact not in self._without:
                effects.end(contact)
            return
        logger.error("SMS to %s was accepted and not delivered: %s", contact, outcome.reason)
        self._failed.add(contact)
        self.recent.known(contact, message.sns)
        if outcome.opted_out and self.checks is not None:
            self.checks.found(contact, Channel.SMS, Standing.OPTED_OUT)
        self._fail(followed, f"sms not delivered: {outcome.reason}", now, effects)

    def _fail(self, followed: Followed, error: str, now: int, effects: Effects) -> None:
        message, item = followed.notification, followed.item
        effects.write(_failed(message, error, now))
        own = item is not None and item.event.condition in OWN
        if not own and message.kind is not MessageKind.COURTESY:
            effects.start(not_delivered(message, error, now))
        if item is not None and not self.recent.settled(item.event.id):
            effects.pass_on(item)


def _failed(message: Notification, error: str, now: int) -> Notification:
    return msgspec.structs.replace(message, state=DeliveryState.FAILED, accepted=now, error=error)


def not_delivered(message: Notification, error: str, now: int) -> AlarmEvent:
    """Returns the technical alarm of a contact after a message that was accepted and not delivered."""
    text = f"Contact {message.contact} was not reached: {error}"[:500]
    cause = message.priority or Priority.LOW
    return technical(message.contact, NOT_NOTIFIED, start=now, now=now, text=text, cause=cause, ward=message.ward)


def no_channel(contact: Contact, ward: str | None, why: str, now: int) -> AlarmEvent:
    """Returns the technical alarm of a contact on duty without a channel; it is sent to the ward's others."""
    text = f"Contact {contact.contact} has no channel: {why}"
    return technical(contact.contact, NOT_NOTIFIED, start=now, now=now, text=text, ward=ward)


def next_contacts(on_call: OnCall, event: AlarmEvent, now: int, reachable: Callable[[Contact], bool]) -> list[Contact]:
    """Returns the first later handover step's contacts with a channel, for an alarm with a contact that has none."""
    for contacts in _later(on_call, event, now):
        found = [contact for contact in contacts if reachable(contact)]
        if found:
            return found
    return []


def _later(on_call: OnCall, event: AlarmEvent, now: int) -> Iterator[tuple[Contact, ...]]:
    asked = on_call.resolve(event, now).contacts
    for handover in range(event.handover + 1, MOST_LEVELS):
        found = on_call.resolve(msgspec.structs.replace(event, handover=handover), now).contacts
        yield tuple(contact for contact in found if contact not in asked)
