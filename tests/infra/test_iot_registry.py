"""The registry of gateways and devices, against moto's IoT."""

import datetime
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import EndpointConnectionError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from infra.iot.__main__ import main
from infra.iot.account import Account, AccountError
from infra.iot.audit import Audit
from infra.iot.fleet import Member
from infra.iot.gateway_certificates import Credentials
from infra.iot.operations import Office
from infra.iot.registry import Registry, RegistryError

HEADER = "kind,name,ward,bed,gateway,serial,firmware\n"


def request(folder: Path, name: str, common: str | None = None) -> Path:
    """Makes a key and its request, as install.sh does on the gateway; returns the request."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common or name)])
    csr = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.csr").write_bytes(csr.public_bytes(serialization.Encoding.PEM))
    return folder / f"{name}.csr"


@dataclass
class Desk:
    """The command, a folder for its files, and AWS beside it."""

    env: Mapping[str, str]
    folder: Path
    capsys: pytest.CaptureFixture[str]
    iot: Any
    error: str = ""

    def run(self, *words: str, status: int = 0, out: str = "certificates") -> list[dict[str, Any]]:
        """Runs a command; returns its trail."""
        told = ["--out", str(self.folder / out)]
        assert main([words[0], *told, *words[1:]], self.env) == status
        said = self.capsys.readouterr()
        self.error = said.err
        return [json.loads(line) for line in said.out.splitlines()]

    def certificates(self, name: str) -> dict[str, str]:
        """Status of each certificate of a gateway."""
        principals = self.iot.list_thing_principals(thingName=name)["principals"]
        ids = [arn.rpartition("/")[2] for arn in principals]
        told = [self.iot.describe_certificate(certificateId=i)["certificateDescription"] for i in ids]
        return {t["certificateId"]: t["status"] for t in told}


@pytest.fixture
def desk(moto: Mapping[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    iot = boto3.client("iot", endpoint_url=moto["AWS_ENDPOINT_URL"])
    found = Desk(moto, tmp_path, capsys, iot)
    found.run("prepare")
    return found


@pytest.fixture
def name() -> str:
    """A gateway of this test's own: all tests of a session share one AWS."""
    return f"gw-{uuid.uuid4().hex[:8]}"


def network_is_cut(**_: object) -> None:
    raise EndpointConnectionError(endpoint_url="cut")


def office_of(session: boto3.Session, desk: Desk, csrs: Path) -> Office:
    """The command's inside, on a session of the test's own."""
    iot = session.client("iot", endpoint_url=desk.env["AWS_ENDPOINT_URL"], config=Config(retries={"max_attempts": 0}))
    audit = Audit("tester", [], lambda: datetime.datetime.now(datetime.UTC))
    registry = Registry(iot, audit, dry_run=False)
    return Office(registry, Credentials(registry, desk.folder / "out", audit.now()), audit, csrs)


def outcomes(trail: list[dict[str, Any]]) -> set[str]:
    return {line["outcome"] for line in trail}


def test_a_gateway_is_registered_with_type_ward_attributes_certificate_and_policy(desk: Desk, name: str) -> None:
    request(desk.folder / "csrs", name)
    words = ("register", "gateway", name, "--ward", "icu", "--serial", "P5", "--csrs", str(desk.folder / "csrs"))
    trail = desk.run(*words)
    assert all({"time", "actor", "action", "subject", "outcome"} <= line.keys() for line in trail)
    thing = desk.iot.describe_thing(thingName=name)
    assert thing["thingTypeName"] == "gateway"
    (certificate,) = desk.certificates(name)
    attributes = {"ward": "icu", "serial": "P5", "state": "active", "certificate": certificate}
    assert attributes.items() <= thing["attributes"].items()
    assert thing["attributes"].keys() - attributes.keys() == {"slot", "key"}
    assert name in desk.iot.list_things_in_thing_group(thingGroupName="ward-icu", maxResults=250)["things"]
    assert list(desk.certificates(name).values()) == ["ACTIVE"]
    (principal,) = desk.iot.list_thing_principals(thingName=name)["principals"]
    (policy,) = desk.iot.list_attached_policies(target=principal)["policies"]
    assert policy["policyName"] == "wardwatch-gateway"
    assert (desk.folder / "certificates" / f"{name}.crt").read_text().startswith("-----BEGIN CERTIFICATE")


def test_a_second_run_changes_nothing(desk: Desk, name: str) -> None:
    request(desk.folder / "csrs", name)
    words = ("register", "gateway", name, "--ward", "icu", "--csrs", str(desk.folder / "csrs"))
    desk.run(*words)
    before = desk.certificates(name)
    assert outcomes(desk.run(*words)) == {"already"}
    assert desk.certificates(name) == before


