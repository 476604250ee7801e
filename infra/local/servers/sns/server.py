"""The service over HTTP, on loopback: AWS's calls at `/`, orders at `/control`, and the outcomes of messages.

| path | |
|---|---|
| `POST /` | AWS's query protocol of SNS, and the JSON protocol of CloudWatch Logs for delivery status logs |
| `POST /control` | an order as JSON, `{"set": "state", …}`, `trouble` or `pace`: see `trouble.py` |
| `GET /reached` | JSON lines: messages on a person's device, or in a queue |
| `GET /undelivered` | JSON lines: messages accepted but not delivered, with the reason |
| `GET /confirmations` | JSON lines: e-mails that request the confirmation of a subscription, with their token |
| `GET /counts` | JSON: number of each since the start, and number of answers of each kind |
"""

import socket
import sys
import threading
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Final, Self

import msgspec

from infra.local.ports import HOST
from infra.local.servers.sns import delivery_log
from infra.local.servers.sns.ledger import Ledger, Reached, Undelivered, lines
from infra.local.servers.sns.query import answer, call, refusal, words
from infra.local.servers.sns.queues import Queues
from infra.local.servers.sns.service import Service
from infra.local.servers.sns.trouble import Control, State, Troubles
from infra.local.servers.sns.values import SnsError
from vitals.runtime.daemon import now_ms

POLL_S: Final = 0.05
BODY_BYTES: Final = 1 << 20
_control: Final = msgspec.json.Decoder(Control)


@dataclass(frozen=True, slots=True)
class Options:
    """Behaviour from the start.

    Attributes:
        answer_ms: Time from a call to its answer, ms.
        confirmed: Subscriptions by e-mail are confirmed at once.
        emails_per_s: Rate of e-mails beyond which their subscription is deactivated; 0: no limit.
        keep: Messages kept, of each kind.
    """

    answer_ms: float = 0.0
    confirmed: bool = False
    emails_per_s: int = 10
    keep: int = 100_000


class Sns:
    """Serves on threads of this process, for the duration of a `with` block.

    Args:
        options: Its behaviour.
        port: Port; 0 selects a free one.
        sqs_endpoint: Address of the SQS of subscribed queues; None: a line in `reached` is all that they keep.
    """

    def __init__(self, options: Options | None = None, *, port: int = 0, sqs_endpoint: str | None = None) -> None:
        options = options or Options()
        self.ledger = Ledger(options.keep)
        self._parts = ExitStack()
        self._queues = Queues(sqs_endpoint, options.keep) if sqs_endpoint else None
        self.service = Service(
            self.ledger,
            now_ms,
            time.monotonic,
            options.confirmed,
            options.emails_per_s,
            self._queues.put if self._queues else None,
        )
        self.troubles = Troubles(options.answer_ms)
        self._server = _Server(self, port)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(POLL_S,), name="sns", daemon=True)

    def __enter__(self) -> Self:
        if self._queues is not None:
            self._parts.enter_context(self._queues)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.end()
        self._thread.join()
        self._parts.close()

    @property
    def url(self) -> str:
        """Returns its address."""
        return f"http://{HOST}:{self._server.server_address[1]}"

    def control(self, order: Control) -> None:
        """Carries out an order, like `/control`."""
        if isinstance(order, State):
            self.service.set(order)
        else:
            self.troubles.set(order)

    def reached(self) -> list[Reached]:
        """Returns the messages on a person's device, in order."""
        return self.ledger.reached()

    def undelivered(self) -> list[Undelivered]:
        """Returns the undelivered messages, in order."""
        return self.ledger.undelivered()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, sns: Sns, port: int) -> None:
        self.sns = sns
        self.ended = threading.Event()
        self._open: set[socket.socket] = set()
        super().__init__((HOST, port), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - socketserver's own
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:  # noqa: ANN401 - socketserver's own
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - socketserver's own
        # A client that no longer waits for an answer has disconnected: nothing to report.
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def end(self) -> None:
        """Stops listening, and ends connections that are kept alive."""
        self.ended.set()
        self.shutdown()
        self.server_close()
        for connection in tuple(self._open):
            with suppress(OSError):  # its other end has hung up
                connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_POST(self) -> None:
        began = time.monotonic()
        body = self.rfile.read(min(BODY_BYTES, int(self.headers.get("Content-Length", "0"))))
        if self.path == "/control":
            self._ordered(body)
        elif self.headers.get("X-Amz-Target") == delivery_log.TARGET:
            ledger = self.server.sns.ledger
            messages: list[Reached | Undelivered] = [*ledger.reached(), *ledger.undelivered()]
            messages.sort(key=lambda message: message.t)
            told = delivery_log.filter_log_events(msgspec.json.decode(body, type=dict[str, object]), messages)
            none = {"__type": "ResourceNotFoundException", "message": "The specified log group does not exist."}
            status = HTTPStatus.OK if told is not None else HTTPStatus.BAD_REQUEST
            self._say(status, msgspec.json.encode(told or none), "application/x-amz-json-1.1")
        else:
            self._called(words(body), began)

    def do_GET(self) -> None:
        ledger = self.server.sns.ledger
        known = {
            "/reached": lambda: lines(ledger.reached()),
            "/undelivered": lambda: lines(ledger.undelivered()),
            "/confirmations": lambda: lines(ledger.confirmations()),
            "/counts": lambda: msgspec.json.encode(ledger.counts()),
        }
        if self.path in known:
            self._say(HTTPStatus.OK, known[self.path](), "application/json")
        else:
            self._say(HTTPStatus.NOT_FOUND, f"there are {', '.join(known)}\n".encode(), "text/plain")

    def _ordered(self, body: bytes) -> None:
        try:
            self.server.sns.control(_control.decode(body))
        except msgspec.DecodeError as error:
            self._say(HTTPStatus.BAD_REQUEST, f"{error}\n".encode(), "text/plain")
        else:
            self._say(HTTPStatus.OK, b"{}", "application/json")

    def _called(self, asked: dict[str, str], began: float) -> None:
        sns, action = self.server.sns, asked.get("Action", "")
        verdict = sns.troubles.judge(action, began)
        status = int(HTTPStatus.OK)
        try:
            if verdict.refused is not None:
                raise verdict.refused
            told = answer(action, call(sns.service, asked))
        except SnsError as error:
            sns.ledger.count(error.code)
            status, told = error.status, refusal(error)
        # The answer is sent after a fixed time, whatever work there was.
        self.server.ended.wait(max(0.0, began + verdict.answer_ms / 1000 - time.monotonic()))
        if verdict.lost:
            sns.ledger.count("lost")
            self.close_connection = True
            return
        self._say(status, told, "text/xml")

    def _say(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's own
        """Logs nothing: `/counts` has the figures."""
