"""The scoring job: `vitals` in, `vitals.scored` and `vitals.rejected` out, by Spark Structured Streaming.

Stateless: a record in, a record out. Every start continues after the newest record of `vitals.scored`
(`cloud.score.start_offsets`), so Spark's checkpoint is a scratch folder made anew. If a record is scored twice all
the same, consumers drop what is at or below their high-water mark of source offsets.
"""

import json
import logging
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from prometheus_client import Counter
from py4j.protocol import Py4JError  # type: ignore[import-untyped] # py4j ships no types
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession
from pyspark.sql.streaming.query import StreamingQuery
from pyspark.sql.streaming.readwriter import DataStreamWriter

from cloud.kafka.client import KafkaReader
from cloud.kafka.offsets import RETRY_S, RecreatedError, resume_offsets, watermarks
from cloud.kafka.port import KafkaUnavailableError
from cloud.score.expression import score
from cloud.score.start_offsets import scored_up_to
from cloud.settings import Kafka
from cloud.spark_session import NEEDS, builder, connector_options
from vitals.runtime import daemon
from vitals.runtime.settings import setting
from vitals.wire import topics

log = logging.getLogger("score")
REAL_TIME: Final = "real-time"
MICRO_BATCH: Final = "micro-batch"
MIN_BATCH_S: Final = 5
"""Spark refuses shorter real-time batches."""
WATCH_S: Final = 0.5
MAX_FAILURES: Final = 5
HEALTHY_S: Final = 60.0
"""A query that ran this long was not failing from the start."""
PRODUCER: Final = {
    "compression.type": "lz4",
    "acks": "all",
    # Retries of its own keep the order and double nothing; it never gives a record up while later ones go through.
    # On that rests every high-water mark of source offsets: ours at a restart, and the consumers'.
    "enable.idempotence": "true",
    "delivery.timeout.ms": str(2**31 - 1),
    # As large as what `cloud.score.expression` lets through can become.
    "max.request.size": str(topics.MAX_RECORD_BYTES),
}
LOST: Final = Counter(
    "wardwatch_score_lost_offsets_total", "Offsets that Kafka deleted before they were scored", ["partition"]
)
FAILED: Final = Counter("wardwatch_score_query_failures_total", "Queries that failed and were started again")


@dataclass(frozen=True, kw_only=True)
class Score(Kafka):
    """Settings of `python -m cloud score`."""

    score_trigger: str = setting("real-time, or micro-batch for a Spark older than 4.2", REAL_TIME)
    score_batch_s: int = setting(
        "length of a real-time batch, s: each end stalls the flow for about a second; a restart repeats none of it",
        3600,
    )
    score_master: str | None = setting("Spark master; without it local[PARTITIONS], a slot for every partition", None)
    score_memory: str = setting("heap of the Spark driver", "1g")
    score_classes: Path | None = setting(
        "class archive of this machine, made by `python -m cloud classes`, with which Spark starts sooner", None
    )
    score_jars: tuple[str, ...] = setting("paths of the Kafka connector's jars; none: fetched from Maven Central", ())
    metrics_port: int = setting("Prometheus port on loopback, open once the query runs; 0 for none", 0)

    def __post_init__(self) -> None:
        Kafka.__post_init__(self)
        if self.score_trigger not in (REAL_TIME, MICRO_BATCH):
            raise ValueError(f"SCORE_TRIGGER={self.score_trigger!r} is neither {REAL_TIME} nor {MICRO_BATCH}")
        if self.score_batch_s < MIN_BATCH_S:
            raise ValueError(f"SCORE_BATCH_S={self.score_batch_s} is below {MIN_BATCH_S}, the least that Spark accepts")


def open_session(settings: Score, *java: str) -> SparkSession:
    """Starts Spark, on loopback alone and without its web page; `java` are further options of its JVM.

    Raises:
        PySparkException: Java is missing, or the connector could not be fetched.
    """
    start = builder(
        "score",
        master=settings.score_master or f"local[{settings.partitions}]",
        memory=settings.score_memory,
        jars=settings.score_jars,
        # One thread collects what few records leave; more of them would take the cores from scoring.
        java=("-XX:+UseSerialGC", *java),
        classes=settings.score_classes,
    )
    # A task that Spark runs again begins where its batch began, and batches are long. The query goes on after what it
    # has written.
    session = start.config("spark.task.maxFailures", "1").getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    return session


def start(session: SparkSession, settings: Score, offsets: Mapping[int, int], scratch: str) -> StreamingQuery:
    """Starts the query; it runs until it is stopped or fails.

    Args:
        session: Spark.
        settings: The job's settings.
        offsets: Offset of `vitals` to begin with, for every partition.
        scratch: URL of an empty folder for Spark's checkpoint.
    """
    begin = json.dumps({topics.VITALS: {str(p): offset for p, offset in offsets.items()}})
    records = (
        session.readStream.format("kafka")
        .options(**connector_options(settings))
        .option("subscribe", topics.VITALS)
        .option("startingOffsets", begin)
        # What retention removes while the query lags stops it, so that the next start tells of it: nothing is skipped
        # in silence.
        .option("failOnDataLoss", "true")
        .load()
    )
    writer = (
        score(records)
        .writeStream.format("kafka")
        .queryName("score")
        .outputMode("update")
        .options(**connector_options(settings))
        .options(**{f"kafka.{name}": value for name, value in PRODUCER.items()})
        .option("checkpointLocation", scratch)
    )
    return _triggered(writer, settings).start()


