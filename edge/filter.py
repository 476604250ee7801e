"""The artefact filter: what a value must look like to be believed. Pure NumPy, all devices and signs at once.

A value that is not believed is kept and marked with its reason; a zero, or a value of a disconnected sensor, is absent.
A change is believed when the next reading confirms it, so a real one passes with its second reading.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from vitals.limits import PROFILE_INDEX
from vitals.signs import INDEX, SIGNS, Suspect

Values = NDArray[np.float64]

INFANT_RR_MAX: Final = 120.0
INFANT: Final = PROFILE_INDEX["infant"]
STALE_MS: Final = 300_000
"""A value this old says nothing of the next one."""
FLAT_MS: Final = 600_000
FLAT_READINGS: Final = 20
"""Whole numbers repeat by chance; twenty times in ten minutes they do not, where the sign varies with each breath."""
MAX_SCALE: Final = 2.0
"""However long the pause, a believable change is at most twice that of one second (it grows with the root of time)."""
SPIKE_SHARE: Final = 0.75
"""Against the median of three, which lies still, a smaller step counts as against the last value."""

FIRST, SECOND, NEWEST, CANDIDATE, TIME, FLAT_SINCE, FLAT_COUNT = range(7)
"""What is remembered per device and sign: three believed values, an unconfirmed one, the time of the newest value."""
COLUMNS: Final = 7

_MINIMUM: Final = np.array([s.minimum for s in SIGNS])
_MAXIMUM: Final = np.array([s.maximum for s in SIGNS])
_OPEN_MINIMUM: Final = np.array([s.open_minimum for s in SIGNS])
_OPEN_MAXIMUM: Final = np.array([s.open_maximum for s in SIGNS])
_STEP: Final = np.array([s.max_step for s in SIGNS])
_VARIES: Final = np.array([s.field in {"hr", "pr", "rr"} for s in SIGNS])
_SAME_SENSOR: Final = np.array([[a.sensor == b.sensor for b in SIGNS] for a in SIGNS])
_RR, _SBP, _DBP, _MAP = INDEX["rr"], INDEX["sbp"], INDEX["dbp"], INDEX["map"]


def clean(
    rows: Values, t: NDArray[np.int64], values: Values, off: NDArray[np.bool_], profile: NDArray[np.int64]
) -> tuple[Values, NDArray[np.int8], Values]:
    """Judges n readings of n different devices.

    Args:
        rows: (n, 7, signs) what is remembered of the devices, NaN where nothing is.
        t: (n,) event times, UTC epoch ms.
        values: (n, signs) values in the signs' units, NaN where absent.
        off: (n, signs) whether the sensor is reported disconnected.
        profile: (n,) index of the limit profile, -1 when unknown; infants breathe faster.

    Returns:
        (n, signs) values without dropouts and disconnected sensors, (n, signs) `Suspect` codes, the rows afterwards.
    """
    values, absent = _absences(values, off)
    present = ~np.isnan(values)
    implausible = _implausible(values, profile)
    inconsistent = _inconsistent(values)
    usable = present & ~implausible & ~inconsistent
    changed, flat, after = _against_history(rows, t.astype(np.float64)[:, None], values, usable)
    codes = np.where(flat, np.int8(Suspect.FLAT_LINE), absent)
    codes = np.where(changed > 0, changed, codes)
    codes[inconsistent] = Suspect.PRESSURE_INCONSISTENT
    codes[implausible] = Suspect.IMPLAUSIBLE
    return values, codes, after


def _absences(values: Values, off: NDArray[np.bool_]) -> tuple[Values, NDArray[np.int8]]:
    dropout = values == 0
    if off.any():
        # Signs of one sensor go together: what is missing beside a disconnected sign is not a dropout.
        off = off | ((off @ _SAME_SENSOR) & (np.isnan(values) | dropout))
    codes = np.where(dropout, np.int8(Suspect.DROPOUT), np.int8(Suspect.NONE))
    codes[off] = Suspect.SENSOR_OFF
    return np.where(dropout | off, np.nan, values), codes


def _implausible(values: Values, profile: NDArray[np.int64]) -> NDArray[np.bool_]:
    high = (values > _MAXIMUM) | (_OPEN_MAXIMUM & (values == _MAXIMUM))
    infant = profile == INFANT
    if infant.any():
        high[infant, _RR] = values[infant, _RR] >= INFANT_RR_MAX
    result: NDArray[np.bool_] = high | (values < _MINIMUM) | (_OPEN_MINIMUM & (values == _MINIMUM))
    return result


def _inconsistent(values: Values) -> NDArray[np.bool_]:
    """Marks the pressures that contradict each other: dbp < sbp, and map between them."""
    sbp, dbp, mean = values[:, _SBP], values[:, _DBP], values[:, _MAP]
    marks = np.zeros(values.shape, dtype=np.bool_)
    crossed = dbp >= sbp
    outside = (mean > sbp) | (mean < dbp)
    if crossed.any() or outside.any():
        marks[:, _SBP] = crossed | (outside & np.isnan(dbp))
        marks[:, _DBP] = crossed | (outside & np.isnan(sbp))
        marks[:, _MAP] = (crossed | outside) & ~np.isnan(mean)
    return marks


def _against_history(
    rows: Values, t: Values, values: Values, usable: NDArray[np.bool_]
) -> tuple[NDArray[np.int8], NDArray[np.bool_], Values]:
    a, b, c, candidate, time, since, count = (rows[:, k] for k in range(COLUMNS))
    age = t - time
    # A late reading is judged by nothing newer, and a stale or first one by nothing at all.
    ordered = usable & ~(age < 0)
    compared = ordered & (age <= STALE_MS)
    step = _STEP * np.sqrt(np.clip(age / 1000, 1.0, MAX_SCALE**2))
    median = np.maximum(np.minimum(a, b), np.minimum(np.maximum(a, b), c))
    too_fast = np.abs(values - c) > step
    spike = np.abs(values - median) > SPIKE_SHARE * step
    deviates = compared & (too_fast | spike)
    confirmed = deviates & (np.abs(values - candidate) <= step)
    doubted = deviates & ~confirmed
    believed = ordered & ~doubted
    restart = confirmed | (ordered & ~compared)
    after = np.empty_like(rows)
    after[:, FIRST] = np.where(restart, values, np.where(believed, b, a))
    after[:, SECOND] = np.where(restart, values, np.where(believed, c, b))
    after[:, NEWEST] = np.where(believed, values, c)
    after[:, CANDIDATE] = np.where(doubted, values, np.where(believed, np.nan, candidate))
    after[:, TIME] = np.where(ordered, t, time)
    same = ordered & _VARIES & (values == c) & compared
    after[:, FLAT_SINCE] = np.where(same, since, np.where(ordered, t, since))
    after[:, FLAT_COUNT] = np.where(same, count + 1, np.where(ordered, 1.0, count))
    flat = same & (t - since >= FLAT_MS) & (count + 1 >= FLAT_READINGS)
    codes = np.where(too_fast, np.int8(Suspect.RATE_OF_CHANGE), np.int8(Suspect.SPIKE))
    return np.where(doubted, codes, np.int8(0)), flat, after
