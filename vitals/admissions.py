"""Who is in the bed: admissions (topic `patients`), and the part of them that a gateway needs (its roster)."""

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Annotated

import msgspec
from msgspec import Meta

from vitals.bounds import (
    MAX_CADENCE_S,
    MAX_CUFF_S,
    MAX_DEVICES,
    MAX_SIGNS,
    MIN_CADENCE_S,
    MIN_CUFF_S,
    Cadence,
    Count,
    Cuff,
    Id,
    Line,
    Time,
    TimeOrNone,
    is_name,
    name,
)
from vitals.limits import Limit, LimitSet, profile, with_overrides

Overrides = Annotated[dict[Line, Limit], Meta(max_length=MAX_SIGNS)]


def _check_name(value: str, what: str) -> None:
    if not is_name(value):
        known = name(value, f"admission: {what}")
        raise ValueError(f"admission: {what} {value!a} is written {known!a}")


def _check_pace(cadence_s: float, cuff_s: float) -> None:
    """Refuses intervals that no monitor has; the engine keeps them as 32 bits of milliseconds."""
    if not MIN_CADENCE_S <= cadence_s <= MAX_CADENCE_S:
        raise ValueError(f"cadence_s {cadence_s:g} is not from {MIN_CADENCE_S:g} to {MAX_CADENCE_S:g} s")
    if cuff_s != 0 and not MIN_CUFF_S <= cuff_s <= MAX_CUFF_S:
        raise ValueError(f"cuff_s {cuff_s:g} is neither 0 nor from {MIN_CUFF_S:g} to {MAX_CUFF_S:g} s")


class Admission(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, dict=True):
    """One patient's admission, or its latest change; the value of a record of topic `patients`.

    Attributes:
        patient: Patient id.
        version: Counts the changes of the `patients` topic's writer; UTC epoch ms of the change serves.
        name: Name.
        born: Date of birth, ISO 8601.
        phone: Phone of the patient or next of kin.
        address: Postal address.
        ward: Ward.
        bed: Bed, unique within the site.
        gateway: Gateway that the devices speak to.
        devices: Devices on this patient.
        since: When this bed became theirs, UTC epoch ms.
        cadence_s: Seconds between two readings of a device.
        cuff_s: Seconds between two cuff pressures; 0 when pressures are continuous.
        profile: Name of a built-in limit profile.
        overrides: Limits that replace the profile's, by sign.
        scale2: Whether NEWS2 judges SpO2 on scale 2.
        oxygen: Whether the patient breathed supplemental oxygen at admission.
        canary: A marked test patient that travels the whole path and is never paged to people.
        discharged: When the patient left, UTC epoch ms.
    """

    patient: Id
    version: Count
    name: Line
    born: Line
    phone: Line
    address: Line
    ward: Id
    bed: Id
    gateway: Id
    devices: Annotated[tuple[Id, ...], Meta(max_length=MAX_SIGNS)]
    since: Time
    cadence_s: Cadence = 30.0
    cuff_s: Cuff = 0.0
    profile: Line = "adult"
    overrides: Overrides = {}
    scale2: bool = False
    oxygen: bool = False
    canary: bool = False
    discharged: Time | None = None

    def __post_init__(self) -> None:
        for field in ("patient", "ward", "bed", "gateway"):
            _check_name(getattr(self, field), field)
        for device in self.devices:
            _check_name(device, "device")
        _check_pace(self.cadence_s, self.cuff_s)
        with_overrides(profile(self.profile), self.overrides)

    @cached_property
    def limits(self) -> LimitSet:
        """The limits in force for this patient."""
        return with_overrides(profile(self.profile), self.overrides)


class DeviceAssignment(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One device on one patient, as a gateway needs it: no name, phone or address.

    Attributes:
        device: Device id.
        patient: Patient id.
        ward: Ward.
        bed: Bed.
        since: When the bed became theirs, UTC epoch ms.
        cadence_s: Seconds between two readings.
        cuff_s: Seconds between two cuff pressures; 0 when continuous.
        profile: Name of a built-in limit profile.
        overrides: Limits that replace the profile's, by sign.
        scale2: Whether NEWS2 judges SpO2 on scale 2.
        oxygen: Whether the patient breathes supplemental oxygen.
    """

    device: Id
    patient: Id
    ward: Id
    bed: Id
    since: TimeOrNone
    cadence_s: Cadence
    cuff_s: Cuff = 0.0
    profile: Line = "adult"
    overrides: Overrides = {}
    scale2: bool = False
    oxygen: bool = False

    def __post_init__(self) -> None:
        _check_pace(self.cadence_s, self.cuff_s)

    def limits(self) -> LimitSet:
        """The limits in force for this patient."""
        return with_overrides(profile(self.profile), self.overrides)


class Roster(msgspec.Struct, frozen=True, kw_only=True):
    """What one gateway is told of its beds; published retained on its `roster` topic.

    Attributes:
        gateway: Gateway id.
        version: Highest admission version in it; readings carry it.
        placements: One per device.
    """

    gateway: Id
    version: Count
    placements: Annotated[tuple[DeviceAssignment, ...], Meta(max_length=MAX_DEVICES)]


def roster(gateway: str, admissions: Iterable[Admission]) -> Roster:
    """Draws up one gateway's roster from all present admissions.

    When two patients claim one device, the later admission (by `since`, then version) has it: the device moved with the
    newer entry, and the older patient's readings must not go on under a stranger's values.
    """
    mine = [a for a in admissions if a.gateway == gateway]
    by_device: dict[str, Admission] = {}
    for admission in sorted(mine, key=lambda a: (a.since, a.version, a.patient)):
        if admission.discharged is None:
            by_device.update(dict.fromkeys(admission.devices, admission))
    return Roster(
        gateway=gateway,
        version=max((a.version for a in mine), default=0),
        placements=tuple(_placement(device, by_device[device]) for device in sorted(by_device)),
    )


def _placement(device: str, a: Admission) -> DeviceAssignment:
    return DeviceAssignment(
        device=device,
        patient=a.patient,
        ward=a.ward,
        bed=a.bed,
        since=a.since,
        cadence_s=a.cadence_s,
        cuff_s=a.cuff_s,
        profile=a.profile,
        overrides=a.overrides,
        scale2=a.scale2,
        oxygen=a.oxygen,
    )


def gateways(admissions: Mapping[str, Admission]) -> set[str]:
    """Returns the gateways that any admission names."""
    return {a.gateway for a in admissions.values()}
