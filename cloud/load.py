"""The loader: manifests that the warehouse does not have, each in one transaction. Two at once do no harm.

A manifest that cannot be loaded is logged and tried again at the next turn; it keeps no other from being loaded.
"""

import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from prometheus_client import Counter, Gauge, Histogram

from cloud.lake import BadManifestError, LakeError, Manifest, Store, manifest_names, open_lake, read_manifest
from cloud.lake.tables import TABLES
from cloud.warehouse import Warehouse, WarehouseError, load, loaded, open_warehouse, prepare
from vitals import daemon
from vitals.settings import setting

log = logging.getLogger("load")
ROWS: Final = Counter("load_rows_total", "Rows that the warehouse did not have", ["topic"])
FAILED: Final = Counter("load_failed_total", "Manifests that could not be loaded and will be tried again", ["topic"])
WAITING: Final = Gauge("load_waiting", "Manifests found that were not loaded yet", ["topic"])
LOAD_S: Final = Histogram("load_seconds", "One manifest, the whole transaction, s")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Settings of the loader."""

    lake: str = setting("Lake: s3://bucket/prefix?endpoint_override=… or file:///folder")
    warehouse: str = setting("Warehouse: postgresql://… or redshift://user:password@host:port/database")
    warehouse_iam_role: str = setting("ARN of the role by which Redshift reads the lake", "")
    load_interval_s: float = setting("Seconds between two looks for new manifests", 60.0)
    load_once: bool = setting("1: load what is there, then exit", False)
    metrics_port: int = setting("Prometheus port on loopback; 0 for none", 0)

    def __post_init__(self) -> None:
        if self.load_interval_s <= 0:
            raise ValueError("LOAD_INTERVAL_S must be positive")


def waiting(store: Store, topic: str, done: set[str]) -> list[str]:
    """Returns the batch manifests not loaded yet, in order of commit; compactions repeat rows and never are."""
    return [name for name in manifest_names(store, topic) if name not in done]


def load_all(warehouse: Warehouse, store: Store, stop: threading.Event, *, make_schema: bool = True) -> int:
    """Loads every manifest that is not loaded yet; returns early, after the manifest under way, once `stop` is set.

    Args:
        warehouse: Where to.
        store: Where from.
        stop: Set when the loader is to end.
        make_schema: Whether to look for tables, columns and views that are not there yet, and make them first.

    Returns:
        How many could not be loaded.

    Raises:
        WarehouseError: The warehouse cannot be reached, or its schema cannot be made.
        LakeError: The lake cannot be listed.
    """
    connection = warehouse.connect()
    try:
        if make_schema:
            prepare(warehouse, connection)
        failed = 0
        for topic in TABLES:
            names = waiting(store, topic, loaded(warehouse, connection, topic))
            WAITING.labels(topic).set(len(names))
            for name in names:
                if stop.is_set():
                    return failed
                failed += not _load(warehouse, connection, store, topic, name)
                WAITING.labels(topic).dec()
        return failed
    finally:
        connection.close()


def _load(warehouse: Warehouse, connection: Any, store: Store, topic: str, name: str) -> bool:  # noqa: ANN401 - DB-API
    began = time.monotonic()
    try:
        manifest: Manifest = read_manifest(store, name)
        with LOAD_S.time():
            fresh = load(warehouse, connection, store, manifest)
    except (BadManifestError, LakeError, WarehouseError) as error:
        FAILED.labels(topic).inc()
        log.error("%s is not loaded and will be tried again: %s", name, error)
        return False
    if fresh is not None:
        ROWS.labels(topic).inc(fresh)
        took_s = round(time.monotonic() - began, 3)
        data = {"manifest": name, "rows": fresh, "repeated": manifest.rows - fresh, "load_s": took_s}
        log.info("loaded %d rows of %s", fresh, topic, extra={"data": data})
    return True


def load_until(settings: Settings, stop: threading.Event) -> int:
    """Runs the loader until `stop` is set, or once.

    Returns:
        0 when it was stopped or has loaded everything; 1 when, run once, it could not; 2 when a setting is wrong.
    """
    try:
        warehouse, store = open_warehouse(settings.warehouse, settings.warehouse_iam_role), open_lake(settings.lake)
    except ValueError as error:
        log.error("cannot start: %s", error)
        return 2
    daemon.serve_metrics(settings.metrics_port)
    daemon.notify("READY=1")
    made = False
    while True:
        try:
            failed = load_all(warehouse, store, stop, make_schema=not made)
            made = True
        except (WarehouseError, LakeError) as error:
            failed, made = 1, False
            log.error("nothing loaded: %s", error)
        if settings.load_once:
            return 1 if failed else 0
        if stop.wait(settings.load_interval_s):
            return 0


def run(environ: Mapping[str, str]) -> int:
    """Runs the loader as a daemon; returns its exit status."""
    return daemon.run("load", Settings, load_until, environ)
