"""Lines between the gateway and a driver in a process of its own: one JSON object or array a line, over a Unix socket.

The driver writes `FromDriver` objects; an empty one each second shows that it runs. The gateway writes arrays of
`Decision`: messages that are stored, or rejected with a reason. `docs/devices.md` describes how to write a driver.
"""

from typing import Final

import msgspec

MAX_LINE: Final = 1_048_576
"""Longest line, bytes."""
ALIVE_S: Final = 1.0
"""Interval of the driver's empty lines."""
WINDOW: Final = 2_000
"""Most messages that a driver hands over and that have no decision; bounds memory."""

Decision = tuple[int, str]
"""Number of a message, and the reason of its rejection; an empty reason means that it is stored."""


class ChildReading(msgspec.Struct, frozen=True, omit_defaults=True):
    """One reading of a message.

    Attributes:
        reading: Object in the format of `vitals.wire.device_reading`; without `boot` and `seq` if there is a key.
        key: Identity of the reading, 16 hexadecimal digits; the gateway then numbers it, an equal key equally.
    """

    reading: msgspec.Raw
    key: str = ""


class FromDriver(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of a driver.

    Attributes:
        n: Number of the message, unique in the driver's run; 0 for a line without a message.
        device: Device as authenticated by the transport.
        readings: Readings of the message, oldest first.
        patients: Identifiers of the patient that the message names; None if they are not to be compared.
        refused: Reason for which the driver rejects the message.
        payload: The rejected message, base64 in JSON.
        online: Whether the device is online, in a line about its presence.
    """

    n: int = 0
    device: str = ""
    readings: tuple[ChildReading, ...] = ()
    patients: tuple[str, ...] | None = None
    refused: str = ""
    payload: bytes = b""
    online: bool | None = None


line_decoder: Final = msgspec.json.Decoder(FromDriver)
decision_decoder: Final = msgspec.json.Decoder(tuple[Decision, ...])
