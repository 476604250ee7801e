"""An HTTP relay that does to chosen requests what a network does: loses, doubles or delays them, by count."""

import contextlib
import threading
from collections.abc import Callable
from enum import Enum
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Final, Self

HOP_BY_HOP: Final = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length", "expect"})
METHODS: Final = frozenset({"GET", "HEAD", "PUT", "POST", "DELETE"})


class Fault(Enum):
    """What happens to a request.

    Attributes:
        LOST: The server answers, and the connection closes before the answer arrives.
        DOUBLED: The server gets it twice; the second answer arrives.
        DELAYED: The connection closes, and the server gets the request after the next one, usually its retry.
    """

    LOST = "lost"
    DOUBLED = "doubled"
    DELAYED = "delayed"


class HttpRelay:
    """Relays HTTP from a free port on loopback to `target`.

    Attributes:
        port: The port to connect to.
        seen: Requests since `arm`.
        struck: Number of them with a fault.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._lock = threading.Lock()
        self._fault: Callable[[int], Fault | None] = lambda _: None
        self._methods = METHODS
        self._late: list[Callable[[], object]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = False
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="http relay")
        self.port = self._server.server_port
        self.seen = self.struck = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join(timeout=10)
        self._server.server_close()

    def arm(self, fault: Callable[[int], Fault | None], methods: frozenset[str] = METHODS) -> None:
        """Sets the fault of the n-th request of some methods from now on, counted from 1."""
        with self._lock:
            self._fault, self._methods, self.seen, self.struck = fault, methods, 0, 0

    def disarm(self) -> None:
        """Delivers what is delayed; later requests have no fault."""
        with self._lock:
            self._fault = lambda _: None
            self._deliver()

    def passes(self, method: str, send: Callable[[], "Answer"]) -> "Answer | None":
        """Sends one request on; returns the answer, None if none may arrive."""
        with self._lock:
            counts = method in self._methods
            self.seen += counts
            fault = self._fault(self.seen) if counts else None
            self.struck += fault is not None
            if fault is Fault.DELAYED:
                self._late.append(send)
                return None
            answer = send()
            self._deliver()
            if fault is Fault.DOUBLED:
                answer = send()
            return None if fault is Fault.LOST else answer

    def send(self, method: str, path: str, headers: dict[str, str], body: bytes) -> "Answer":
        """Asks the server, on a connection of its own."""
        with contextlib.closing(HTTPConnection("127.0.0.1", self._target, timeout=30)) as far:
            far.request(method, path, body, headers)
            got = far.getresponse()
            return Answer(got.status, got.getheaders(), got.read())

    def _deliver(self) -> None:
        late, self._late = self._late, []
        for send in late:
            send()


class Answer:
    """One answer of the server."""

    def __init__(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body


def _handler(relay: HttpRelay) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # A client that keeps its connection open must not keep the relay's thread.
        timeout = 2

        def _pass(self) -> None:
            chunked = self.headers.get("Transfer-Encoding") == "chunked"
            body = self._chunks() if chunked else self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name: text for name, text in self.headers.items() if name.lower() not in HOP_BY_HOP}
            try:
                answer = relay.passes(self.command, lambda: relay.send(self.command, self.path, headers, body))
            except (OSError, HTTPException):
                answer = None
            self.close_connection = True
            if answer is None:
                return
            self.send_response_only(answer.status)
            for name, text in answer.headers:
                if name.lower() not in HOP_BY_HOP:
                    self.send_header(name, text)
            length = {n.lower(): t for n, t in answer.headers}.get("content-length", str(len(answer.body)))
            self.send_header("Content-Length", length if self.command == "HEAD" else str(len(answer.body)))
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(answer.body)

        def _chunks(self) -> bytes:
            parts = []
            while size := int(self.rfile.readline().partition(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _pass  # noqa: N815 - names of the standard library

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
            """Writes no log."""

    return Handler
