"""Artefact filter: marks values that the patient probably does not have. Pure NumPy, all devices and signs at once.

A doubted value is kept and marked with its reason. A zero, a value of a disconnected sensor and a
pressure without a pulse become absent.
A change is believed when the next reading confirms it, so a real change passes with its second reading. One exception:
while the oximeter's pulse rate contradicts the ECG's heart rate, the patient moves. The oximeter's signs and the
respiratory rate are then doubted for `BOUT_MS` at most.

Thresholds. Steps are from `vitals.signs`; that of the respiratory rate is halved. On a recorded patient (32 h, one
sample a minute) 16 of 19 counts more than 6 /min from their 11 min median were gone with the next sample. In that
recording the two rates differ by less than 8 /min in 99 of 100 minutes; the worst of the rest is motion. All other
thresholds were tried on simulated patients of seeds that the benchmark (`tests/bench/bench_filter.py`) does not use.

Speed. Nearly every value is near the two before it, and the rest of the history cannot make it doubted. `_near` finds
these values with few passes over a block. The remaining values, one in some hundred, go through `_against_history`,
which has the full rule. NumPy is slow where it must repeat a row of eight, so limits are tiled for a whole block
beforehand.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from vitals.limits import PROFILES
from vitals.signs import INDEX, SIGNS, Suspect

Values = NDArray[np.float64]
Flags = NDArray[np.bool_]
Codes = NDArray[np.int8]

RATES_OF_CHILDREN: Final = {"hr": 350.0, "pr": 350.0, "rr": 150.0}
"""Highest plausible rates of possible children; `SIGNS` has those of adults. A newborn in distress breathes
more than 100 times a minute, a toddler with bronchiolitis 80 times. The heart of an infant with a supraventricular
tachycardia beats up to 320 times. The respiratory maximum is below 255, some monitors' code for no value."""
ADULTS: Final = ("adult", "copd", "home")
STALE_MS: Final = 300_000
"""Age from which a value is not compared with the next one."""
FLAT_MS: Final = 600_000
FLAT_INTERVALS: Final = 20
"""Whole numbers repeat by chance, but not for ten minutes and twenty readings if the sign varies with each breath."""
MAX_SCALE: Final = 2.0
"""Cap of the believable change relative to that of one second; the change grows with the square root of the pause."""
SPIKE_SHARE: Final = 0.75
"""Share of the step that counts as a spike against the median of three, which moves less than the last value."""
APART: Final = (8.0, 0.1)
"""Least difference at which heart rate and pulse rate contradict each other: /min, and as a share of the heart rate."""
BOUT_MS: Final = 420_000
"""Longest doubt of the oximeter because of a contradiction. Recorded motion lasts 90 s on average; one second in
a hundred of it is beyond this, and a longer pulse deficit is the patient's. A contradiction that returns opens a second
bout only after as long an agreement."""
LEAST_PULSE: Final = 5.0
"""Difference of systolic and diastolic pressure, mmHg, below which no blood is moved; 20 is grave shock (ATLS)."""
BLOCK: Final = 1_024
"""Readings per block: about as many as fit the processor's cache; larger blocks cost more per reading."""

FIRST, SECOND, NEWEST, CANDIDATE, TIME, SINCE, BOUT = range(7)
"""Columns of a device's history per sign: three believed values, an unconfirmed value, the time of the newest one, and
the start of a flat line.

`BOUT` is per device: start of the contradiction of its rates (in the place of hr), last contradiction (of pr).
"""
COLUMNS: Final = 7

_SBP, _DBP, _MAP = INDEX["sbp"], INDEX["dbp"], INDEX["map"]
_HR, _PR = INDEX["hr"], INDEX["pr"]
_STEP: Final = np.array([s.max_step * (0.5 if s.field == "rr" else 1) for s in SIGNS])
_VARIES: Final = np.array([s.field in {"hr", "pr", "rr"} for s in SIGNS])
_SHAKEN: Final = np.array([i for i, s in enumerate(SIGNS) if s.sensor in {"oximeter", "impedance"}])
"""Signs that motion disturbs; in the recording, four of nine such minutes have too high a respiratory rate."""
_SAME_SENSOR: Final = np.array([[a.sensor == b.sensor for b in SIGNS] for a in SIGNS])


def _block(row: NDArray[Any]) -> NDArray[Any]:
    return np.tile(row, (BLOCK, 1))


_MINIMA: Final = _block(np.array([np.nextafter(s.minimum, np.inf) if s.open_minimum else s.minimum for s in SIGNS]))
_MAXIMA: Final = _block(np.array([np.nextafter(s.maximum, -np.inf) if s.open_maximum else s.maximum for s in SIGNS]))
_CHILD: Final = np.array([p.profile not in ADULTS for p in PROFILES] + [True])
"""By profile; the last entry is for unknown patients, possibly children."""
_MAXIMA_OF_CHILDREN: Final = np.array([RATES_OF_CHILDREN.get(s.field, _MAXIMA[0, i]) for i, s in enumerate(SIGNS)])
_NEAR: Final = _block(SPIKE_SHARE * _STEP)
_VARYING: Final = _block(_VARIES)


