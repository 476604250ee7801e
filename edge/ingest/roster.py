"""Assignment of devices to patients: the roster, as columns of readings."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vitals.admissions import DeviceAssignment, Roster
from vitals.bounds import BoundError, decoded
from vitals.limits import PROFILE_INDEX, LimitSet
from vitals.readings import Text, text

UNASSIGNED_CADENCE_S = 30.0


class AssignedColumns(NamedTuple):
    """Columns of n readings that follow from the roster; see `vitals.readings.Readings`."""

    patient: Text
    ward: Text
    bed: Text
    roster: NDArray[np.int64]
    limits: NDArray[np.int64]
    limit_sets: tuple[LimitSet, ...]


@dataclass(frozen=True, slots=True)
class AssignmentTable:
    """The roster in force.

    Attributes:
        roster: The roster as received.
        by_device: Its assignments, by device.
    """

    roster: Roster
    by_device: dict[str, DeviceAssignment] = field(init=False)
    _of_patient: dict[str, DeviceAssignment] = field(init=False)
    _twice: frozenset[str] = field(init=False)
    _profile: dict[str, int] = field(init=False)
    _limits: dict[str, int | LimitSet] = field(init=False)

    def __post_init__(self) -> None:
        for placement in self.roster.placements:
            placement.limits()  # raises on an unknown profile or sign
        placements = {p.device: p for p in self.roster.placements}
        object.__setattr__(self, "by_device", placements)
        object.__setattr__(self, "_of_patient", {p.patient: p for p in placements.values()})
        wards: dict[str, set[str]] = {}
        for placement in placements.values():
            wards.setdefault(placement.bed, set()).add(placement.ward)
        object.__setattr__(self, "_twice", frozenset(bed for bed, of in wards.items() if len(of) > 1))
        object.__setattr__(self, "_profile", {d: PROFILE_INDEX[p.profile] for d, p in placements.items()})
        limits = {d: p.limits() if p.overrides else PROFILE_INDEX[p.profile] for d, p in placements.items()}
        object.__setattr__(self, "_limits", limits)

    def patients(self) -> set[str]:
        """Returns the patients of the roster."""
        return {p.patient for p in self.roster.placements}

    def of_patient(self, patient: str) -> DeviceAssignment | None:
        """Returns a patient's assignment, None if there is none."""
        return self._of_patient.get(patient)

    def light(self, placement: DeviceAssignment) -> str:
        """Returns the name of a bed's light and button: the bed, preceded by the ward if two wards share the name."""
        return f"{placement.ward}.{placement.bed}" if placement.bed in self._twice else placement.bed

    def watched(self, twice: Collection[str] = ()) -> set[str]:
        """Returns the lights of occupied beds, except by devices in `twice`, names that two devices share."""
        return {self.light(p) for p in self.by_device.values() if p.device not in twice}

    def lights(self) -> set[str]:
        """Returns all lights, including those of bed names that two wards share; these show `monitored` as false."""
        return self.watched() | self._twice

    def cadence_s(self, device: str) -> float:
        """Returns the seconds between two readings of a device."""
        placement = self.by_device.get(device)
        return placement.cadence_s if placement else UNASSIGNED_CADENCE_S

    def profiles(self, devices: Sequence[str]) -> NDArray[np.int64]:
        """Returns (n,) profile indices, -1 for an unassigned device."""
        return np.array([self._profile.get(d, -1) for d in devices], dtype=np.int64)

    def place(self, devices: Sequence[str], t: NDArray[np.int64], t_gw: NDArray[np.int64]) -> AssignedColumns:
        """Assigns patients to n readings.

        Readings of an unassigned device have no patient. The same holds for readings from before the admission: they
        are of another patient, whom the gateway no longer knows.

        Args:
            devices: Devices of the readings.
            t: (n,) event times, UTC epoch ms.
            t_gw: (n,) arrival times, UTC epoch ms.
        """
        found: list[DeviceAssignment | None] = []
        for device, when, come in zip(devices, t.tolist(), t_gw.tolist(), strict=True):
            placement = self.by_device.get(device)
            # A stay in force cannot begin after the arrival. If it does, the gateway's clock or the begin of the stay
            # is wrong, and the alarm at the bed must not wait for either.
            here = placement is not None and (when >= placement.since or come < placement.since)
            found.append(placement if here else None)
        sets: dict[LimitSet, int] = {}
        limits = []
        for placement in found:
            own = self._limits[placement.device] if placement else 0
            limits.append(own if isinstance(own, int) else -1 - sets.setdefault(own, len(sets)))
        return AssignedColumns(
            patient=text([None if p is None else p.patient for p in found]),
            ward=text([None if p is None else p.ward for p in found]),
            bed=text([None if p is None else p.bed for p in found]),
            roster=np.array([self.roster.version if p else 0 for p in found], dtype=np.int64),
            limits=np.array(limits, dtype=np.int64),
            limit_sets=tuple(sets),
        )


def no_assignments(gateway: str) -> AssignmentTable:
    """Returns the empty roster of a gateway that has received none."""
    return AssignmentTable(Roster(gateway=gateway, version=0, placements=()))


class StaleRosterError(ValueError):
    """The roster is older than the one in force."""


def updated(assignments: AssignmentTable, payload: bytes) -> AssignmentTable:
    """Returns the roster in force after a roster message.

    Args:
        assignments: Roster in force so far.
        payload: JSON of `vitals.admissions.Roster`.

    Raises:
        ValueError: It is no roster, is for another gateway, or names unknown limits.
        StaleRosterError: It is older than the one in force.
    """
    try:
        roster = decoded(payload, Roster)
    except BoundError as error:
        raise ValueError(f"not a roster: {error}") from error
    if roster.gateway != assignments.roster.gateway:
        raise ValueError(f"roster is for gateway {roster.gateway}, and this is {assignments.roster.gateway}")
    if roster.version < assignments.roster.version:
        raise StaleRosterError(f"roster {roster.version} is older than {assignments.roster.version}, which is in force")
    return AssignmentTable(roster)
