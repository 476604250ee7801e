"""What one vital sign adds to a reading's packed scores: a step function of its value, written as SQL.

Breach and NEWS2 digits change only at fixed edges, so for limits that are known beforehand one short search tree per
sign yields all its digits at once. The NumPy functions of `vitals` are asked for every digit and every edge, so both
sides agree to the last bit; nothing clinical is written down here.
"""

import math
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vitals import breach_codes, news2
from vitals.limits import ADULT, EXTREME_HIGH, EXTREME_LOW, HIGH, LOW, Limit, LimitSet
from vitals.news2 import BANDS, Band
from vitals.signs import INDEX, SIGNS

BREACH_BITS: Final = breach_codes.DIGIT_BITS * len(SIGNS)
"""Width of `breach`, at the low end of the packed number; `news2` lies above it."""
UNWATCHED: Final = LimitSet("unwatched", tuple(Limit() for _ in SIGNS))


@dataclass(frozen=True, slots=True)
class Steps:
    """A function that is constant between edges.

    Attributes:
        edges: Ascending; value i + 1 holds from edge i on, inclusive.
        values: One more than `edges`.
    """

    edges: tuple[float, ...]
    values: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.values) != len(self.edges) + 1 or list(self.edges) != sorted(set(self.edges)):
            raise ValueError(f"{len(self.values)} values do not fit the edges {self.edges}")


def packed(values: NDArray[np.float64], limits: LimitSet) -> NDArray[np.int64]:
    """Packs breach and NEWS2 digits of (n, signs) values into (n,) integers: what the Spark expression must equal."""
    breach = breach_codes.pack(breach_codes.breach(values, limits.array()))
    return breach | (breach_codes.pack(news2.digits(values)) << BREACH_BITS)


def contribution(field: str, limits: LimitSet, beside: str | None = None) -> Steps:
    """Returns what a present value of `field` adds to the packed number of an otherwise absent reading.

    Args:
        field: The sign.
        limits: The limits in force.
        beside: A sign that is present too and takes precedence in NEWS2 (`pr` before `hr`).
    """
    others = np.full(len(SIGNS), np.nan)
    if beside is not None:
        others[INDEX[beside]] = (SIGNS[INDEX[beside]].minimum + SIGNS[INDEX[beside]].maximum) / 2
    edges = sorted({*_limit_edges(field, limits), *(e for b in BANDS if field in b.sources for e in _band_edges(b))})
    rows = np.tile(others, (len(edges) + 1, 1))
    rows[:, INDEX[field]] = [math.nextafter(edges[0], -math.inf) if edges else 0.0, *edges]
    added = packed(rows, limits) - packed(others[None, :], limits)
    kept = [i for i in range(len(edges)) if added[i] != added[i + 1]]
    return Steps(tuple(edges[i] for i in kept), (int(added[0]), *(int(added[i + 1]) for i in kept)))


def _limit_edges(field: str, limits: LimitSet) -> list[float]:
    row = limits.array()[INDEX[field]]
    # A value equal to its bound is within: a low bound is the first value within, a high one the last.
    edges = [
        row[EXTREME_LOW],
        row[LOW],
        math.nextafter(row[HIGH], math.inf),
        math.nextafter(row[EXTREME_HIGH], math.inf),
    ]
    return [float(edge) for edge in edges if not math.isnan(edge)]


@cache
def _band_edges(band: Band) -> tuple[float, ...]:
    """Finds the smallest values that the chart, with its rounding, takes into the second, third, … band."""
    part, column, resolution = news2.PART_INDEX[band.part], INDEX[band.sources[0]], 10.0**-band.decimals

    def scored(value: float) -> int:
        row = np.full((1, len(SIGNS)), np.nan)
        row[0, column] = value
        return int(news2.digits(row)[0, part])

    found = []
    for edge in band.edges:
        below, reached = edge - resolution, edge
        while math.nextafter(below, math.inf) < reached:
            middle = (below + reached) / 2
            if not below < middle < reached:
                break
            below, reached = (below, middle) if scored(middle) == scored(edge) else (middle, reached)
        found.append(reached)
    return tuple(found)


def tree(variable: str, steps: Steps, usual: float) -> str:
    """Writes steps as nested SQL conditions, 0 where the variable is null.

    Args:
        variable: SQL of the value, a double.
        steps: The function.
        usual: A common value; its step is reached in at most two comparisons.
    """
    if not steps.edges:
        return f"IF({variable} IS NULL, 0L, {steps.values[0]}L)"
    home = sum(edge <= usual for edge in steps.edges)
    # Without an edge below, the lowest step is home, and absence has to be asked for.
    lower = _search(variable, Steps(steps.edges[: home - 1], steps.values[:home])) if home else f"{steps.values[0]}L"
    missing = f"IF({variable} IS NULL, 0L, {lower})"
    above = f"{steps.values[home]}L"
    if home < len(steps.edges):
        rest = _search(variable, Steps(steps.edges[home + 1 :], steps.values[home + 1 :]))
        above = f"IF({variable} >= {_double(steps.edges[home])}, {rest}, {above if home else missing})"
    return f"IF({variable} >= {_double(steps.edges[home - 1])}, {above}, {missing})" if home else above


def _search(variable: str, steps: Steps) -> str:
    if not steps.edges:
        return f"{steps.values[0]}L"
    middle = len(steps.edges) // 2
    upper = _search(variable, Steps(steps.edges[middle + 1 :], steps.values[middle + 1 :]))
    lower = _search(variable, Steps(steps.edges[:middle], steps.values[: middle + 1]))
    return f"IF({variable} >= {_double(steps.edges[middle])}, {upper}, {lower})"


def _double(value: float) -> str:
    return f"{value!r}D"


def usual(field: str) -> float:
    """Returns a value within the adult limits: where most values are; it decides speed, never a result."""
    limit = ADULT.limits[INDEX[field]]
    sign = SIGNS[INDEX[field]]
    return ((limit.low if limit.low is not None else sign.minimum) + (limit.high or sign.maximum)) / 2
