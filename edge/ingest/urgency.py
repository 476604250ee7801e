"""Urgent readings: those beyond a limit, and all of a patient with a pending or active condition.

The check runs in the driver's thread for each reading, so it only compares values with limits; the loop does the rest.
A calm reading waits up to a second for others; an urgent one wakes the gateway's loop.
"""

import logging
from collections.abc import Iterable
from typing import Final

from edge.devices.driver import DeviceMessage
from edge.ingest.decode import DecodedMessage, decode_message, refused
from edge.ingest.roster import AssignmentTable
from vitals.limits import HIGH, LOW
from vitals.runtime.exceptions import NOT_CAUSED_BY_INPUT, describe_exception

log = logging.getLogger(__name__)
_OPEN: Final = float("inf")


class UrgencyCheck:
    """Limits of each device, and devices with pending or active conditions; replaced whole, so any thread may read."""

    def __init__(self) -> None:
        self._limits: dict[str, tuple[tuple[float, float], ...]] = {}
        self._watched: frozenset[str] = frozenset()

    def place(self, assignments: AssignmentTable) -> None:
        """Sets the limits from a roster."""
        limits = {}
        for device, placement in assignments.by_device.items():
            table = placement.limits().array()
            bounds = zip(table[:, LOW].tolist(), table[:, HIGH].tolist(), strict=True)
            # NaN is no limit.
            limits[device] = tuple((-_OPEN if a != a else a, _OPEN if b != b else b) for a, b in bounds)  # noqa: PLR0124
        self._limits = limits

    def watch(self, devices: Iterable[str]) -> None:
        """Sets the devices of patients with a pending or active condition."""
        self._watched = frozenset(devices)

    def hear(self, delivery: DeviceMessage) -> tuple[DecodedMessage, bool]:
        """Decodes a message; returns it, and whether it is urgent."""
        try:
            heard = decode_message(delivery)
        except NOT_CAUSED_BY_INPUT:
            raise
        except Exception as error:
            log.exception("message of device %a raised an error and is rejected", delivery.device)
            return refused(delivery, f"cannot be read: {describe_exception(error)}"), False
        limits = self._limits.get(delivery.device)
        if limits is None or heard.frame is None:
            return heard, False
        if delivery.device in self._watched:
            return heard, True
        for value, (low, high) in zip(heard.frame.values, limits, strict=True):
            # A zero is a dropout: an arrest must not be hidden as one.
            if value is not None and not low <= value <= high:
                return heard, True
        return heard, False
