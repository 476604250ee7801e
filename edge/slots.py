"""Devices as rows: each device has a slot, and what is remembered of it stands in that row of an array."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


class Slots:
    """Gives each device its row number, from 0, for good."""

    def __init__(self) -> None:
        self._slots: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._slots)

    def of(self, devices: Sequence[str]) -> NDArray[np.intp]:
        """Returns (n,) rows; a device not seen before gets the next one."""
        slots = self._slots
        return np.array([slots.setdefault(device, len(slots)) for device in devices], dtype=np.intp)

    def devices(self) -> list[str]:
        """Returns the devices in the order of their rows."""
        return list(self._slots)


def grown(rows: NDArray[np.float64], count: int, fill: float) -> NDArray[np.float64]:
    """Returns `rows` with room for at least `count` of them, new ones filled; doubling keeps growth cheap."""
    if count <= len(rows):
        return rows
    wider = np.full((max(count, 2 * len(rows), 16), *rows.shape[1:]), fill)
    wider[: len(rows)] = rows
    return wider


def rounds(slots: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    """Splits readings into rounds in which each device occurs once, so that a round can be judged in one go.

    Args:
        slots: (n,) rows of the readings' devices, in arrival order.

    Returns:
        Index arrays; a device's k-th reading is in round k.
    """
    n = len(slots)
    order = np.argsort(slots, kind="stable")
    ordered = slots[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]) if n else np.empty(0, dtype=np.intp)
    if len(starts) == n:
        return [np.arange(n)] if n else []
    lengths = np.diff(np.r_[starts, n])
    rank = np.empty(n, dtype=np.intp)
    rank[order] = np.arange(n) - np.repeat(starts, lengths)
    return [np.flatnonzero(rank == k) for k in range(int(lengths.max()))]
