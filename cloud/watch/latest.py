"""The newest values of each patient, for the people who look at them; alarms never depend on it."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from vitals.readings import Readings
from vitals.signs import FIELDS, SIGNS

ROOM: Final = 64


class Latest:
    """One row per patient: 8 bytes per sign and one time."""

    def __init__(self) -> None:
        self._rows: dict[str, int] = {}
        self._values: NDArray[np.float64] = np.full((ROOM, len(SIGNS)), np.nan)
        self._times: NDArray[np.int64] = np.zeros(ROOM, dtype=np.int64)

    def update(self, readings: Readings) -> None:
        """Takes in readings; an absent sign keeps its former value, an older reading changes nothing."""
        for i, patient in enumerate(readings.patient.tolist()):
            if patient is None:
                continue
            row = self._rows.setdefault(patient, len(self._rows))
            if row == len(self._times):
                self._values = np.concatenate([self._values, np.full_like(self._values, np.nan)])
                self._times = np.concatenate([self._times, np.zeros_like(self._times)])
            if readings.t[i] >= self._times[row]:
                present = ~np.isnan(readings.values[i])
                self._values[row, present] = readings.values[i, present]
                self._times[row] = readings.t[i]

    def of(self, patient: str) -> dict[str, float] | None:
        """Returns a patient's values by sign, with the newest reading's time `t`; None when nothing is known."""
        row = self._rows.get(patient)
        if row is None:
            return None
        values = {f: float(v) for f, v in zip(FIELDS, self._values[row], strict=True) if not np.isnan(v)}
        return {"t": float(self._times[row])} | values
