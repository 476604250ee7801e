"""Kafka's server and Spark's Kafka connector, by Maven coordinates, without Maven.

Apache Ivy is inside the pyspark package, so only a Java and the virtual environment are needed. `jars.toml` locks every
file with its SHA-256; `python -m infra.local.maven_jars lock` rewrites it after a change of version.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from infra.local.prerequisites import cache_folder

LOCK = Path(__file__).with_name("jars.toml")
# The local broker with its logging library; and Spark's connector, released later than pyspark itself.
KAFKA = ("org.apache.kafka:kafka_2.13:4.4.0", "org.apache.logging.log4j:log4j-slf4j-impl:2.25.5")
CONNECTOR = "org.apache.spark:spark-sql-kafka-0-10_2.13:4.2.0"


class JarsError(RuntimeError):
    """Jars could not be downloaded, or differ from the lock."""


@dataclass(frozen=True)
class Jar:
    """One locked file: `group:name:version` and the SHA-256 of its bytes."""

    coordinate: str
    sha256: str

    @property
    def file_name(self) -> str:
        """Name of the file in the cache."""
        _, name, version = self.coordinate.split(":")
        return f"{name}-{version}.jar"


@dataclass(frozen=True)
class JarSet:
    """Jars of one program: the requested coordinate, and every jar that it resolves to."""

    name: str
    root: str
    jars: tuple[Jar, ...]

    @property
    def folder(self) -> Path:
        """Folder of this set; each version has its own, so a set is complete or absent."""
        digest = hashlib.sha256(" ".join(jar.sha256 for jar in self.jars).encode()).hexdigest()[:12]
        return cache_folder() / "jars" / f"{self.name}-{self.root.rpartition(':')[2]}-{digest}"


def read_lock(path: Path = LOCK) -> dict[str, JarSet]:
    """The locked sets by name: `kafka`, `spark`."""
    table = tomllib.loads(path.read_text())
    return {
        name: JarSet(name, entry["root"], tuple(Jar(*line.split()) for line in entry["jars"]))
        for name, entry in table.items()
    }


def connector_mismatch(path: Path = LOCK) -> str | None:
    """Returns None if the connector was locked for the installed Spark, else a line that names the remedy."""
    spark, locked = importlib.metadata.version("pyspark"), tomllib.loads(path.read_text())["spark"]
    if spark == locked["pyspark"]:
        return None
    return (
        f"pyspark {spark} is installed, but {locked['root']} was locked for pyspark {locked['pyspark']}: "
        "run make setup, or after a change of version set CONNECTOR and run python -m infra.local.maven_jars lock"
    )


def jar_folder(name: str) -> Path:
    """The folder of a fetched set.

    Raises:
        JarsError: It has not been fetched.
    """
    folder = read_lock()[name].folder
    if not folder.is_dir():
        raise JarsError(f"The jars of {name} are not in {folder}: run make setup")
    return folder


def spark_jars() -> str:
    """Returns Spark's `spark.jars`: comma-separated paths of the connector and its dependencies."""
    return ",".join(str(path) for path in sorted(jar_folder("spark").glob("*.jar")))


def fetch(jar_set: JarSet) -> None:
    """Downloads a set unless it is there already; a half-finished download never counts.

    Raises:
        JarsError: The download failed, or a file is not the locked one.
    """
    if jar_set.folder.is_dir():
        return
    jar_set.folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=jar_set.folder.parent) as work:
        got = _ivy([jar.coordinate for jar in jar_set.jars], Path(work), transitive=False)
        ready = Path(work) / "ready"
        ready.mkdir()
        for jar in jar_set.jars:
            path = got.get(jar.coordinate)
            if path is None or hashlib.sha256(path.read_bytes()).hexdigest() != jar.sha256:
                raise JarsError(
                    f"{jar.coordinate} does not match its lock: a proxy may have changed it; run make setup again"
                )
            path.rename(ready / jar.file_name)
        if not jar_set.folder.is_dir():  # another clone may have been faster
            ready.rename(jar_set.folder)


