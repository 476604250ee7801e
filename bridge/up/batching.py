"""Time and size of writes: one record per lane, with a maximum of readings and bytes. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from bridge.up.columns import ColumnBuffer, LaneColumns
from vitals.wire.vitals_record import MAX_READINGS

MAX_RECORD_BYTES: Final = 900_000
"""Below Kafka's default `message.max.bytes` of 1 MB, so that no record can be refused for its size."""
ENOUGH: Final = 16 * MAX_READINGS
"""Readings that are written without waiting: the records of sixteen lanes are then full, after some 80 ms of work."""


@dataclass(frozen=True, slots=True)
class LaneRecord:
    """The readings of one record.

    Attributes:
        lane: Lane of the readings.
        value: Value of the record.
        readings: Number of readings.
    """

    lane: int
    value: bytes
    readings: int


class Linger:
    """Delay of a write: none, unless the last write was less than the linger ago.

    So a single reading is written at once, and a stream of readings once per linger.

    Args:
        linger_s: The linger, s.
        enough: Number of readings that are written without waiting.
    """

    def __init__(self, linger_s: float, enough: int = ENOUGH) -> None:
        self._linger_s = linger_s
        self._enough = enough
        self._written = -float("inf")

    def wait_s(self, gathered: int, at: float) -> float:
        """Returns the remaining wait, s, at monotonic time `at`; infinite if there are no readings."""
        if not gathered:
            return float("inf")
        return 0.0 if gathered >= self._enough else max(0.0, self._written + self._linger_s - at)

    def written(self, at: float) -> None:
        """Notes a write."""
        self._written = at


def lane_records(gathered: ColumnBuffer, lanes: int) -> Iterator[LaneRecord]:
    """Splits readings by lane, each patient's in the order of arrival.

    Args:
        gathered: The readings.
        lanes: Number of lanes of the deployment.
    """
    for lane, part in gathered.by_lane(lanes):
        for start in range(0, len(part), MAX_READINGS):
            yield from _fit(lane, part.slice(start, start + MAX_READINGS) if len(part) > MAX_READINGS else part)


def _fit(lane: int, part: LaneColumns) -> Iterator[LaneRecord]:
    """Encodes readings, in halves if the record is too long, as with ids of maximum length.

    One reading always fits: its texts, numbers and limits are bounded.
    """
    value = part.encode()
    if len(value) <= MAX_RECORD_BYTES:
        yield LaneRecord(lane, value, len(part))
        return
    half = len(part) // 2
    yield from _fit(lane, part.slice(0, half))
    yield from _fit(lane, part.slice(half, len(part)))
