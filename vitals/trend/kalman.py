"""The model: a level that wanders and a slope that fades, per patient and sign."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vitals.alarm_events import AlarmEvent
from vitals.readings import Readings
from vitals.signs import FIELDS, SIGNS

Floats = NDArray[np.float64]
MINUTE_MS: Final = 60_000
HORIZON_MIN: Final = 30.0
FADE_MIN: Final = 30.0
"""A slope fades by half in some 20 minutes: patients are treated, and bodies correct themselves."""
SPACING_MS: Final = 30_000
HUBER: Final = 2.0
NOISE: Final = np.array([sign.max_step / 10 for sign in SIGNS])
WANDER: Final = NOISE * 0.05
"""Standard deviation by which the level wanders in a minute."""
SLOPE: Final = NOISE * 0.05
"""Standard deviation of the slope, per minute. Wander and slope were chosen for the error at 1 to 4 h on half of a
hundred intensive-care patients, and for early advisories on simulated stories; the other half verified them."""
ARRAYS: Final = ("x", "p", "t", "count", "wanted")


@dataclass(frozen=True, slots=True)
class Estimate:
    """State of a sign at its newest value that was used. It says nothing of later values.

    Attributes:
        level: Level, in the sign's unit.
        slope: Slope, unit per minute.
    """

    level: float
    slope: float


class Trends:
    """Levels, slopes and advisories of all patients. `empty` creates it, and only this package changes it, in place."""

    def __init__(self) -> None:
        self.index: dict[str, int] = {}
        self.free: list[int] = []
        signs = len(SIGNS)
        self.x: Floats = np.zeros((64, 2, signs))
        self.p: Floats = np.zeros((64, 3, signs))
        self.t: NDArray[np.int64] = np.zeros((64, signs), dtype=np.int64)
        self.count: NDArray[np.int32] = np.zeros((64, signs), dtype=np.int32)
        self.wanted: NDArray[np.int64] = np.zeros((64, signs), dtype=np.int64)
        self.told: dict[tuple[int, int], AlarmEvent] = {}
        self.unwanted: dict[tuple[int, int], int] = {}
        self.known: dict[str, tuple[int, int]] = {}
        self.recalled: dict[str, AlarmEvent] = {}

    def rows(self, patients: list[str | None]) -> NDArray[np.int64]:
        """Returns the patients' rows, -1 for None; new patients get a row."""
        for patient in patients:
            if patient is not None and patient not in self.index:
                self.index[patient] = self.free.pop() if self.free else len(self.index)
        while len(self.index) + len(self.free) > len(self.t):
            for name in ARRAYS:
                array = getattr(self, name)
                setattr(self, name, np.concatenate([array, np.zeros_like(array)]))
        return np.array([-1 if p is None else self.index[p] for p in patients], dtype=np.int64)

    def release(self, patient: str) -> None:
        """Removes a patient without advisories."""
        row = self.index.pop(patient, None)
        if row is not None:
            for name in ARRAYS:
                getattr(self, name)[row] = 0
            self.free.append(row)


def follow(
    trends: Trends, readings: Readings, rows: NDArray[np.int64], index: NDArray[np.intp], usable: NDArray[np.bool_]
) -> None:
    """Updates the trends by the usable values of readings at `index`, one per row; of each sign only if it is due."""
    t, z = readings.t[index][:, None], readings.values[index]
    last, count = trends.t[rows], trends.count[rows]
    new = usable & (count == 0)
    due = usable & (count > 0) & (t - last >= SPACING_MS)
    x, p = trends.x[rows], trends.p[rows]
    minutes = np.where(due, (t - last) / MINUTE_MS, 0.0)
    level, slope, p11, p12, p22 = predict(x, p, minutes)
    error = np.where(due, z - level, 0.0)
    variance = p11 + NOISE**2
    size = np.abs(error) / np.sqrt(variance)
    # An outlier counts as a value of larger noise, so that its influence is bounded.
    noise = NOISE**2 * np.maximum(1.0, size / HUBER) ** 2
    gain1, gain2 = p11 / (p11 + noise), p12 / (p11 + noise)
    x_new = np.stack([level + gain1 * error, slope + gain2 * error], axis=1)
    p_new = np.stack([p11 * (1 - gain1), p12 * (1 - gain1), p22 - gain2 * p12], axis=1)
    x_first = np.stack([z, np.zeros_like(z)], axis=1)
    p_first = np.broadcast_to(np.stack([NOISE**2, np.zeros_like(NOISE), SLOPE**2]), p.shape)
    x = np.where(due[:, None], x_new, np.where(new[:, None], x_first, x))
    p = np.where(due[:, None], p_new, np.where(new[:, None], p_first, p))
    trends.x[rows], trends.p[rows] = x, p
    trends.t[rows] = np.where(due | new, t, last)
    trends.count[rows] = count + (due | new)


def predict(x: Floats, p: Floats, minutes: Floats) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """Returns level, slope and their covariance (p11, p12, p22) after `minutes`; arrays (n, 2|3, signs)."""
    fade = np.exp(-minutes / FADE_MIN)
    reach = FADE_MIN * (1 - fade)
    p11 = p[:, 0] + 2 * reach * p[:, 1] + reach**2 * p[:, 2] + WANDER**2 * minutes
    p12 = fade * (p[:, 1] + reach * p[:, 2])
    p22 = fade**2 * p[:, 2] + SLOPE**2 * (1 - fade**2)
    return x[:, 0] + reach * x[:, 1], x[:, 1] * fade, p11, p12, p22


def estimates(trends: Trends, patients: Sequence[str]) -> list[dict[str, Estimate]]:
    """Returns level and slope of every sign that has had a value, by field, for each patient in order."""
    places = [(i, row) for i, p in enumerate(patients) if (row := trends.index.get(p)) is not None]
    found: list[dict[str, Estimate]] = [{} for _ in patients]
    rows = np.array([row for _, row in places], dtype=np.int64)
    known, level, slope = trends.count[rows] > 0, trends.x[rows, 0], trends.x[rows, 1]
    for (i, _), *own in zip(places, known.tolist(), level.tolist(), slope.tolist(), strict=True):
        found[i] = {field: Estimate(x, dx) for field, there, x, dx in zip(FIELDS, *own, strict=True) if there}
    return found
