"""Acknowledge links: a token that identifies one alarm and one contact, expires, and reveals neither.

A token is 30 characters of base64url: the alarm's number, a number of the contact, the expiry time, and the first ten
bytes of HMAC-SHA256 over the full ids. The numbers only find the candidates among the known alarms and contacts; the
code proves the right one, so that two alarms with the same number are never confused.
"""

import base64
import binascii
import hashlib
import hmac
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

MIN_KEY_CHARACTERS: Final = 32
KNOWN: Final = 65_536
"""Numbers of ids that are kept: each request compares its token with every known alarm."""
_ALARM_BYTES, _CONTACT_BYTES, _CODE_BYTES = 5, 3, 10
_HEAD_BYTES: Final = _ALARM_BYTES + _CONTACT_BYTES + 4


class LinkError(ValueError):
    """The token is invalid, or names no known alarm or contact; the message reveals nothing that is known."""


class LinkExpiredError(LinkError):
    """The token is valid and has expired."""


@dataclass(frozen=True, slots=True)
class AckToken:
    """Content of a token.

    Attributes:
        alarm: Alarm id.
        contact: Contact id.
        expires: Expiry time, UTC epoch ms, a whole second.
    """

    alarm: str
    contact: str
    expires: int


def number(alarm: str) -> str:
    """Returns an alarm's number for people: eight letters and digits that reveal neither patient nor sign."""
    return base64.b32encode(_digest(alarm, _ALARM_BYTES)).decode()


def sign_token(key: str, link: AckToken) -> str:
    """Returns the token of a link.

    Args:
        key: LINK_KEY, at least 32 characters.
        link: Content; `expires` is rounded down to a second.

    Raises:
        ValueError: The key is too short to be secure.
    """
    head = _digest(link.alarm, _ALARM_BYTES) + _digest(link.contact, _CONTACT_BYTES)
    head += struct.pack(">I", link.expires // 1000)
    return base64.urlsafe_b64encode(head + _code(key, head, link.alarm, link.contact)).rstrip(b"=").decode()


def verify_token(key: str, token: str, *, alarms: Iterable[str], contacts: Iterable[str], now: int) -> AckToken:
    """Verifies a token against the known alarms and contacts.

    Args:
        key: LINK_KEY.
        token: Token of the request.
        alarms: Ids of candidate alarms; more than one may have the token's number.
        contacts: Ids of all known contacts.
        now: UTC epoch ms.

    Raises:
        LinkExpiredError: It is valid and has expired.
        LinkError: It is forged or changed, or its alarm or contact is not known.
    """
    raw = _bytes(token)
    head, code = raw[:_HEAD_BYTES], raw[_HEAD_BYTES:]
    alarm_digest, contact_digest = head[:_ALARM_BYTES], head[_ALARM_BYTES : _ALARM_BYTES + _CONTACT_BYTES]
    expires = 1000 * int(struct.unpack(">I", head[-4:])[0])
    found = [alarm for alarm in alarms if _digest(alarm, _ALARM_BYTES) == alarm_digest]
    # A guessed token names no alarm, and then its contact is not looked for.
    people = [contact for contact in contacts if _digest(contact, _CONTACT_BYTES) == contact_digest] if found else []
    for alarm in found:
        for contact in people:
            if hmac.compare_digest(code, _code(key, head, alarm, contact)):
                if now >= expires:
                    raise LinkExpiredError("the link has expired; find the alarm on the ward page")
                return AckToken(alarm, contact, expires)
    raise LinkError("the link is not valid here; find the alarm on the ward page")


@lru_cache(maxsize=KNOWN)
def _digest(text: str, size: int) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=size).digest()


def _code(key: str, head: bytes, alarm: str, contact: str) -> bytes:
    if len(key) < MIN_KEY_CHARACTERS:
        raise ValueError(f"LINK_KEY has {len(key)} characters and needs at least {MIN_KEY_CHARACTERS}, drawn at random")
    # Each text is preceded by its length, so that no two pairs of ids give the same bytes.
    message = head + b"".join(struct.pack(">I", len(t)) + t for t in (alarm.encode(), contact.encode()))
    return hmac.digest(key.encode(), message, "sha256")[:_CODE_BYTES]


def _bytes(token: str) -> bytes:
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise LinkError("the link is not one of ours: it has been changed or cut short") from None
    # Unused trailing bits would allow a second token with the same content.
    if len(raw) != _HEAD_BYTES + _CODE_BYTES or base64.urlsafe_b64encode(raw).rstrip(b"=").decode() != token:
        raise LinkError("the link is not one of ours: it has been changed or cut short")
    return raw
