"""A gateway's certificates: made of its request, attached, activated, replaced, revoked.

A certificate is made inactive, written down at its thing as pending, given the policy, attached, activated, and written
down as active. A run that dies leaves something harmless that the next run finishes. A certificate that is inactive
although it was written down as active was switched off by a person, and stays so.
"""

import datetime
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from infra.iot.certificates import days_left, fingerprint, read_request
from infra.iot.policy import POLICY
from infra.iot.registry import Registry, RegistryError, pages

ACTIVE, REVOKED = "ACTIVE", "REVOKED"
PENDING: Final = "pending"
IN_USE: Final = "active"


@dataclass(frozen=True, slots=True)
class Held:
    """One certificate, as AWS keeps it.

    Attributes:
        id: AWS's id of it.
        arn: Its ARN.
        status: `ACTIVE`, `INACTIVE`, `REVOKED`, ….
        pem: The certificate.
        made: When it was made.
    """

    id: str
    arn: str
    status: str
    pem: str
    made: datetime.datetime

    @property
    def parsed(self) -> x509.Certificate:
        """What it says."""
        return x509.load_pem_x509_certificate(self.pem.encode())


class Credentials:
    """The gateways' certificates in one registry.

    Args:
        registry: The registry.
        out: Folder to which certificates are written as `{gateway}.crt`.
        now: The time, aware.
    """

    def __init__(self, registry: Registry, out: Path, now: datetime.datetime) -> None:
        self._registry, self._iot = registry, registry.iot
        self._out = out
        self._now = now

    def held(self, name: str) -> list[Held]:
        """Returns the certificates attached to a gateway, oldest first."""
        principals = pages(self._iot.list_thing_principals, "principals", thingName=name)
        return sorted((self._describe(arn.rpartition("/")[2]) for arn in principals), key=lambda held: held.made)

    def issue(self, name: str, request_file: Path, *, beside: bool = False) -> None:
        """Gives a gateway the certificate that its request asks for.

        Args:
            name: The gateway.
            request_file: Its certificate request.
            beside: Whether it may be a second one, beside one that is active: a rotation.

        Raises:
            CertificateError: The request cannot be used.
            RegistryError: The gateway has another certificate, or this one was revoked, switched off, or has expired.
        """
        request = read_request(request_file, name)
        key = fingerprint(request)
        written = self._registry.things.get(name, {}).get("attributes", {})
        held: Held | None
        if written.get("key") == key:
            held = self._describe(written["certificate"])
            self._refuse(name, held, pending=written.get("state") == PENDING)
        elif written.get("state") == IN_USE and not beside:
            raise RegistryError(
                f"{name} has a certificate of another key: python -m infra.iot rotate {name} --csr {request_file}"
            )
        else:
            held = self._make(name, key, request)
        if held is not None:
            self._put_in_force(name, held)
        elif self._registry.dry_run:
            for action in ("allow", "attach", "activate"):
                self._registry.step(action, name, already=False, do=lambda: None)
        self._registry.record(name, "in-force", state=IN_USE)

    def finish_rotation(self, name: str) -> None:
        """Revokes all certificates of a gateway but the one in force.

        Raises:
            RegistryError: None is in force.
        """
        written = self._registry.require(name).get("attributes", {})
        if written.get("state") != IN_USE:
            raise RegistryError(f"{name} has no certificate in force: register it with a request first")
        for held in self.held(name):
            if held.id != written["certificate"]:
                self._revoke(name, held)

    def revoke_all(self, name: str) -> None:
        """Revokes every certificate of a gateway; they stay attached, as a record of whose they were."""
        for held in self.held(name):
            self._revoke(name, held)

    def _make(self, name: str, key: str, request: x509.CertificateSigningRequest) -> Held | None:
        made: dict[str, Any] = {}
        pem = request.public_bytes(serialization.Encoding.PEM).decode()

        def create() -> None:
            # Inactive by default; said aloud, moto takes "false" for true.
            made.update(self._iot.create_certificate_from_csr(certificateSigningRequest=pem))

        self._registry.step("certificate", name, already=False, do=create, key=key)
        self._registry.record(name, "write-down", state=PENDING, key=key, certificate=made.get("certificateId", ""))
        return self._describe(made["certificateId"]) if made else None

    def _put_in_force(self, name: str, held: Held) -> None:
        step = self._registry.step
        policies = pages(self._iot.list_attached_policies, "policies", target=held.arn)
        things = self._iot.list_principal_things(principal=held.arn)["things"]

        def allow() -> None:
            self._iot.attach_policy(policyName=POLICY, target=held.arn)

        def attach() -> None:
            self._iot.attach_thing_principal(thingName=name, principal=held.arn)

        def activate() -> None:
            self._iot.update_certificate(certificateId=held.id, newStatus=ACTIVE)

        step("allow", name, already=POLICY in {policy["policyName"] for policy in policies}, do=allow)
        step("attach", name, already=name in things, do=attach)
        step("activate", name, already=held.status == ACTIVE, do=activate, certificate=held.id)
        if not self._registry.dry_run:
            self._write(name, held.pem)

    def _refuse(self, name: str, held: Held, *, pending: bool) -> None:
        renew = f"make a new key and request on {name}, then python -m infra.iot rotate {name} --csr FILE"
        if held.status == REVOKED or (held.status != ACTIVE and not pending):
            raise RegistryError(f"the certificate of {name} is {held.status}, and stays so: {renew}")
        if days_left(held.parsed, self._now) < 0:
            raise RegistryError(
                f"the certificate of {name} expired on {held.parsed.not_valid_after_utc:%Y-%m-%d}: {renew}"
            )

    def _revoke(self, name: str, held: Held) -> None:
        def revoke() -> None:
            self._iot.update_certificate(certificateId=held.id, newStatus=REVOKED)

        self._registry.step("revoke", name, already=held.status == REVOKED, do=revoke, certificate=held.id)

    def _describe(self, certificate: str) -> Held:
        told = self._iot.describe_certificate(certificateId=certificate)["certificateDescription"]
        return Held(certificate, told["certificateArn"], told["status"], told["certificatePem"], told["creationDate"])

    def _write(self, name: str, pem: str) -> None:
        self._out.mkdir(parents=True, exist_ok=True)
        fresh = self._out / f"{name}.crt.new"
        fresh.write_text(pem, encoding="ascii")
        fresh.replace(self._out / f"{name}.crt")
