"""Contacts of the house, assigned beds and proofs of duty: records of topic `contacts`."""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from vitals.bounds import MAX_DEVICES, ContactId, Count, Id, Line, Shift, Time, TimeOrNone
from vitals.contacts import check_addresses, check_contact

TAKE_MS: Final = 1_200_000
"""Longest takeover of another contact's beds: 20 minutes, a break or a transport."""
MAX_TAKES: Final = 256
"""Takeovers kept in a ward's assignments."""


class Person(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Directory entry of a contact; name and address belong to the house, and rotas refer to the id.

    Attributes:
        contact: Contact id; names the person's SNS topic.
        version: Time of the change, UTC epoch ms.
        name: Name; "" for a former contact.
        phone: E.164 number for SMS; None: no SMS.
        email: Address for e-mail; None: no e-mail.
        push: True: Web Push to the devices at which the person has switched it on.
        webhook: Name of one of the deployment's webhooks (`NOTIFY_WEBHOOKS`); None: no webhook.
        ward: Ward of the admin that entered the contact; "" for a contact entered by an admin of the house.
        left: Time at which the contact left the house, UTC epoch ms; 0 for a present one.
    """

    contact: ContactId
    version: Count
    name: Line = ""
    phone: Line | None = None
    email: Line | None = None
    push: bool = False
    webhook: Line | None = None
    ward: Annotated[str, Meta(max_length=128)] = ""
    left: TimeOrNone = 0

    def __post_init__(self) -> None:
        check_contact(self.contact)
        if not self.left:
            check_addresses(self.contact, self)


class BedDuty(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Assignment of a bed for one duty.

    Attributes:
        bed: Bed.
        nurse: Contact id of the nurse, called first.
        start: Begin, UTC epoch ms.
        end: End, UTC epoch ms.
        buddy: Contact id of the second one; None for none.
    """

    bed: Id
    nurse: ContactId
    start: Shift
    end: Shift
    buddy: ContactId | None = None

    def __post_init__(self) -> None:
        if self.start >= self.end:
            raise ValueError(f"bed {self.bed}: the assignment ends before it begins")
        if self.buddy == self.nurse:
            raise ValueError(f"bed {self.bed}: {self.nurse} is nurse and buddy")


class Takeover(msgspec.Struct, frozen=True, kw_only=True):
    """Transfer of all beds of one contact to another for a short time; it ends by itself.

    Attributes:
        of: Contact id of the absent one.
        by: Contact id of the covering one.
        start: Begin, UTC epoch ms.
        end: End, UTC epoch ms; `TAKE_MS` after the begin at most.
    """

    of: ContactId
    by: ContactId
    start: Time
    end: Time

    def __post_init__(self) -> None:
        if not 0 < self.end - self.start <= TAKE_MS:
            raise ValueError(f"a takeover lasts 1 to {TAKE_MS // 60_000} min")
        if self.of == self.by:
            raise ValueError(f"{self.of} has these beds already")


class Assignments(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Assigned beds of a ward; beds without an assignment are everybody's."""

    ward: Id
    version: Count
    beds: Annotated[tuple[BedDuty, ...], Meta(max_length=MAX_DEVICES)] = ()
    takes: Annotated[tuple[Takeover, ...], Meta(max_length=MAX_TAKES)] = ()


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """Proof that messages reach a contact: the contact opened the link of a proof message and confirmed it.

    Attributes:
        contact: Contact id.
        t: Time of the confirmation, UTC epoch ms.
    """

    contact: ContactId
    t: Time