def rebased(history: Values, jump_ms: int) -> Values:
    """Returns the history, by column, device and sign, after the clock of the event times was set."""
    after = history.copy()
    after[[TIME, SINCE]] += jump_ms
    after[BOUT, :, [_HR, _PR]] += jump_ms
    return after


def clean(
    rows: Values, t: NDArray[np.int64], values: Values, off: Flags, profile: NDArray[np.int64]
) -> tuple[Values, Codes, Values]:
    """Filters n readings of n different devices.

    Args:
        rows: (n, COLUMNS, signs) history of the devices, NaN where there is none. Fastest when each column's (n, signs)
            are contiguous in memory.
        t: (n,) event times, UTC epoch ms.
        values: (n, signs) values in the signs' units, NaN where absent.
        off: (n, signs) whether the sensor is reported disconnected.
        profile: (n,) index of the limit profile, -1 when unknown; children breathe faster.

    Returns:
        (n, signs) values without dropouts and disconnected sensors, (n, signs) `Suspect` codes, the updated history.
    """
    values = np.array(values, order="C")
    codes, after = np.zeros(values.shape, dtype=np.int8), np.empty_like(rows)
    for first in range(0, len(t), BLOCK):
        part = slice(first, first + BLOCK)
        own, marks, was, then = values[part], codes[part], rows[part], after[part]
        times = np.repeat(t[part].astype(np.float64), len(SIGNS)).reshape(own.shape)
        usable = _usable(own, marks, off[part], profile[part])
        near = _near(was, times, own) & usable
        then[:, FIRST], then[:, SECOND], then[:, NEWEST] = was[:, SECOND], was[:, NEWEST], own
        then[:, CANDIDATE], then[:, TIME] = np.nan, times
        _stand_still(was, then, own, near, marks)
        _settle(was, then, own, np.flatnonzero(~near), usable=usable, codes=marks)
        _contradict(was[:, BOUT], times[:, 0], own, marks, then[:, BOUT])
    return values, codes, after


def _usable(values: Values, codes: Codes, off: Flags, profile: NDArray[np.int64]) -> Flags:
    """Removes dropouts and values of disconnected sensors, marks implausible values; returns the usable ones."""
    maxima = _MAXIMA[: len(values)]
    child = _CHILD[profile]
    if child.any():
        maxima = np.where(child[:, None], _MAXIMA_OF_CHILDREN, maxima)
    usable: Flags = values >= _MINIMA[: len(values)]
    usable &= values <= maxima
    odd = np.flatnonzero(usable.ravel() != (values == values).ravel())  # noqa: PLR0124 - a NaN is not itself
    if len(odd):
        zero = values.ravel()[odd] == 0
        codes.reshape(-1)[odd] = np.where(zero, np.int8(Suspect.DROPOUT), np.int8(Suspect.IMPLAUSIBLE))
        values.reshape(-1)[odd[zero]] = np.nan
    if off.any():
        # All signs of a sensor are off together: an absent value next to a disconnected sign is no dropout.
        off = off | ((off @ _SAME_SENSOR) & np.isnan(values))
        values[off], codes[off], usable[off] = np.nan, Suspect.SENSOR_OFF, False
    _pressures(values, codes, usable)
    return usable


def _pressures(values: Values, codes: Codes, usable: Flags) -> None:
    """Marks pressures that contradict each other: dbp < sbp, and map between them; removes those without a pulse.

    A line without a pulse while the oximeter counts one is closed: for a blood sample, to be set to zero, or clotted.
    """
    # An implausible pressure is not compared with the others.
    sbp, dbp, mean = (np.where(usable[:, s], values[:, s], np.nan) for s in (_SBP, _DBP, _MAP))
    still = (np.abs(sbp - dbp) < LEAST_PULSE) & usable[:, _PR]
    for s in (_SBP, _DBP, _MAP) if still.any() else ():
        values[still, s], codes[still, s], usable[still, s] = np.nan, Suspect.DROPOUT, False
        sbp, dbp, mean = (np.where(still, np.nan, pressure) for pressure in (sbp, dbp, mean))
    wrong = (dbp >= sbp) | (mean > sbp) | (mean < dbp)
    for i in np.flatnonzero(wrong).tolist():
        crossed = dbp[i] >= sbp[i]
        marked = [
            s
            for s, guilty in ((_SBP, crossed or np.isnan(dbp[i])), (_DBP, crossed or np.isnan(sbp[i])), (_MAP, True))
            if guilty and usable[i, s]
        ]
        codes[i, marked] = Suspect.PRESSURE_INCONSISTENT
        usable[i, marked] = False


