"""NEWS2, the National Early Warning Score of the Royal College of Physicians (2017), charts 1 and 4.

The chart is the data in `BANDS`; the NumPy functions here and the Spark columns use it. Values are first rounded to
chart resolution (integers; temperature to 0.1 degC, half up), so that no value is between two bands. Not for patients
under 16 years or in pregnancy.
"""

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vitals.signs import INDEX

NOT_SCORED: Final = 7
CONSCIOUSNESS: Final = {"A": 0, "C": 3, "V": 3, "P": 3, "U": 3}
OXYGEN_SCORE: Final = 2


@dataclass(frozen=True, slots=True)
class Band:
    """One row of the chart, as steps.

    Attributes:
        part: Name of the row.
        sources: Its signs; the first one that is present counts.
        decimals: Chart resolution, digits after the point.
        edges: Ascending lowest values of the second, third, … band, at chart resolution.
        scores: Score of each band, one more than `edges`.
    """

    part: str
    sources: tuple[str, ...]
    decimals: int
    edges: tuple[float, ...]
    scores: tuple[int, ...]


BANDS: Final[tuple[Band, ...]] = (
    Band("rr", ("rr",), 0, (9, 12, 21, 25), (3, 1, 0, 2, 3)),
    Band("spo2_scale1", ("spo2",), 0, (92, 94, 96), (3, 2, 1, 0)),
    Band("spo2_scale2_air", ("spo2",), 0, (84, 86, 88), (3, 2, 1, 0)),
    Band("spo2_scale2_oxygen", ("spo2",), 0, (84, 86, 88, 93, 95, 97), (3, 2, 1, 0, 1, 2, 3)),
    Band("sbp", ("sbp",), 0, (91, 101, 111, 220), (3, 2, 1, 0, 3)),
    Band("pulse", ("pr", "hr"), 0, (41, 51, 91, 111, 131), (3, 1, 0, 1, 2, 3)),
    Band("temp", ("temp",), 1, (35.1, 36.1, 38.1, 39.1), (3, 1, 0, 1, 2)),
)
"""Digit order of the packed `news2` column; append-only."""
PART_INDEX: Final[dict[str, int]] = {band.part: i for i, band in enumerate(BANDS)}


_HALF_UP: Final = 0.5 + 1e-9
"""The tiny term corrects binary fractions such as 35.05 * 10 = 350.49999999999994, which must round to 351."""


@dataclass(frozen=True, slots=True, eq=False)
class _Steps:
    """A band in whole units of chart resolution, in which comparison is exact, with a lookup table."""

    scale: int
    edges: tuple[int, ...]
    columns: tuple[int, ...]
    floor: int
    table: NDArray[np.int8]


def _steps(band: Band) -> _Steps:
    scale = 10**band.decimals
    edges = tuple(round(edge * scale) for edge in band.edges)
    # Rows of one sign share the range of their tables, so that one table index serves all of them.
    kin = [edge for other in BANDS if other.sources == band.sources for edge in other.edges]
    floor, top = round(min(kin) * scale) - 1, round(max(kin) * scale)
    table = [band.scores[bisect_right(edges, charted)] for charted in range(floor, top + 1)]
    columns = tuple(INDEX[source] for source in band.sources)
    return _Steps(scale, edges, columns, floor, np.array(table, dtype=np.int8))


_STEPS: Final = tuple(_steps(band) for band in BANDS)
_PARTS_OF: Final = {
    steps.columns: tuple(part for part, other in enumerate(_STEPS) if other.columns == steps.columns)
    for steps in _STEPS
}
"""Rows of the chart by their signs."""


def digit(value: float, part: int) -> int:
    """Scores one value on one row of the chart.

    Args:
        value: In the sign's unit, finite.
        part: Index of the row in `BANDS`.
    """
    steps = _STEPS[part]
    return BANDS[part].scores[bisect_right(steps.edges, math.floor(value * steps.scale + _HALF_UP))]


def row_digits(values: Sequence[float]) -> list[int]:
    """Scores one reading on every row of the chart; `digits` is the vectorised form.

    Args:
        values: One per sign, NaN if absent.
    """
    found = [NOT_SCORED] * len(BANDS)
    for columns, parts in _PARTS_OF.items():
        for column in columns:
            value = values[column]
            if value == value:  # noqa: PLR0124 - NaN
                steps = _STEPS[parts[0]]
                charted = math.floor(value * steps.scale + _HALF_UP)
                for part in parts:
                    found[part] = BANDS[part].scores[bisect_right(_STEPS[part].edges, charted)]
                break
    return found


