"""The registry as AWS keeps it: thing types, things, groups. Every step looks first, so that it can be done again."""

import json
from collections.abc import Callable, Collection
from functools import partial
from typing import Any, Final

from botocore.exceptions import ClientError

from infra.iot.audit import Audit, Outcome
from infra.iot.fleet import DEVICE, GATEWAY, Member
from infra.iot.policy import POLICY, document

RETIRED: Final = "retired"
PAGE: Final = 250
CREDENTIAL: Final = ("state", "key", "certificate")
"""Attributes of a gateway that tell of its certificate; see `infra.iot.gateway_certificates`."""
SEARCHABLE: Final = {GATEWAY: ["ward", "serial", "firmware"], DEVICE: ["ward", "bed", "serial"]}


class RegistryError(RuntimeError):
    """The registry is not as a command needs it; the message says what to do."""


def pages(operation: Any, key: str, **arguments: object) -> list[Any]:  # noqa: ANN401 - boto3's method
    """Returns all items of an operation that answers in pages."""
    found: list[Any] = []
    token: dict[str, str] = {}
    while True:
        answer = operation(**arguments, **token)
        found += answer[key]
        if not answer.get("nextToken"):
            return found
        token = {"nextToken": answer["nextToken"]}


class Registry:
    """The things of one account and region, as they were when this was made and as this has changed them.

    Args:
        iot: boto3's client of `iot`.
        audit: Where steps are told.
        dry_run: Whether steps are only told.
    """

    def __init__(self, iot: Any, audit: Audit, *, dry_run: bool) -> None:  # noqa: ANN401 - boto3 makes its clients at run time
        self.iot = iot
        self.dry_run = dry_run
        self._audit = audit
        self.things: dict[str, Any] = {
            thing["thingName"]: thing for thing in pages(iot.list_things, "things", maxResults=PAGE)
        }
        groups = [group["groupName"] for group in pages(iot.list_thing_groups, "thingGroups", maxResults=PAGE)]
        self._groups: dict[str, set[str]] = {
            group: set(pages(iot.list_things_in_thing_group, "things", thingGroupName=group, maxResults=PAGE))
            for group in groups
        }

    def step(self, action: str, subject: str, *, already: bool, do: Callable[[], object], **detail: object) -> None:
        """Does one step unless it is done already or only to be told, and tells it."""
        if already:
            self._audit.tell(action, subject, Outcome.ALREADY, **detail)
        elif self.dry_run:
            self._audit.tell(action, subject, Outcome.PLANNED, **detail)
        else:
            do()
            self._audit.tell(action, subject, Outcome.DONE, **detail)

    def waits(self, action: str, subject: str, reason: str) -> None:
        """Tells of a step that waits for something that a person must bring."""
        self._audit.tell(action, subject, Outcome.WAITING, reason=reason)

    def prepare(self, prefix: str) -> None:
        """Makes what every registration needs, where CloudFormation (infra/aws/iot.yaml) has not made it."""
        for kind, fields in SEARCHABLE.items():
            self.step("type", kind, already=self._has_type(kind), do=partial(self._type, kind, fields))
        policy = {"policyName": POLICY, "policyDocument": json.dumps(document(prefix))}
        self.step("policy", POLICY, already=self._has_policy(), do=partial(self.iot.create_policy, **policy))

    def require_prepared(self) -> None:
        """Stops before anything is written where this fleet has never been set up: a wrong region looks like that.

        Raises:
            RegistryError: The types or the policy are missing.
        """
        missing = [kind for kind in SEARCHABLE if not self._has_type(kind)] + ([] if self._has_policy() else [POLICY])
        if missing:
            raise RegistryError(
                f"{', '.join(missing)} not found in {self.iot.meta.region_name}: check AWS_REGION and the account; "
                "if they are right, deploy infra/aws/iot.yaml or run python -m infra.iot prepare"
            )

    def register(self, member: Member) -> None:
        """Makes a thing, or brings it up to date, and puts it into its ward's group alone.

        Raises:
            RegistryError: The name is a retired thing's, or one of another kind; or a device's gateway is unknown.
        """
        known, wanted = self.things.get(member.name), member.attributes()
        if known is not None:
            self._refuse(known, member)
            # What stands there of its certificate stays.
            wanted |= {key: value for key, value in known.get("attributes", {}).items() if key in CREDENTIAL}
        if member.gateway:
            self.require(member.gateway, GATEWAY)
        thing = {"thingName": member.name, "thingTypeName": member.kind, "attributePayload": {"attributes": wanted}}
        write = self.iot.create_thing if known is None else self.iot.update_thing
        same = known is not None and known.get("attributes", {}) == wanted
        self.step("thing", member.name, already=same, do=partial(write, **thing), **wanted)
        self.things[member.name] = {**(known or {}), "thingTypeName": member.kind, "attributes": wanted}
        self.place(member.name, f"ward-{member.ward}")

    def place(self, name: str, group: str) -> None:
        """Puts a thing into a group, and takes it out of every other one."""
        self.ensure_groups([group])
        join = partial(self.iot.add_thing_to_thing_group, thingGroupName=group, thingName=name)
        self.step("group", name, already=name in self._groups[group], do=join, group=group)
        self._groups[group].add(name)
        for other in [other for other, inside in self._groups.items() if other != group and name in inside]:
            leave = partial(self.iot.remove_thing_from_thing_group, thingGroupName=other, thingName=name)
            self.step("leave", name, already=False, do=leave, group=other)
            self._groups[other].discard(name)

    def ensure_groups(self, names: Collection[str]) -> None:
        """Makes the groups that are not there; done for all wards before things are registered side by side."""
        for name in sorted(set(names) - self._groups.keys()):
            make = partial(self.iot.create_thing_group, thingGroupName=name)
            self.step("make-group", name, already=False, do=make)
            self._groups[name] = set()

    def record(self, name: str, action: str, **attributes: str) -> None:
        """Writes attributes of a thing beside those that it has."""
        known = self.things.setdefault(name, {})
        whole = {**known.get("attributes", {}), **attributes}
        payload = {"attributes": whole, "merge": False}
        change = partial(self.iot.update_thing, thingName=name, attributePayload=payload)
        self.step(action, name, already=whole == known.get("attributes"), do=change, **attributes)
        known["attributes"] = whole

    def retire(self, name: str) -> None:
        """Marks a thing as retired: it stays in the registry as a record, in a group of its own."""
        self.require(name)
        self.record(name, "retire", state=RETIRED)
        self.place(name, RETIRED)

    def require(self, name: str, kind: str | None = None) -> Any:  # noqa: ANN401 - boto3's answer
        """Returns a registered thing.

        Raises:
            RegistryError: There is none of this name, or it is of another kind.
        """
        thing = self.things.get(name)
        if thing is None or (kind and thing.get("thingTypeName") != kind):
            raise RegistryError(
                f"no {kind or 'thing'} {name} is registered in {self.iot.meta.region_name}: register it"
            )
        return thing

    def _refuse(self, known: Any, member: Member) -> None:  # noqa: ANN401 - boto3's answer
        kind = known.get("thingTypeName")
        if known.get("attributes", {}).get("state") == RETIRED:
            raise RegistryError(f"{member.name} is retired, and its name stays a record: give the new one another name")
        if kind != member.kind:
            raise RegistryError(
                f"{member.name} is registered as {kind or 'a thing without type'}, not as {member.kind}"
            )

    def _type(self, kind: str, fields: list[str]) -> None:
        self.iot.create_thing_type(thingTypeName=kind, thingTypeProperties={"searchableAttributes": fields})

    def _has_type(self, kind: str) -> bool:
        return self._there(self.iot.describe_thing_type, thingTypeName=kind)

    def _has_policy(self) -> bool:
        return self._there(self.iot.get_policy, policyName=POLICY)

    @staticmethod
    def _there(ask: Callable[..., object], **what: str) -> bool:
        try:
            ask(**what)
        except ClientError as error:
            if error.response["Error"]["Code"] == "ResourceNotFoundException":
                return False
            raise
        return True
