"""Which readings must not wait: those beyond a limit, and all of a patient with a pending or active condition.

Asked in the driver's thread, for each reading as it comes, so it only looks: the filter, the engine and the outbox work
on what has gathered. A quiet reading waits up to a second for others; a reading that hurries wakes the gateway's loop.
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
    """The limits of every device, and who is watched. Replaced as a whole, so any thread may read them."""

    def __init__(self) -> None:
        self._limits: dict[str, tuple[tuple[float, float], ...]] = {}
        self._watched: frozenset[str] = frozenset()

    def place(self, book: AssignmentTable) -> None:
        """Takes the limits of a roster."""
        limits = {}
        for device, placement in book.by_device.items():
            table = placement.limits().array()
            bounds = zip(table[:, LOW].tolist(), table[:, HIGH].tolist(), strict=True)
            # NaN is no bound.
            limits[device] = tuple((-_OPEN if a != a else a, _OPEN if b != b else b) for a, b in bounds)  # noqa: PLR0124
        self._limits = limits

    def watch(self, devices: Iterable[str]) -> None:
        """Names the devices of patients with a pending or active condition."""
        self._watched = frozenset(devices)

    def hear(self, delivery: DeviceMessage) -> tuple[DecodedMessage, bool]:
        """Decodes a message; returns it, and whether it hurries."""
        try:
            heard = decode_message(delivery)
        except NOT_CAUSED_BY_INPUT:
            raise
        except Exception as error:
            log.exception("a message of device %a ends in an error, and is refused", delivery.device)
            return refused(delivery, f"cannot be read: {describe_exception(error)}"), False
        limits = self._limits.get(delivery.device)
        if limits is None or heard.frame is None:
            return heard, False
        if delivery.device in self._watched:
            return heard, True
        for value, (low, high) in zip(heard.frame.values, limits, strict=True):
            # A zero is a dropout: an arrest must not hide as one.
            if value is not None and not low <= value <= high:
                return heard, True
        return heard, False
