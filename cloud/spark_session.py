"""Spark, as every job starts it and as it reaches Kafka: on loopback alone, without its web page."""

import json
import logging
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pyspark
from pyspark.sql import SparkSession

from cloud.settings import Kafka

CONNECTOR: Final = "org.apache.spark:spark-sql-kafka-0-10_2.13"
# The value of a master setting for a job that somebody else has submitted (EMR Serverless): its master, its driver's
# address and its jars are given with the submission.
SUBMITTED: Final = "submitted"
NEEDS: Final = "It needs Java 17 or newer and the connector's jars (SCORE_JARS, ARCHIVE_JARS), or Maven Central"
# The connector's own dependencies that Spark has already, in its own versions.
EXCLUDED: Final = "org.apache.hadoop:hadoop-client-api,org.apache.hadoop:hadoop-client-runtime"


def builder(
    name: str, *, master: str, memory: str, jars: Sequence[str], java: Sequence[str] = (), classes: Path | None = None
) -> SparkSession.Builder:
    """Returns what starts a job's session.

    Args:
        name: The job.
        master: Spark master, or `SUBMITTED`.
        memory: Heap of the driver, as Spark writes it.
        jars: Paths of the Kafka connector's jars; none: fetched from Maven Central.
        java: Options of the driver's JVM.
        classes: Class archive made by `python -m cloud classes`; one that is not there or does not fit is passed over.
    """
    logging.getLogger("py4j").setLevel(logging.WARNING)  # it tells of every call
    start = (
        SparkSession.builder.appName(f"wardwatch-{name}")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.log.structuredLogging.enabled", "true")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.adaptive.enabled", "false")
    )
    if master == SUBMITTED:
        return start
    # Where Python's temporary files are (TMPDIR): a JVM that is killed leaves its own behind.
    own = tempfile.gettempdir()
    start = (
        start.master(master)
        .config("spark.driver.memory", memory)
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.extraJavaOptions", " ".join((f'-Djava.io.tmpdir="{own}"', *java, *_shared(classes))))
        .config("spark.local.dir", own)
    )
    if jars and master.startswith("local["):
        # On the class path itself, because a class archive holds nothing that other loaders load.
        return start.config("spark.driver.extraClassPath", ":".join(jars))
    if jars:
        return start.config("spark.jars", ",".join(jars))
    packages = f"{CONNECTOR}:{pyspark.__version__}"
    return start.config("spark.jars.packages", packages).config("spark.jars.excludes", EXCLUDED)


def _shared(classes: Path | None) -> list[str]:
    # -Xlog: that an archive does not fit is no news; without it Spark starts as it did before.
    there = classes is not None and classes.exists()
    return [f"-XX:SharedArchiveFile={classes}", "-Xshare:auto", "-Xlog:cds=off", "-Xlog:cds+dynamic=off"] * there


def connector_options(settings: Kafka) -> dict[str, str]:
    """Returns the connector's options of address and security, in Java's names."""
    options = {
        "kafka.bootstrap.servers": settings.kafka_bootstrap,
        "kafka.security.protocol": settings.kafka_security_protocol,
    }
    if settings.uses_sasl:
        module = "plain.PlainLoginModule" if settings.kafka_sasl_mechanism == "PLAIN" else "scram.ScramLoginModule"
        user, password = (
            json.dumps(word or "") for word in (settings.kafka_sasl_username, settings.kafka_sasl_password)
        )
        login = f"org.apache.kafka.common.security.{module} required username={user} password={password};"
        options |= {"kafka.sasl.mechanism": settings.kafka_sasl_mechanism, "kafka.sasl.jaas.config": login}
    if settings.kafka_ca:
        options |= {"kafka.ssl.truststore.type": "PEM", "kafka.ssl.truststore.location": str(settings.kafka_ca)}
    return options
