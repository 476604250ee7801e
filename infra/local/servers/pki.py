"""A certificate authority of the stack's own, with a certificate for the site broker and one per client.

A client's common name is its MQTT user name (`use_identity_as_username`): a gateway is who its certificate says it is.
Keys are 0600, elliptic-curve P-256; what is valid for another day is kept.
"""

import datetime
import ipaddress
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_VALID_FOR = datetime.timedelta(days=90)
_RENEW_BEFORE = datetime.timedelta(days=1)


@dataclass(frozen=True)
class Identity:
    """The three files with which a client (or the broker) proves who it is."""

    ca: Path
    cert: Path
    key: Path


@dataclass(frozen=True)
class Authority:
    """The certificate authority kept in `folder`.

    Attributes:
        folder: Where its files are; made when absent.
        now: The time, aware; certificates are judged and dated by it.
    """

    folder: Path
    now: Callable[[], datetime.datetime] = lambda: datetime.datetime.now(datetime.UTC)

    def server(self, name: str) -> Identity:
        """An identity for a server on 127.0.0.1, or wherever its name leads to."""
        return self._identity(name, ExtendedKeyUsageOID.SERVER_AUTH)

    def client(self, name: str) -> Identity:
        """An identity whose common name is `name`."""
        return self._identity(name, ExtendedKeyUsageOID.CLIENT_AUTH)

    def _identity(self, name: str, usage: x509.ObjectIdentifier) -> Identity:
        ca = self._own()
        identity = Identity(ca.cert, self.folder / f"{name}.crt", self.folder / f"{name}.key")
        if not self._valid(identity, issuer=ca.cert):
            key = ec.generate_private_key(ec.SECP256R1())
            issuer = x509.load_pem_x509_certificate(ca.cert.read_bytes())
            builder = self._dated(name, issuer.subject, key.public_key())
            builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            hosts = ("localhost", name) if usage == ExtendedKeyUsageOID.SERVER_AUTH else ("localhost",)
            names = [*map(x509.DNSName, hosts), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
            signing = serialization.load_pem_private_key(ca.key.read_bytes(), password=None)
            if not isinstance(signing, ec.EllipticCurvePrivateKey):
                raise TypeError(f"{ca.key} is not a key of this authority: delete {self.folder} and start again")
            _store(identity, key, builder.sign(signing, hashes.SHA256()))
        return identity

    def _own(self) -> Identity:
        ca = Identity(self.folder / "ca.crt", self.folder / "ca.crt", self.folder / "ca.key")
        if not self._valid(ca, issuer=ca.cert):
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            key = ec.generate_private_key(ec.SECP256R1())
            name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Wardwatch local authority")])
            builder = self._dated("Wardwatch local authority", name, key.public_key())
            builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            usage = {
                "digital_signature": False,
                "content_commitment": False,
                "key_encipherment": False,
                "data_encipherment": False,
            }
            usage |= {
                "key_agreement": False,
                "key_cert_sign": True,
                "crl_sign": True,
                "encipher_only": False,
                "decipher_only": False,
            }
            builder = builder.add_extension(x509.KeyUsage(**usage), critical=True)
            _store(ca, key, builder.sign(key, hashes.SHA256()))
        return ca

    def _dated(self, name: str, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        now = self.now()
        return (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(issuer)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(minutes=5))
            .not_valid_after(now + _VALID_FOR)
        )

    def _valid(self, identity: Identity, issuer: Path) -> bool:
        if not (identity.cert.exists() and identity.key.exists()):
            return False
        certificate = x509.load_pem_x509_certificate(identity.cert.read_bytes())
        if certificate.not_valid_after_utc - _RENEW_BEFORE < self.now():
            return False
        try:
            certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(issuer.read_bytes()))
        except (ValueError, TypeError, InvalidSignature):
            return False
        return True


def _store(identity: Identity, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    secret = key.private_bytes(pem, pkcs8, serialization.NoEncryption())
    fresh = identity.key.with_suffix(".new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(secret)
    fresh.replace(identity.key)
    identity.cert.write_bytes(certificate.public_bytes(pem))
