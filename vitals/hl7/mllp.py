"""MLLP frames (HL7 Minimal Lower Layer Protocol): one message between 0x0B and 0x1C 0x0D on a byte stream."""

from typing import Final

START: Final = b"\x0b"
END: Final = b"\x1c\r"
MAX_MESSAGE: Final = 256 * 1024
"""Longest message, bytes; the largest of a monitor with all its alarms has some 20 KiB."""
_BETWEEN: Final = b"\r\n\x1c \t\x00"
"""Bytes that some senders write between two frames."""


class MllpError(ValueError):
    """The stream is no MLLP; nothing after this point can be read."""


def frame(message: bytes) -> bytes:
    """Returns a message as one MLLP frame."""
    return START + message + END


class Unframer:
    """Splits a byte stream into messages.

    Args:
        longest: Longest message, bytes.
    """

    def __init__(self, longest: int = MAX_MESSAGE) -> None:
        self._longest = longest
        self._raw = bytearray()
        self._seen = 0

    def feed(self, received: bytes) -> list[bytes]:
        """Returns the messages that these bytes complete, oldest first.

        Raises:
            MllpError: Bytes are outside a frame, or a message is too long; the connection must be closed. Complete
                messages before them are returned first.
        """
        self._raw += received
        found: list[bytes] = []
        while (message := self._next(at_once=not found)) is not None:
            found.append(message)
        return found

    def _next(self, *, at_once: bool) -> bytes | None:
        raw = self._raw
        if raw and raw[:1] != START:
            del raw[: len(raw) - len(raw.lstrip(_BETWEEN))]
            if raw and raw[:1] != START:
                if at_once:
                    raise MllpError(f"byte 0x{raw[0]:02x} is outside a frame: a message begins with 0x0b")
                return None
        end = raw.find(END, max(1, self._seen))
        if end < 0:
            # The end mark may be split between two reads.
            self._seen = len(raw) - 1
            if at_once and len(raw) > self._longest + len(START):
                raise MllpError(f"message is longer than {self._longest} bytes")
            return None
        message = bytes(raw[1:end])
        if len(message) > self._longest:
            if at_once:
                raise MllpError(f"message of {len(message)} bytes is longer than {self._longest}")
            return None
        del raw[: end + len(END)]
        self._seen = 0
        return message
