"""The seam for hardware: a driver hands over what devices sent. MQTT is one; docs/edge-driver.md shows another."""

from collections.abc import Callable, Iterable
from itertools import groupby
from typing import Any, NamedTuple, Protocol


class DeviceMessage(NamedTuple):
    """One message of a device.

    Attributes:
        device: Device id, as the transport vouches for it; never taken from the message.
        payload: The message, in the form of `vitals.wire.device_reading`.
        t_gw: Arrival, UTC epoch ms.
        ack: Called with the receipts of messages that are safe (or refused for good); until then the sender keeps them.
        receipt: What `ack` is to be given for this one.
    """

    device: str
    payload: bytes
    t_gw: int
    ack: Callable[[list[Any]], None]
    receipt: Any = None


class Presence(NamedTuple):
    """A device said that it is online, or it (or its last will) that it is not."""

    device: str
    online: bool


class AckButton(NamedTuple):
    """Somebody pressed the acknowledge button of a light."""

    bed: str
    payload: bytes


Deliver = Callable[[DeviceMessage | Presence | AckButton], None]
"""Takes what a driver has; safe to call from any thread."""


class Driver(Protocol):
    """A source of readings."""

    def start(self, deliver: Deliver) -> None:
        """Begins to hand over, from a thread of its own; returns at once."""

    def stop(self) -> None:
        """Ends it; what was not acknowledged stays with the sender."""


class AlarmIndicators(Protocol):
    """Where the signal of a bed is shown."""

    def show(self, bed: str, signal: bytes) -> None:
        """Shows a bed's signal until the next one; kept across a restart of whatever shows it."""

    def repeat(self) -> None:
        """Tells again what was not heard, or is not new any more; called each second."""


def acknowledge(deliveries: Iterable[DeviceMessage]) -> None:
    """Tells each driver, in one call for all that are next to each other, what is safe."""
    for ack, group in groupby(deliveries, key=lambda delivery: delivery.ack):
        ack([delivery.receipt for delivery in group])
