"""Rotas of contacts (topic `contacts`) and notifications (topic `notifications`)."""

import re
from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from vitals.alarm_events import Priority
from vitals.bounds import (
    MAX_CONTACTS,
    MAX_DEVICES,
    MAX_ID,
    AlarmName,
    ContactId,
    Count,
    Id,
    Line,
    Name,
    Shift,
    Time,
    Words,
)

CANARY = "canary"
"""Contact id of a canary's notifications; no person has it, and its SNS topic has no subscriber."""
NOBODY = "nobody"
"""Contact id of a notification without a contact on duty."""
SNS_NAME: Final = re.compile(r"[A-Za-z0-9_-]+")
E164: Final = re.compile(r"\+[0-9]{3,15}")


class Channel(StrEnum):
    """A way to reach a person."""

    SMS = "sms"
    EMAIL = "email"
    PUSH = "push"
    WEBHOOK = "webhook"


class Contact(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One person's duty on one ward.

    Attributes:
        contact: Contact id; names the person's SNS topic.
        name: Name.
        start: Begin of the duty, UTC epoch ms.
        end: End of the duty, UTC epoch ms.
        phone: E.164 number for SMS; None: no SMS.
        email: Address for e-mail; None: no e-mail.
        push: True: Web Push to the devices at which the person has switched it on.
        webhook: Name of one of the deployment's webhooks (`NOTIFY_WEBHOOKS`); None: no webhook.
        priority: Lowest priority of which the contact is notified.
        step: Handover step: 0 is notified first, 1 if 0 does not acknowledge, ….
    """

    contact: ContactId
    name: Line
    start: Shift
    end: Shift
    phone: Line | None = None
    email: Line | None = None
    push: bool = False
    webhook: Line | None = None
    priority: Priority = Priority.LOW
    step: Annotated[int, Meta(ge=0, le=9)] = 0

    def __post_init__(self) -> None:
        if not SNS_NAME.fullmatch(self.contact) or len(self.contact) > MAX_ID:
            text = f"must be letters, digits, - and _, at most {MAX_ID}, as it names an SNS topic"
            raise ValueError(f"contact id {self.contact[: MAX_ID + 1]!a} {text}")
        if self.phone is None and self.email is None and self.webhook is None and not self.push:
            raise ValueError(f"contact {self.contact} has neither phone nor e-mail")
        if self.phone is not None and not E164.fullmatch(self.phone):
            # Without the number: the text of a refused record becomes a log line.
            raise ValueError(f"contact {self.contact}: phone is not in E.164 form, such as +441632960961")
        if self.start >= self.end:
            raise ValueError(f"contact {self.contact}: duty ends before it begins")


def own_channels(contact: Contact) -> tuple[Channel, ...]:
    """Returns the channels for which a contact has an address."""
    has = (contact.phone, contact.email, contact.push, contact.webhook)
    return tuple(channel for channel, address in zip(Channel, has, strict=True) if address)


class Rota(msgspec.Struct, frozen=True, kw_only=True):
    """A ward's rota; the value of a record of topic `contacts`."""

    ward: Id
    version: Count
    contacts: Annotated[tuple[Contact, ...], Meta(max_length=MAX_CONTACTS)]


def recipients(contacts: Iterable[Contact], *, now: int, priority: Priority, step: int) -> list[Contact]:
    """Returns the contacts to notify: on duty now, of this handover step, with this priority."""
    return [c for c in contacts if c.start <= now < c.end and priority >= c.priority and c.step == step]


class DeliveryState(StrEnum):
    """State of a message to a contact."""

    ACCEPTED = "accepted"
    """A channel's service has accepted it, or refused it where there is no message id."""
    DELIVERED = "delivered"
    """The service reports its delivery: of SMS, never of e-mail."""
    FAILED = "failed"
    """The service reports that it could not deliver it."""
    OPENED = "opened"
    """The link's page was opened in a browser, which has posted the recipient's token."""
    ANSWERED = "answered"
    """The recipient has acknowledged by the link's page."""


REACHED: Final = frozenset((DeliveryState.OPENED, DeliveryState.ANSWERED))
"""States in which a person has the message; all others are a service's."""


class Notification(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A message to one contact; the value of a record of topic `notifications`.

    A later state of a message is a further record, with the same alarm, number, contact and handover.

    Attributes:
        alarm: Alarm id.
        n: Number of the alarm event.
        patient: Patient id, or the technical alarm's subject.
        contact: Recipient.
        handover: Handover step.
        channels: Channels of the publish request.
        sns: SNS message id; None if sending failed.
        t: Event time of the alarm's step, UTC epoch ms.
        accepted: Time of the state: at which SNS accepted it, for the first record; UTC epoch ms.
        sms: Text of the SMS.
        merged: Ids of further alarms in this message.
        error: Reason if sending or delivery failed.
        state: State of the message.
        queued: Time at which it was queued for the contact, UTC epoch ms.
        priority: Priority of the alarm event.
        ward: Ward of the alarm event.
    """

    alarm: AlarmName
    n: Count
    patient: Name
    contact: Line
    handover: Count
    channels: Annotated[tuple[Channel, ...], Meta(max_length=len(Channel))]
    sns: Line | None
    t: Time
    accepted: Time
    sms: Line
    merged: Annotated[tuple[AlarmName, ...], Meta(max_length=MAX_DEVICES)] = ()
    error: Words | None = None
    state: DeliveryState = DeliveryState.ACCEPTED
    queued: Time | None = None
    priority: Priority | None = None
    ward: Name | None = None

    @property
    def first(self) -> bool:
        """Returns whether it is the message's first record; later ones report its outcome."""
        return self.state is DeliveryState.ACCEPTED
