"""`python -m cloud console`: the ward page. Builds its parts and serves them."""

import asyncio
import contextlib
import logging
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Final

import prometheus_client
import uvicorn

from cloud.console.advice_process import AdviceProcess, NoAdvisor
from cloud.console.app import create_app
from cloud.console.auth.accounts import Accounts, Spans
from cloud.console.auth.audit_log import Audit
from cloud.console.command_writer import CommandWriter
from cloud.console.http.dependencies import AppState
from cloud.console.live.feed import LiveFeed
from cloud.console.live.ray_client import RayState
from cloud.console.live.topic_cache import Follower, TopicCache
from cloud.console.pages.printout import Printouts
from cloud.console.settings import Console
from cloud.console.warehouse_history import WarehouseHistory
from cloud.kafka import partitions
from cloud.kafka.client import KafkaReader, KafkaWriter
from vitals.runtime.daemon import notify, now_ms, serve_metrics
from vitals.runtime.daemon import run as run_daemon

logger = logging.getLogger("console")
VIEWERS: Final = prometheus_client.Gauge("wardwatch_console_viewers", "ward screens that are open")
LOOK_EVERY_S: Final = 0.2


def run(environ: Mapping[str, str]) -> int:
    """Runs the job until SIGTERM or SIGINT."""
    return run_daemon("console", Console, _start, environ)


def welcome(accounts: Accounts, settings: Console, now: int) -> str | None:
    """Returns the one-time link of the first administrator; None if any user can sign in."""
    return f"{settings.console_url}/welcome/{accounts.create_invite(None, now)}" if accounts.empty() else None


def _start(settings: Console, stop: threading.Event) -> int:
    try:
        history = WarehouseHistory(settings.warehouse)
        settings.console_data.mkdir(parents=True, exist_ok=True, mode=0o700)
    except (ValueError, OSError) as error:
        logger.error("cannot start: %s", error)
        return 2
    spans = Spans(round(settings.console_session_h * 3_600_000), round(settings.console_idle_min * 60_000))
    accounts = Accounts(settings.console_data / "accounts.sqlite", spans)
    people = TopicCache()
    follower = Follower(people, partial(KafkaReader, settings, "console"), settings.layout)
    address = settings.ray_address or f"127.0.0.1:{settings.ray_port}"
    hub = LiveFeed(RayState(address, settings.ray_auth_token, settings.watch_shards), people, now_ms)
    parts = AppState(
        settings=settings,
        clock=now_ms,
        accounts=accounts,
        audit=Audit(settings.console_data / "audit.sqlite"),
        topics=people,
        commands=CommandWriter(people, partial(_writer, settings), settings),
        feed=hub,
        history=history,
        advisor=AdviceProcess() if settings.lake else NoAdvisor(),
    )
    works = {"people": partial(follower.run, stop), "hub": partial(hub.run, stop, settings.console_poll_s)}
    if settings.console_printouts is not None:
        printouts = Printouts(parts, settings.console_printouts, 60 * settings.console_printout_min)
        works["printouts"] = partial(printouts.run, stop)
    died = threading.Event()
    threads = [
        threading.Thread(target=_work, args=(work, stop, died), name=name, daemon=True) for name, work in works.items()
    ]
    for thread in threads:
        thread.start()
    link = welcome(accounts, settings, now_ms())
    if link is not None:
        # Printed to the terminal, not logged: logs are copied and kept, and this link grants full access once.
        sys.stdout.write(f"Nobody can sign in yet. The first administrator chooses a password here, once:\n  {link}\n")
        sys.stdout.flush()
    asyncio.run(serve(parts, stop))
    stop.set()
    for thread in threads:
        thread.join(10)
    return int(died.is_set())


def _writer(settings: Console) -> KafkaWriter:
    # An action must not be written to a partition that no job reads; reading needs no such check.
    partitions.check(settings)
    return KafkaWriter(settings, "console")


def _work(work: Callable[[], None], stop: threading.Event, died: threading.Event) -> None:
    """Runs one of the page's threads. If it fails, the job ends and is restarted: half a page is worse than none."""
    try:
        work()
    finally:
        if not stop.is_set():
            died.set()
            stop.set()


async def serve(parts: AppState, stop: threading.Event) -> None:
    """Serves the page until `stop` is set."""
    settings = parts.settings
    config = uvicorn.Config(
        create_app(parts), host=settings.console_bind, port=settings.port, log_config=None, access_log=False,
        server_header=False, proxy_headers=False, timeout_graceful_shutdown=2, timeout_keep_alive=30,
    )  # fmt: skip
    server = _Server(config)
    running = asyncio.create_task(server.serve())
    ready = False
    while not stop.is_set() and not running.done():
        await asyncio.sleep(LOOK_EVERY_S)
        VIEWERS.set(parts.feed.viewers())
        if server.started and not ready:
            ready = True
            # The metrics port opens only now, because other parts wait for it as the sign of readiness.
            serve_metrics(settings.metrics_port)
            logger.info("ward page ready at %s", settings.console_url)
            notify("READY=1")
        notify("WATCHDOG=1")
    notify("STOPPING=1")
    server.should_exit = True
    await running


class _Server(uvicorn.Server):
    """Leaves signals to `vitals.runtime.daemon`."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Captures none."""
        yield
