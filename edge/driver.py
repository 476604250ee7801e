"""The seam for hardware: a driver hands over what devices sent. MQTT is one; docs/edge-driver.md shows another."""

from collections.abc import Callable
from typing import NamedTuple, Protocol


class Delivery(NamedTuple):
    """One message of a device.

    Attributes:
        device: Device id, as the transport vouches for it; never taken from the message.
        payload: The message, in the form of `vitals.frames`.
        t_gw: Arrival, UTC epoch ms.
        ack: Called once the message is safe in the outbox (or refused for good); until then the sender keeps it.
    """

    device: str
    payload: bytes
    t_gw: int
    ack: Callable[[], None]


class Presence(NamedTuple):
    """A device said that it is online, or it (or its last will) that it is not."""

    device: str
    online: bool


class Pressed(NamedTuple):
    """Somebody pressed the acknowledge button at a bed."""

    bed: str
    payload: bytes


Deliver = Callable[[Delivery | Presence | Pressed], None]
"""Takes what a driver has; safe to call from any thread."""


class Driver(Protocol):
    """A source of readings."""

    def start(self, deliver: Deliver) -> None:
        """Begins to hand over, from a thread of its own; returns at once."""

    def stop(self) -> None:
        """Ends it; what was not acknowledged stays with the sender."""


class Lights(Protocol):
    """Where the signal of a bed is shown."""

    def show(self, bed: str, signal: bytes) -> None:
        """Shows a bed's signal until the next one; kept across a restart of whatever shows it."""