def _near(rows: Values, t: Values, values: Values) -> Flags:
    """Returns whether a value is so near the two before it that the third and the pause cannot change the decision.

    Two of three values are then within the smaller of the two thresholds, so their median is too.
    """
    threshold = _NEAR[: len(values)]
    distance = values - rows[:, NEWEST]
    near: Flags = np.abs(distance, out=distance) <= threshold
    np.subtract(values, rows[:, SECOND], out=distance)
    near &= np.abs(distance, out=distance) <= threshold
    age = np.subtract(t, rows[:, TIME], out=distance)
    near &= age >= 0
    near &= age <= STALE_MS
    return near


def _stand_still(rows: Values, after: Values, values: Values, near: Flags, codes: Codes) -> None:
    """Marks flat lines among near values, and sets the start of each flat line."""
    same = values == rows[:, NEWEST]
    same &= _VARYING[: len(values)]
    t, since = after[:, TIME], after[:, SINCE]
    since[...] = np.where(same, rows[:, SINCE], t)
    still = t - since
    long = np.flatnonzero((still >= FLAT_MS) & near)
    if len(long):
        i, s = np.divmod(long, len(SIGNS))
        flat = still[i, s] >= FLAT_INTERVALS * (t[i, s] - rows[i, TIME, s])
        codes[i[flat], s[flat]] = Suspect.FLAT_LINE


def _settle(
    rows: Values, after: Values, values: Values, others: NDArray[np.intp], *, usable: Flags, codes: Codes
) -> None:
    """Judges the values that are not near; a sign without a usable value keeps its history."""
    if not len(others):
        return
    i, s = np.divmod(others, len(SIGNS))
    t = after[i, TIME, s]
    after[i, :, s] = rows[i, :, s]
    there = usable[i, s]
    i, s, t = i[there], s[there], t[there]
    if len(i):
        after[i, :, s], judged = _against_history(rows[i, :, s], t, values[i, s], s)
        codes[i, s] = judged


def _against_history(rows: Values, t: Values, values: Values, sign: NDArray[np.intp]) -> tuple[Values, Codes]:
    """Applies the full rule to m single values.

    Args:
        rows: (m, COLUMNS) history of the sign.
        t: (m,) event times.
        values: (m,) plausible values.
        sign: (m,) indices of the signs.

    Returns:
        (m, COLUMNS) updated history, (m,) codes.
    """
    a, b, c, candidate, time, since = rows.T[:BOUT]
    age = t - time
    # A late reading is not compared with newer values, and a stale or first one with none at all.
    ordered = ~(age < 0)
    compared = ordered & (age <= STALE_MS)
    step = _STEP[sign] * np.sqrt(np.clip(age / 1000, 1.0, MAX_SCALE**2))
    median = np.maximum(np.minimum(a, b), np.minimum(np.maximum(a, b), c))
    too_fast = np.abs(values - c) > step
    spike = np.abs(values - median) > SPIKE_SHARE * step
    deviates = compared & (too_fast | spike)
    confirmed = deviates & (np.abs(values - candidate) <= step)
    doubted = deviates & ~confirmed
    believed = ordered & ~doubted
    restart = confirmed | (ordered & ~compared)
    same = compared & _VARIES[sign] & (values == c)
    after = rows.copy()
    after[:, FIRST] = np.where(restart, values, np.where(believed, b, a))
    after[:, SECOND] = np.where(restart, values, np.where(believed, c, b))
    after[:, NEWEST] = np.where(believed, values, c)
    after[:, CANDIDATE] = np.where(doubted, values, np.where(believed, np.nan, candidate))
    after[:, TIME] = np.where(ordered, t, time)
    after[:, SINCE] = np.where(ordered & ~same, t, since)
    flat = same & (t - since >= np.maximum(FLAT_MS, FLAT_INTERVALS * age))
    codes = np.where(flat, np.int8(Suspect.FLAT_LINE), np.int8(Suspect.NONE))
    codes[doubted & spike] = Suspect.SPIKE
    codes[doubted & too_fast] = Suspect.RATE_OF_CHANGE
    return after, codes


def _contradict(bout: Values, t: Values, values: Values, codes: Codes, after: Values) -> None:
    """Marks oximeter and respiratory rate while the oximeter's pulse rate contradicts the ECG's heart rate."""
    hr = values[:, _HR]
    apart = np.abs(hr - values[:, _PR])
    after[...] = bout
    rows = np.flatnonzero(apart > APART[0])
    if not len(rows):
        return
    believed = (codes[rows, _HR] == 0) & (codes[rows, _PR] != Suspect.IMPLAUSIBLE)
    rows = rows[believed & (apart[rows] > APART[1] * hr[rows])]
    now, since, last = t[rows], bout[rows, _HR], bout[rows, _PR]
    # A late reading opens no bout and extends none.
    began = np.where(now - last <= BOUT_MS, since, now)
    after[rows, _HR], after[rows, _PR] = began, np.fmax(now, last)
    held = rows[(now - began <= BOUT_MS) & (now >= began)]
    if len(held):
        at = held[:, None], _SHAKEN
        free = (codes[at] == 0) & ~np.isnan(values[at])
        codes[at] = np.where(free, np.int8(Suspect.CONTRADICTED), codes[at])
