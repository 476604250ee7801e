"""MLLP listener: a thread for each sender, an acknowledgement for each message."""

import contextlib
import logging
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from cloud.kafka.port import KafkaUnavailableError
from vitals.hl7.mllp import MllpError, Unframer, frame

logger = logging.getLogger("adt")
MOST_SENDERS: Final = 32
IDLE_S: Final = 600.0
CHUNK: Final = 64 << 10


class Listener:
    """Serves senders until closed.

    Args:
        address: Host and port.
        receive: Stores a message and returns its acknowledgement; raises `KafkaUnavailableError` if it is not stored.
        failed: Called once a message could not be stored: the job ends, and senders send again.
        tls: TLS context; None is plain TCP.
    """

    def __init__(
        self,
        address: tuple[str, int],
        receive: Callable[[bytes], bytes],
        failed: Callable[[], None],
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._receive, self._failed, self._tls = receive, failed, tls
        self._socket = socket.create_server(address, backlog=MOST_SENDERS)
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._closed = False
        self._accepting = threading.Thread(target=self._accept, name="mllp", daemon=True)
        self._accepting.start()

    @property
    def port(self) -> int:
        """Port on which it listens."""
        return int(self._socket.getsockname()[1])

    def close(self) -> None:
        """Ends all connections."""
        self._closed = True
        # A blocked accept does not notice a close: it is woken by a connection of our own.
        with contextlib.suppress(OSError):
            socket.create_connection(self._socket.getsockname()[:2], 1).close()
        self._accepting.join(10)
        self._socket.close()
        with self._lock:
            for one in self._open:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)

    def _accept(self) -> None:
        while not self._closed:
            try:
                connection, peer = self._socket.accept()
            except OSError:
                return
            self._threads = [thread for thread in self._threads if thread.is_alive()]
            if self._closed or len(self._threads) >= MOST_SENDERS:
                logger.warning("MLLP connection of %s refused: %s senders are connected", peer[0], len(self._threads))
                connection.close()
                continue
            thread = threading.Thread(target=self._serve, args=(connection, peer[0]), name="mllp-sender", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, plain: socket.socket, peer: str) -> None:
        plain.settimeout(IDLE_S)
        connection = plain
        try:
            if self._tls is not None:
                connection = self._tls.wrap_socket(plain, server_side=True)
            with self._lock:
                self._open.add(connection)
            self._exchange(connection)
        except (OSError, MllpError) as error:
            logger.warning("MLLP connection of %s ended: %s", peer, error)
        except KafkaUnavailableError as error:
            logger.error("ADT message not stored and not acknowledged: %s", error)
            self._failed()
        finally:
            with self._lock:
                self._open.discard(connection)
            connection.close()

    def _exchange(self, connection: socket.socket) -> None:
        unframer = Unframer()
        while not self._closed:
            received = connection.recv(CHUNK)
            if not received:
                return
            for message in unframer.feed(received):
                connection.sendall(frame(self._receive(message)))


def tls_context(cert: Path, key: Path, ca: Path | None) -> ssl.SSLContext:
    """Returns the listener's TLS context; with `ca` senders need a certificate.

    Raises:
        OSError: A file cannot be read, or is no certificate or key.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=None if ca is None else str(ca))
    context.load_cert_chain(cert, key)
    if ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
    return context
