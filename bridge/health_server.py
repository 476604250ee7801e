"""`/metrics` for Prometheus and `/health` for a supervisor, on loopback."""

import json
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from vitals.runtime.metrics import WithFormerNames


def serve(port: int, registry: CollectorRegistry, health: Callable[[], Mapping[str, object]]) -> ThreadingHTTPServer:
    """Serves on a thread of its own until `shutdown` is called.

    Args:
        port: Port on 127.0.0.1; 0 takes a free one.
        registry: What `/metrics` shows.
        health: What `/health` shows; its status is 200 when `ok` in it is true, else 503.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/metrics":
                self._answer(200, CONTENT_TYPE_LATEST, generate_latest(WithFormerNames(registry)))
            elif self.path == "/health":
                state = health()
                self._answer(200 if state["ok"] else 503, "application/json", json.dumps(state).encode())
            else:
                self._answer(404, "text/plain", b"There are /metrics and /health.\n")

        def _answer(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Says nothing: a scrape every few seconds is no event."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="health", daemon=True).start()
    return server