def _triggered(writer: DataStreamWriter, settings: Score) -> DataStreamWriter:
    if settings.score_trigger == MICRO_BATCH:
        return writer.trigger(processingTime="0 seconds")
    # The one thing used here that Spark 4.0 does not have.
    return writer.trigger(realTime=f"{settings.score_batch_s} seconds")  # type: ignore[call-overload, no-any-return] # pyspark's overloads lack it


def score_until(settings: Score, stop: threading.Event) -> int:
    """Runs the job until `stop` is set. A query that fails is started again, after what it has written.

    Returns:
        0 when it was stopped; 1 when it should be started afresh; 2 when a person must act first. The reason is in the
        log.
    """

    @cache
    def ready() -> None:
        daemon.serve_metrics(settings.metrics_port)
        daemon.notify("READY=1")

    session, failures = None, 0
    try:
        while not stop.is_set():
            offsets = begin(settings)
            if offsets is None:
                stop.wait(RETRY_S)
                continue
            session = session or open_session(settings)
            began = time.monotonic()
            run_query(session, settings, offsets, ready, stop)
            if stop.is_set():
                break
            FAILED.inc()
            failures = in_a_row(failures, time.monotonic() - began)
            if failures >= MAX_FAILURES:
                log.error("%d queries failed one after the other: ending, so that a fresh start may help", failures)
                return 1
            stop.wait(RETRY_S)
        if session is not None:
            session.stop()
        return 0
    except RecreatedError as error:
        log.error("cannot go on: %s", error)
        return 2
    except (PySparkException, Py4JError, OSError) as error:
        # A service manager may signal the JVM together with us; then its end is the one that was asked for.
        if stop.is_set():
            return 0
        remedy = "Started again, the job goes on after what it has written" if session else NEEDS
        log.error("Spark is not there: %s. %s", error, remedy)
        return 1


def in_a_row(failures: int, ran_s: float) -> int:
    """Counts one more failure of a query, after which it had run for `ran_s`."""
    return 1 if ran_s > HEALTHY_S else failures + 1


def begin(settings: Score) -> dict[int, int] | None:
    """Returns where each partition goes on; None, with the reason logged, while Kafka or a topic is not there.

    Raises:
        RecreatedError: `vitals` was made anew, and `vitals.scored` was not.
    """
    marks = watermarks(settings, (topics.VITALS, topics.SCORED), "wardwatch-score", log)
    if marks is None:
        return None
    reader = KafkaReader(settings, "score", group="wardwatch-score")
    try:
        known = scored_up_to(reader, marks[topics.SCORED])
    except KafkaUnavailableError as error:
        log.warning("waiting for Kafka: %s", error)
        return None
    finally:
        reader.close()
    remedy = (
        "Its consumers take its readings for repeats: delete vitals.scored and skipped too, make them by "
        "python -m cloud topics, empty WATCH_SNAPSHOTS and start watch again"
    )
    offsets, lost = resume_offsets(topics.VITALS, known, marks[topics.VITALS], remedy)
    for span in lost:
        LOST.labels(str(span.partition)).inc(len(span))
        log.error(
            "LOST: %s[%d] offsets %d to %d were deleted by Kafka before they were scored. Scoring goes on after them. "
            "Give the topic a longer retention than scoring's outages",
            *(topics.VITALS, span.partition, span.first, span.last),
        )
    return offsets


def run_query(
    session: SparkSession,
    settings: Score,
    offsets: Mapping[int, int],
    ready: Callable[[], None],
    stop: threading.Event,
) -> None:
    """Runs one query until `stop` is set or it fails; the reason is logged. Calls `ready` once it runs."""
    with tempfile.TemporaryDirectory(prefix="wardwatch-score-", ignore_cleanup_errors=True) as scratch:
        query = start(session, settings, offsets, Path(scratch).as_uri())
        log.info("scoring %s by %s", topics.VITALS, settings.score_trigger)
        ready()
        while query.isActive and not stop.wait(WATCH_S):
            pass
        failure = query.exception()
        if failure is not None:
            log.error("scoring failed and goes on after what it has written: %s", failure)
        # Spark reports the tasks that a stop interrupts as errors.
        session.sparkContext.setLogLevel("OFF")
        query.stop()
        session.sparkContext.setLogLevel("ERROR")


def run(environ: Mapping[str, str]) -> int:
    """Runs the scoring job as a daemon; returns its exit status."""
    return daemon.run("score", Score, score_until, environ)
