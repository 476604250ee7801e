"""What the light at a bed owes a patient, from true states: the requirements of a ward, R2, R3 and R8. Pure.

Own constants, on purpose: whoever judges shares no rule with what is judged.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

SIGNS: Final = ("hr", "pr", "rr", "spo2", "temp", "sbp", "dbp", "map")
HR, PR = 0, 1
LOW, MEDIUM, HIGH = 1, 2, 3
GROUPS: Final = {"rate": (0, 1), "breathing": (2,), "oxygen": (3,), "temperature": (4,), "pressure": (5, 7)}
DELAY_S: Final = {
    "rate": (10, 5),
    "breathing": (20, 15),
    "oxygen": (15, 10),
    "temperature": (30, 30),
    "pressure": (15, 10),
}
"""R2: medium, high."""
BUDGET_MS: Final = 10_000
CUFF_BUDGET_MS: Final = 40_000
CUFF_WAIT_MS: Final = 15 * 60_000
LOST_MS: Final = 30_000
"""R2: a breach with a lost reading in it may be confirmed anew."""
SECOND_MS: Final = 1_000
ARREST_MS, OXIMETER_MS = 10_000, (30_000, 120_000)
ARREST_BUDGET_MS: Final = (10_000, 30_000)
"""R8: at a reading a second, and slower."""
Life = Mapping[str, Any]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Due:
    """A light had to show `level` for a patient by `by`.

    Attributes:
        patient: Patient.
        problem: Of R1.
        level: Low, medium or high.
        begins: First reading of the breach.
        due: When it had lasted its delay.
        by: When its budget was over.
        until: Its last reading.
    """

    patient: str
    problem: str
    level: int
    begins: int
    due: int
    by: int
    until: int


def owed(life: Life, row: int) -> Iterator[Due]:
    """Yields what a patient's light had to show (R2, R8)."""
    heard: Flags = life["heard"][row]
    t, shown, pulse = life["t"][row][heard], life["shown"][row][heard], life["pulse"][row][heard]
    if not len(t):
        return
    patient, cadence_ms, line = str(life["patients"][row]), 1000 * float(life["cadence_s"]), bool(life["line"][row])
    for group in GROUPS:
        for side in ("low", "high"):
            level = levels(shown, life["limits"][row], group, side)
            level[~pulse] = -1  # R8: while nothing circulates no other sign is due
            seen = level >= 0
            cuff = group == "pressure" and not line
            for need, begins, due, until in _breaches(t[seen], level[seen], group, cadence_ms, cuff=cuff):
                budget = CUFF_BUDGET_MS if cuff else BUDGET_MS + (round(cadence_ms) if cadence_ms > SECOND_MS else 0)
                lost = (~heard & (life["t"][row] > begins) & (life["t"][row] <= due)).any()
                by = due + budget + (LOST_MS if lost else 0)
                yield Due(patient, f"{group}-{side}", need, begins, due, by, until)
    yield from _arrests(patient, t, shown, pulse, cadence_ms)


def levels(values: Floats, limits: Floats, group: str, side: str) -> Ints:
    """Returns (m,) 0, MEDIUM or HIGH a round, -1 where nothing of the group was measured."""
    if group == "rate":  # R1: the oximeter's rate counts only while there is no heart rate
        columns = [(np.where(np.isnan(values[:, HR]), values[:, PR], values[:, HR]), limits[HR])]
    else:
        columns = [(values[:, sign], limits[sign]) for sign in GROUPS[group]]
    worst: Ints = np.full(len(values), -1, dtype=np.int64)
    for x, (extreme_low, low, high, extreme_high) in columns:
        mild, extreme = (x < low, x < extreme_low) if side == "low" else (x > high, x > extreme_high)
        worst = np.maximum(worst, np.where(np.isnan(x), -1, np.where(extreme, HIGH, np.where(mild, MEDIUM, 0))))
    return worst


def runs(flags: Flags) -> list[tuple[int, int]]:
    """Returns [first, last] of each run of true flags."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], flags.astype(np.int8), [0]))))
    return [(int(a), int(b) - 1) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _breaches(
    t: Ints, level: Ints, group: str, cadence_ms: float, *, cuff: bool
) -> Iterator[tuple[int, int, int, int]]:
    """Yields (level, begins, due, until) of one problem."""
    for need, delay_s in zip((MEDIUM, HIGH), DELAY_S[group], strict=True):
        for first, last in runs(level >= need):
            due = _cuff_due(t, level, first, last, need) if cuff else _due(t, first, last, delay_s * 1000, cadence_ms)
            if due is not None:
                yield need, int(t[first]), due, int(t[last])


def _due(t: Ints, first: int, last: int, delay_ms: int, cadence_ms: float) -> int | None:
    """Returns when a breach had lasted its delay; at a slower cadence, its second reading."""
    k = int(np.searchsorted(t, t[first] + delay_ms))
    if cadence_ms > delay_ms or k == first:
        k = max(k, first + 1)
    return int(t[k]) if k <= last else None


def _cuff_due(t: Ints, level: Ints, first: int, last: int, need: int) -> int | None:
    """Returns when a cuff's breach is due: at once beyond an extreme bound, else confirmed, or after 15 min."""
    if need == MEDIUM and level[first] >= HIGH:
        return int(t[first])
    if last > first:
        return int(t[first + 1])
    return None if need == HIGH else int(t[first]) + CUFF_WAIT_MS


def _arrests(patient: str, t: Ints, shown: Floats, pulse: Flags, cadence_ms: float) -> Iterator[Due]:
    budget = ARREST_BUDGET_MS[int(cadence_ms > SECOND_MS)]
    for first, last in runs(~pulse):
        begins, until = int(t[first]), int(t[last])
        second = int(t[first + 1]) if first + 1 < len(t) else begins + round(cadence_ms)
        if (shown[: first + 1, HR] > 0).any():
            wanted = [(HIGH, max(begins + ARREST_MS, second))]
        else:  # R8: of an oximeter alone the bed at once
            medium_ms, high_ms = OXIMETER_MS
            wanted = [(LOW, second), (MEDIUM, max(second, begins + medium_ms)), (HIGH, begins + high_ms)]
        for level, due in wanted:
            if until >= due:
                yield Due(patient, "circulation", level, begins, due, due + budget, until)
