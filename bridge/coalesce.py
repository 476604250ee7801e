"""Readings of many batches into few records: one per lane, bounded in readings and bytes. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vitals import topics
from vitals.readings import Readings, concat
from vitals.records import MAX_READINGS, encode_vitals

MAX_RECORD_BYTES: Final = 900_000
"""Below Kafka's default `message.max.bytes` of 1 MB, so that no record can be refused for its size."""


@dataclass(frozen=True, slots=True)
class Load:
    """One record's worth of readings.

    Attributes:
        lane: Their lane.
        value: The record's value.
        readings: How many.
        batches: Numbers of the batches that they are of, ascending.
    """

    lane: int
    value: bytes
    readings: int
    batches: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TooLarge:
    """One reading that no record can hold: its value, the batch that it is of, and its gateway."""

    value: bytes
    batch: int
    gateway: str


class Linger:
    """When gathered readings are written: at once, unless something was written less than the linger ago.

    So a lone reading waits for nobody, and a stream of them goes in one step per linger.

    Args:
        linger_s: The linger, s.
        enough: This many readings are written without waiting.
    """

    def __init__(self, linger_s: float, enough: int = MAX_READINGS) -> None:
        self._linger_s = linger_s
        self._enough = enough
        self._written = -float("inf")

    def wait_s(self, gathered: int, at: float) -> float:
        """Returns how long to wait still, s, at monotonic time `at`; infinite when nothing is gathered."""
        if not gathered:
            return float("inf")
        return 0.0 if gathered >= self._enough else max(0.0, self._written + self._linger_s - at)

    def written(self, at: float) -> None:
        """Notes that what was gathered has been written."""
        self._written = at


def loads(gathered: Sequence[tuple[int, Readings]], lanes: int) -> Iterator[Load | TooLarge]:
    """Sorts readings into lanes, each patient's in the order of arrival.

    Args:
        gathered: Numbers of batches, and their readings.
        lanes: The deployment's lanes.
    """
    readings = concat([part for _, part in gathered])
    batch = np.repeat([number for number, _ in gathered], [len(part) for _, part in gathered])
    # A device that is on nobody has a lane of its own, by its id.
    subjects = [p or d for p, d in zip(readings.patient.tolist(), readings.device.tolist(), strict=True)]
    lane = np.array([_lane(subject, lanes) for subject in subjects], dtype=np.int64)
    order = np.argsort(lane, kind="stable")
    ends = np.flatnonzero(np.diff(lane[order])) + 1
    for index in np.split(order, ends):
        for start in range(0, len(index), MAX_READINGS):
            chunk = index[start : start + MAX_READINGS]
            if len(chunk):
                yield from _fit(int(lane[chunk[0]]), readings.take(chunk), batch[chunk])


@lru_cache(maxsize=1 << 17)
def _lane(subject: str, lanes: int) -> int:
    return topics.lane(subject, lanes)


def _fit(lane: int, readings: Readings, batch: NDArray[np.int64]) -> Iterator[Load | TooLarge]:
    """Encodes readings, in halves when they are too long: ids at their longest would not fit otherwise."""
    value = encode_vitals(prune(readings))
    if len(value) <= MAX_RECORD_BYTES:
        yield Load(lane, value, len(readings), tuple(np.unique(batch).tolist()))
    elif len(readings) == 1:
        yield TooLarge(value, int(batch[0]), str(readings.gateway[0]))
    else:
        half = len(readings) // 2
        yield from _fit(lane, readings.take(slice(half)), batch[:half])
        yield from _fit(lane, readings.take(slice(half, None)), batch[half:])


def prune(readings: Readings) -> Readings:
    """Drops limit sets that no reading refers to: a record carries its own readings' limits alone."""
    if not readings.limit_sets:
        return readings
    used, place = np.unique(readings.limits[readings.limits < 0], return_inverse=True)
    limits = readings.limits.copy()
    limits[limits < 0] = -1 - place
    return replace(readings, limits=limits, limit_sets=tuple(readings.limit_sets[-1 - k] for k in used.tolist()))