def test_a_dry_run_tells_every_step_and_takes_none(desk: Desk, name: str) -> None:
    request(desk.folder / "csrs", name)
    words = ("register", "gateway", name, "--ward", "new-ward", "--csrs", str(desk.folder / "csrs"))
    planned = desk.run(*words, "--dry-run")
    assert outcomes(planned) == {"planned"}
    assert name not in {thing["thingName"] for thing in desk.iot.list_things(maxResults=250)["things"]}
    assert [line["action"] for line in desk.run(*words)] == [line["action"] for line in planned]


def test_a_gateway_without_a_request_waits_for_it_and_a_second_run_finishes(desk: Desk, name: str) -> None:
    words = ("register", "gateway", name, "--ward", "icu", "--csrs", str(desk.folder / "csrs"))
    assert "waiting" in outcomes(desk.run(*words))
    request(desk.folder / "csrs", name)
    desk.run(*words)
    assert list(desk.certificates(name).values()) == ["ACTIVE"]


@pytest.mark.parametrize(
    "died_at",
    ["AttachPolicy", "AttachThingPrincipal", "UpdateCertificate", "ListPrincipalThings", "AddThingToThingGroup"],
)
def test_a_registration_that_died_half_way_is_finished_by_the_next_with_one_certificate(
    desk: Desk, name: str, died_at: str
) -> None:
    csrs = request(desk.folder / "csrs", name).parent
    cut = boto3.Session()
    cut.events.register(f"before-call.iot.{died_at}", network_is_cut)
    office_of(cut, desk, csrs).register_all([Member(kind="gateway", name=name, ward="icu")])
    assert "ACTIVE" not in desk.certificates(name).values()
    desk.run("register", "gateway", name, "--ward", "icu", "--csrs", str(csrs))
    assert list(desk.certificates(name).values()) == ["ACTIVE"]
    assert outcomes(desk.run("register", "gateway", name, "--ward", "icu", "--csrs", str(csrs))) == {"already"}


def test_a_certificate_that_a_person_switched_off_stays_off(desk: Desk, name: str) -> None:
    words = ("register", "gateway", name, "--ward", "icu", "--csrs", str(request(desk.folder / "csrs", name).parent))
    desk.run(*words)
    (certificate,) = desk.certificates(name)
    desk.iot.update_certificate(certificateId=certificate, newStatus="INACTIVE")
    assert "is INACTIVE, and stays so" in str(desk.run(*words, status=1))
    assert desk.certificates(name) == {certificate: "INACTIVE"}


def test_a_fleet_with_devices_is_imported_by_one_command(desk: Desk, name: str) -> None:
    rows = [f"device,{name}-m{n},w{n % 4},bed-{n},{name}-{n},,1.2" for n in range(12)]
    rows += [f"gateway,{name}-{n},w{n % 4},,,S{n},5.1" for n in range(12)]
    (desk.folder / "fleet.csv").write_text(HEADER + "\n".join(rows) + "\n")
    for n in range(12):
        request(desk.folder / "csrs", f"{name}-{n}")
    words = ("import", str(desk.folder / "fleet.csv"), "--csrs", str(desk.folder / "csrs"))
    desk.run(*words, "--audit", str(desk.folder / "trail.jsonl"))
    assert len(list((desk.folder / "certificates").glob("*.crt"))) == 12
    assert len((desk.folder / "trail.jsonl").read_text().splitlines()) >= 12 * 8
    found = desk.run("list", "--kind", "gateway", "--ward", "w1")
    mine = [line for line in found if line["name"].startswith(name)]
    assert len(mine) == 3
    assert {c["status"] for line in mine for c in line["certificates"]} == {"ACTIVE"}
    assert outcomes(desk.run(*words)) == {"already"}


def test_a_bad_request_in_a_fleet_stops_no_other_gateway(desk: Desk, name: str) -> None:
    good, bad = f"{name}-good", f"{name}-bad"
    (desk.folder / "fleet.csv").write_text(HEADER + f"gateway,{bad},icu,,,,\ngateway,{good},icu,,,,\n")
    request(desk.folder / "csrs", good)
    request(desk.folder / "csrs", bad, common="somebody-else")
    trail = desk.run("import", str(desk.folder / "fleet.csv"), "--csrs", str(desk.folder / "csrs"), status=1)
    (failed,) = (line for line in trail if line["outcome"] == "failed")
    assert failed["subject"] == bad
    assert "a request of somebody-else, not of" in failed["error"]
    assert list(desk.certificates(good).values()) == ["ACTIVE"]


