"""When gathered readings are written, and as which records: one per lane, bounded in readings and bytes. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from bridge.up.columns import ColumnBuffer, LaneColumns
from vitals.wire.vitals_record import MAX_READINGS

MAX_RECORD_BYTES: Final = 900_000
"""Below Kafka's default `message.max.bytes` of 1 MB, so that no record can be refused for its size."""
ENOUGH: Final = 16 * MAX_READINGS
"""Readings that are written without waiting: sixteen lanes' records are full then, after some 80 ms of work."""


@dataclass(frozen=True, slots=True)
class LaneRecord:
    """One record's worth of readings.

    Attributes:
        lane: Their lane.
        value: The record's value.
        readings: How many.
    """

    lane: int
    value: bytes
    readings: int


class Linger:
    """When gathered readings are written: at once, unless something was written less than the linger ago.

    So a lone reading waits for nobody, and a stream of them goes in one step per linger.

    Args:
        linger_s: The linger, s.
        enough: This many readings are written without waiting.
    """

    def __init__(self, linger_s: float, enough: int = ENOUGH) -> None:
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


def lane_records(gathered: ColumnBuffer, lanes: int) -> Iterator[LaneRecord]:
    """Sorts readings into lanes, each patient's in the order of arrival.

    Args:
        gathered: The readings.
        lanes: The deployment's lanes.
    """
    for lane, part in gathered.by_lane(lanes):
        for start in range(0, len(part), MAX_READINGS):
            yield from _fit(lane, part.slice(start, start + MAX_READINGS) if len(part) > MAX_READINGS else part)


def _fit(lane: int, part: LaneColumns) -> Iterator[LaneRecord]:
    """Encodes readings, in halves when they are too long: ids at their longest would not fit otherwise.

    One reading always fits: its texts, numbers and limits are bounded.
    """
    value = part.encode()
    if len(value) <= MAX_RECORD_BYTES:
        yield LaneRecord(lane, value, len(part))
        return
    half = len(part) // 2
    yield from _fit(lane, part.slice(0, half))
    yield from _fit(lane, part.slice(half, len(part)))
