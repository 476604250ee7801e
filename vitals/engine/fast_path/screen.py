"""Finds the readings that change no condition: the vectorised half of the engine.

A reading may be found so only if evaluating it by itself would leave every condition as it is. In doubt it is evaluated
by itself. A property test runs both paths over the same readings.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitals import news2
from vitals.breach_codes import BREACH_EXTREME_HIGH, BREACH_EXTREME_LOW, BREACH_LOW, WITHIN, breach
from vitals.engine.constants import (
    AHEAD_MS,
    CONTINUOUS,
    COUNT,
    CUFF,
    DUE_SHARE,
    HR,
    INTERVALS,
    LOST,
    MAP,
    PR,
    PULSE,
    SBP,
    SENSOR_OFF,
)
from vitals.engine.rules import news2_condition
from vitals.engine.state import BUSY, CADENCE, CALM, GONE, HAD, NEWEST, OFF, PARTS, SCORED, SEEN, State, all_seconds
from vitals.limits import HIGH, LOW
from vitals.news2 import NOT_SCORED
from vitals.readings import Readings
from vitals.signs import SUSPECT_BITS, Suspect

Bools = NDArray[np.bool_]
_CONTINUOUS = np.flatnonzero(CONTINUOUS)
_PULSE = np.array(PULSE)
_REPEATED = np.array(CUFF)
_WORD = 8
_SHIFTS = np.arange(COUNT, dtype=np.int64) * SUSPECT_BITS


@dataclass(slots=True, eq=False)
class Round:
    """Readings of different patients, with their patients' rows gathered.

    Attributes:
        index: (n,) indices in the batch.
        rows: (n,) patients' rows.
        t: (n,) event time, ms; log time if the clock is ahead.
        ahead: (n,) whether the clock is ahead.
        values: (n, signs), NaN where absent or late.
        codes: (n, signs) `Suspect` codes, 0 where late.
        present: (n, signs) whether there is a value that is not late.
        limits: (n,) index into `limit_sets`.
        table: (sets, signs, 5) limits in force, as `LimitSet.array()`.
        times: (n, TIMES) gathered, then updated by the reading.
        marks: (n, MARKS) likewise.
        pace: (n, PACE) likewise.
        says: (n, signs) whether the reading has a report of the sign that is not late.
        coded: Whether any code is set.
        dropped: (n,) whether everything in it is late.
    """

    index: NDArray[np.intp]
    rows: NDArray[np.int64]
    t: NDArray[np.int64]
    ahead: Bools
    values: NDArray[np.float64]
    codes: NDArray[np.int8]
    present: Bools
    limits: NDArray[np.int64]
    table: NDArray[np.float64]
    times: NDArray[np.int64]
    marks: NDArray[np.int8]
    pace: NDArray[np.int32]
    told: NDArray[np.float16]
    says: Bools
    coded: bool
    dropped: Bools

    @classmethod
    def gather(
        cls,
        state: State,
        readings: Readings,
        rows: NDArray[np.int64],
        index: NDArray[np.intp],
        *,
        table: NDArray[np.float64],
        now: int,
    ) -> "Round":
        """Gathers the readings at `index` (patients all different) and their patients' rows."""
        # A slice of adjacent readings needs no copy; only scattered readings are gathered.
        run = int(index[-1]) - int(index[0]) + 1 == len(index)
        at: slice | NDArray[np.intp] = slice(int(index[0]), int(index[-1]) + 1) if run else index
        raw, mine = readings.t[at], rows[at]
        values, suspect = readings.values[at], readings.suspect[at]
        times = state.times[mine]
        ahead = raw > now + AHEAD_MS
        t = np.where(ahead, np.maximum(now, times[:, SEEN] + 1), raw)
        present = np.isfinite(values)
        coded = bool(suspect.any())
        if coded:
            codes, present = _unpacked(suspect, present)
            says = present | (codes == Suspect.DROPOUT) | (codes == Suspect.SENSOR_OFF)
        else:
            codes, says = np.zeros((1, COUNT), dtype=np.int8), present
        late = says & (t[:, None] <= times[:, NEWEST])
        said = any_of(says)
        if late.any():
            says = says & ~late
            present = present & ~late
            codes = np.where(late, np.int8(0), codes)
            dropped = ~any_of(says) & (said | (t <= times[:, SEEN]))
        else:
            dropped = ~said & (t <= times[:, SEEN])
        if np.count_nonzero(present) != np.count_nonzero(values == values):  # noqa: PLR0124 - NaN
            values = np.where(present, values, np.nan)
        return cls(
            index, mine, t, ahead, values, codes, present, readings.limits[at], table,
            times, state.marks[mine], state.pace[mine], state.told, says, coded, dropped,
        )  # fmt: skip

    def bounds(self, column: int) -> NDArray[np.float64]:
        """Returns one limit of every sign, (n, signs) or, if all readings share their limits, (signs,)."""
        first = self.limits[0]
        same = bool((self.limits == first).all())
        bound: NDArray[np.float64] = self.table[first, :, column] if same else self.table[:, :, column][self.limits]
        return bound

    def digits(self, chosen: NDArray[np.intp]) -> NDArray[np.int8]:
        """Returns the breach digits of some readings."""
        return breach(self.values[chosen], self.table[self.limits[chosen]])


def _unpacked(suspect: NDArray[np.int64], present: Bools) -> tuple[NDArray[np.int8], Bools]:
    """Returns (n, signs) codes and presence; an impossible value is a loss, like a zero."""
    codes = ((suspect[:, None] >> _SHIFTS) & ((1 << SUSPECT_BITS) - 1)).astype(np.int8)
    impossible = codes == Suspect.IMPLAUSIBLE
    if impossible.any():
        codes[impossible] = Suspect.DROPOUT
        present = present & ~impossible
    return codes, present


