"""Comparison of readings with limits in NumPy, and the packed breach digits that all parts exchange.

A breach is one octal digit per sign: 0 within, 1 extreme low, 2 low, 3 high, 4 extreme high, 7 absent. Bounds are
inclusive: a value equal to its limit is within.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from vitals.limits import EXTREME_HIGH, EXTREME_LOW, HIGH, LOW

WITHIN, BREACH_EXTREME_LOW, BREACH_LOW, BREACH_HIGH, BREACH_EXTREME_HIGH, ABSENT = 0, 1, 2, 3, 4, 7
DIGIT_BITS: Final = 3


def breach(values: NDArray[np.float64], bounds: NDArray[np.float64]) -> NDArray[np.int8]:
    """Compares values with limits.

    Args:
        values: (n, signs), NaN if absent.
        bounds: (n, signs, >= 4) or (signs, >= 4) in the columns of `LimitSet.array()`, NaN for no limit.

    Returns:
        (n, signs) breach digits.
    """
    low, high = values < bounds[..., LOW], values > bounds[..., HIGH]
    lowest, highest = values < bounds[..., EXTREME_LOW], values > bounds[..., EXTREME_HIGH]
    # An extreme counts even if its side has no ordinary limit. Sums of bytes: assigning by mask is ten times slower.
    low &= ~lowest
    high &= ~highest
    digits = np.zeros(low.shape, dtype=np.int8)
    for flags, digit in (
        (lowest, BREACH_EXTREME_LOW),
        (low, BREACH_LOW),
        (high, BREACH_HIGH),
        (highest, BREACH_EXTREME_HIGH),
        (values != values, ABSENT),  # noqa: PLR0124 - a NaN is not itself
    ):
        digits += flags.view(np.int8) * np.int8(digit)
    return digits


def pack(digits: NDArray[np.int8], bits: int = DIGIT_BITS) -> NDArray[np.int64]:
    """Packs (n, k) digits into (n,) integers, digit i at bit `bits * i`."""
    shifts = np.arange(digits.shape[1], dtype=np.int64) * bits
    packed: NDArray[np.int64] = np.bitwise_or.reduce(digits.astype(np.int64) << shifts, axis=1)
    return packed


def unpack(packed: NDArray[np.int64], count: int, bits: int = DIGIT_BITS) -> NDArray[np.int8]:
    """Unpacks (n,) integers into (n, count) digits; the inverse of `pack`."""
    shifts = np.arange(count, dtype=np.int64) * bits
    return ((packed[:, None] >> shifts) & ((1 << bits) - 1)).astype(np.int8)
