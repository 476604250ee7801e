"""Rotas of contacts (topic `contacts`) and notifications (topic `notifications`)."""

import re
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


def check_address(contact: str, phone: str | None, email: str | None) -> None:
    """Checks the addresses of a contact.

    Raises:
        ValueError: There is none, or the phone number is not in E.164 form.
    """
    if phone is None and email is None:
        raise ValueError(f"contact {contact} has neither phone nor e-mail")
    if phone is not None and not E164.fullmatch(phone):
        raise ValueError(f"contact {contact}: phone {phone!r} is not in E.164 form, such as +441632960961")


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
    priority: Priority = Priority.LOW
    step: Annotated[int, Meta(ge=0, le=9)] = 0
    role: DutyRole = DutyRole.STAFF

    def __post_init__(self) -> None:
        check_contact(self.contact)
        if self.phone is not None or self.email is not None:
            check_address(self.contact, self.phone, self.email)
        if self.start >= self.end:
            raise ValueError(f"contact {self.contact}: duty ends before it begins")


class Rota(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A ward's rota; the value of a record of topic `contacts`.

    Attributes:
        ward: Ward.
        version: Time of the change, UTC epoch ms.
        contacts: Duties.
        proof: A duty begins with a proof that the contact's messages arrive (`vitals.duty.Proof`).
    """

    ward: Id
    version: Count
    contacts: Annotated[tuple[Contact, ...], Meta(max_length=MAX_CONTACTS)]
    proof: bool = False


class Notification(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A message to one contact; the value of a record of topic `notifications`.

    Attributes:
        alarm: Alarm id.
        n: Number of the alarm event.
        patient: Patient id, or the technical alarm's subject.
        contact: Recipient.
        handover: Handover step.
        channels: Channels of the publish request.
        sns: SNS message id; None if sending failed.
        t: Event time of the alarm's step, UTC epoch ms.
        accepted: Time at which SNS accepted it, UTC epoch ms.
        sms: Text of the SMS.
        merged: Ids of further alarms in this message.
        error: Reason if sending failed.
        kind: Kind of the message.
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