def digits(values: NDArray[np.float64]) -> NDArray[np.int8]:
    """Scores every row of the chart that depends only on vital signs.

    Args:
        values: (n, signs), NaN where absent.

    Returns:
        (n, 7) scores in the order of `BANDS`, 7 where the input is absent.
    """
    scored = np.empty((len(values), len(BANDS)), dtype=np.int8)
    places: dict[tuple[int, ...], tuple[NDArray[np.intp], NDArray[np.bool_]]] = {}
    for part, steps in enumerate(_STEPS):
        if steps.columns not in places:
            places[steps.columns] = _places(values, steps)
        place, absent = places[steps.columns]
        column = steps.table.take(place)
        column[absent] = NOT_SCORED
        scored[:, part] = column
    return scored


def _places(values: NDArray[np.float64], steps: _Steps) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Returns each value's index in a band's table, and whether it is absent."""
    source = values[:, steps.columns[0]]
    for column in steps.columns[1:]:
        source = np.where(np.isnan(source), values[:, column], source)
    # fmax and fmin ignore NaN; truncation is the floor, as no value is negative here.
    place = np.fmax(source * steps.scale + (_HALF_UP - steps.floor), 0.0)
    np.fmin(place, len(steps.table) - 1, out=place)
    return place.astype(np.intp), np.isnan(source)


def spo2_part(scale2: bool, oxygen: bool) -> int:
    """Returns the index of the SpO2 row that applies to a patient."""
    if not scale2:
        return PART_INDEX["spo2_scale1"]
    return PART_INDEX["spo2_scale2_oxygen"] if oxygen else PART_INDEX["spo2_scale2_air"]


def risk(total: int, *, single_three: bool) -> str:
    """Returns the chart's clinical risk: low, low-medium, medium or high."""
    if total >= 7:  # noqa: PLR2004 - chart 2 of the source
        return "high"
    if total >= 5:  # noqa: PLR2004 - chart 2 of the source
        return "medium"
    return "low-medium" if single_three else "low"


@dataclass(frozen=True, slots=True)
class Score:
    """A NEWS2 result.

    Attributes:
        total: Sum of the present parts; with `missing` inputs it may be falsely low.
        parts: Score per input that is present.
        risk: "low", "low-medium", "medium" or "high".
        missing: Names of the inputs that are absent.
    """

    total: int
    parts: dict[str, int]
    risk: str
    missing: tuple[str, ...]


def score(
    *,
    rr: float | None = None,
    spo2: float | None = None,
    scale2: bool = False,
    oxygen: bool = False,
    sbp: float | None = None,
    pulse: float | None = None,
    consciousness: str | None = "A",
    temp: float | None = None,
) -> Score:
    """Scores one patient.

    Args:
        rr: Respiratory rate, /min.
        spo2: Oxygen saturation, %.
        scale2: Whether SpO2 is scored on scale 2 (hypercapnic respiratory failure).
        oxygen: Whether the patient breathes supplemental oxygen.
        sbp: Systolic blood pressure, mmHg.
        pulse: Pulse, /min.
        consciousness: A, C, V, P or U; None if it was never charted.
        temp: Temperature, degC.

    Raises:
        ValueError: Consciousness is none of A, C, V, P, U.
    """
    if consciousness is not None and consciousness not in CONSCIOUSNESS:
        raise ValueError(f"consciousness {consciousness!r} is none of {', '.join(CONSCIOUSNESS)}")
    inputs = {"rr": rr, "spo2": spo2, "sbp": sbp, "pulse": pulse, "temp": temp}
    rows = {name: name for name in inputs} | {"spo2": BANDS[spo2_part(scale2, oxygen)].part}
    parts: dict[str, int] = {}
    for name, value in inputs.items():
        if value is not None and not math.isnan(value):
            parts[name] = digit(value, PART_INDEX[rows[name]])
    missing = tuple(name for name in inputs if name not in parts)
    parts["oxygen"] = OXYGEN_SCORE if oxygen else 0
    if consciousness is None:
        missing = (*missing, "consciousness")
    else:
        parts["consciousness"] = CONSCIOUSNESS[consciousness]
    total = sum(parts.values())
    single_three = any(part == 3 for part in parts.values())  # noqa: PLR2004 - "3 in any single parameter"
    return Score(total, parts, risk(total, single_three=single_three), missing)
