"""The TLS connection that paho uses: what paho is for goes through it, readings go past it.

`ssl` lets a context name the class of its sockets (`SSLContext.sslsocket_class`), and paho takes a context. So the
bridge reads and writes the connection in large pieces itself, hands paho only those frames that are paho's, and sends
what paho writes together with its own frames, in order. One thread owns a `Wire` once it is connected.
"""

import ssl
from pathlib import Path
from typing import Any, Final

from bridge.mqtt import packets
from bridge.mqtt.packets import Message

READ_BYTES: Final = 64 * 1024
READS: Final = 128
"""A turn reads at most so many TLS records, so that writing has its turn too."""
_AGAIN: Final = (ssl.SSLWantReadError, ssl.SSLWantWriteError)


class TlsSocket(ssl.SSLSocket):
    """A TLS connection to the broker, split into messages and what is for paho."""

    def __new__(cls, *args: Any, **kwargs: Any) -> "TlsSocket":  # noqa: ANN401 - whatever `ssl` makes its sockets with
        """`ssl` builds sockets without calling `__init__` of their class."""
        wire = super().__new__(cls, *args, **kwargs)
        wire._rest = b""
        wire._pahos = bytearray()
        wire._out = bytearray()
        wire._ended = False
        return wire

    _rest: bytes
    _pahos: bytearray
    _out: bytearray
    _ended: bool

    def pump(self, connection: int) -> list[Message]:
        """Reads what has come, without waiting; frames that are not messages stay for paho to `recv`.

        Raises:
            OSError: The connection is broken, or what comes is not MQTT.
        """
        found = [self._rest]
        try:
            for _ in range(READS):
                data = super().recv(READ_BYTES)
                if not data:
                    self._ended = True
                    break
                found.append(data)
        except _AGAIN:
            pass
        messages, others, self._rest = packets.split(b"".join(found), connection)
        self._pahos += others
        return messages

    def for_paho(self) -> bool:
        """Returns whether paho has something to read: a frame, or the end."""
        return bool(self._pahos) or self._ended

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        """What paho reads: its own frames, then the end of the connection."""
        del flags
        if not self._pahos and not self._ended:
            raise ssl.SSLWantReadError
        data = bytes(self._pahos[:buflen])
        del self._pahos[:buflen]
        return data

    def send(self, data: Any, flags: int = 0) -> int:  # noqa: ANN401 - bytes or bytearray, as `ssl` has it
        """What paho writes waits for `flush`, so that many frames go in one piece."""
        del flags
        self._out += data
        return len(data)

    def waits(self) -> bool:
        """Returns whether something is to be written."""
        return bool(self._out)

    def flush(self) -> None:
        """Writes what the connection takes now; the rest waits.

        Raises:
            OSError: The connection is broken.
        """
        try:
            while self._out:
                del self._out[: super().send(self._out[:READ_BYTES])]
        except _AGAIN:
            return

    def close(self) -> None:
        """Writes paho's goodbye, if that is what waits, and closes."""
        try:
            self.flush()
        except OSError:
            # Nobody is there to hear it.
            self._out.clear()
        super().close()


def context(ca: Path | None, cert: Path | None, key: Path | None) -> ssl.SSLContext:
    """Returns a TLS context whose connections are `Wire`s; without `ca` it trusts what the system trusts."""
    made = ssl.create_default_context(cafile=ca)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    if cert:
        made.load_cert_chain(cert, key)
    made.sslsocket_class = TlsSocket
    return made
