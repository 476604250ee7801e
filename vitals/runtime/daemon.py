"""Common behaviour of all daemons: JSON logs, signals, Prometheus metrics, systemd notification."""

import json
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

import prometheus_client

from vitals.runtime.metrics import WithFormerNames
from vitals.runtime.settings import SettingsError, load

T = TypeVar("T")


class JsonLines(logging.Formatter):
    """Formats one JSON object a line: time, level, part, message, and the fields of `extra={"data": {...}}`."""

    def __init__(self, part: str) -> None:
        super().__init__()
        self._part = part

    def format(self, record: logging.LogRecord) -> str:
        """Returns the line."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "part": self._part,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= getattr(record, "data", {})
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def log_json(part: str, level: int = logging.INFO) -> None:
    """Sends all logging of this process to standard error as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines(part))
    logging.basicConfig(level=level, handlers=[handler], force=True)


def stop_on_signals() -> threading.Event:
    """Returns an event that SIGTERM and SIGINT set."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


def serve_metrics(port: int) -> None:
    """Serves Prometheus metrics on loopback; port 0 serves none."""
    if port:
        prometheus_client.start_http_server(
            port, addr="127.0.0.1", registry=WithFormerNames(prometheus_client.REGISTRY)
        )


def notify(state: str) -> None:
    """Notifies systemd ("READY=1", "WATCHDOG=1", "STOPPING=1"); does nothing without systemd."""
    address = os.environ.get("NOTIFY_SOCKET")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.connect("\0" + address[1:] if address.startswith("@") else address)
            channel.sendall(state.encode())


def now_ms() -> int:
    """Returns the wall clock, UTC epoch ms. Only wiring calls it; all other functions have a parameter `now`."""
    return time.time_ns() // 1_000_000


def run(part: str, settings: type[T], start: Callable[[T, threading.Event], int], environ: Mapping[str, str]) -> int:
    """Runs a daemon: reads its settings, logs as JSON, stops on signals.

    Args:
        part: Name in logs and messages.
        settings: Its settings dataclass.
        start: The daemon; returns its exit status once the event is set.
        environ: The environment.

    Returns:
        The exit status; 2 if a setting is missing or wrong.
    """
    log_json(part)
    try:
        loaded = load(settings, environ)
    except SettingsError as error:
        logging.getLogger(part).error("cannot start: %s", error)
        return 2
    return start(loaded, stop_on_signals())
