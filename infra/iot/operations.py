"""What `python -m infra.iot` does, command by command."""

import datetime
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TextIO

from infra.iot.account import AccountError, explained
from infra.iot.audit import Audit, Outcome
from infra.iot.certificates import CertificateError, days_left
from infra.iot.fleet import DEVICE, GATEWAY, Member
from infra.iot.gateway_certificates import Credentials
from infra.iot.registry import RETIRED, Registry, RegistryError

SIDE_BY_SIDE: Final = 8
REFUSALS: Final = (RegistryError, CertificateError, AccountError)


@dataclass(frozen=True, slots=True)
class Office:
    """Where registrations are made: the registry, its certificates, and the trail.

    Attributes:
        registry: The things.
        credentials: Their certificates.
        audit: The trail.
        requests: Folder of certificate requests, `{gateway}.csr`.
    """

    registry: Registry
    credentials: Credentials
    audit: Audit
    requests: Path | None

    def register_all(self, members: Sequence[Member]) -> None:
        """Registers a fleet, gateways before the devices behind them; one that fails stops no other."""
        self.registry.require_prepared()
        self.registry.ensure_groups([f"ward-{member.ward}" for member in members])
        for kind in (GATEWAY, DEVICE):
            with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
                list(pool.map(self._register, [member for member in members if member.kind == kind]))

    def _register(self, member: Member) -> None:
        try:
            with explained():
                self.registry.register(member)
                if member.kind == GATEWAY:
                    self._issue(member.name)
        except REFUSALS as error:
            self.audit.tell("register", member.name, Outcome.FAILED, error=str(error))

    def _issue(self, name: str) -> None:
        request = self.requests / f"{name}.csr" if self.requests else None
        if request is None or not request.is_file():
            self.registry.waits("certificate", name, f"there is no {name}.csr yet: --csrs FOLDER, then run this again")
        else:
            self.credentials.issue(name, request)

    def rotate(self, name: str, request: Path | None) -> None:
        """Gives a gateway a second certificate, or (without a request) revokes all but the newest."""
        thing = self.registry.require(name, GATEWAY)
        if thing.get("attributes", {}).get("state") == RETIRED:
            raise RegistryError(f"{name} is retired: register the gateway that replaces it under another name")
        if request is None:
            self.credentials.finish_rotation(name)
        else:
            self.credentials.issue(name, request, beside=True)

    def retire(self, name: str) -> None:
        """Ends a gateway's or device's time: its certificates first, so that it is out even if the rest fails."""
        thing = self.registry.require(name)
        if thing.get("thingTypeName") == GATEWAY:
            self.credentials.revoke_all(name)
        self.registry.retire(name)

    def list(self, out: TextIO, *, kind: str | None, ward: str | None, now: datetime.datetime) -> None:
        """Prints the fleet, one JSON object a line; a gateway with its certificates."""
        for name, thing in sorted(self.registry.things.items()):
            told = thing.get("attributes", {})
            if kind in {None, thing.get("thingTypeName")} and ward in {None, told.get("ward")}:
                line: dict[str, Any] = {"name": name, "kind": thing.get("thingTypeName"), **told}
                if line["kind"] == GATEWAY:
                    line["certificates"] = [
                        {"id": held.id, "status": held.status, "days_left": int(days_left(held.parsed, now))}
                        for held in self.credentials.held(name)
                    ]
                out.write(json.dumps(line) + "\n")
