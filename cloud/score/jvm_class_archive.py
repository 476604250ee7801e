"""`python -m cloud classes FILE`: an archive of the classes that Spark loads, with which it starts in half the time.

A Java virtual machine maps such a file instead of loading and checking some twenty thousand classes. It fits one
version of Java, Spark and connector, at their places on one machine: make it when the machine or its image is made. One
that does not fit is passed over, so a stale archive costs time and nothing else.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from pyspark.errors import PySparkException

from cloud.score.expression import score
from cloud.score.job import Score, open_session, start
from vitals.runtime.settings import SettingsError, load

_NOBODY: Final = "127.0.0.1:1"
_LOADED_S: Final = 8.0
_DUMPED_S: Final = 120.0
_WARM: Final = """SELECT CAST('0' AS BINARY) AS key, CAST('{"hr":[70],"limits":[0]}' AS BINARY) AS value,
    0 AS partition, id AS offset, timestamp'2026-01-01' AS timestamp FROM range(4)"""


def archive(settings: Score, target: Path) -> None:
    """Starts Spark as the scoring job does, works a little, and lets the JVM write what it has loaded.

    Raises:
        PySparkException: Spark did not start.
        OSError: The file was not written.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_suffix(".new")
    beside.unlink(missing_ok=True)
    session = open_session(settings, f"-XX:ArchiveClassesAtExit={beside}")
    score(session.sql(_WARM)).collect()
    with tempfile.TemporaryDirectory(prefix="wardwatch-classes-") as scratch:
        # Nobody answers there, but by trying, Spark loads its connector and Kafka's clients.
        query = start(session, settings, {0: 0}, Path(scratch).as_uri())
        end = time.monotonic() + _LOADED_S
        while query.isActive and time.monotonic() < end:
            time.sleep(0.1)
        session.sparkContext.setLogLevel("OFF")
        query.stop()
    gateway = session.sparkContext._gateway  # noqa: SLF001 - pyspark has no public way to wait for its JVM's end
    session.stop()
    if gateway is None:
        raise OSError("the JVM is not a child of this process")
    gateway.shutdown()
    gateway.proc.stdin.close()
    gateway.proc.wait(_DUMPED_S)
    beside.replace(target)


def run(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Runs the command."""
    parser = argparse.ArgumentParser(prog="python -m cloud classes", description=__doc__)
    parser.add_argument("file", type=Path, help="where to write it; SCORE_CLASSES and ARCHIVE_CLASSES name it")
    target = parser.parse_args(argv).file
    try:
        archive(load(Score, {**environ, "KAFKA_BOOTSTRAP": _NOBODY}), target)
    except (SettingsError, PySparkException, OSError) as error:
        sys.stderr.write(f"classes: {target} was not written: {error}\n")
        return 1
    sys.stdout.write(f"{target}: {target.stat().st_size >> 20} MB\n")
    return 0
