"""Acknowledge links: a token that names one alarm and one contact, expires, and tells a reader neither of them.

A token is 30 characters of base64url: the alarm's number, a number of the contact, the time at which it expires, and
the first ten bytes of HMAC-SHA256 over the full ids. The numbers only find the candidates among the alarms and contacts
that the reader knows; the code proves which one is meant, so that two alarms with the same number are never mixed up.
"""

import base64
import binascii
import hashlib
import hmac
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

MIN_KEY_CHARACTERS: Final = 32
_ALARM_BYTES, _CONTACT_BYTES, _CODE_BYTES = 5, 3, 10
_HEAD_BYTES: Final = _ALARM_BYTES + _CONTACT_BYTES + 4


class LinkError(ValueError):
    """The token is none of ours, or not for what is known here; the message says why, without telling what is known."""


class LinkExpiredError(LinkError):
    """The token was ours and its time is over."""


@dataclass(frozen=True, slots=True)
class AckToken:
    """What a token stands for.

    Attributes:
        alarm: Alarm id.
        contact: Contact id.
        expires: When it expires, UTC epoch ms, a whole second.
    """

    alarm: str
    contact: str
    expires: int


def number(alarm: str) -> str:
    """Returns an alarm's number for people: eight letters and digits that give away neither patient nor sign."""
    return base64.b32encode(_digest(alarm, _ALARM_BYTES)).decode()


def sign_token(key: str, link: AckToken) -> str:
    """Returns the token of a link.

    Args:
        key: LINK_KEY, at least 32 characters.
        link: What it stands for; parts of a second of `expires` are cut off.

    Raises:
        ValueError: The key is too short to keep anybody out.
    """
    head = _digest(link.alarm, _ALARM_BYTES) + _digest(link.contact, _CONTACT_BYTES)
    head += struct.pack(">I", link.expires // 1000)
    return base64.urlsafe_b64encode(head + _code(key, head, link.alarm, link.contact)).rstrip(b"=").decode()


def verify_token(key: str, token: str, *, alarms: Iterable[str], contacts: Iterable[str], now: int) -> AckToken:
    """Proves a token against what is known.

    Args:
        key: LINK_KEY.
        token: What came with the request.
        alarms: Ids of the alarms that could be meant; more than one may have the token's number.
        contacts: Ids of all known contacts.
        now: UTC epoch ms.

    Raises:
        LinkExpiredError: It is ours and its time is over.
        LinkError: It is not ours, was changed, or names no alarm or contact that is known.
    """
    raw = _bytes(token)
    head, code = raw[:_HEAD_BYTES], raw[_HEAD_BYTES:]
    alarm_digest, contact_digest = head[:_ALARM_BYTES], head[_ALARM_BYTES : _ALARM_BYTES + _CONTACT_BYTES]
    expires = 1000 * int(struct.unpack(">I", head[-4:])[0])
    people = [contact for contact in contacts if _digest(contact, _CONTACT_BYTES) == contact_digest]
    for alarm in alarms:
        if _digest(alarm, _ALARM_BYTES) != alarm_digest:
            continue
        for contact in people:
            if hmac.compare_digest(code, _code(key, head, alarm, contact)):
                if now >= expires:
                    raise LinkExpiredError("the link has expired; find the alarm on the ward page")
                return AckToken(alarm, contact, expires)
    raise LinkError("the link is not valid here; find the alarm on the ward page")


def _digest(text: str, size: int) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=size).digest()


def _code(key: str, head: bytes, alarm: str, contact: str) -> bytes:
    if len(key) < MIN_KEY_CHARACTERS:
        raise ValueError(f"LINK_KEY has {len(key)} characters and needs at least {MIN_KEY_CHARACTERS}, drawn at random")
    # Lengths stand before the texts, so that no two pairs of ids give the same bytes.
    message = head + b"".join(struct.pack(">I", len(t)) + t for t in (alarm.encode(), contact.encode()))
    return hmac.digest(key.encode(), message, "sha256")[:_CODE_BYTES]


def _bytes(token: str) -> bytes:
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise LinkError("the link is not one of ours: it has been changed or cut short") from None
    # Trailing bits that decode to nothing must not make a second token of the same meaning.
    if len(raw) != _HEAD_BYTES + _CODE_BYTES or base64.urlsafe_b64encode(raw).rstrip(b"=").decode() != token:
        raise LinkError("the link is not one of ours: it has been changed or cut short")
    return raw
