"""Who was in which bed when: the history of topic `patients`, which outranks what a gateway believed.

A gateway that was cut off while a bed changed hands still names the former patient. Its readings must neither raise
nor end an alarm of theirs.

Admissions may contradict each other: two patients in one bed, or on one device. The later one holds it (by `since`,
then by version), here as in a gateway's roster (`vitals.admissions.roster`). That there is a dispute is told, as the
other patient is not watched meanwhile.
"""

import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vitals.admissions import Admission
from vitals.engine.rules.technical_alarms import BED_DISPUTED, DEVICE_DISPUTED
from vitals.readings import Readings

FOREVER: Final = 2**62
HANDING_OVER_MS: Final = 60_000
"""While a patient passes from one gateway to another, both may speak for them for so long."""


@dataclass(slots=True)
class Stay:
    """One patient in one bed.

    Attributes:
        patient: Patient id.
        bed: Bed.
        since: From when, UTC epoch ms.
        version: Version of the newest admission that says so.
        until: Until when; None: still there.
        ward: Ward.
        devices: Devices on the patient, where these are followed.
        gateways: Gateways that speak for the patient, each with the time from which on, UTC epoch ms.
    """

    patient: str
    bed: str
    since: int
    version: int = 0
    until: int | None = None
    ward: str = ""
    devices: tuple[str, ...] = ()
    gateways: tuple[tuple[int, str], ...] = ()

    @property
    def rank(self) -> tuple[int, int, str]:
        """Orders those who claim the same: the last one holds it."""
        return self.since, self.version, self.patient

    def speaks(self, gateway: str, t: int) -> bool:
        """Whether a gateway speaks for the patient at `t`, give or take the grace of a change."""
        ends = [*(at for at, _ in self.gateways[1:]), FOREVER]
        return not self.gateways or any(
            name == gateway and at - HANDING_OVER_MS <= t < end + HANDING_OVER_MS
            for (at, name), end in zip(self.gateways, ends, strict=True)
        )

    def covers(self, t: int) -> bool:
        """Whether the patient was there at `t`."""
        return self.since <= t and (self.until is None or t < self.until)


@dataclass(slots=True)
class BedHistory:
    """Every stay that the log tells of, by bed and by patient.

    Attributes:
        follows_devices: Whether to know who is on which device; one shard does, and tells of disputes.
        disputes: Those who claim the same, the holder last, by condition (bed or device disputed) and its name.
    """

    follows_devices: bool = False
    disputes: dict[tuple[str, str], tuple[Stay, ...]] = field(default_factory=dict)
    _by_bed: dict[str, list[Stay]] = field(default_factory=dict)
    _by_patient: dict[str, list[Stay]] = field(default_factory=dict)
    _by_device: dict[str, tuple[Stay, ...]] = field(default_factory=dict)
    _sure: dict[tuple[str, str | None, str], int] = field(default_factory=dict)

    def admit(self, admission: Admission) -> None:
        """Takes in an admission or its change; records of one patient come in order."""
        self._sure.clear()
        stays = self._by_patient.setdefault(admission.patient, [])
        current = former = stays[-1] if stays else None
        if current is None or current.bed != admission.bed or current.until is not None:
            if current is not None and current.until is None:
                current.until = max(admission.since, current.since)
            current = Stay(admission.patient, admission.bed, admission.since)
            current.gateways = ((0, admission.gateway),)
            if former is not None and former.until == admission.since:
                # The gateway of the former bed still speaks for a moment.
                current.gateways = (*former.gateways[-1:], (admission.since, admission.gateway))
            stays.append(current)
            self._by_bed.setdefault(admission.bed, []).append(current)
        if current.gateways[-1][1] != admission.gateway:
            current.gateways = (*current.gateways, (max(admission.version, admission.since), admission.gateway))
        current.version, current.until = admission.version, admission.discharged
        current.ward = sys.intern(admission.ward)
        # Read in whatever order, from whatever partition, those of one bed stand in one order.
        self._by_bed[admission.bed].sort(key=lambda stay: stay.rank)
        if self.follows_devices:
            self._follow(current, former, admission.devices)

    def _follow(self, current: Stay, former: Stay | None, devices: tuple[str, ...]) -> None:
        """Notes who is on which device, and what is disputed now."""
        left = former.devices if former else ()
        for device in left:
            self._by_device[device] = tuple(s for s in self._by_device[device] if s is not former)
        if former is not None:
            former.devices = ()
        # Named twice, a device is claimed once.
        current.devices = tuple(dict.fromkeys(devices)) if current.until is None else ()
        for device in current.devices:
            self._by_device[device] = (*self._by_device.get(device, ()), current)
        for device in {*left, *devices}:
            self._judge(DEVICE_DISPUTED, device, self._by_device.get(device, ()))
            if device in left and not self._by_device[device]:
                del self._by_device[device]
        for bed in {current.bed, former.bed if former else current.bed}:
            self._judge(BED_DISPUTED, bed, (s for s in self._by_bed[bed] if s.until is None))

    def _judge(self, condition: str, name: str, claims: Iterable[Stay]) -> None:
        ranked = tuple(sorted(claims, key=lambda stay: stay.rank))
        if len(ranked) > 1:
            self.disputes[condition, name] = ranked
        else:
            self.disputes.pop((condition, name), None)

    def belongs(self, patient: str, bed: str | None, t: int, gateway: str | None = None) -> bool:
        """Whether a reading that names `patient` in `bed` at `t` can be theirs, from `gateway`.

        An unknown bed or patient is believed: to miss an alarm is worse than to look at one. A gateway is believed of
        its own patients alone: a stolen one could hide a dying patient of another ward behind healthy values.
        """
        in_bed = next((s for s in reversed(self._by_bed.get(bed or "", ())) if s.since <= t), None)
        if in_bed is not None and in_bed.covers(t) and in_bed.patient != patient:
            return False
        own = next((s for s in reversed(self._by_patient.get(patient, ())) if s.since <= t), None)
        if own is None:
            return True
        return own.covers(t) and (bed is None or own.bed == bed) and (gateway is None or own.speaks(gateway, t))

    def is_foreign(self, patient: str, gateway: str, t: int) -> bool:
        """Whether a gateway speaks of another's patient."""
        own = next((s for s in reversed(self._by_patient.get(patient, ())) if s.since <= t), None)
        return own is not None and own.covers(t) and not own.speaks(gateway, t)

    def _look(self, patient: str, bed: str | None, t: int, gateway: str) -> bool:
        """Returns `belongs`, and remembers from when on it is so, where nothing known ends it."""
        own, there = self._by_patient.get(patient), self._by_bed.get(bed or "")
        if own is None and there is None:
            self._sure[patient, bed, gateway] = 0
        elif own and there and own[-1] is there[-1] and own[-1].until is None and own[-1].gateways[-1][1] == gateway:
            self._sure[patient, bed, gateway] = max(own[-1].since, own[-1].gateways[-1][0])
        return self.belongs(patient, bed, t, gateway)

    def misplaced(self, readings: Readings) -> NDArray[np.bool_]:
        """Returns (n,) whether each reading names a patient whose it cannot be."""
        sure = self._sure
        return np.fromiter(
            (
                patient is not None
                and t < sure.get((patient, bed, gateway), FOREVER)
                and not self._look(patient, bed, t, gateway)
                for patient, bed, t, gateway in zip(
                    readings.patient.tolist(),
                    readings.bed.tolist(),
                    readings.t.tolist(),
                    readings.gateway.tolist(),
                    strict=True,
                )
            ),
            dtype=np.bool_,
            count=len(readings),
        )
