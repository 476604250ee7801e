"""The scoring job: `vitals` in, `vitals.scored` and `vitals.rejected` out, by Spark Structured Streaming.

Stateless: a record in, a record out. Delivery is at least once: after a crash or a stop, real-time mode repeats the
whole batch that was under way, so consumers drop source offsets at or below their high-water mark.
"""

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from py4j.protocol import Py4JError  # type: ignore[import-untyped] # py4j ships no types
from pyspark.errors import PySparkRuntimeError
from pyspark.sql import SparkSession
from pyspark.sql.streaming.query import StreamingQuery
from pyspark.sql.streaming.readwriter import DataStreamWriter

from cloud.score.columns import score
from cloud.settings import Kafka
from cloud.spark import builder, connector_options
from vitals import daemon, topics
from vitals.settings import setting

log = logging.getLogger("score")
REAL_TIME: Final = "real-time"
MICRO_BATCH: Final = "micro-batch"
MIN_BATCH_S: Final = 5
"""Spark refuses shorter real-time batches."""
WATCH_S: Final = 0.5


@dataclass(frozen=True, kw_only=True)
class Score(Kafka):
    """Settings of `python -m cloud score`."""

    score_checkpoint: Path = setting("folder in which Spark keeps the offsets that it has finished")
    score_trigger: str = setting("real-time, or micro-batch for a Spark older than 4.2", REAL_TIME)
    score_batch_s: int = setting(
        "length of a real-time batch, s: each end stalls the flow for about a second, a restart repeats at most one",
        300,
    )
    score_master: str | None = setting("Spark master; without it local[PARTITIONS], a slot for every partition", None)
    score_memory: str = setting("heap of the Spark driver", "1g")
    score_jars: tuple[str, ...] = setting("paths of the Kafka connector's jars; none: fetched from Maven Central", ())
    metrics_port: int = setting("Prometheus port on loopback, open once the query runs; 0 for none", 0)

    def __post_init__(self) -> None:
        Kafka.__post_init__(self)
        if self.score_trigger not in (REAL_TIME, MICRO_BATCH):
            raise ValueError(f"SCORE_TRIGGER={self.score_trigger!r} is neither {REAL_TIME} nor {MICRO_BATCH}")
        if self.score_batch_s < MIN_BATCH_S:
            raise ValueError(f"SCORE_BATCH_S={self.score_batch_s} is below {MIN_BATCH_S}, the least that Spark accepts")


def open_session(settings: Score) -> SparkSession:
    """Starts Spark, on loopback alone and without its web page.

    Raises:
        PySparkRuntimeError: Java is missing, or the connector could not be fetched.
    """
    session = builder(
        "score",
        master=settings.score_master or f"local[{settings.partitions}]",
        memory=settings.score_memory,
        jars=settings.score_jars,
    ).getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    return session


def start(session: SparkSession, settings: Score) -> StreamingQuery:
    """Starts the query; it runs until it is stopped or fails."""
    records = (
        session.readStream.format("kafka")
        .options(**connector_options(settings))
        .option("subscribe", topics.VITALS)
        .option("startingOffsets", "earliest")
        # What retention removed while this job was down is gone; refusing to start does not bring it back.
        .option("failOnDataLoss", "false")
        .load()
    )
    writer = (
        score(records)
        .writeStream.format("kafka")
        .queryName("score")
        .outputMode("update")
        .options(**connector_options(settings))
        .option("kafka.compression.type", "lz4")
        .option("checkpointLocation", str(settings.score_checkpoint))
    )
    return _triggered(writer, settings).start()


def _triggered(writer: DataStreamWriter, settings: Score) -> DataStreamWriter:
    if settings.score_trigger == MICRO_BATCH:
        return writer.trigger(processingTime="0 seconds")
    # The one thing used here that Spark 4.0 does not have.
    return writer.trigger(realTime=f"{settings.score_batch_s} seconds")  # type: ignore[call-overload, no-any-return] # pyspark's overloads lack it


def score_until(settings: Score, stop: threading.Event) -> int:
    """Runs the job until `stop` is set.

    Returns:
        0 when it was stopped, 1 when it could not start or the query failed; the reason is in the log.
    """
    try:
        session = open_session(settings)
    except PySparkRuntimeError as error:
        log.error("Spark did not start: %s. It needs Java 17 or newer and SCORE_JARS, or Maven Central", error)
        return 1
    try:
        return _watch(session, settings, stop)
    except (Py4JError, OSError) as error:
        # A service manager may signal the JVM together with us; then its end is the one that was asked for.
        if stop.is_set():
            return 0
        log.error("Spark's process is gone: %s. Started again, the job goes on from its checkpoint", error)
        return 1


def _watch(session: SparkSession, settings: Score, stop: threading.Event) -> int:
    query = start(session, settings)
    log.info("scoring %s by %s", topics.VITALS, settings.score_trigger)
    daemon.serve_metrics(settings.metrics_port)
    daemon.notify("READY=1")
    while query.isActive and not stop.wait(WATCH_S):
        pass
    failure = query.exception()
    if failure is not None:
        log.error("scoring failed: %s. Started again, it goes on from its checkpoint", failure)
    # Spark reports the tasks that a stop interrupts as errors.
    session.sparkContext.setLogLevel("OFF")
    query.stop()
    session.stop()
    return 0 if stop.is_set() and failure is None else 1


def run(environ: Mapping[str, str]) -> int:
    """Runs the scoring job as a daemon; returns its exit status."""
    return daemon.run("score", Score, score_until, environ)
