"""MLLP server: receives messages of monitors, hands them to the gateway, and answers with the gateway's decision.

An answer of acceptance is written only after the gateway's decision, which follows its commit. Answers of a connection
keep the order of its messages.
"""

import asyncio
import logging
import socket
import ssl
from collections import deque
from dataclasses import dataclass, field
from typing import Final

import msgspec

from edge.devices.child_protocol import ALIVE_S, MAX_LINE, WINDOW, FromDriver, decision_decoder
from edge.devices.listener import Listener
from edge.hl7.observations import RefusedError
from edge.hl7.translate import Translator
from vitals.hl7 import header, mllp
from vitals.hl7.header import Code, Header, HeaderError
from vitals.runtime.daemon import now_ms
from vitals.runtime.exceptions import NOT_CAUSED_BY_INPUT, describe_exception

log = logging.getLogger(__name__)
CONNECTIONS: Final = 512
IN_FLIGHT: Final = 64
"""Most messages of one connection without an answer."""
HANDSHAKE_S: Final = 10.0
CHUNK: Final = 65_536
REFUSED_BYTES: Final = 4_096
_PERSONAL: Final = (b"PID", b"PD1", b"NK1", b"GT1", b"IN1", b"IN2", b"MRG")
"""Segments with personal data, which a stored rejected message has no need of."""


@dataclass(slots=True)
class _Waiting:
    """A message without an answer."""

    header: Header
    code: Code
    answer: bytes | None = None


@dataclass(slots=True)
class _Connection:
    """A connection of a monitor; answers are written from the oldest message on."""

    writer: asyncio.StreamWriter
    waiting: deque[_Waiting] = field(default_factory=deque)
    room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(IN_FLIGHT))

    def answer(self) -> None:
        """Writes the answers that are due."""
        while self.waiting and (answer := self.waiting[0].answer) is not None:
            self.waiting.popleft()
            self.room.release()
            if not self.writer.is_closing():
                self.writer.write(mllp.frame(answer))


class Server:
    """Server of all listening sockets.

    Args:
        listeners: Listening sockets and their settings.
        channel: Socket to the gateway.
    """

    def __init__(self, listeners: list[tuple[socket.socket, Listener]], channel: socket.socket) -> None:
        self._listeners, self._channel = listeners, channel
        self._translator = Translator()
        self._connections = 0
        self._n = 0
        self._pending: dict[int, tuple[_Connection, _Waiting]] = {}
        self._room = asyncio.Semaphore(WINDOW)

    async def run(self) -> None:
        """Serves until the gateway closes its socket."""
        decisions, self._gateway = await asyncio.open_connection(sock=self._channel, limit=MAX_LINE)
        servers = [
            await asyncio.start_server(
                lambda reader, writer, its=listener: self._serve(reader, writer, its),  # type: ignore[misc]
                sock=sock,
                ssl=_tls(listener),
                ssl_handshake_timeout=HANDSHAKE_S if listener.files else None,
                limit=CHUNK,
            )
            for sock, listener in self._listeners
        ]
        log.info("listening for HL7", extra={"data": {"addresses": [f"{o.host}:{o.port}" for _, o in self._listeners]}})
        alive = asyncio.create_task(self._show_life())
        try:
            while line := await decisions.readline():
                self._decide(line)
        finally:
            alive.cancel()
            for server in servers:
                server.close()

    async def _show_life(self) -> None:
        while True:
            self._gateway.write(b"{}\n")
            await self._gateway.drain()
            await asyncio.sleep(ALIVE_S)

    def _decide(self, line: bytes) -> None:
        touched = []
        for n, reason in decision_decoder.decode(line):
            connection, waiting = self._pending.pop(n)
            code = waiting.code if reason else Code.ACCEPT
            waiting.answer = header.acknowledgement(waiting.header, code, now_ms(), reason)
            self._room.release()
            touched.append(connection)
        for connection in touched:
            connection.answer()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, listener: Listener) -> None:
        if self._connections >= CONNECTIONS:
            log.warning("connection refused: %d are open", self._connections)
            writer.close()
            return
        self._connections += 1
        connection = _Connection(writer)
        unframer = mllp.Unframer()
        peer = _common_name(writer)
        _keep_alive(writer)
        try:
            while received := await reader.read(CHUNK):
                for message in unframer.feed(received):
                    await self._take(connection, message, listener, peer)
                # A sender that reads no answers is read no further.
                await writer.drain()
        except (mllp.MllpError, OSError) as error:
            data = {"port": listener.port, "device": listener.device or peer, "cause": str(error)}
            log.warning("connection closed", extra={"data": data})
        finally:
            self._connections -= 1
            writer.close()

    async def _take(self, connection: _Connection, message: bytes, listener: Listener, peer: str) -> None:
        await connection.room.acquire()
        await self._room.acquire()
        self._n += 1
        line, waiting = self._translated(self._n, message, listener, peer)
        connection.waiting.append(waiting)
        self._pending[self._n] = connection, waiting
        self._gateway.write(msgspec.json.encode(line) + b"\n")
        await self._gateway.drain()

    def _translated(self, n: int, message: bytes, listener: Listener, peer: str) -> tuple[FromDriver, _Waiting]:
        its, code = Header(), Code.ERROR
        try:
            its = header.read(message)
            return self._translator.line(n, message, its, listener, peer=peer, now=now_ms()), _Waiting(its, code)
        except HeaderError as error:
            code, reason = Code.REJECT, str(error)
        except RefusedError as error:
            code, reason = error.code, str(error)
        except NOT_CAUSED_BY_INPUT:
            raise
        except Exception as error:
            log.exception("message raised an error and is refused")
            code, reason = Code.REJECT, f"cannot be read: {describe_exception(error)}"
        device = listener.device or peer or "hl7"
        return FromDriver(n=n, device=device, refused=reason, payload=_impersonal(message)), _Waiting(its, code)


def _impersonal(message: bytes) -> bytes:
    segments = message[: 4 * REFUSED_BYTES].replace(b"\n", b"\r").split(b"\r")
    return b"\r".join(one for one in segments if one[:3].upper() not in _PERSONAL)[:REFUSED_BYTES]


def _tls(listener: Listener) -> ssl.SSLContext | None:
    if not listener.files:
        return None
    certificate, key, authority = listener.files
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    context.load_verify_locations(authority)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def _common_name(writer: asyncio.StreamWriter) -> str:
    found: dict[str, tuple[tuple[tuple[str, str], ...], ...]] = writer.get_extra_info("peercert") or {}
    return next((value for part in found.get("subject", ()) for name, value in part if name == "commonName"), "")


def _keep_alive(writer: asyncio.StreamWriter) -> None:
    """Ends connections of monitors that were unplugged: their number is limited."""
    sock = writer.get_extra_info("socket")
    for level, option, value in (
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
        (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30),
        (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10),
        (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
        (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    ):
        sock.setsockopt(level, option, value)
