"""Settings and committed progress of the archive job."""

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from prometheus_client import Counter

from cloud.archive.commit_manifest import after, commit, manifests
from cloud.archive.parquet_writer import OBJECT_ROWS, Progress, Written
from cloud.kafka.settings import Kafka
from cloud.lake import Store
from vitals.runtime.settings import setting

log = logging.getLogger("archive")
ROWS: Final = Counter("wardwatch_archive_rows_total", "Rows archived", ["topic"])
REJECTED: Final = Counter("wardwatch_archive_rejected_total", "Records that could not be used", ["topic"])
BYTES: Final = Counter("wardwatch_archive_bytes_total", "Bytes of Parquet written", ["topic"])


@dataclass(frozen=True, kw_only=True)
class Settings(Kafka):
    """Settings of the archive job."""

    lake: str = setting("Lake: s3://bucket/prefix?endpoint_override=… or file:///folder")
    archive_interval_s: float = setting("Seconds between two batches; each writes an object per partition", 60.0)
    archive_max_records: int = setting("Maximum Kafka records of one batch", 50_000)
    archive_object_rows: int = setting("Rows at which an object is closed", OBJECT_ROWS)
    archive_master: str = setting("Spark master", "local[2]")
    archive_memory: str = setting("Heap of the Spark driver", "512m")
    archive_classes: Path | None = setting(
        "Class archive of this machine, made by `python -m cloud classes`, with which Spark starts sooner", None
    )
    archive_jars: tuple[str, ...] = setting(
        "Paths of the Kafka connector's jars; empty: fetched from Maven Central", ()
    )
    metrics_port: int = setting("Prometheus port on loopback; 0 for none", 0)

    def __post_init__(self) -> None:
        Kafka.__post_init__(self)
        if self.archive_interval_s < 0 or self.archive_max_records < 1 or self.archive_object_rows < 1:
            raise ValueError(
                "ARCHIVE_INTERVAL_S must not be negative, ARCHIVE_MAX_RECORDS and ARCHIVE_OBJECT_ROWS at least 1"
            )


class Archive:
    """One run of the job: committed progress, and the step that commits a micro-batch."""

    def __init__(self, store: Store, progress: Mapping[str, Progress]) -> None:
        self._store = store
        self.progress = dict(progress)
        self.commits = 0
        self.committing = threading.Lock()
        """Held during a batch; `close` waits for it."""
        self.closed = False
        """Set before another run starts: a late batch must not commit beside it."""

    def close(self) -> None:
        """Waits for the batch in progress and prevents further ones."""
        self.closed = True
        with self.committing:
            pass

    def commit(self, written: list[Written]) -> int:
        """Commits a batch; returns its rows.

        Raises:
            LakeError: A manifest could not be written; the batch does not exist, and the next start reads it again.
        """
        rows = 0
        for manifest in manifests(self.progress, written):
            commit(self._store, manifest)
            self.progress[manifest.topic] = after(manifest)
            self.commits += 1
            rows += manifest.rows
            ROWS.labels(manifest.topic).inc(manifest.rows)
            BYTES.labels(manifest.topic).inc(sum(entry.meta.content_length for entry in manifest.entries))
            if manifest.rejected:
                REJECTED.labels(manifest.topic).inc(manifest.rejected)
                log.warning("%d records rejected: see %s", manifest.rejected, ", ".join(manifest.rejections))
        return rows
