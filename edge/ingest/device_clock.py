"""Event time: a device's own time, corrected for how far its clock is off, and never after its arrival.

What can be seen is `t_gw - t`: clock error plus delay. Delay is never negative and varies; a clock error stands still.
So a reading "from the future" shows a fast clock at once. A slow clock shows only when `t_gw - t` stays the same over
several readings; a late burst, whose delay shrinks with each reading, keeps its older times.
"""

from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vitals.readings import Readings

JUMP_MS: Final = 5_000
"""A clock whose error changes by more than this is not believed for that reading."""
FAR_MS: Final = 86_400_000
"""A date further back than this is that of readings that were kept, or of a clock that was set wrong."""
FAR_STEADY: Final = 3
"""So many readings in a row that are as far back as each other are live: kept ones come faster than they were taken."""
FAR_SPREAD_MS: Final = 250
STEADY: Final = 8
"""So many readings in a row with the same delay are no burst."""
SPREAD_MS: Final = 2_000
"""How far those may differ and still be the same."""
DELAY_MS: Final = 1_000
"""A steady delay below this is the network's, not the clock's."""

SET_MS: Final = 1_735_689_600_000
"""1 January 2025. No clock that was set says less; one that says more may be wrong all the same."""

BOOT, OFFSET, SEQ, T, LOW, HIGH, COUNT = range(7)
"""Columns of a device's row: its boot, correction [ms], newest seq and its device time, window of `t_gw - t`."""
COLUMNS: Final = 7
UNKNOWN: Final = -1.0

Rows = NDArray[np.float64]


def correct(
    rows: Rows, boot: NDArray[np.int64], seq: NDArray[np.int64], t: NDArray[np.int64], t_gw: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_], Rows]:
    """Corrects the times of n readings of n different devices.

    Args:
        rows: (n, 7) what is known of the devices; `UNKNOWN` in the first column of a new one.
        boot: (n,) their boots.
        seq: (n,) their sequence numbers.
        t: (n,) device times, ms.
        t_gw: (n,) arrival times, ms.

    Returns:
        (n,) event times [ms], (n,) whether the clock could not be believed, (n, 7) the rows afterwards.
    """
    error = (t_gw - t).astype(np.float64)
    fresh = rows[:, BOOT] != boot
    guess, unbelievable = _first_guess(rows, t, error)
    offset = np.where(fresh, guess, rows[:, OFFSET])
    newer = fresh | (seq > rows[:, SEQ])
    went_back = ~fresh & newer & (t < rows[:, T])
    jumped = (fresh & unbelievable) | (~fresh & (offset - error > JUMP_MS)) | went_back
    offset = np.where(went_back, _without_delay(error), np.minimum(offset, error))
    after = np.column_stack([boot, offset, rows[:, SEQ], rows[:, T], rows[:, LOW], rows[:, HIGH], rows[:, COUNT]])
    after[:, SEQ][newer] = seq[newer]
    after[:, T][newer] = t[newer]
    _watch_window(after, error, newer, restart=fresh | jumped)
    event = np.minimum(t + np.round(after[:, OFFSET]).astype(np.int64), t_gw)
    return event, jumped, after


def rebased(rows: Rows, jump_ms: int) -> Rows:
    """Returns what is known of the devices' clocks after the gateway's own was set, by `jump_ms`."""
    after = rows.copy()
    known = after[:, BOOT] != UNKNOWN
    for column in (OFFSET, LOW, HIGH):
        after[known, column] += jump_ms
    return after


def moved(readings: Readings, by_ms: int) -> Readings:
    """Returns readings with their times moved; no time is before 1970."""
    if not by_ms:
        return readings
    return replace(readings, t=np.maximum(readings.t + by_ms, 1), t_gw=np.maximum(readings.t_gw + by_ms, 1))


def _first_guess(
    rows: Rows, t: NDArray[np.int64], error: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """What to believe at a device's first reading after a start: its clock, unless that cannot be.

    A device without a clock counts from each start anew, so no earlier start says anything of this one, and the
    arrival is the time. A date that can be is believed, however far back: a monitor delivers what it kept.
    """
    known = rows[:, BOOT] != UNKNOWN
    no_clock = t < SET_MS
    as_before = ~no_clock & known & (error >= rows[:, OFFSET] - DELAY_MS) & (error <= rows[:, OFFSET] + 60 * DELAY_MS)
    guess = np.where(no_clock, error, np.minimum(error, 0.0))
    guess = np.where(as_before, np.minimum(rows[:, OFFSET], error), guess)
    never_had_one = no_clock & known & (rows[:, T] < SET_MS)
    return guess, ~as_before & ~never_had_one & (no_clock | (error < -JUMP_MS))


def _without_delay(error: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where((error >= 0) & (error <= DELAY_MS), 0.0, error)


def _watch_window(
    after: Rows, error: NDArray[np.float64], newer: NDArray[np.bool_], restart: NDArray[np.bool_]
) -> None:
    """Takes a steady delay as the clock's error."""
    empty = restart | (after[:, COUNT] == 0)
    low = np.where(empty, error, np.minimum(after[:, LOW], error))
    high = np.where(empty, error, np.maximum(after[:, HIGH], error))
    count = np.where(empty, 1, after[:, COUNT] + 1)
    full = newer & (count >= STEADY)
    far = newer & (low > FAR_MS) & (count >= FAR_STEADY) & (high - low <= FAR_SPREAD_MS)
    steady = far | (full & (high - low <= SPREAD_MS))
    after[:, OFFSET] = np.where(steady, np.minimum(_without_delay(low), error), after[:, OFFSET])
    for column, value in ((LOW, low), (HIGH, high), (COUNT, np.where(full, 0, count))):
        after[:, column] = np.where(newer, value, after[:, column])
