"""Bulk reads of MQTT messages: the cost of a QoS 1 PUBLISH decides whether one Raspberry Pi can serve a ward.

paho reads a packet in five system calls, in a loop of its own, and wakes for each. `BulkSocket` is between paho and the
socket: it reads all bytes of `READ_EVERY_S` at once and passes each PUBLISH packet to `take`. All other packets are
left to paho, which still connects, subscribes, pings and publishes.
"""

import socket
import time
from collections.abc import Callable
from typing import Any, Final

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

READ_EVERY_S: Final = 0.1
"""Shortest time between two reads: a single reading is read at once, a ward's are read together."""
CHUNK: Final = 65_536
"""Most bytes of one read. After a full read the next is immediate: a device that sends much is read at full speed, and
no other device's readings wait for it."""
PUBLISH_QOS_0: Final = 0x30
PUBLISH_QOS_1: Final = 0x32
DUP_RETAIN: Final = 0x09
PUBACK: Final = 0x40
_MORE: Final = 0x80
_LENGTH_BYTES: Final = 4

Take = Callable[[bytes, bytes, int | None], bool]
"""Receives topic, payload and packet id (None at QoS 0) of a PUBLISH; returns False to leave it to paho."""


class BulkClient(Client):
    """paho's client with bulk reads and bulk acknowledgements.

    Args:
        client_id: MQTT client id.
        take: Receives readings.
    """

    def __init__(self, client_id: str, take: Take) -> None:
        super().__init__(
            CallbackAPIVersion.VERSION2, client_id=client_id, protocol=MQTTProtocolVersion.MQTTv5, manual_ack=True
        )
        self._take = take

    def _messages_reconnect_reset_out(self) -> None:
        """Drops messages that the last connection did not acknowledge: a resend would follow newer ones."""
        with self._out_message_mutex:
            self._out_messages.clear()
            self._inflight_messages = 0

    def _create_socket_connection(self) -> Any:  # noqa: ANN401 - paho wants a socket, and this is one to it
        return BulkSocket(super()._create_socket_connection(), self._take)

    def acknowledge(self, mids: list[int]) -> None:
        """Sends the PUBACKs of QoS 1 messages as one write."""
        if mids:
            self._packet_queue(PUBACK, pubacks(mids), 0, 0)


class BulkSocket:
    """Connected socket with the interface that paho uses.

    Args:
        inner: The socket.
        take: Receives readings.
    """

    def __init__(self, inner: socket.socket, take: Take) -> None:
        self._inner, self._take = inner, take
        self._raw = bytearray()
        self._others = bytearray()
        self._read_at = 0.0
        self._more = False

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever a socket has
        """Delegates every other attribute to the socket."""
        return getattr(self._inner, name)

    def pending(self) -> int:
        """Returns the number of bytes that paho can read without waiting for the network."""
        return len(self._others)

    def recv(self, size: int) -> bytes:
        """Returns bytes for paho.

        Raises:
            BlockingIOError: There are none; readings may have been passed to `take`.
        """
        if not self._others:
            wait_s = self._read_at + READ_EVERY_S - time.monotonic()
            if wait_s > 0 and not self._more:
                time.sleep(wait_s)
            chunk = self._inner.recv(CHUNK)
            self._more = len(chunk) == CHUNK
            self._read_at = time.monotonic()
            if not chunk:
                return b""
            self._raw += chunk
            self._split()
            if not self._others:
                raise BlockingIOError
        found = bytes(self._others[:size])
        del self._others[:size]
        return found

    def _split(self) -> None:
        """Sorts complete packets by receiver; an incomplete one stays in the buffer."""
        raw, at = self._raw, 0
        while (span := _span(raw, at)) is not None:
            start, end = span
            kind = raw[at] & ~DUP_RETAIN
            if kind not in {PUBLISH_QOS_0, PUBLISH_QOS_1} or not self._publish(
                raw, start, end, numbered=kind == PUBLISH_QOS_1
            ):
                self._others += raw[at:end]
            at = end
        del raw[:at]

    def _publish(self, raw: bytearray, start: int, end: int, *, numbered: bool) -> bool:
        topic_end = start + 2 + int.from_bytes(raw[start : start + 2], "big")
        body = topic_end + 2 * numbered
        if body >= end:
            return False
        properties, width = _number(raw, body, end)
        if properties is None or body + width + properties > end:
            return False
        mid = int.from_bytes(raw[topic_end:body], "big") if numbered else None
        return self._take(bytes(raw[start + 2 : topic_end]), bytes(raw[body + width + properties : end]), mid)


def _span(raw: bytearray, at: int) -> tuple[int, int] | None:
    """Returns start and end of the body of the packet at `at`, None while it is incomplete."""
    length, width = _number(raw, at + 1, len(raw))
    if length is None or at + 1 + width + length > len(raw):
        return None
    return at + 1 + width, at + 1 + width + length


def _number(raw: bytearray, at: int, end: int) -> tuple[int | None, int]:
    """Reads a variable byte integer (MQTT 5, 1.5.5); returns it, None while it is incomplete, and its width."""
    value = 0
    for k in range(_LENGTH_BYTES):
        if at + k >= end:
            return None, 0
        byte = raw[at + k]
        value |= (byte & ~_MORE) << (7 * k)
        if not byte & _MORE:
            return value, k + 1
    # Five bytes are an invalid length: paho receives all bytes, and closes the connection.
    return end - at - _LENGTH_BYTES, _LENGTH_BYTES


def pubacks(mids: list[int]) -> bytes:
    """Returns the PUBACK packets of QoS 1 messages, one after the other."""
    return b"".join(b"\x40\x02" + mid.to_bytes(2, "big") for mid in mids)
