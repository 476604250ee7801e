"""Driver interface: a driver delivers device messages. MQTT is one; docs/devices.md shows how to write another."""

from collections.abc import Callable, Iterable
from itertools import groupby
from typing import Any, NamedTuple, Protocol


class DeviceMessage(NamedTuple):
    """One message of a device.

    Attributes:
        device: Device id as authenticated by the transport; never read from the message.
        payload: Message in the format of `vitals.wire.device_reading`.
        t_gw: Arrival, UTC epoch ms.
        ack: Called with the receipts of messages that are stored or rejected; until then the sender keeps them.
        receipt: Argument of `ack` for this message.
        entry: Identity to store with the reading (`edge.devices.identities`); empty if the device numbers its messages.
    """

    device: str
    payload: bytes
    t_gw: int
    ack: Callable[[list[Any]], None]
    receipt: Any = None
    entry: bytes = b""


class RefusedMessage(NamedTuple):
    """A message that the driver cannot turn into a reading; it is stored as rejected, then acknowledged."""

    message: DeviceMessage
    reason: str


class NamedPatients(NamedTuple):
    """Identifiers of the patient that a device's messages name; empty if they name none."""

    device: str
    patients: tuple[str, ...]


class Presence(NamedTuple):
    """A device's online message, or its offline message or last will."""

    device: str
    online: bool


class AckButton(NamedTuple):
    """A press of the acknowledge button of a light."""

    bed: str
    payload: bytes


class StandbyButton(NamedTuple):
    """A press of a bed's standby button: minutes in decimal digits, 0 to end it, or empty."""

    bed: str
    payload: bytes


Delivered = DeviceMessage | RefusedMessage | NamedPatients | Presence | AckButton | StandbyButton
Deliver = Callable[[Delivered], None]
"""Receives items of a driver; safe to call from any thread."""


class Driver(Protocol):
    """A source of readings."""

    def start(self, deliver: Deliver) -> None:
        """Begins to deliver, from a thread of its own; returns at once."""

    def stop(self) -> None:
        """Stops delivering; the sender keeps messages that were not acknowledged."""


class AlarmIndicators(Protocol):
    """Display of the beds' alarm signals."""

    def show(self, bed: str, signal: bytes) -> None:
        """Shows a bed's signal until the next one, across restarts of the display."""

    def repeat(self) -> None:
        """Resends signals that were not acknowledged or are a minute old; called each second."""


def acknowledge(deliveries: Iterable[DeviceMessage]) -> None:
    """Acknowledges messages; consecutive messages of one driver share one call."""
    for ack, group in groupby(deliveries, key=lambda delivery: delivery.ack):
        ack([delivery.receipt for delivery in group])
