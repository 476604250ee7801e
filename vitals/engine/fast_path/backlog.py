"""Applies a patient's readings of a batch at once if none can change a condition, as is usual in a backlog or replay.

The patient must have no condition that is not idle. All values are trusted and within their limits, and times ascend.
Every continuous sign is present throughout, or absent as before. Even the worst NEWS2 digits of the readings together
give no priority. All other readings are evaluated round by round.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitals import news2
from vitals.engine.constants import AHEAD_MS, CONTINUOUS
from vitals.engine.fast_path.screen import Bools, any_of
from vitals.engine.rules import news2_condition
from vitals.engine.state import BUSY, HAD, NEWEST, PARTS, SCORED, SEEN, State, all_seconds
from vitals.limits import HIGH, LOW
from vitals.news2 import NOT_SCORED
from vitals.readings import Readings

_CONTINUOUS = np.flatnonzero(CONTINUOUS)


@dataclass(slots=True, eq=False)
class _Sorted:
    """Readings by patient: `at` are their indices in the batch, `starts` the begins of each patient's run."""

    at: NDArray[np.intp]
    rows: NDArray[np.int64]
    starts: NDArray[np.intp]
    stretch: NDArray[np.intp]

    def every(self, flags: Bools) -> Bools:
        """Returns per run whether all its readings have the flag."""
        held: Bools = np.logical_and.reduceat(flags, self.starts, axis=0)
        return held

    def most(self, values: NDArray[Any]) -> NDArray[Any]:
        """Returns per run the largest of its readings' values."""
        largest: NDArray[Any] = np.maximum.reduceat(values, self.starts, axis=0)
        return largest


def skip_unchanged_runs(
    state: State, readings: Readings, rows: NDArray[np.int64], table: NDArray[np.float64], now: int
) -> NDArray[np.int64]:
    """Applies the runs that change nothing.

    Args:
        state: The engine's state.
        readings: The batch.
        rows: (n,) patients' rows, -1 without a patient.
        table: (sets, signs, 5) limits in force.
        now: Log time, ms.

    Returns:
        (n,) rows of the readings that remain to be evaluated, -1 for the others.
    """
    index = np.flatnonzero(rows >= 0)
    at = index[np.argsort(rows[index], kind="stable")]
    mine = rows[at]
    begins = np.r_[True, mine[1:] != mine[:-1]]
    by = _Sorted(at, mine, np.flatnonzero(begins), np.cumsum(begins) - 1)
    values, t = readings.values[at], readings.t[at]
    present = np.isfinite(values)
    before = np.where(begins, state.times[mine, SEEN], np.r_[0, t[:-1]])
    limits = readings.limits[at]
    beyond = any_of((values < table[limits, :, LOW]) | (values > table[limits, :, HIGH]) | np.isinf(values))
    plain = by.every(~beyond & (readings.suspect[at] == 0) & (t > before) & (t <= now + AHEAD_MS))
    patients = mine[by.starts]
    marks = state.marks[patients]
    plain &= marks[:, BUSY] == 0
    plain &= _go_on(by, present[:, _CONTINUOUS], marks[:, HAD][:, _CONTINUOUS] != 0)
    parts = news2.digits(values)
    scored = parts != NOT_SCORED
    worst = marks.copy()
    worst[:, PARTS] = np.maximum(marks[:, PARTS], by.most(np.where(scored, parts, np.int8(0))))
    plain &= news2_condition.at_rest(worst)
    _keep(state, by, plain, present=present, t=t, parts=parts)
    left = rows.copy()
    left[at[plain[by.stretch]]] = -1
    return left


def _go_on(by: _Sorted, present: Bools, had: Bools) -> Bools:
    """Returns per run whether each continuous sign is in all readings, or is in none and had no value before."""
    throughout = by.every(present) | (~had & by.every(~present))
    whole: Bools = np.all(throughout, axis=1)
    return whole


def _keep(
    state: State, by: _Sorted, plain: Bools, *, present: Bools, t: NDArray[np.int64], parts: NDArray[np.int8]
) -> None:
    rows = by.rows[by.starts][plain]
    if not len(rows):
        return
    newest = by.most(np.where(present, t[:, None], 0))[plain]
    times, marks, pace = state.times[rows], state.marks[rows], state.pace[rows]
    times[:, NEWEST] = np.maximum(times[:, NEWEST], newest)
    times[:, SEEN] = by.most(t)[plain]
    marks[:, HAD] |= newest > 0
    place = np.arange(len(t))
    last = by.most(np.where(parts != NOT_SCORED, place[:, None], -1))[plain]
    known = last >= 0
    marks[:, PARTS] = np.where(known, parts[last, np.arange(parts.shape[1])], marks[:, PARTS])
    at = all_seconds(t)
    for k, column in enumerate(news2_condition.SOURCE_COLUMNS):
        pace[:, SCORED.start + k] = np.where(known[:, column], at[last[:, column]], pace[:, SCORED.start + k])
    state.times[rows], state.marks[rows], state.pace[rows] = times, marks, pace
