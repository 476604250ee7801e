"""Connections that nobody waits for: name, TCP and TLS, each a step that the fleet's loop takes when a socket is ready.

One broker that does not answer must not keep the other devices of a run from measuring and sending.
"""

import selectors
import socket
import ssl
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import msgspec

TIMEOUT_S: Final = 5.0
_PORTS: Final = {"mqtt": 1883, "mqtts": 8883}
Address = tuple[socket.AddressFamily, tuple[str, int] | tuple[str, int, int, int]]


class Tls(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How devices prove who they are on `mqtts://`; `{device}` in a path stands for the device id.

    Attributes:
        ca: Certificate authority of the broker, PEM; None for the system's.
        cert: The device's certificate, PEM; None for none.
        key: Its private key, PEM.
    """

    ca: str | None = None
    cert: str | None = None
    key: str | None = None

    def __post_init__(self) -> None:
        if (self.cert is None) != (self.key is None):
            raise ValueError("tls: a client certificate needs its key, and a key its certificate")

    def context(self, device: str) -> ssl.SSLContext:
        """Returns a device's TLS context, 1.2 or newer.

        Raises:
            ValueError: A file is missing or no PEM; the message names all three.
        """
        files = (None if path is None else path.replace("{device}", device) for path in (self.ca, self.cert, self.key))
        return _context(*files)


@lru_cache(maxsize=1024)
def _context(ca: str | None, cert: str | None, key: str | None) -> ssl.SSLContext:
    missing = [path for path in (ca, cert, key) if path is not None and not Path(path).is_file()]
    if missing:
        raise ValueError(f"tls: {', '.join(missing)} cannot be found")
    try:
        context = ssl.create_default_context(cafile=ca)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if cert is not None:
            context.load_cert_chain(cert, key)
    except ssl.SSLError as error:
        raise ValueError(f"tls: ca {ca}, cert {cert}, key {key} cannot be used: {error}") from error
    return context


@dataclass(frozen=True, slots=True)
class Broker:
    """Where one device connects to.

    Attributes:
        host: Name or address.
        port: Port.
        user: User name and password, None for an anonymous broker.
        tls: TLS context, None for plain TCP.
    """

    host: str
    port: int
    user: tuple[str, str] | None
    tls: ssl.SSLContext | None


def broker(url: str, device: str, tls: Tls) -> Broker:
    """Reads a broker's URL, as in `plan.DevicePlan.broker`, for one device.

    Raises:
        ValueError: A certificate cannot be used.
    """
    parts = urlsplit(url)
    user, password = (unquote(part or "").replace("{device}", device) for part in (parts.username, parts.password))
    return Broker(
        str(parts.hostname),
        parts.port or _PORTS[parts.scheme],
        (user, password) if user else None,
        tls.context(device) if parts.scheme == "mqtts" else None,
    )


class Connector:
    """Begins connections; brokers' names are looked up beside the fleet's thread."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="names")
        self._found: dict[tuple[str, int], Future[list[Address]]] = {}

    def begin(self, to: Broker, now_s: float) -> "Connecting | None":
        """Begins a connection; returns None while the name is looked up.

        Raises:
            OSError: There is no such name, or the broker refuses at once; the next call looks again.
        """
        found = self._found.get((to.host, to.port))
        if found is None:
            found = self._found[to.host, to.port] = self._pool.submit(_look_up, to.host, to.port)
        if not found.done():
            return None
        if found.exception() is not None:
            del self._found[to.host, to.port]
        return Connecting(found.result()[0], to, now_s + TIMEOUT_S)

    def failed(self, to: Broker) -> None:
        """A broker was not where its name said: look it up again."""
        found = self._found.get((to.host, to.port))
        if found is not None and found.done():
            del self._found[to.host, to.port]

    def close(self) -> None:
        """Looks up no more."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _look_up(host: str, port: int) -> list[Address]:
    return [(family, address) for family, _, _, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]  # type: ignore[misc] # addresses of IPv4 and IPv6 alone


class Step(Enum):
    """What a connection in the making waits for."""

    READ = auto()
    WRITE = auto()
    DONE = auto()

    @property
    def events(self) -> int:
        """The selector's events for it."""
        return selectors.EVENT_READ if self is Step.READ else selectors.EVENT_WRITE


class Connecting:
    """One connection in the making; `sock` is non-blocking and changes when TLS begins.

    Args:
        address: Where to.
        to: Whose certificate is expected, and with which one of our own.
        ends_s: When to give up, by the fleet's monotonic clock.

    Raises:
        OSError: The connection is refused at once.
    """

    def __init__(self, address: Address, to: Broker, ends_s: float) -> None:
        family, where = address
        self.ends_s = ends_s
        self._to = to
        self.sock: socket.socket | ssl.SSLSocket = socket.socket(family, socket.SOCK_STREAM)
        self.sock.setblocking(False)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self.sock.connect(where)
        except BlockingIOError:
            pass
        except OSError:
            self.sock.close()
            raise

    def advance(self) -> Step:
        """Takes the next step; the socket was ready for the one before.

        Raises:
            OSError: The broker refuses, or its certificate is not believed.
        """
        if not isinstance(self.sock, ssl.SSLSocket):
            error = self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if error:
                raise OSError(error, "the broker does not answer")
            tls = self._to.tls
            if tls is None:
                return Step.DONE
            self.sock = tls.wrap_socket(self.sock, server_hostname=self._to.host, do_handshake_on_connect=False)
        try:
            self.sock.do_handshake()
        except ssl.SSLWantReadError:
            return Step.READ
        except ssl.SSLWantWriteError:
            return Step.WRITE
        return Step.DONE
