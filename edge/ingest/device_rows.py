"""Array rows of devices: each device has a fixed row, which holds its state."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

ROUND: Final = 1_024
"""Readings per round: about as many as fit the processor's cache; larger rounds cost more per reading."""


class DeviceRows:
    """Assigns each device its permanent row number, from 0."""

    def __init__(self) -> None:
        self._rows: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def of(self, devices: Sequence[str]) -> NDArray[np.intp]:
        """Returns (n,) rows; a new device gets the next one."""
        slots = self._rows
        return np.array([slots.setdefault(device, len(slots)) for device in devices], dtype=np.intp)

    def devices(self) -> list[str]:
        """Returns the devices in the order of their rows."""
        return list(self._rows)


def grown(rows: NDArray[np.float64], count: int, fill: float, axis: int = 0) -> NDArray[np.float64]:
    """Returns `rows` extended to at least `count` rows, new ones filled; doubling keeps growth cheap."""
    there = rows.shape[axis]
    if count <= there:
        return rows
    shape = list(rows.shape)
    shape[axis] = max(count, 2 * there, 16) - there
    return np.concatenate([rows, np.full(shape, fill)], axis=axis)


def rounds(slots: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    """Splits readings into rounds in which each device occurs once, so that a round can be processed at once.

    Args:
        slots: (n,) rows of the readings' devices, in arrival order.

    Returns:
        Index arrays of at most `ROUND` entries; a device's k-th reading is in a later one than its (k-1)-th.
    """
    n = len(slots)
    order = np.argsort(slots, kind="stable")
    ordered = slots[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]) if n else np.empty(0, dtype=np.intp)
    if len(starts) == n:
        return _cut(np.arange(n))
    lengths = np.diff(np.r_[starts, n])
    rank = np.empty(n, dtype=np.intp)
    rank[order] = np.arange(n) - np.repeat(starts, lengths)
    return [part for k in range(int(lengths.max())) for part in _cut(np.flatnonzero(rank == k))]


def _cut(indices: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    return [indices[start : start + ROUND] for start in range(0, len(indices), ROUND)]
