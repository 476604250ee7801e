"""The stack's own certificates."""

import datetime
from pathlib import Path

from cryptography import x509

from infra.local.servers.pki import Authority

NOW = datetime.datetime(2026, 11, 22, tzinfo=datetime.UTC)


def authority(folder: Path, days_later: int = 0) -> Authority:
    return Authority(folder, now=lambda: NOW + datetime.timedelta(days=days_later))


def test_keys_are_readable_by_their_owner_alone(tmp_path: Path) -> None:
    authority(tmp_path / "pki").client("gw-1")
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "pki").glob("*.key")} == {0o600}


def test_a_valid_certificate_is_kept_and_an_expired_one_made_anew(tmp_path: Path) -> None:
    first = authority(tmp_path).client("gw-1").cert.read_bytes()
    assert authority(tmp_path, days_later=30).client("gw-1").cert.read_bytes() == first
    renewed = authority(tmp_path, days_later=90).client("gw-1").cert.read_bytes()
    assert x509.load_pem_x509_certificate(renewed).not_valid_after_utc > NOW + datetime.timedelta(days=170)


def test_a_new_authority_replaces_what_the_old_one_signed(tmp_path: Path) -> None:
    first = authority(tmp_path).client("gw-1")
    before = first.cert.read_bytes()
    (tmp_path / "ca.key").unlink()
    again = authority(tmp_path).client("gw-1")
    assert again.cert.read_bytes() != before
    issuer = x509.load_pem_x509_certificate(again.ca.read_bytes())
    x509.load_pem_x509_certificate(again.cert.read_bytes()).verify_directly_issued_by(issuer)


def test_the_common_name_is_the_clients_name(tmp_path: Path) -> None:
    certificate = x509.load_pem_x509_certificate(authority(tmp_path).client("gw-7").cert.read_bytes())
    assert certificate.subject.rfc4514_string() == "CN=gw-7"