def _ivy(coordinates: list[str], work: Path, *, transitive: bool) -> dict[str, Path]:
    """Runs Ivy on coordinates; the files by coordinate."""
    wanted = "".join(_dependency(coordinate, transitive=transitive) for coordinate in coordinates)
    (work / "ivy.xml").write_text(
        '<ivy-module version="2.0"><info organisation="wardwatch" module="jars"/><configurations><conf name="default"/>'
        f"</configurations><dependencies>{wanted}</dependencies></ivy-module>"
    )
    (work / "settings.xml").write_text(
        f'<ivysettings><settings defaultResolver="central"/><caches defaultCacheDir="{work / "cache"}"/><resolvers>'
        f'<ibiblio name="central" m2compatible="true" usepoms="{str(transitive).lower()}"/></resolvers></ivysettings>'
    )
    argv = ["java", "-cp", f"{_pyspark_jars()}/*", "org.apache.ivy.Main", "-settings"]
    argv += [str(work / "settings.xml"), "-ivy", str(work / "ivy.xml"), "-confs", "default", "-retrieve"]
    argv.append(f"{work}/got/[organisation]/[module]/[revision]/[artifact](-[classifier]).[ext]")
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as run:  # noqa: S603 - fixed words
        said = _show_progress(run, len(coordinates))
    if run.returncode != 0:
        raise JarsError(
            f"Ivy could not fetch {coordinates[0]} and what it needs: is the network there?\n{said[-2000:]}"
        )
    # A file with a classifier, such as a module's data, stands beside the module's own.
    found = {path.relative_to(work / "got"): path for path in (work / "got").glob("*/*/*/*.jar")}
    return {":".join(inner.parts[:3]): path for inner, path in found.items() if path.stem == inner.parts[1]}


def _pyspark_jars() -> Path:
    spec = importlib.util.find_spec("pyspark")
    if spec is None or spec.origin is None:
        raise JarsError("pyspark, which brings Apache Ivy, is not installed: run make setup")
    return Path(spec.origin).parent / "jars"


def _dependency(coordinate: str, *, transitive: bool) -> str:
    group, name, version = coordinate.split(":")
    follow = str(transitive).lower()
    return f'<dependency org="{group}" name="{name}" rev="{version}" conf="default->default" transitive="{follow}"/>'


def _show_progress(run: subprocess.Popen[str], expected: int) -> str:
    """Prints one line per finished download; returns the whole output of Ivy."""
    said, done = [], 0
    assert run.stdout is not None  # noqa: S101 - a pipe was asked for
    for line in run.stdout:
        said.append(line)
        if "[SUCCESSFUL ]" in line:
            done += 1
            name = line.split("!")[-1].split("(")[0].strip()
            sys.stdout.write(f"  {done}/{max(done, expected)} {name}\n")
            sys.stdout.flush()
    return "".join(said)


def write_lock(path: Path = LOCK) -> None:
    """Resolves both coordinates and writes every jar they need, without those that Spark has itself."""
    pyspark = f'pyspark = "{importlib.metadata.version("pyspark")}"\n'
    own = frozenset(jar.name.rpartition("-")[0] for jar in _pyspark_jars().glob("*.jar"))
    sections = [locked("kafka", KAFKA), locked("spark", (CONNECTOR,), pyspark, own)]
    path.write_text("# Written by `python -m infra.local.maven_jars lock`. Do not edit.\n" + "\n".join(sections))


def locked(name: str, roots: Sequence[str], extra: str = "", brought: frozenset[str] = frozenset()) -> str:
    """Resolves coordinates and returns their section of a lock, without the jars named in `brought`."""
    with tempfile.TemporaryDirectory() as work:
        got = _ivy(list(roots), Path(work), transitive=True)
        lines = [
            f'    "{coordinate} {hashlib.sha256(jar.read_bytes()).hexdigest()}",\n'
            for coordinate, jar in sorted(got.items())
            if coordinate.split(":")[1] not in brought
        ]
    return f'[{name}]\nroot = "{roots[0]}"\n{extra}jars = [\n{"".join(lines)}]\n'


def main(arguments: list[str]) -> int:
    """`fetch` (the default) downloads the locked jars; `lock` writes the lock."""
    if arguments == ["lock"]:
        write_lock()
        return 0
    try:
        for jar_set in read_lock().values():
            if not jar_set.folder.is_dir():
                sys.stdout.write(f"Fetching {jar_set.root}: {len(jar_set.jars)} jars\n")
                fetch(jar_set)
    except JarsError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
