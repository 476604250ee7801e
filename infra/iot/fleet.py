"""What a fleet consists of, and the CSV file in which a technician lists it.

Columns: `kind,name,ward` and, as known, `bed,gateway,serial,firmware`. Every complaint names its line, and nothing is
registered while one stands.
"""

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from vitals.bounds import MAX_ID
from vitals.wire import topics

GATEWAY: Final = "gateway"
DEVICE: Final = "device"
COLUMNS: Final = ("kind", "name", "ward", "bed", "gateway", "serial", "firmware")
REQUIRED: Final = frozenset({"kind", "name", "ward"})
# AWS IoT, CreateThing: names of things and groups, and values of attributes.
NAME: Final = re.compile(r"[a-zA-Z0-9:_-]+")
VALUE: Final = re.compile(r"[a-zA-Z0-9_.,@/:#=\[\]-]*")


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """A gateway or a device, as the registry keeps it.

    Attributes:
        kind: `GATEWAY` or `DEVICE`; also the name of its thing type.
        name: Thing name; a gateway's MQTT client id and the common name of its certificate.
        ward: Ward that it serves; its thing group.
        bed: Bed of a device.
        gateway: Gateway that a device speaks to.
        serial: Serial number.
        firmware: Version of its firmware.
    """

    kind: str
    name: str
    ward: str
    bed: str = ""
    gateway: str = ""
    serial: str = ""
    firmware: str = ""

    def __post_init__(self) -> None:
        if self.kind not in {GATEWAY, DEVICE}:
            raise ValueError(f"kind {self.kind!r} is neither {GATEWAY} nor {DEVICE}")
        for field in ("name", "ward"):
            value = getattr(self, field)
            if not NAME.fullmatch(value) or len(value) > MAX_ID:
                raise ValueError(f"{field} {value!r} must be 1 to {MAX_ID} letters, digits, - _ or :")
        for field in ("bed", "gateway", "serial", "firmware"):
            if not VALUE.fullmatch(getattr(self, field)):
                raise ValueError(f"{field} {getattr(self, field)!r} has characters that AWS IoT refuses")
        if self.kind == DEVICE and not (self.bed and self.gateway):
            raise ValueError(f"device {self.name} needs a bed and the gateway that it speaks to")
        if self.kind == GATEWAY and (self.bed or self.gateway):
            raise ValueError(f"gateway {self.name} stands at no bed and behind no other gateway")

    def attributes(self) -> dict[str, str]:
        """Returns the attributes of its thing; a gateway's slot is one, because its policy is written with it."""
        known = {field: getattr(self, field) for field in COLUMNS[2:] if getattr(self, field)}
        return known | ({"slot": str(topics.slot(self.name))} if self.kind == GATEWAY else {})


@dataclass(frozen=True, slots=True)
class Fleet:
    """What a file lists.

    Attributes:
        members: Gateways before devices, in the file's order.
        errors: One line of text for each bad row.
    """

    members: tuple[Member, ...]
    errors: tuple[str, ...]


def read(lines: Iterable[str]) -> Fleet:
    """Reads a fleet's CSV file."""
    reader = csv.DictReader(lines, restkey="", restval="", strict=True)
    header = {name.strip() for name in reader.fieldnames or ()}
    if missing := REQUIRED - header:
        return Fleet((), (f"line 1: the columns {', '.join(sorted(missing))} are missing",))
    if unknown := header - set(COLUMNS):
        return Fleet((), (f"line 1: there is no column {', '.join(sorted(unknown))}; there are {', '.join(COLUMNS)}",))
    found: dict[str, tuple[int, Member]] = {}
    errors: list[str] = []
    try:
        for row in reader:
            try:
                member = Member(**{key.strip(): value.strip() for key, value in _cells(row).items()})
            except ValueError as error:
                errors.append(f"line {reader.line_num}: {error}")
                continue
            if member.name in found:
                errors.append(f"line {reader.line_num}: {member.name} stands in line {found[member.name][0]} already")
            found.setdefault(member.name, (reader.line_num, member))
    except csv.Error as error:
        errors.append(f"line {reader.line_num}: {error}")
    errors += [
        f"line {line}: {member.name} speaks to {member.gateway}, which this file lists as a device"
        for line, member in found.values()
        if member.gateway in found and found[member.gateway][1].kind != GATEWAY
    ]
    members = sorted((member for _, member in found.values()), key=lambda member: member.kind != GATEWAY)
    return Fleet(tuple(members), tuple(errors) or (() if members else ("line 2: there is no row below the header",)))


def _cells(row: dict[str, str]) -> dict[str, str]:
    if "" in row:
        raise ValueError("it has more cells than the header")
    return row
