"""The compaction job: few large objects in the lake instead of many small ones; see :mod:`cloud.lake.compact`."""

import logging
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from prometheus_client import Counter

from cloud.lake import BadManifestError, LakeError, MutableStore, open_lake
from cloud.lake.compact import compact, sweep
from cloud.lake.schema import TABLES
from vitals.runtime import daemon
from vitals.runtime.settings import setting

log = logging.getLogger("compact")
SUPERSEDED: Final = Counter(
    "wardwatch_compact_superseded_manifests_total", "Manifests superseded by larger objects", ["topic"]
)
REMOVED: Final = Counter(
    "wardwatch_compact_removed_objects_total", "Objects removed that nobody reads any more", ["topic"]
)
FAILED: Final = Counter(
    "wardwatch_compact_failures_total", "Tables whose compaction failed; it is tried again", ["topic"]
)


@dataclass(frozen=True)
class Settings:
    """Settings of `python -m cloud compact`."""

    lake: str = setting("Lake: s3://bucket/prefix?endpoint_override=… or file:///folder")
    compact_object_mb: float = setting(
        "Size that objects should have, MB; merging takes some 60 times as much memory", 16.0
    )
    compact_keep_s: float = setting(
        "Seconds for which superseded objects stay, for readers and a late loader", 604_800.0
    )
    compact_interval_s: float = setting("Seconds between two runs", 3600.0)
    compact_once: bool = setting("1: one run, then exit", False)
    metrics_port: int = setting("Prometheus port on loopback; 0 for none", 0)

    def __post_init__(self) -> None:
        if self.compact_object_mb <= 0 or self.compact_keep_s < 0 or self.compact_interval_s <= 0:
            raise ValueError(
                "COMPACT_OBJECT_MB and COMPACT_INTERVAL_S must be positive, COMPACT_KEEP_S must not be negative"
            )


def compact_all(settings: Settings, store: MutableStore, now_ms: int, stop: threading.Event) -> int:
    """Compacts every table, then removes what nobody reads any more; a table that fails keeps no other waiting.

    Returns:
        How many tables failed.
    """
    failed = 0
    for topic, table in TABLES.items():
        if stop.is_set():
            break
        try:
            target = round(settings.compact_object_mb * (1 << 20))
            done = compact(store, table, target_bytes=target, now_ms=now_ms, run=secrets.token_hex(4))
            removed = sweep(store, table, keep_ms=round(settings.compact_keep_s * 1000), now_ms=now_ms)
        except (BadManifestError, LakeError) as error:
            failed += 1
            FAILED.labels(topic).inc()
            log.error("%s is not compacted and will be tried again: %s", topic, error)
            continue
        SUPERSEDED.labels(topic).inc(done)
        REMOVED.labels(topic).inc(removed)
        if done or removed:
            log.info("%s: %d manifests superseded, %d objects removed", topic, done, removed)
    return failed


def compact_until(settings: Settings, stop: threading.Event) -> int:
    """Runs the job until `stop` is set, or once.

    Returns:
        0 when it was stopped or all went well; 1 when, run once, a table failed; 2 when a setting is wrong.
    """
    try:
        store = open_lake(settings.lake)
    except ValueError as error:
        log.error("cannot start: %s", error)
        return 2
    daemon.serve_metrics(settings.metrics_port)
    daemon.notify("READY=1")
    while True:
        failed = compact_all(settings, store, time.time_ns() // 1_000_000, stop)
        if settings.compact_once:
            return 1 if failed else 0
        if stop.wait(settings.compact_interval_s):
            return 0


def run(environ: Mapping[str, str]) -> int:
    """Runs the compaction job as a daemon; returns its exit status."""
    return daemon.run("compact", Settings, compact_until, environ)
