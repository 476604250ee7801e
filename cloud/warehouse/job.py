"""The loader: manifests that the warehouse does not have, each in one transaction. Two at once do no harm.

A manifest that cannot be loaded is logged and tried again at the next turn; it keeps no other from being loaded. One
whose objects a compaction has replaced is loaded from that, together with all others that it replaced.
"""

import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from prometheus_client import Counter, Gauge, Histogram

from cloud.lake import BadManifestError, LakeError, Manifest, Store, manifest_names, open_lake, read_manifest
from cloud.lake.manifests import number_of
from cloud.lake.read import superseded
from cloud.lake.schema import TABLES
from cloud.warehouse import Warehouse, WarehouseError, load, loaded, open_warehouse, prepare
from vitals.runtime import daemon
from vitals.runtime.settings import setting

log = logging.getLogger("load")
ROWS: Final = Counter("wardwatch_load_rows_total", "Rows that the warehouse did not have", ["topic"])
FAILED: Final = Counter(
    "wardwatch_load_failed_total", "Manifests that could not be loaded and will be tried again", ["topic"]
)
WAITING: Final = Gauge("wardwatch_load_waiting", "Manifests found that were not loaded yet", ["topic"])
LOAD_S: Final = Histogram("wardwatch_load_seconds", "One manifest, the whole transaction, s")


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


class Loader:
    """Loads what is new in a lake, turn by turn, and remembers what it has seen loaded.

    Args:
        warehouse: Where to.
        store: Where from.
    """

    def __init__(self, warehouse: Warehouse, store: Store) -> None:
        self._warehouse = warehouse
        self._store = store
        self._done: dict[str, set[str]] = {topic: set() for topic in TABLES}
        self._since = dict.fromkeys(TABLES, 0)
        self._prepared = False

    def turn(self, stop: threading.Event) -> int:
        """Loads every manifest that is not loaded yet; returns early, after the one under way, once `stop` is set.

        The first turn makes tables, columns and views that are not there yet. A turn without a new manifest does not
        touch the warehouse.

        Returns:
            How many could not be loaded.

        Raises:
            WarehouseError: The warehouse cannot be reached, or its schema cannot be made.
            LakeError: The lake cannot be listed.
        """
        unseen = {topic: self._unseen(topic) for topic in TABLES}
        if self._prepared and not any(unseen.values()):
            return 0
        connection = self._warehouse.connect()
        try:
            if not self._prepared:
                prepare(self._warehouse, connection)
                self._prepared = True
            return sum(self._topic(connection, topic, names, stop) for topic, names in unseen.items() if names)
        except (WarehouseError, LakeError):
            self._prepared = False
            raise
        finally:
            connection.close()

    def _unseen(self, topic: str) -> list[str]:
        """Batch manifests not known to be loaded, in order of commit; compactions repeat rows and are none."""
        found = manifest_names(self._store, topic, since=self._since[topic])
        unseen = [name for name in found if name not in self._done[topic]]
        if found:
            # Numbers only grow: what stands before the first that waits is asked for no more.
            reached = (unseen or found[-1:])[0]
            self._since[topic] = number_of(reached)
            self._done[topic] = {name for name in self._done[topic] if name >= reached}
        return unseen

    def _topic(self, connection: Any, topic: str, names: list[str], stop: threading.Event) -> int:  # noqa: ANN401 - DB-API
        done = self._done[topic]
        done |= loaded(self._warehouse, connection, topic, since=names[0])
        waiting = [name for name in names if name not in done]
        failed = 0
        WAITING.labels(topic).set(len(waiting))
        for n, name in enumerate(waiting):
            if stop.is_set():
                break
            if name not in done:
                covered = self._load(connection, topic, name, waiting[n:])
                failed += not covered
                done |= covered
            WAITING.labels(topic).dec()
        return failed

    def _load(self, connection: Any, topic: str, name: str, waiting: list[str]) -> set[str]:  # noqa: ANN401 - DB-API
        """Loads one manifest; returns the names of those that are loaded with it, none when it could not be."""
        began = time.monotonic()
        try:
            with LOAD_S.time():
                fresh, covered = self._take(connection, topic, name, waiting)
        except (BadManifestError, LakeError, WarehouseError) as error:
            FAILED.labels(topic).inc()
            log.error("%s is not loaded and will be tried again: %s", name, error)
            return set()
        if fresh is not None:
            ROWS.labels(topic).inc(fresh)
            rows = sum(batch.rows for batch in covered)
            took_s = round(time.monotonic() - began, 3)
            data = {"manifest": name, "rows": fresh, "repeated": max(0, rows - fresh), "load_s": took_s}
            log.info("loaded %d rows of %s", fresh, topic, extra={"data": data})
        return {batch.name for batch in covered}

    def _take(self, connection: Any, topic: str, name: str, waiting: list[str]) -> tuple[int | None, list[Manifest]]:  # noqa: ANN401 - DB-API
        manifest = read_manifest(self._store, name)
        try:
            return load(self._warehouse, connection, self._store, manifest), [manifest]
        except (LakeError, WarehouseError):
            # Redshift tells of a missing object by a refused COPY.
            _, by = superseded(self._store, topic)
            if name not in by:
                raise
        source = _newest(name, by)
        covered = [read_manifest(self._store, other) for other in waiting if _newest(other, by) == source]
        return load(self._warehouse, connection, self._store, read_manifest(self._store, source), covered), covered


def _newest(name: str, by: Mapping[str, str]) -> str:
    """The manifest whose objects hold a manifest's rows now."""
    while name in by:
        name = by[name]
    return name


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
    loader = Loader(warehouse, store)
    while True:
        try:
            failed = loader.turn(stop)
        except (WarehouseError, LakeError) as error:
            failed = 1
            log.error("nothing loaded: %s", error)
        if settings.load_once:
            return 1 if failed else 0
        if stop.wait(settings.load_interval_s):
            return 0


def run(environ: Mapping[str, str]) -> int:
    """Runs the loader as a daemon; returns its exit status."""
    return daemon.run("load", Settings, load_until, environ)
