"""`python -m infra.iot.revocation`: list of certificates that a site's own broker refuses (Mosquitto's `crlfile`).

For sites with an authority and broker of their own. In AWS IoT Core, `python -m infra.iot retire` is enough. Restart
the broker afterwards: an open connection stays open until then.
"""

import argparse
import datetime
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

# As long as a certificate of the site is valid: OpenSSL refuses every client of an authority with an expired list, so a
# forgotten list must not expire earlier.
VALID_FOR: Final = datetime.timedelta(days=3650)


def revoked(
    ca: x509.Certificate,
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey,
    former: x509.CertificateRevocationList | None,
    certificates: Iterable[x509.Certificate],
    now: datetime.datetime,
) -> x509.CertificateRevocationList:
    """Returns the list with further certificates on it.

    Args:
        ca: The authority.
        key: Its key.
        former: The list so far, whose entries are kept.
        certificates: Certificates to revoke now.
        now: The time, aware.

    Raises:
        ValueError: A certificate is not this authority's.
    """
    entries = {entry.serial_number: entry for entry in former or ()}
    for certificate in certificates:
        try:
            certificate.verify_directly_issued_by(ca)
        except (ValueError, TypeError, InvalidSignature) as error:
            name = certificate.subject.rfc4514_string()
            raise ValueError(f"{name} was not issued by {ca.subject.rfc4514_string()}") from error
        entry = x509.RevokedCertificateBuilder().serial_number(certificate.serial_number).revocation_date(now).build()
        entries.setdefault(certificate.serial_number, entry)
    builder = x509.CertificateRevocationListBuilder().issuer_name(ca.subject).last_update(now)
    builder = builder.next_update(now + VALID_FOR)
    for entry in entries.values():
        builder = builder.add_revoked_certificate(entry)
    return builder.sign(key, hashes.SHA256())


def main(arguments: list[str]) -> int:
    """Writes the list; returns 1 when a file cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m infra.iot.revocation", description=__doc__)
    parser.add_argument("--ca", type=Path, required=True, help="the authority's certificate, PEM")
    parser.add_argument("--ca-key", type=Path, required=True, help="its key, PEM")
    parser.add_argument("--out", type=Path, required=True, help="the list; what it holds already stays revoked")
    parser.add_argument("certificate", type=Path, nargs="*", help="certificates to revoke, PEM")
    chosen = parser.parse_args(arguments)
    try:
        key = serialization.load_pem_private_key(chosen.ca_key.read_bytes(), password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
            raise TypeError(f"{chosen.ca_key} is neither an EC nor an RSA key")
        former = x509.load_pem_x509_crl(chosen.out.read_bytes()) if chosen.out.exists() else None
        given = [x509.load_pem_x509_certificate(path.read_bytes()) for path in chosen.certificate]
        ca = x509.load_pem_x509_certificate(chosen.ca.read_bytes())
        told = revoked(ca, key, former, given, datetime.datetime.now(datetime.UTC))
    except (OSError, ValueError, TypeError) as error:
        sys.stderr.write(f"nothing was written: {error}\n")
        return 1
    fresh = chosen.out.with_suffix(".new")
    fresh.write_bytes(told.public_bytes(serialization.Encoding.PEM))
    fresh.replace(chosen.out)
    sys.stderr.write(f"{len(told)} certificates are refused; restart the broker\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
