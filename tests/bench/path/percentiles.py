"""Percentiles, by nearest rank."""

import math
from collections.abc import Sequence


def rank(values: Sequence[float], share: float) -> float:
    """Returns the value below or at which a share of the values lie; not a number when there are none."""
    if not values:
        return math.nan
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
