"""The archive job: topics into Parquet objects and manifests, each record exactly once.

The last manifest is the only memory. Spark's checkpoint is a scratch folder made anew at every start, so that it can be
neither lost nor in disagreement: every start reads from where the last manifest ends. Objects that a crash left without
a manifest are not part of the lake. One archive runs per lake.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from prometheus_client import Counter, Histogram

from cloud.archive.commit_manifest import after, commit, manifests, resume, resumes
from cloud.archive.parquet_writer import OBJECT_ROWS, Progress, Writer, Written
from cloud.kafka.offsets import RETRY_S, RecreatedError, Watermarks, watermarks
from cloud.lake import BadManifestError, LakeError, Store, open_lake
from cloud.lake.schema import TABLES
from cloud.settings import Kafka
from vitals.runtime import daemon
from vitals.runtime.settings import setting

if TYPE_CHECKING:
    from cloud.archive.spark_query import Batch

log = logging.getLogger("archive")
MAX_FAILURES: Final = 5
ROWS: Final = Counter("wardwatch_archive_rows_total", "Rows archived", ["topic"])
REJECTED: Final = Counter("wardwatch_archive_rejected_total", "Records that could not be used", ["topic"])
LOST: Final = Counter(
    "wardwatch_archive_lost_offsets_total", "Offsets that Kafka deleted before they were archived", ["topic"]
)
BYTES: Final = Counter("wardwatch_archive_bytes_total", "Bytes of Parquet written", ["topic"])
BATCH_S: Final = Histogram("wardwatch_archive_batch_seconds", "From the begin of a batch to its last manifest, s")


@dataclass(frozen=True, kw_only=True)
class Settings(Kafka):
    """Settings of the archive job."""

    lake: str = setting("Lake: s3://bucket/prefix?endpoint_override=… or file:///folder")
    archive_interval_s: float = setting("Seconds between two batches; each writes an object per partition", 60.0)
    archive_max_records: int = setting("Most Kafka records of one batch", 50_000)
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
    """One run of the job: what is committed, and the step that Spark calls with what workers wrote."""

    def __init__(self, store: Store, progress: Mapping[str, Progress]) -> None:
        self._store = store
        self.progress = dict(progress)
        self.commits = 0
        self.committing = threading.Lock()
        """Held during a batch; whoever closes the job waits for it."""
        self.closed = False
        """Set once another run takes over: a batch that comes late must not commit beside it."""

    def close(self) -> None:
        """Lets the batch under way finish and no other begin."""
        self.closed = True
        with self.committing:
            pass

    def commit(self, written: list[Written]) -> int:
        """Commits a batch; returns its rows.

        Raises:
            LakeError: A manifest could not be written; the batch does not exist, the next start reads it again.
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


def begin(store: Store, marks: Mapping[str, Watermarks]) -> dict[str, Progress]:
    """Returns where each topic goes on.

    Raises:
        RecreatedError: A topic is another than the lake's.
        BadManifestError: The last manifest is damaged.
        LakeError: The lake cannot be read.
    """
    progress = {topic: resumes(topic, resume(store, topic), marks[topic]) for topic in TABLES}
    for topic, state in progress.items():
        for partition, (first, last) in state.lost.items():
            LOST.labels(topic).inc(last - first + 1)
            log.error(
                "LOST: %s[%d] offsets %d to %d were deleted by Kafka before they were archived. Archiving goes on "
                "after them; the next manifest says so. Give the topic a longer retention than the archive's outages",
                *(topic, partition, first, last),
            )
    return progress


def archive_until(settings: Settings, stop: threading.Event) -> int:
    """Runs the job until `stop` is set. A query that fails is started again, from the last manifest.

    Returns:
        0 when it was stopped, 1 when the job should be started afresh, 2 when a person must act first.
    """
    from cloud.archive import spark_query  # noqa: PLC0415 - Spark is loaded after everything else is known to be there

    daemon.serve_metrics(settings.metrics_port)
    session = None

    def query(job: Archive) -> None:
        nonlocal session
        session = session or spark_query.open_session(settings)
        spark_query.run_query(session, settings, job, batch_of(settings, job), stop)

    try:
        store = open_lake(settings.lake)
        return repeat(lambda: _ready(settings, store), query, stop)
    except (RecreatedError, BadManifestError, ValueError) as error:
        log.error("cannot go on: %s", error)
        return 2
    except spark_query.SparkEndedError as error:
        log.error("%s", error)
        return 0 if stop.is_set() else error.status
    finally:
        if session is not None:
            spark_query.close_session(session)


def repeat(
    ready: Callable[[], Archive | None],
    query: Callable[[Archive], None],
    stop: threading.Event,
    pause_s: float = RETRY_S,
) -> int:
    """Runs one query after the other, each from the last manifest, until `stop` is set.

    Args:
        ready: Gives the job where the lake ends; None while Kafka or the lake is away, however long.
        query: Runs one query until it fails or `stop` is set.
        stop: Ends it.
        pause_s: Pause after each.

    Returns:
        0 when it was stopped; 1 after MAX_FAILURES queries of which none committed anything.
    """
    failures = 0
    while not stop.is_set():
        job = ready()
        if job is not None:
            query(job)
            failures = 0 if job.commits else failures + 1
            if failures >= MAX_FAILURES and not stop.is_set():
                log.error("%d queries failed without a commit: ending, so that a fresh start may help", failures)
                return 1
        stop.wait(pause_s)
    return 0


def _ready(settings: Settings, store: Store) -> Archive | None:
    """Returns the job at where the lake's manifests end; None, with the reason logged, while Kafka or lake is away."""
    marks = watermarks(settings, TABLES, "wardwatch-archive", log)
    try:
        return None if marks is None else Archive(store, begin(store, marks))
    except LakeError as error:
        log.warning("waiting for the lake: %s", error)
        return None


def batch_of(settings: Settings, job: Archive) -> Callable[["Batch"], None]:
    """Returns the step for one micro-batch: workers write it, then it is committed; none after `job.close`."""

    def batch(spark_batch: "Batch") -> None:
        with job.committing, BATCH_S.time():
            if job.closed:
                return
            began = time.monotonic()
            rows = job.commit(spark_batch(Writer(settings.lake, job.progress, settings.archive_object_rows)))
            took_s = round(time.monotonic() - began, 3)
            log.info("archived %d rows", rows, extra={"data": {"rows": rows, "batch_s": took_s}})

    return batch


def run(environ: Mapping[str, str]) -> int:
    """Runs the archive job as a daemon; returns its exit status."""
    return daemon.run("archive", Settings, archive_until, environ)