def any_of(flags: Bools) -> Bools:
    """Returns (n,) whether any of (n, signs) flags is set; eight flags are one 64-bit integer."""
    word = flags.shape[1] == _WORD and flags.flags.c_contiguous
    some: Bools = flags.view(np.uint64)[:, 0] != 0 if word else np.any(flags, axis=1)
    return some


def needs_no_evaluation(r: Round) -> Bools:
    """Finds the readings that change no condition, and updates their gathered rows.

    Returns:
        (n,) whether a reading changes none.
    """
    beyond = any_of((r.values < r.bounds(LOW)) | (r.values > r.bounds(HIGH)))
    overdue = _overdue(r)
    restless = beyond | r.ahead | (r.marks[:, BUSY] != 0) | overdue
    if r.coded:
        restless |= any_of(r.codes != 0)
    _bring_up(r)
    restless |= ~news2_condition.at_rest(r.marks)
    unsure = np.flatnonzero(restless & ~r.ahead & ~r.dropped & ~overdue)
    if len(unsure):
        restless[unsure] = ~_steady(r, unsure)
    at_rest: Bools = ~restless & ~r.dropped
    return at_rest


def _overdue(r: Round) -> Bools:
    """Returns (n,) whether a continuous sign is missing for more than `INTERVALS` intervals, or all of a pulse is."""
    absent = ~r.present[:, _CONTINUOUS]
    if not absent.any():
        return np.zeros(len(r.t), dtype=np.bool_)
    live = (r.marks[:, HAD] == 1) & (r.marks[:, GONE] == 0) & (r.marks[:, OFF] == 0)
    since = r.t - np.where(live, r.times[:, NEWEST], 0)[:, _PULSE].max(axis=1)
    silent = ~r.present[:, _PULSE].any(axis=1) & live[:, _PULSE].any(axis=1)
    silent &= since >= DUE_SHARE * r.pace[:, CADENCE]
    newest = r.times[:, NEWEST][:, _CONTINUOUS]
    waited = r.t[:, None] - newest > INTERVALS * r.pace[:, CADENCE, None].astype(np.int64)
    overdue: Bools = (absent & waited & live[:, _CONTINUOUS] & (r.t > r.times[:, SEEN])[:, None]).any(axis=1)
    overdue |= silent
    return overdue


def _bring_up(r: Round) -> None:
    """Updates the gathered rows by a reading that changes no condition."""
    trusted = r.values
    if r.coded:
        trusted = np.where((r.codes == 0) | (r.codes == Suspect.CLOCK), r.values, np.nan)
    parts = news2.digits(trusted)
    t, at = r.t[:, None], all_seconds(r.t)
    scored = parts != NOT_SCORED
    _write(r.times[:, NEWEST], t, r.says)
    _write(r.marks[:, PARTS], parts, scored)
    for k, column in enumerate(news2_condition.SOURCE_COLUMNS):
        _write(r.pace[:, SCORED.start + k], at, scored[:, column])
    r.times[:, SEEN] = np.maximum(r.times[:, SEEN], r.t)
    r.marks[:, HAD] |= r.present


def _write(into: NDArray[Any], values: NDArray[Any], where: Bools) -> None:
    if where.all():
        into[...] = values
    else:
        np.copyto(into, values, where=where)


def _steady(r: Round, chosen: NDArray[np.intp]) -> Bools:
    """Returns whether a reading beyond limits, suspect or with losses still changes no alarm."""
    marks, values, present = r.marks[chosen], r.values[chosen], r.present[chosen]
    calm = marks[:, CALM]
    digits, mine = r.digits(chosen), calm[:, :COUNT]
    trusted = present
    told = r.told[r.rows[chosen]].astype(np.float64)
    side = np.where(digits <= BREACH_LOW, 1.0, -1.0)
    news = (mine > 0) & ((told - values) * side > 0)
    gone, off = marks[:, GONE] != 0, marks[:, OFF] != 0
    fine = ~present | ((digits == mine) & ~news)
    loud = calm[:, LOST] == 1
    believed = present[:, HR]
    if r.coded:
        codes = r.codes[chosen]
        trusted = present & ((codes == 0) | (codes == Suspect.CLOCK))
        extreme = (digits == BREACH_EXTREME_LOW) | (digits == BREACH_EXTREME_HIGH)
        doubtful = extreme | ((_REPEATED | (mine == 0)) & (digits != WITHIN))
        returns = (mine > 0) & (digits != mine)
        fine = np.where(present & ~trusted, (mine >= 0) & ~doubtful & ~returns, fine)
        believed = trusted[:, HR]
    fine[:, PR] = ~present[:, PR] | believed | (fine[:, PR] & (mine[:, HR] == 0))
    fine[:, MAP] &= ~present[:, MAP] | (mine[:, SBP] == 0)
    if r.coded:
        dropout = ~present & (codes == Suspect.DROPOUT)
        sensor_off = ~present & (codes == Suspect.SENSOR_OFF)
        fine &= ~dropout | (gone & ~off & ((mine == 0) | loud[:, None]))
        fine &= ~sensor_off | (off & (calm[:, SENSOR_OFF] == 1)[:, None])
    fine &= ~(present & (gone | off))
    steady = ~any_of(~fine) & (calm[:, [LOST, SENSOR_OFF]] >= 0).all(axis=1)
    lost = gone[:, _PULSE].any(axis=1) & ~(trusted[:, _PULSE] & ~gone[:, _PULSE]).any(axis=1)
    steady &= loud | ~lost
    exact = np.flatnonzero(steady)
    at = chosen[exact]
    steady[exact] = news2_condition.goes_on(r.t[at], marks[exact], r.pace[at])
    return steady