def test_a_fleet_with_a_bad_row_registers_nothing(desk: Desk, name: str) -> None:
    (desk.folder / "fleet.csv").write_text(HEADER + f"gateway,{name},icu,,,,\ngateway,gw bad,icu,,,,\n")
    assert desk.run("import", str(desk.folder / "fleet.csv"), status=2) == []
    assert "line 3" in desk.error
    assert "nothing was registered" in desk.error


def test_a_private_key_that_was_sent_by_mistake_is_refused(desk: Desk, name: str) -> None:
    path = request(desk.folder / "csrs", name)
    path.write_text("-----BEGIN PRIVATE KEY-----\n" + path.read_text())
    words = ("register", "gateway", name, "--ward", "icu", "--csrs", str(desk.folder / "csrs"))
    assert "must never leave the gateway" in str(desk.run(*words, status=1))


def test_a_device_that_moves_to_another_ward_leaves_the_former_ones_group(desk: Desk, name: str) -> None:
    desk.run("register", "gateway", name, "--ward", "icu")
    for ward in ("icu", "med"):
        desk.run("register", "device", f"{name}-m", "--ward", ward, "--bed", "b1", "--gateway", name)
    groups = desk.iot.list_thing_groups_for_thing(thingName=f"{name}-m")["thingGroups"]
    assert [group["groupName"] for group in groups] == ["ward-med"]


def test_a_rotation_has_both_certificates_until_it_is_finished(desk: Desk, name: str) -> None:
    request(desk.folder / "csrs", name)
    desk.run("register", "gateway", name, "--ward", "icu", "--csrs", str(desk.folder / "csrs"))
    (old,) = desk.certificates(name)
    desk.run("rotate", name, "--csr", str(request(desk.folder / "new", name)))
    assert sorted(desk.certificates(name).values()) == ["ACTIVE", "ACTIVE"]
    desk.run("rotate", name, "--finish")
    assert desk.certificates(name)[old] == "REVOKED"
    assert sorted(desk.certificates(name).values()) == ["ACTIVE", "REVOKED"]
    assert outcomes(desk.run("rotate", name, "--finish")) == {"already"}


def test_a_second_key_by_registration_is_refused_and_names_rotate(desk: Desk, name: str) -> None:
    for folder in ("csrs", "new"):
        request(desk.folder / folder, name)
    words = ("register", "gateway", name, "--ward", "icu", "--csrs")
    desk.run(*words, str(desk.folder / "csrs"))
    assert f"infra.iot rotate {name}" in str(desk.run(*words, str(desk.folder / "new"), status=1))
    assert len(desk.certificates(name)) == 1


def test_a_retired_gateway_has_only_revoked_certificates_and_its_name_stays_a_record(desk: Desk, name: str) -> None:
    request(desk.folder / "csrs", name)
    words = ("register", "gateway", name, "--ward", "icu", "--csrs", str(desk.folder / "csrs"))
    desk.run(*words)
    desk.run("retire", name)
    assert list(desk.certificates(name).values()) == ["REVOKED"]
    assert outcomes(desk.run("retire", name)) == {"already"}
    assert "is retired" in str(desk.run(*words, status=1))
    desk.run("rotate", name, "--csr", str(request(desk.folder / "new", name)), status=1)
    assert "is retired" in desk.error


def test_an_expired_certificate_is_told_with_its_date_and_what_to_do(desk: Desk, name: str) -> None:
    path = request(desk.folder / "csrs", name)
    desk.run("register", "gateway", name, "--ward", "icu", "--csrs", str(desk.folder / "csrs"))
    much_later = datetime.datetime(2099, 1, 1, tzinfo=datetime.UTC)
    registry = Registry(desk.iot, Audit("nobody", [], lambda: much_later), dry_run=False)
    with pytest.raises(RegistryError, match=r"expired on 20\d\d-\d\d-\d\d: make a new key"):
        Credentials(registry, desk.folder, much_later).issue(name, path)


def test_a_wrong_region_is_told_before_anything_is_written(
    desk: Desk, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "ap-south-1")
    monkeypatch.setenv("AWS_REGION", "ap-south-1")
    assert desk.run("register", "gateway", name, "--ward", "icu", status=1) == []
    assert "not found in ap-south-1: check AWS_REGION" in desk.error


def test_missing_credentials_and_an_unreachable_aws_are_told_in_one_line(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(AccountError, match="AWS is not reached"):
        Account(boto3.Session(), "http://127.0.0.1:9")
    for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(key)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    desk.run("list", status=1)
    assert "no AWS credentials" in desk.error
    assert len(desk.error.splitlines()) == 1
