"""An HTTP server for tests of channels, which can refuse, be slow, never answer, or answer what is no HTTP."""

import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self


@dataclass(frozen=True)
class Request:
    """A request; names of its headers are in lower case."""

    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Reply:
    """An answer without a body."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass
class HttpStandIn:
    """Serves on loopback for the duration of a `with` block.

    Attributes:
        status: Answered in place of accepting; None accepts.
        statuses: The same, for the next requests, one each.
        slow_s: Time before each answer, s.
        garbage: Answers bytes that are no HTTP.
        accepted: Text of each accepted message.
        requests: Every request.
    """

    status: int | None = None
    statuses: list[int] = field(default_factory=list)
    slow_s: float = 0.0
    garbage: bool = False
    location: str = ""
    accepted: list[str] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    failures: list[BaseException] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._released = threading.Event()
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                stand_in.handle(self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        assert self.failures == []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def release(self) -> None:
        """Answers what waits, and all that follows at once."""
        self._released.set()

    def handle(self, handler: BaseHTTPRequestHandler) -> None:
        headers = {name.lower(): value for name, value in handler.headers.items()}
        body = handler.rfile.read(int(headers.get("content-length", "0")))
        request = Request(handler.path, headers, body)
        self.requests.append(request)
        self._released.wait(self.slow_s)
        if self.garbage:
            handler.wfile.write(b"\x00\x01 this is no HTTP\r\n\r\n")
            return
        status = self.statuses.pop(0) if self.statuses else self.status
        if status is not None:
            reply = Reply(status, {"Location": self.location} if self.location else {})
        else:
            try:
                reply = self.answer(request)
            except Exception as error:  # noqa: BLE001 - a failed check is the test's failure
                self.failures.append(error)
                reply = Reply(400)
        with suppress(OSError):  # a client that no longer waits
            handler.send_response(reply.status)
            for name, value in {**reply.headers, "Content-Length": "0"}.items():
                handler.send_header(name, value)
            handler.end_headers()

    def answer(self, request: Request) -> Reply:
        """Accepts a request."""
        self.accepted.append(request.body.decode())
        return Reply()
