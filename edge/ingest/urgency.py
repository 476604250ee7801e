"""Readings that may begin or raise an alarm: they wake the gateway's loop, a calm one waits up to a second for others.

These are a value that has left its limits, each value beyond them while a condition is pending, each value beyond the
extreme limits until the alarm is high, and each reading while vital signs may be lost. So an active alarm, or a value
that the engine does not believe, costs no turn of the loop for each reading.
The check runs in the driver's thread for each reading, so it only compares values with limits.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from edge.devices.driver import DeviceMessage
from edge.ingest.decode import DecodedMessage, decode_message, refused
from edge.ingest.roster import AssignmentTable
from vitals.engine import Awaited
from vitals.limits import EXTREME_HIGH, EXTREME_LOW, HIGH, LOW, alarming
from vitals.runtime.exceptions import NOT_CAUSED_BY_INPUT, describe_exception
from vitals.signs import SIGNS

log = logging.getLogger(__name__)
_OPEN: Final = float("inf")
_NONE: Final = [False] * len(SIGNS)
Bounds = tuple[tuple[float, float], ...]


class UrgencyCheck:
    """Limits of each device, and the values that alarms await; replaced whole, so any thread may read."""

    def __init__(self) -> None:
        self._limits: dict[str, tuple[Bounds, Bounds]] = {}
        self._awaited: Mapping[str, Awaited] = {}
        self._beyond: dict[str, list[bool]] = {}

    def place(self, assignments: AssignmentTable) -> None:
        """Sets the limits from a roster."""
        tables = {device: alarming(placement.limits()).array() for device, placement in assignments.by_device.items()}
        self._limits = {
            device: (_bounds(table, LOW, HIGH), _bounds(table, EXTREME_LOW, EXTREME_HIGH))
            for device, table in tables.items()
        }
        self._beyond = {}

    def watch(self, awaited: Mapping[str, Awaited]) -> None:
        """Sets the values that may begin or raise an alarm, by device; none may for a device that is missing."""
        self._awaited = awaited

    def hear(self, delivery: DeviceMessage) -> tuple[DecodedMessage, bool]:
        """Decodes a message; returns it, and whether it is urgent."""
        try:
            heard = decode_message(delivery)
        except NOT_CAUSED_BY_INPUT:
            raise
        except Exception as error:
            log.exception("message of device %a raised an error and is rejected", delivery.device)
            return refused(delivery, f"cannot be read: {describe_exception(error)}"), False
        return heard, self.urgent(heard)

    def urgent(self, heard: DecodedMessage) -> bool:
        """Returns whether a decoded message may begin or raise an alarm; remembers which values are beyond limits."""
        device = heard.delivery.device
        bounds = self._limits.get(device)
        if bounds is None or heard.frame is None:
            return False
        limits, extremes = bounds
        # A zero is a dropout: an arrest must not be hidden as one.
        beyond = _beyond(heard.frame.values, limits)
        before = self._beyond.get(device, _NONE)
        self._beyond[device] = beyond
        awaited = self._awaited.get(device)
        if awaited is not None and awaited.lost:
            return True
        if not any(beyond):
            return False
        if any(now and not then for now, then in zip(beyond, before, strict=True)):
            return True
        if awaited is None:
            return False
        return _both(beyond, awaited.limits) or _both(_beyond(heard.frame.values, extremes), awaited.extremes)


def _beyond(values: Sequence[float | None], bounds: Bounds) -> list[bool]:
    return [v is not None and not low <= v <= high for v, (low, high) in zip(values, bounds, strict=True)]


def _both(a: Iterable[bool], b: Iterable[bool]) -> bool:
    return any(x and y for x, y in zip(a, b, strict=True))


def _bounds(table: NDArray[np.float64], low: int, high: int) -> Bounds:
    """Returns pairs of the lowest and highest value; NaN is no limit."""
    pairs = zip(table[:, low].tolist(), table[:, high].tolist(), strict=True)
    return tuple((-_OPEN if a != a else a, _OPEN if b != b else b) for a, b in pairs)  # noqa: PLR0124
