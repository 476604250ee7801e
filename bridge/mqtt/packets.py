"""MQTT 5 on the wire, as far as each reading needs it: PUBLISH in and out, PUBACK out (OASIS MQTT 5.0, 2.1, 3.3, 3.4).

paho does everything else of MQTT. Its way of reading a PUBLISH (three reads, a message, a properties object, four locks
and a log line each) costs more than all the rest that the bridge does with a batch of 30 readings: `docs/bridge.md`.
"""

from typing import Final

import msgspec

from vitals.wire.uplink_batch import MAX_PAYLOAD_BYTES

MAX_FRAME_BYTES: Final = 2 * MAX_PAYLOAD_BYTES
"""The largest frame that the broker may send, and is told that it may send."""
_PUBLISH: Final = 0x30
_KIND, _QOS, _QOS_2 = 0xF0, 0x06, 0x04
_SHORT: Final = 128
_LENGTH_BYTES: Final = 4


class Receipt(msgspec.Struct, frozen=True):
    """With what a message is acknowledged.

    Attributes:
        connection: Counts connections; an acknowledgement is valid within its own alone.
        mid: MQTT packet identifier.
    """

    connection: int
    mid: int


class Message(msgspec.Struct, frozen=True):
    """A message from the broker.

    Attributes:
        topic: Its MQTT topic, "" when it is not UTF-8.
        payload: Its bytes.
        receipt: With what to acknowledge it; None for QoS 0.
    """

    topic: str
    payload: bytes
    receipt: Receipt | None = None


class FrameError(ConnectionError):
    """What the broker sent is not MQTT; the connection is of no use any more."""


def split(data: bytes, connection: int) -> tuple[list[Message], bytes, bytes]:
    """Splits what was read from a connection.

    Args:
        data: Whole frames and the beginning of one.
        connection: Number of the connection, for the receipts.

    Returns:
        The messages at QoS 0 and 1, all other frames as they are, and what is not a whole frame yet.

    Raises:
        FrameError: A length is wrong, or over `MAX_FRAME_BYTES`.
    """
    messages: list[Message] = []
    others = b""
    at, end = 0, len(data)
    while at + 1 < end:
        start, size = at + 2, data[at + 1]
        if size >= _SHORT:
            found = _number(data, at + 1, end)
            if found is None:
                break
            size, start = found
        if size > MAX_FRAME_BYTES:
            raise FrameError(f"the broker sends a frame of {size} bytes, over {MAX_FRAME_BYTES}")
        if start + size > end:
            break
        kind = data[at]
        if kind & _KIND == _PUBLISH and kind & _QOS < _QOS_2:
            messages.append(_message(data, start, start + size, connection if kind & _QOS else None))
        else:
            others += data[at : start + size]
        at = start + size
    return messages, others, data[at:]


def _message(data: bytes, at: int, end: int, connection: int | None) -> Message:
    """Reads a PUBLISH between `at` and `end`; without a connection it is of QoS 0."""
    begin = at + 2
    at = begin + (data[at] << 8 | data[at + 1]) if begin <= end else end
    topic = data[begin:at]
    receipt = None
    if connection is not None and at + 2 <= end:
        receipt = Receipt(connection, data[at] << 8 | data[at + 1])
        at += 2
    size = _number(data, at, end)
    if size is None or size[0] + size[1] > end:
        raise FrameError("the broker sends a message that is longer than its frame")
    payload = data[size[0] + size[1] : end]
    try:
        return Message(topic.decode(), payload, receipt)
    except UnicodeDecodeError:
        return Message("", payload, receipt)


def _number(data: bytes, at: int, end: int) -> tuple[int, int] | None:
    """Reads a variable byte integer (1.5.5); returns it and where it ends, None when `end` comes before."""
    value = 0
    for place in range(_LENGTH_BYTES):
        if at + place >= end:
            return None
        byte = data[at + place]
        value |= (byte & (_SHORT - 1)) << (7 * place)
        if byte < _SHORT:
            return value, at + place + 1
    raise FrameError("the broker sends a length of more than four bytes")


def puback(mid: int) -> bytes:
    """Returns the acknowledgement of a message: success, which needs no reason code."""
    return bytes((0x40, 2, mid >> 8, mid & 0xFF))


def publish(topic: bytes, payload: bytes) -> bytes:
    """Returns a message at QoS 0, not retained, without properties."""
    size = 2 + len(topic) + 1 + len(payload)
    head = bytearray((_PUBLISH,))
    while size >= _SHORT:
        head.append(size % _SHORT | _SHORT)
        size //= _SHORT
    head.append(size)
    return b"".join((head, len(topic).to_bytes(2, "big"), topic, b"\0", payload))
