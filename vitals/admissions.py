"""Admissions (topic `patients`), and the part of them that a gateway needs (its roster)."""

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
    """Rejects intervals that no monitor has; the engine stores them as 32 bits of milliseconds."""
    if not MIN_CADENCE_S <= cadence_s <= MAX_CADENCE_S:
        raise ValueError(f"cadence_s {cadence_s:g} is not from {MIN_CADENCE_S:g} to {MAX_CADENCE_S:g} s")
    if cuff_s != 0 and not MIN_CUFF_S <= cuff_s <= MAX_CUFF_S:
        raise ValueError(f"cuff_s {cuff_s:g} is neither 0 nor from {MIN_CUFF_S:g} to {MAX_CUFF_S:g} s")


class Admission(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, dict=True):
    """One patient's admission, or its latest change; the value of a record of topic `patients`.

    Attributes:
        patient: Patient id.
        version: Rises with each change by the writer of topic `patients`, such as UTC epoch ms of the change.
        name: Name.
        born: Date of birth, ISO 8601.
        phone: Phone of the patient or next of kin.
        address: Postal address.
        ward: Ward.
        bed: Bed, unique within the site.
        gateway: Gateway to which the devices send.
        devices: Devices on this patient.
        since: Begin of the patient's stay in this bed, UTC epoch ms.
        cadence_s: Seconds between two readings of a device.
        cuff_s: Seconds between two cuff pressures; 0 if pressures are continuous.
        profile: Name of a built-in limit profile.
        overrides: Limits that replace the profile's, by sign.
        scale2: Whether NEWS2 scores SpO2 on scale 2.
        oxygen: Whether the patient breathed supplemental oxygen at admission.
        news2: Whether NEWS2 starts alarms; not in intensive care, where the score is only shown.
        canary: Whether it is a test patient, whose alarms pass through the whole path and page nobody.
        discharged: Time of the discharge, UTC epoch ms.
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
    news2: bool = True
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

    The fields are those of `Admission`.
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
    news2: bool = True

    def __post_init__(self) -> None:
        _check_pace(self.cadence_s, self.cuff_s)

    def limits(self) -> LimitSet:
        """The limits in force for this patient."""
        return with_overrides(profile(self.profile), self.overrides)


class Roster(msgspec.Struct, frozen=True, kw_only=True):
    """Assignments of one gateway's devices; published retained on its `roster` topic.

    Attributes:
        gateway: Gateway id.
        version: Highest admission version in it; each reading has it in `roster`.
        placements: One assignment per device.
    """

    gateway: Id
    version: Count
    placements: Annotated[tuple[DeviceAssignment, ...], Meta(max_length=MAX_DEVICES)]


def roster(gateway: str, admissions: Iterable[Admission]) -> Roster:
    """Returns one gateway's roster from all present admissions.

    If two admissions claim one device, the later one (by `since`, then version) has it: the device was moved, and its
    values are no longer those of the earlier patient.
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
        news2=a.news2,
    )


def gateways(admissions: Mapping[str, Admission]) -> set[str]:
    """Returns the gateways of all admissions."""
    return {a.gateway for a in admissions.values()}
