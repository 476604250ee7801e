"""The archive of Spark's classes, with which scoring and archive start sooner. Setup makes it.

It costs a minute of processor time and 150 MB, once a virtual environment, and spares each start of Spark a quarter of
its processor time (ADR 0010). It fits one Java and one set of jars at their places, so it lies in the environment that
holds Spark's, with what it was made of beside it. Without one, or with one that does not fit, Spark starts as ever.
"""

import hashlib
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Final

from infra.local.maven_jars import JarsError, jar_folder, spark_jars
from infra.local.process import base_env

ARCHIVE: Final = Path(sys.prefix) / "classes.jsa"
_WITHIN_S: Final = 900.0


def made_of(jars: Path, java: str, spark: str) -> str:
    """Returns what tells an archive of these parts from any other."""
    return hashlib.sha256("\n".join((str(jars), java, spark)).encode()).hexdigest()


def make(archive: Path, parts: str, jars: str) -> bool:
    """Makes the archive unless it is there, of these parts.

    Args:
        archive: Where.
        parts: From `made_of`.
        jars: The connector's jars, as SCORE_JARS has them.

    Returns:
        Whether it is there.
    """
    stamp = archive.with_suffix(".made-of")
    if archive.exists() and stamp.exists() and stamp.read_text() == parts:
        return True
    sys.stdout.write("Laying out Spark's classes, so that it starts sooner: a minute, once\n")
    sys.stdout.flush()
    done = subprocess.run(  # noqa: S603 - our own words
        [sys.executable, "-m", "cloud", "classes", str(archive)],
        env=base_env() | {"SCORE_JARS": jars},
        capture_output=True,
        text=True,
        check=False,
        timeout=_WITHIN_S,
    )
    if done.returncode != 0:
        sys.stdout.write(f"Spark will start later than it could: {done.stderr[-500:]}\n")
        return False
    stamp.write_text(parts)
    return True


def main() -> int:
    """Makes it; that it cannot be made stops nothing."""
    try:
        java = subprocess.run(["java", "-version"], capture_output=True, text=True, check=False).stderr  # noqa: S607 - PATH's, as Spark takes it
        make(ARCHIVE, made_of(jar_folder("spark"), java, version("pyspark")), spark_jars())
    except (JarsError, OSError, subprocess.TimeoutExpired) as error:
        sys.stdout.write(f"Spark will start later than it could: {error}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
