"""A push service (RFC 8030) that verifies VAPID (RFC 8292) and decrypts (RFC 8291) by `cryptography`'s primitives."""

import base64
import json
import time
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.cloud.http_stand_in import HttpStandIn, Reply, Request

POINT = (Encoding.X962, PublicFormat.UncompressedPoint)


def raw(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def text(of: bytes) -> str:
    return base64.urlsafe_b64encode(of).rstrip(b"=").decode()


def mac(key: bytes, *parts: bytes) -> bytes:
    made = HMAC(key, SHA256())
    made.update(b"".join(parts))
    return made.finalize()


@dataclass
class Browser:
    """A user agent: its key pair, and its secret."""

    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    secret: bytes = b"sixteen bytes 16"

    @property
    def public(self) -> bytes:
        return self.key.public_key().public_bytes(*POINT)

    def opened(self, body: bytes) -> bytes:
        """Decrypts a message of one record (RFC 8188, aes128gcm), with the keys of RFC 8291, section 3.4."""
        salt, length = body[:16], body[20]
        sender, sealed = body[21 : 21 + length], body[21 + length :]
        shared = self.key.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), sender))
        input_key = mac(mac(self.secret, shared), b"WebPush: info\x00", self.public, sender, b"\x01")
        pseudo_random = mac(salt, input_key)
        content_key = mac(pseudo_random, b"Content-Encoding: aes128gcm\x00\x01")[:16]
        nonce = mac(pseudo_random, b"Content-Encoding: nonce\x00\x01")[:12]
        plain = AESGCM(content_key).decrypt(nonce, sealed, None).rstrip(b"\x00")
        assert plain[-1] == 2, "the last record"
        return plain[:-1]


def vapid(header: str) -> tuple[dict[str, Any], str]:
    """Verifies a VAPID header; returns its claims and the public key, base64url.

    Raises:
        InvalidSignature: It is not signed by that key.
    """
    scheme, _, rest = header.partition(" ")
    fields = dict(part.strip().split("=", 1) for part in rest.split(","))
    assert scheme == "vapid"
    signed, _, signature = fields["t"].rpartition(".")
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), raw(fields["k"]))
    r, s = raw(signature)[:32], raw(signature)[32:]
    key.verify(encode_dss_signature(int.from_bytes(r), int.from_bytes(s)), signed.encode(), ec.ECDSA(SHA256()))
    head, claims = (json.loads(raw(part)) for part in signed.split("."))
    assert head["alg"] == "ES256"
    return claims, fields["k"]


@dataclass
class PushService(HttpStandIn):
    """The service; what it has accepted is decrypted by the browser's key."""

    browser: Browser = field(default_factory=Browser)
    claims: list[dict[str, Any]] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)

    def __enter__(self) -> Self:
        super().__enter__()
        return self

    def answer(self, request: Request) -> Reply:
        claims, key = vapid(request.headers["authorization"])
        where = urlsplit(self.url)
        assert claims["aud"] == f"{where.scheme}://{where.netloc}"
        assert time.time() < claims["exp"] <= time.time() + 24 * 3600
        assert request.headers["content-encoding"] == "aes128gcm"
        assert int(request.headers["ttl"]) >= 0
        self.claims.append(claims)
        self.keys.add(key)
        self.accepted.append(self.browser.opened(request.body).decode())
        return Reply(201, {"Location": f"{self.url}/message/m-{len(self.accepted)}"})
