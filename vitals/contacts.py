"""Rotas of contacts (topic `contacts`) and notifications (topic `notifications`)."""

import re
from enum import StrEnum
from typing import Annotated, Final, Protocol

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


class DutyRole(StrEnum):
    """Role of a contact during a duty."""

    STAFF = ""
    CHARGE = "charge"
    """Charge nurse: notified if the contacts of a bed do not answer, and of equipment."""


class MessageKind(StrEnum):
    """Kind of a message to a contact."""

    ALARM = ""
    COURTESY = "courtesy"
    """Copy to the contact of the duty before, while the present one has not proven to be reachable; it counts as no
    notification."""
    PROOF = "proof"
    """Request at the begin of a duty to confirm that messages arrive."""


def check_contact(contact: str) -> None:
    """Checks a contact id.

    Raises:
        ValueError: It cannot name an SNS topic.
    """
    if not SNS_NAME.fullmatch(contact) or len(contact) > MAX_ID:
        text = f"must be letters, digits, - and _, at most {MAX_ID}, as it names an SNS topic"
        raise ValueError(f"contact id {contact[: MAX_ID + 1]!a} {text}")


class Addresses(Protocol):
    """Addresses of a contact; see `Contact`."""

    @property
    def phone(self) -> str | None: ...  # noqa: D102 - see Contact

    @property
    def email(self) -> str | None: ...  # noqa: D102 - see Contact

    @property
    def push(self) -> bool: ...  # noqa: D102 - see Contact

    @property
    def webhook(self) -> str | None: ...  # noqa: D102 - see Contact


def check_phone(contact: str, phone: str | None) -> None:
    """Checks a phone number.

    Raises:
        ValueError: It is not in E.164 form.
    """
    if phone is not None and not E164.fullmatch(phone):
        # Without the number: the text of a refused record becomes a log line.
        raise ValueError(f"contact {contact}: phone is not in E.164 form, such as +441632960961")


def check_addresses(contact: str, has: Addresses) -> None:
    """Checks that a contact has an address, and the phone number.

    Raises:
        ValueError: It has none, or the number is not in E.164 form.
    """
    if not own_channels(has):
        raise ValueError(f"contact {contact} has neither phone nor e-mail")
    check_phone(contact, has.phone)


class Contact(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One person's duty on one ward.

    A rota of before version 0.2 has name and address of its own; a later one refers to the directory by the id.

    Attributes:
        contact: Contact id; names the person's SNS topic.
        name: Name; "" for a reference to the directory.
        start: Begin of the duty, UTC epoch ms.
        end: End of the duty, UTC epoch ms.
        phone: E.164 number for SMS; None: no SMS, or the directory's.
        email: Address for e-mail; None: no e-mail, or the directory's.
        push: True: Web Push to the devices at which the person has switched it on; False: none, or the directory's.
        webhook: Name of one of the deployment's webhooks (`NOTIFY_WEBHOOKS`); None: no webhook, or the directory's.
        priority: Lowest priority of which the contact is notified.
        step: Handover step: 0 is notified first, 1 if 0 does not acknowledge, ….
        role: Role.
    """

    contact: ContactId
    name: Line = ""
    start: Shift
    end: Shift
    phone: Line | None = None
    email: Line | None = None
    push: bool = False
    webhook: Line | None = None
    priority: Priority = Priority.LOW
    step: Annotated[int, Meta(ge=0, le=9)] = 0
    role: DutyRole = DutyRole.STAFF

    def __post_init__(self) -> None:
        check_contact(self.contact)
        if own_channels(self):
            check_phone(self.contact, self.phone)
        if self.start >= self.end:
            raise ValueError(f"contact {self.contact}: duty ends before it begins")


def own_channels(contact: Addresses) -> tuple[Channel, ...]:
    """Returns the channels for which a contact has an address."""
    has = (contact.phone, contact.email, contact.push, contact.webhook)
    return tuple(channel for channel, address in zip(Channel, has, strict=True) if address)


class Detail(StrEnum):
    """Extent of a message or of a link's page; neither has a patient's name."""

    MINIMAL = "minimal"
    """Ward, priority, time and the alarm's number."""
    BED = "bed"
    """The bed, too."""
    BED_AND_SIGN = "bed-and-sign"
    """Bed, sign and value, too."""


class Messages(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A ward's setting of the content of its messages.

    Attributes:
        text: Of SMS, push messages, webhooks and subjects of e-mails.
        link: Of a link's page, which needs no sign-in; with the sign it has ten minutes of trend.
        email_patient: An e-mail has the patient's name, age, phone and address.
    """

    text: Detail = Detail.BED
    link: Detail = Detail.BED_AND_SIGN
    email_patient: bool = True


class Rota(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A ward's rota; the value of a record of topic `contacts`.

    Attributes:
        ward: Ward.
        version: Time of the change, UTC epoch ms.
        contacts: Duties.
        proof: A duty begins with a proof that the contact's messages arrive (`vitals.duty.Proof`).
        messages: Content of messages.
    """

    ward: Id
    version: Count
    contacts: Annotated[tuple[Contact, ...], Meta(max_length=MAX_CONTACTS)]
    proof: bool = False
    messages: Messages = Messages()


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
        kind: Kind of the message.
        state: State of the message.
        queued: Time at which it was queued for the contact, UTC epoch ms.
        priority: Priority of the alarm event.
        ward: Ward of the alarm event.
        recipients: Contact ids of all recipients of this alarm step on this ward, as it was routed.
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
    kind: MessageKind = MessageKind.ALARM
    state: DeliveryState = DeliveryState.ACCEPTED
    queued: Time | None = None
    priority: Priority | None = None
    ward: Name | None = None
    recipients: Annotated[tuple[Line, ...], Meta(max_length=MAX_CONTACTS)] = ()

    @property
    def first(self) -> bool:
        """Returns whether it is the message's first record; later ones report its outcome."""
        return self.state is DeliveryState.ACCEPTED
