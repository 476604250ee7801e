"""Standing of contacts' channels, and devices for Web Push (topic `channels`, the newest record of each key)."""

import hashlib
from enum import StrEnum
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from vitals.bounds import BoundError, ContactId, Line, Time, TimeOrNone
from vitals.contacts import Addresses, Channel


class Standing(StrEnum):
    """State of one channel to one person."""

    READY = "ready"
    PENDING = "pending"
    """The person has not confirmed the address."""
    GONE = "gone"
    """The subscription was ended outside Wardwatch."""
    DEACTIVATED = "deactivated"
    """It was confirmed, and the service has set it back to pending."""
    OPTED_OUT = "opted-out"
    """The number has answered STOP."""
    REFUSED = "refused"
    """The service does not take the address."""
    NO_DEVICE = "no-device"
    """The person has switched push on at no device."""


class ContactStanding(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, tag_field="is", tag="standing"):
    """Standing of all channels of one contact.

    Attributes:
        contact: Contact id.
        of: Digest of the addresses that were checked; a changed address has no standing yet.
        channels: Standing of each channel that the contact has.
        t: Time of the check, UTC epoch ms.
        asked: Time of the last repeated request to confirm the e-mail address, UTC epoch ms; 0: none.
    """

    contact: ContactId
    of: Line
    channels: dict[Channel, Standing]
    t: Time
    asked: TimeOrNone = 0

    @property
    def reachable(self) -> bool:
        """Returns whether any channel is ready."""
        return Standing.READY in self.channels.values()


class PushDevice(msgspec.Struct, frozen=True, kw_only=True, tag_field="is", tag="device"):
    """One browser of a contact that shows push messages.

    Attributes:
        contact: Contact id.
        endpoint: URL of the push service for this browser.
        p256dh: The browser's public key, base64url.
        auth: The browser's secret, base64url.
        since: UTC epoch ms.
        until: Time after which it gets no message, unless the page has renewed it, UTC epoch ms.
    """

    contact: ContactId
    endpoint: Annotated[str, Meta(min_length=1, max_length=2048)]
    p256dh: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{80,100}=*\Z")]
    auth: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{20,32}=*\Z")]
    since: Time
    until: Time

    @property
    def key(self) -> str:
        """Returns the key of its record; a tombstone of this key removes it."""
        return f"device/{self.contact}/{hashlib.blake2b(self.endpoint.encode(), digest_size=12).hexdigest()}"


_decoder: Final = msgspec.json.Decoder(ContactStanding | PushDevice)


def read_channel_record(value: bytes) -> ContactStanding | PushDevice:
    """Decodes a record of topic `channels`.

    Raises:
        BoundError: The bytes are none.
    """
    try:
        found: ContactStanding | PushDevice = _decoder.decode(value)
    except (ValueError, RecursionError) as error:
        raise BoundError(str(error)) from error
    return found


def standing_key(contact: str) -> str:
    """Returns the key of a contact's standing."""
    return f"standing/{contact}"


def device_owner(key: str) -> str:
    """Returns the contact id in the key of a device's record; empty if it is none."""
    kind, _, rest = key.partition("/")
    return rest.rpartition("/")[0] if kind == "device" else ""


def addresses(contact: Addresses) -> str:
    """Returns the digest of a contact's addresses."""
    text = "\n".join((contact.phone or "", contact.email or "", contact.webhook or "", str(contact.push)))
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def in_words(channels: dict[Channel, Standing]) -> str:
    """Returns the channels that are not ready with their standing, for people."""
    return "; ".join(
        f"{channel.value}: {standing.value}" for channel, standing in channels.items() if standing is not Standing.READY
    )
