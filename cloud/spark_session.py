"""Spark session and Kafka connector options of every Spark job: loopback only, without the web UI."""

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
# Spark master setting of a job submitted by a service (EMR Serverless): the submission sets master, driver address and
# jars.
SUBMITTED: Final = "submitted"
NEEDS: Final = "It needs Java 17 or newer and the connector's jars (SCORE_JARS, ARCHIVE_JARS), or Maven Central"
# Dependencies of the connector that Spark already includes, in its own versions.
EXCLUDED: Final = "org.apache.hadoop:hadoop-client-api,org.apache.hadoop:hadoop-client-runtime"


def builder(
    name: str, *, master: str, memory: str, jars: Sequence[str], java: Sequence[str] = (), classes: Path | None = None
) -> SparkSession.Builder:
    """Returns the builder of a job's session.

    Args:
        name: The job.
        master: Spark master, or `SUBMITTED`.
        memory: Heap of the driver, in Spark's notation.
        jars: Paths of the Kafka connector's jars; none: fetched from Maven Central.
        java: Options of the driver's JVM.
        classes: Class archive made by `python -m cloud classes`; ignored if it is missing or does not fit.
    """
    logging.getLogger("py4j").setLevel(logging.WARNING)  # it logs every call
    start = (
        SparkSession.builder.appName(f"wardwatch-{name}")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.log.structuredLogging.enabled", "true")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.adaptive.enabled", "false")
    )
    if master == SUBMITTED:
        return start
    # TMPDIR, so that temporary files of a killed JVM are removed with Python's.
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
        # On the class path, because a class archive contains no classes of other class loaders.
        return start.config("spark.driver.extraClassPath", ":".join(jars))
    if jars:
        return start.config("spark.jars", ",".join(jars))
    packages = f"{CONNECTOR}:{pyspark.__version__}"
    return start.config("spark.jars.packages", packages).config("spark.jars.excludes", EXCLUDED)


def _shared(classes: Path | None) -> list[str]:
    # -Xlog off: an archive that does not fit only costs time, as Spark then starts without it.
    there = classes is not None and classes.exists()
    return [f"-XX:SharedArchiveFile={classes}", "-Xshare:auto", "-Xlog:cds=off", "-Xlog:cds+dynamic=off"] * there


def connector_options(settings: Kafka) -> dict[str, str]:
    """Returns the connector's options for address and security, in Java's names."""
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
