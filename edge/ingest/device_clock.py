"""Event time: device time, corrected by the error of the device's clock, and never after the arrival.

The observable is `t_gw - t`: clock error plus delay. Delay is never negative and varies; a clock error is constant.
So a reading with a future time shows a fast clock at once. A slow clock shows only if `t_gw - t` is constant while
time passes; a late burst, of shrinking delay, keeps its older times. If a clock is stopped, or counts in seconds, the
arrival is the event time.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vitals.readings import Readings
from vitals.status import CLOCK_OFF, CLOCK_STANDS, CLOCK_UNSET

JUMP_MS: Final = 5_000
"""A clock whose error changes by more than this is not believed for that reading."""
STEADY: Final = 3
"""Minimum number of readings that show a slow clock."""
SPAN_MS: Final = 10_000
"""Minimum span of their device times: stored readings arrive faster than they were measured."""
JITTER: Final = 5
"""Delays within this fraction of the span, and within `SPREAD_MS`, are one clock error."""
SPREAD_MS: Final = 5_000
WINDOW_MS: Final = 60_000
"""Length of a window of readings, in device time."""
SLOW: Final = 3
"""Consecutive readings with less than a tenth of the elapsed time: the clock is stopped, or counts in seconds."""
TENTH: Final = 10
STEP_MS: Final = 250
"""Minimum gap between two arrivals for this test."""
DELAY_MS: Final = 1_000
"""A steady delay below this is the network's, not the clock's."""

SET_MS: Final = 1_735_689_600_000
"""1 January 2025. A clock that was ever set is later; a later clock may be wrong all the same."""

BOOT, OFFSET, SEQ, T, LOW, HIGH, COUNT, SINCE, LAST, STANDS, BACK = range(11)
"""Columns of a device's row: boot, correction [ms], newest seq and its device time. Then the window of `t_gw - t`:
lowest, highest, number of readings, device time of the first. Then the arrival of the newest reading, its number of
consecutive readings with a stopped clock, and whether a step back is still unexplained."""
COLUMNS: Final = 11
FORMER_COLUMNS: Final = 7
UNKNOWN: Final = -1.0

Rows = NDArray[np.float64]


class Clock(NamedTuple):
    """A device's clock as of its newest reading.

    Attributes:
        offset_ms: Device clock minus gateway clock, ms.
        t: Newest device time, ms.
        is_set: Whether it was ever set.
        stands: Whether it is stopped, or counts in seconds.
    """

    offset_ms: int
    t: int
    is_set: bool
    stands: bool

    def wrong(self, bound_ms: int) -> str:
        """Returns the fault as in `vitals.status.DeviceStatus.clock`, or an empty string."""
        if self.stands:
            return CLOCK_STANDS
        if not self.is_set:
            return CLOCK_UNSET
        return CLOCK_OFF if abs(self.offset_ms) > bound_ms else ""


def correct(
    rows: Rows, boot: NDArray[np.int64], seq: NDArray[np.int64], t: NDArray[np.int64], t_gw: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_], Rows]:
    """Corrects the times of n readings of n different devices.

    Args:
        rows: (n, 11) states of the devices; `UNKNOWN` in the first column of a new one.
        boot: (n,) their boots.
        seq: (n,) their sequence numbers.
        t: (n,) device times, ms.
        t_gw: (n,) arrival times, ms.

    Returns:
        (n,) event times [ms], (n,) whether the clock is doubted, (n, 11) the updated rows.
    """
    error = (t_gw - t).astype(np.float64)
    fresh = rows[:, BOOT] != boot
    offset, unbelievable = rows[:, OFFSET], fresh
    if fresh.any():
        guess, unbelievable = _first_guess(rows, t, error)
        offset = np.where(fresh, guess, offset)
    newer = fresh | (seq > rows[:, SEQ])
    went_back = ~fresh & newer & (t < rows[:, T])
    jumped = (fresh & unbelievable) | (~fresh & (offset - error > JUMP_MS)) | went_back
    stood = _stood(rows, t, t_gw, newer)
    # If the clock is stopped, the arrival is the event time.
    stands = newer & (stood >= SLOW)
    back, set_back = _gone_back(rows, t, t_gw, went_back, newer & ~fresh, error - offset <= JUMP_MS)
    offset = np.where(set_back, _without_delay(error), np.minimum(offset, error))
    after = rows.copy()
    after[:, BOOT], after[:, OFFSET], after[:, STANDS] = boot, np.where(stands, error, offset), stood
    after[:, BACK] = back & ~set_back & ~stands
    for column, value in ((SEQ, seq), (T, t), (LAST, t_gw)):
        np.copyto(after[:, column], value, where=newer)
    _watch_window(after, t, error, newer, restart=fresh | jumped | stands)
    event = np.minimum(t + np.round(after[:, OFFSET]).astype(np.int64), t_gw)
    # A clock that was never set is doubted at its first reading, and not again because it is stopped.
    return event, jumped | (stands & (t >= SET_MS)), after


def rebased(rows: Rows, jump_ms: int) -> Rows:
    """Returns the rows after the gateway's own clock was set, by `jump_ms`."""
    after = rows.copy()
    known = after[:, BOOT] != UNKNOWN
    for column in (OFFSET, LOW, HIGH, LAST):
        after[known, column] += jump_ms
    return after


