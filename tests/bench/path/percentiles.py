"""Percentiles, by nearest rank."""

import math
from collections.abc import Sequence


def rank(values: Sequence[float], share: float) -> float:
    """Returns the smallest value that is at least as large as `share` of the values; NaN without values."""
    if not values:
        return math.nan
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
