"""Certificate requests and certificates, checked before AWS or a broker sees them, so that errors name the cause."""

import datetime
import hashlib
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

# AWS IoT signs requests for RSA keys of 2048 bits or more and for the NIST curves P-256, P-384 and P-521.
MIN_RSA_BITS: Final = 2048
CURVES: Final = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)


class CertificateError(ValueError):
    """A request or certificate cannot be used; the message names the file, the cause and the remedy."""


def fingerprint(request: x509.CertificateSigningRequest) -> str:
    """Returns the fingerprint of a request's key: the first 128 bits of the SHA-256 of its public key, hex."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return hashlib.sha256(request.public_key().public_bytes(serialization.Encoding.DER, form)).hexdigest()[:32]


def read_request(path: Path, name: str) -> x509.CertificateSigningRequest:
    """Reads a gateway's certificate request.

    Args:
        path: PEM file.
        name: The gateway; the request must be in its name.

    Raises:
        CertificateError: It is no request, not this gateway's, damaged, or its key is too weak.
    """
    text = path.read_bytes() if path.is_file() else b""
    if b"PRIVATE KEY" in text:
        raise CertificateError(f"{path} holds a private key: it must never leave the gateway; send only {name}.csr")
    try:
        request = x509.load_pem_x509_csr(text)
    except ValueError as error:
        raise CertificateError(f"{path} is no certificate request: make it on the gateway with install.sh") from error
    common = [str(part.value) for part in request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    if common != [name]:
        raise CertificateError(f"{path} is a request of {', '.join(common) or 'nobody'}, not of {name}")
    if not request.is_signature_valid:
        raise CertificateError(f"{path} is damaged: its signature does not fit; copy it from {name} again")
    key = request.public_key()
    strong = isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, CURVES)
    if not strong and not (isinstance(key, rsa.RSAPublicKey) and key.key_size >= MIN_RSA_BITS):
        raise CertificateError(f"{path} has a key that AWS IoT refuses: use P-256, or RSA with {MIN_RSA_BITS} bits")
    return request


def days_left(certificate: x509.Certificate, now: datetime.datetime) -> float:
    """Returns the days until a certificate expires; negative once it has."""
    return (certificate.not_valid_after_utc - now) / datetime.timedelta(days=1)
