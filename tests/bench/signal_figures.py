"""Figures of vital signs over time, computed alike for recordings and for runs of the simulator.

A *minute course* is (minutes, 4) of HR, PR, RR and SpO2, one sample a minute; a *second course* the same at 1 Hz; NaN
where the monitor had no value.
"""

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]
HR, PR, RR, SPO2 = range(4)
HOUR: Final = 60
"""Minutes."""
APART: Final = 10.0
"""Difference of HR and PR that is too large, /min."""
FAST: Final = 8.0
UNREST: Final = (6.0, 3.0)
LONG: Final = 3


def spread(values: Floats) -> float:
    """Returns the standard deviation with the outer quarter per cent on each side drawn in: these are dying."""
    return float(np.clip(values, *np.quantile(values, [0.0025, 0.9975])).std())


def within_hours(course: Floats, sign: int) -> Floats:
    """Returns the standard deviation of each hour of a minute course; NaN for an hour with less than 30 values."""
    return _by_hour(course, sign, np.std)


def hour_means(course: Floats, sign: int) -> Floats:
    """Returns the mean of each hour of a minute course; NaN for an hour with less than 30 values."""
    return _by_hour(course, sign, np.mean)


def _by_hour(course: Floats, sign: int, figure: Callable[[Floats], np.floating]) -> Floats:
    hours = [course[k : k + HOUR, sign] for k in range(0, len(course) - HOUR + 1, HOUR)]
    found = [h[np.isfinite(h)] for h in hours]
    return np.array([figure(h) if 2 * len(h) >= HOUR else np.nan for h in found])


def pairs(values: Floats, lag: int) -> Floats:
    """Returns (k, 3) of index, value and the value `lag` samples later, where both are known."""
    one, other = values[:-lag], values[lag:]
    known = np.flatnonzero(np.isfinite(one) & np.isfinite(other))
    return np.stack([known.astype(float), one[known], other[known]], axis=1)


def correlation(one: Floats, other: Floats) -> float:
    """Returns the correlation, NaN if a side does not vary."""
    if len(one) < 2 or not one.std() or not other.std():
        return float("nan")
    return float(np.corrcoef(one, other)[0, 1])


def autocorrelation(values: Floats, lag: int) -> float:
    """Returns the correlation of values with those `lag` samples later."""
    found = pairs(values, lag)
    return correlation(found[:, 1], found[:, 2])


def still(course: Floats, sign: int) -> float:
    """Returns the share of steps without a change."""
    steps = np.diff(course[:, sign])
    steps = steps[np.isfinite(steps)]
    return float((steps == 0).mean()) if len(steps) else float("nan")


def largest_step(course: Floats, sign: int) -> float:
    """Returns the largest change from one sample to the next."""
    return float(np.nanmax(np.abs(np.diff(course[:, sign])), initial=0.0))


def together(course: Floats) -> float:
    """Returns the correlation of HR and PR."""
    known = np.isfinite(course[:, [HR, PR]]).all(axis=1)
    return correlation(course[known, HR], course[known, PR])


def apart(course: Floats) -> float:
    """Returns the share of samples in which HR and PR are too far apart."""
    gap = np.abs(course[:, HR] - course[:, PR])
    gap = gap[np.isfinite(gap)]
    return float((gap > APART).mean()) if len(gap) else float("nan")


def runs(flags: npt.NDArray[np.bool_], bridge: int = 0) -> list[tuple[int, int]]:
    """Returns (first, length) of runs of true flags; gaps of up to `bridge` samples belong to a run."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    found: list[tuple[int, int]] = []
    for first, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        if found and first - sum(found[-1]) <= bridge:
            found[-1] = (found[-1][0], end - found[-1][0])
        else:
            found.append((first, end - first))
    return found


def above_usual(course: Floats, sign: int) -> Floats:
    """Returns by how much each sample is above the median of the hour around it; NaN where it is not known."""
    padded = np.pad(course[:, sign], HOUR // 2, constant_values=np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(padded, HOUR + 1)
    known = np.isfinite(windows).any(axis=1)
    usual = np.full(len(course), np.nan)
    usual[known] = np.nanmedian(windows[known], axis=1)
    found: Floats = course[:, sign] - usual
    return found


def fast_breaths(course: Floats) -> Floats:
    """Returns the minutes of each whole hour of a minute course with a breath rate of more than 8 above the usual."""
    far = above_usual(course, RR) > FAST
    return np.array([far[k : k + HOUR].sum() for k in range(0, len(course) - HOUR + 1, HOUR)], dtype=np.float64)


def unrest(course: Floats) -> list[int]:
    """Returns the lengths of runs of 3 min or more with HR over 6 and RR over 3 above the usual, in minutes."""
    both = (above_usual(course, HR) > UNREST[0]) & (above_usual(course, RR) > UNREST[1])
    return [length for _, length in runs(both) if length >= LONG]


def oximeter_losses(course: Floats) -> list[int]:
    """Returns the lengths of runs without PR and SpO2 in which there is a heart rate throughout."""
    gone = np.isnan(course[:, [PR, SPO2]]).all(axis=1)
    return [length for first, length in runs(gone) if np.isfinite(course[first : first + length, HR]).all()]


def disconnections(course: Floats) -> list[int]:
    """Returns the lengths, in minutes, of whole losses of 5 min or more within a minute course, not at its ends."""
    gone = np.isnan(course[:, [HR, SPO2]]).all(axis=1)
    found = runs(gone, bridge=2)
    return [length for first, length in found if length >= 5 and first > 0 and first + length < len(course)]


def over(courses: Sequence[Floats], figure: Callable[[Floats], float]) -> Floats:
    """Returns a figure of each course, without those for which there is none."""
    found = np.array([figure(course) for course in courses])
    return found[np.isfinite(found)]