def moved(readings: Readings, by_ms: int) -> Readings:
    """Returns readings with shifted times; no time is before 1970."""
    if not by_ms:
        return readings
    return replace(readings, t=np.maximum(readings.t + by_ms, 1), t_gw=np.maximum(readings.t_gw + by_ms, 1))


def clocks(devices: Sequence[str], rows: Rows) -> dict[str, Clock]:
    """Returns the clocks of devices.

    Args:
        devices: Device ids.
        rows: (at least len(devices), 11) their states.
    """
    known = rows[: len(devices)]
    t = known[:, T]
    columns = (known[:, BOOT] != UNKNOWN, -known[:, OFFSET], t, t >= SET_MS, known[:, STANDS] >= SLOW)
    each = zip(devices, *(column.tolist() for column in columns), strict=True)
    return {
        device: Clock(int(offset), int(at), is_set, stands)
        for device, heard, offset, at, is_set, stands in each
        if heard
    }


def _first_guess(
    rows: Rows, t: NDArray[np.int64], error: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Returns the correction at a device's first reading after a start, and whether its clock is doubted.

    A device without a clock counts from zero at each start: earlier starts predict nothing, and the arrival is the
    event time. A plausible date is believed, however old: monitors send stored readings.
    """
    known = rows[:, BOOT] != UNKNOWN
    no_clock = t < SET_MS
    as_before = ~no_clock & known & (error >= rows[:, OFFSET] - DELAY_MS) & (error <= rows[:, OFFSET] + 60 * DELAY_MS)
    guess = np.where(no_clock, error, np.minimum(error, 0.0))
    guess = np.where(as_before, np.minimum(rows[:, OFFSET], error), guess)
    never_had_one = no_clock & known & (rows[:, T] < SET_MS)
    return guess, ~as_before & ~never_had_one & (no_clock | (error < -JUMP_MS))


def _stood(rows: Rows, t: NDArray[np.int64], t_gw: NDArray[np.int64], newer: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Returns (n,) numbers of consecutive readings with a stopped clock, this one included."""
    went, passed, before = np.abs(t - rows[:, T]), t_gw - rows[:, LAST], np.maximum(rows[:, STANDS], 0)
    again = np.where((went * TENTH < passed) & (rows[:, BOOT] != UNKNOWN), before + 1, 0)
    stood: NDArray[np.float64] = np.where(newer & (passed >= STEP_MS), again, before)
    return stood


def _gone_back(  # noqa: PLR0917 - what `correct` has found of each
    rows: Rows,
    t: NDArray[np.int64],
    t_gw: NDArray[np.int64],
    went_back: NDArray[np.bool_],
    goes_on: NDArray[np.bool_],
    near: NDArray[np.bool_],
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Distinguishes a clock that was set back from stored readings, by the arrival interval.

    Args:
        rows: (n, 11) states of the devices.
        t: (n,) device times, ms.
        t_gw: (n,) arrival times, ms.
        went_back: (n,) whether a reading's time is before the previous one's.
        goes_on: (n,) whether it is the newest of a known boot.
        near: (n,) whether it fits the clock's known correction.

    Returns:
        (n,) whether the step back was unexplained before this reading; (n,) whether the clock was set back.
    """
    doubted = rows[:, BACK] > 0
    if not (went_back.any() or doubted.any()):
        return went_back, went_back
    back = np.where(goes_on, (went_back | doubted) & ~near, doubted)
    went, passed = t - rows[:, T], t_gw - rows[:, LAST]
    live = (passed >= 2 * STEP_MS) & (np.abs(went - passed) <= np.maximum(DELAY_MS, passed / JITTER))
    return back, back & goes_on & ~went_back & live


def _without_delay(error: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where((error >= 0) & (error <= DELAY_MS), 0.0, error)


def _watch_window(
    after: Rows, t: NDArray[np.int64], error: NDArray[np.float64], newer: NDArray[np.bool_], restart: NDArray[np.bool_]
) -> None:
    """Adopts a steady delay as the clock's error."""
    low, high = np.minimum(after[:, LOW], error), np.maximum(after[:, HIGH], error)
    empty = restart | (after[:, COUNT] <= 0) | (high - low > SPREAD_MS)
    low, high = np.where(empty, error, low), np.where(empty, error, high)
    count = np.where(empty, 1, after[:, COUNT] + 1)
    since = np.where(empty, t, after[:, SINCE])
    span = t - since
    steady = newer & (count >= STEADY) & (span >= SPAN_MS) & ((high - low) * JITTER <= span)
    if steady.any():
        np.copyto(after[:, OFFSET], np.minimum(_without_delay(low), error), where=steady)
        count[(count >= STEADY) & (span >= WINDOW_MS)] = 0
    for column, value in ((LOW, low), (HIGH, high), (COUNT, count), (SINCE, since)):
        np.copyto(after[:, column], value, where=newer)
