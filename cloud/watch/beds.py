"""Who was in which bed when: the history of topic `patients`, which outranks what a gateway believed.

A gateway that was cut off while a bed changed hands still names the former patient. Its readings must neither raise
nor end an alarm of theirs.
"""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vitals.patients import Admission
from vitals.readings import Readings

FOREVER: Final = 2**62


@dataclass(slots=True)
class Stay:
    """One patient in one bed.

    Attributes:
        patient: Patient id.
        bed: Bed.
        since: From when, UTC epoch ms.
        until: Until when; None: still there.
    """

    patient: str
    bed: str
    since: int
    until: int | None = None

    def covers(self, t: int) -> bool:
        """Whether the patient was there at `t`."""
        return self.since <= t and (self.until is None or t < self.until)


@dataclass(slots=True)
class Beds:
    """Every stay that the log tells of, by bed and by patient."""

    _by_bed: dict[str, list[Stay]] = field(default_factory=dict)
    _by_patient: dict[str, list[Stay]] = field(default_factory=dict)
    _sure: dict[tuple[str, str | None], int] = field(default_factory=dict)

    def admit(self, admission: Admission) -> None:
        """Takes in an admission or its change; records of one patient come in order."""
        self._sure.clear()
        stays = self._by_patient.setdefault(admission.patient, [])
        current = stays[-1] if stays else None
        if current is None or current.bed != admission.bed or current.until is not None:
            if current is not None and current.until is None:
                current.until = max(admission.since, current.since)
            current = Stay(admission.patient, admission.bed, admission.since)
            stays.append(current)
            in_bed = self._by_bed.setdefault(admission.bed, [])
            in_bed.append(current)
            in_bed.sort(key=lambda stay: stay.since)
        current.until = admission.discharged

    def belongs(self, patient: str, bed: str | None, t: int) -> bool:
        """Whether a reading that names `patient` in `bed` at `t` can be theirs.

        An unknown bed or patient is believed: to miss an alarm is worse than to look at one.
        """
        in_bed = next((s for s in reversed(self._by_bed.get(bed or "", ())) if s.since <= t), None)
        if in_bed is not None and in_bed.covers(t) and in_bed.patient != patient:
            return False
        own = next((s for s in reversed(self._by_patient.get(patient, ())) if s.since <= t), None)
        return own is None or (own.covers(t) and (bed is None or own.bed == bed))

    def _look(self, patient: str, bed: str | None, t: int) -> bool:
        """Returns `belongs`, and remembers from when on it is so, where nothing known ends it."""
        own, there = self._by_patient.get(patient), self._by_bed.get(bed or "")
        if own is None and there is None:
            self._sure[patient, bed] = 0
        elif own and there and own[-1] is there[-1] and own[-1].until is None:
            self._sure[patient, bed] = own[-1].since
        return self.belongs(patient, bed, t)

    def misplaced(self, readings: Readings) -> NDArray[np.bool_]:
        """Returns (n,) whether each reading names a patient whose it cannot be."""
        sure = self._sure
        return np.fromiter(
            (
                patient is not None and t < sure.get((patient, bed), FOREVER) and not self._look(patient, bed, t)
                for patient, bed, t in zip(
                    readings.patient.tolist(), readings.bed.tolist(), readings.t.tolist(), strict=True
                )
            ),
            dtype=np.bool_,
            count=len(readings),
        )
