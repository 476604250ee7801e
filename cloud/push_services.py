"""Web Push: this deployment's key pair (VAPID, RFC 8292), and the push services to which it sends."""

import base64
import binascii
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

SERVICES: Final = (
    "https://fcm.googleapis.com",
    "https://*.push.services.mozilla.com",
    "https://*.push.apple.com",
    "https://*.notify.windows.com",
)
"""Push services of Chromium, Firefox, Safari and Edge. A browser names its own: no other address is sent to."""
KEY_BYTES: Final = 32


def public_key(private: str) -> str:
    """Returns the public key of a private key, both base64url: 65 bytes, uncompressed.

    Raises:
        ValueError: It is no private key.
    """
    try:
        raw = base64.urlsafe_b64decode(private + "=" * (-len(private) % 4))
    except binascii.Error:
        raw = b""
    if len(raw) != KEY_BYTES:
        raise ValueError(f"PUSH_KEY is not {KEY_BYTES} bytes in base64url; make one with `python -m cloud push-key`")
    pair = ec.derive_private_key(int.from_bytes(raw), ec.SECP256R1())
    return encode(pair.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint))


def new_private_key() -> str:
    """Returns a new private key, base64url."""
    value = ec.generate_private_key(ec.SECP256R1()).private_numbers().private_value
    return encode(value.to_bytes(KEY_BYTES))


def served(endpoint: str, services: Iterable[str]) -> bool:
    """Returns whether an endpoint belongs to one of the services.

    Args:
        endpoint: URL that a browser has named.
        services: Origins; `*.` before a host stands for any name below it.
    """
    try:
        found = urlsplit(endpoint)
        origin = (found.scheme, found.port)
        host = found.hostname or ""
    except ValueError:
        return False
    if found.username is not None or found.fragment or not host:
        return False
    for service in services:
        wanted = urlsplit(service)
        name = wanted.hostname or ""
        same = host.endswith(name[1:]) if name.startswith("*.") else host == name
        if same and origin == (wanted.scheme, wanted.port):
            return True
    return False


def encode(raw: bytes) -> str:
    """Returns base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
