"""The archive's Spark query: Kafka micro-batches, handed as Arrow to Python workers on the executors."""

import json
import logging
import os
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, Protocol

import msgspec
from py4j.protocol import Py4JError  # type: ignore[import-untyped] # it ships no types
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from cloud.archive.parquet_writer import Progress, Writer, Written
from cloud.spark_session import NEEDS, builder, connector_options
from vitals.runtime import daemon

if TYPE_CHECKING:
    from pyspark.sql import DataFrame
    from pyspark.sql.streaming import StreamingQuery

    from cloud.archive.job import Archive, Settings

log = logging.getLogger("archive")
WATCH_S: Final = 0.5
RECORDS_PER_BATCH, BYTES_PER_BATCH = 500, 8_000_000
"""Kafka records in one Arrow batch, and bytes: a record may hold a thousand readings, and the heap some hundred MB."""


class SparkEndedError(RuntimeError):
    """Spark did not start, or ended under us.

    Args:
        message: What to do.
        status: Exit status that it means for the job.
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class Batch(Protocol):
    """One micro-batch of Kafka records: runs a writer over it on the executors."""

    def __call__(self, writer: Writer) -> list[Written]:
        """Returns what the workers wrote."""


def open_session(settings: "Settings") -> SparkSession:
    """Starts Spark, on loopback alone and without its web page.

    Raises:
        SparkEndedError: Java is missing, or the connector could not be fetched.
    """
    # Workers must be this interpreter, which has pyarrow, and not whichever python3 comes first.
    os.environ["PYSPARK_PYTHON"] = sys.executable
    start = builder(
        "archive",
        master=settings.archive_master,
        memory=settings.archive_memory,
        jars=settings.archive_jars,
        # The JVM only moves bytes from Kafka to Python: compiled lightly it starts sooner.
        java=("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"),
        classes=settings.archive_classes,
    )
    start = start.config("spark.sql.execution.arrow.maxRecordsPerBatch", RECORDS_PER_BATCH)
    start = start.config("spark.sql.execution.arrow.maxBytesPerBatch", BYTES_PER_BATCH)
    try:
        session = start.getOrCreate()
    except (PySparkException, Py4JError, OSError) as error:
        raise SparkEndedError(f"Spark did not start: {error}. {NEEDS}", status=2) from error
    session.sparkContext.setLogLevel("ERROR")
    return session


def starting_offsets(progress: Mapping[str, Progress]) -> str:
    """Returns Spark's `startingOffsets`: every partition of every topic."""
    return json.dumps(
        {topic: {str(p): offset for p, offset in state.next.items()} for topic, state in progress.items()}
    )


def start(
    session: SparkSession,
    settings: "Settings",
    progress: Mapping[str, Progress],
    batch: Callable[[Batch], None],
    scratch: str,
) -> "StreamingQuery":
    """Starts the query; `batch` is called for one micro-batch after the other."""

    def step(records: "DataFrame", _: int) -> None:
        # A task per partition of every topic would cost more than the work: tasks take several, each in its order.
        few = records.coalesce(session.sparkContext.defaultParallelism)
        batch(lambda writer: [_written(row.written) for row in few.mapInArrow(writer, "written string").collect()])

    # Alarms are written in transactions: what was given up is not part of the log (`cloud.kafka.transactional`).
    committed = {"kafka.isolation.level": "read_committed"}
    reader = session.readStream.format("kafka").options(**connector_options(settings), **committed)
    return (
        reader.option("subscribe", ",".join(progress))
        .option("startingOffsets", starting_offsets(progress))
        .option("maxOffsetsPerTrigger", settings.archive_max_records)
        .load()
        .selectExpr("topic", "partition", "offset", "unix_millis(timestamp) AS log_t", "value", "key")
        .writeStream.queryName("archive")
        .option("checkpointLocation", scratch)
        .trigger(processingTime=f"{round(settings.archive_interval_s * 1000)} milliseconds")
        .foreachBatch(step)
        .start()
    )


def _written(line: str) -> Written:
    return msgspec.json.decode(line, type=Written)


def run_query(
    session: SparkSession, settings: "Settings", job: "Archive", batch: Callable[[Batch], None], stop: threading.Event
) -> None:
    """Runs one query until `stop` is set or it fails; the reason is logged, and nothing of it works on afterwards.

    Raises:
        SparkEndedError: The JVM is gone.
    """
    with tempfile.TemporaryDirectory(prefix="wardwatch-archive-", ignore_cleanup_errors=True) as scratch:
        try:
            query = start(session, settings, job.progress, batch, scratch)
            log.info("archiving %s to %s", ", ".join(job.progress), settings.lake)
            daemon.notify("READY=1")
            while query.isActive and not stop.wait(WATCH_S):
                pass
            failure = query.exception()
            if failure is not None:
                log.error("a batch failed and will be read again from the last manifest: %s", failure)
            job.close()
            session.sparkContext.setLogLevel("OFF")  # Spark reports the tasks that a stop interrupts as errors
            query.stop()
            session.sparkContext.setLogLevel("ERROR")
        except (PySparkException, Py4JError, OSError) as error:
            # A signal to the whole process group ends the JVM too; everything that counts is in the lake.
            raise SparkEndedError(f"Spark has ended: {error}. Start the archive again", status=1) from error
        finally:
            job.close()


def close_session(session: SparkSession) -> None:
    """Ends Spark, when it has not ended yet."""
    try:
        session.stop()
    except (PySparkException, Py4JError, OSError):
        log.info("Spark had already ended")
