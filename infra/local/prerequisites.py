"""What this machine must offer before anything starts.

Standard library alone: `make setup` runs these checks before a virtual environment exists.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

JAVA_AT_LEAST = 17
FREE_DISK_GB = 3.0
APT_PACKAGES = ("mosquitto", "mosquitto-clients")
# The ward page is tested, and its pictures taken, in a real browser.
BROWSER = "chromium"
# An ordinary user's PATH leaves out the folders where Debian puts a broker.
SBIN = ("/usr/local/sbin", "/usr/sbin", "/opt/homebrew/sbin")


@dataclass(frozen=True)
class Finding:
    """One thing missing or wrong, and what to do about it."""

    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.problem}. {self.remedy}"


def find_program(name: str) -> str | None:
    """The path of a program, also where Debian keeps daemons; None if it is not installed."""
    return shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", os.defpath), *SBIN]))


def apt_prefix() -> tuple[str, ...] | None:
    """How apt can be run here without asking anybody: as root, by passwordless sudo, or (None) not at all."""
    if shutil.which("apt-get") is None:
        return None
    if os.geteuid() == 0:
        return ()
    sudo = shutil.which("sudo")
    if sudo and subprocess.run([sudo, "-n", "true"], capture_output=True, check=False).returncode == 0:  # noqa: S603 - fixed words
        return (sudo, "-n")
    return None


def apt_line(packages: tuple[str, ...] = APT_PACKAGES) -> str:
    """The exact line that installs packages by hand."""
    return f"sudo apt-get update && sudo apt-get install -y --no-install-recommends {' '.join(packages)}"


def java_major(version_text: str) -> int | None:
    """Java's major version out of what `java -version` prints (`1.8.0_392` is 8); None if it says none."""
    found = re.search(r'version "(?:1\.)?(\d+)', version_text)
    return int(found.group(1)) if found else None


def check_java() -> list[Finding]:
    """Spark and Kafka need Java 17 or newer on PATH."""
    install = f"Install it: {apt_line((f'openjdk-{JAVA_AT_LEAST}-jre-headless',))}"
    java = shutil.which("java")
    if java is None:
        return [
            Finding(f"Java is missing: no `java` on PATH, and Spark and Kafka need {JAVA_AT_LEAST} or newer", install)
        ]
    answer = subprocess.run([java, "-version"], capture_output=True, text=True, check=False)  # noqa: S603 - path from PATH
    major = java_major(answer.stderr + answer.stdout)
    if major is None:
        return [
            Finding(f"{java} does not say its version", f"Put a working Java {JAVA_AT_LEAST} first on PATH. {install}")
        ]
    if major < JAVA_AT_LEAST:
        problem = f"Java is too old: {java} is version {major}, and Spark and Kafka need {JAVA_AT_LEAST} or newer"
        return [Finding(problem, f"{install} and put it first on PATH")]
    return []


def check_venv() -> list[Finding]:
    """Debian ships Python without what `python3 -m venv` needs."""
    if importlib.util.find_spec("venv") and importlib.util.find_spec("ensurepip"):
        return []
    package = f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
    return [Finding("Python's venv module is missing", f"Install it: {apt_line((package,))}")]


def check_mosquitto() -> list[Finding]:
    """The brokers are Mosquitto."""
    if find_program("mosquitto"):
        return []
    return [Finding("Mosquitto, the MQTT broker, is missing", f"Install it: {apt_line()}")]


def check_disk(folder: Path, at_least_gb: float = FREE_DISK_GB) -> list[Finding]:
    """Room for packages, jars and a demo's data below `folder`."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    free_gb = shutil.disk_usage(there).free / 1e9
    if free_gb >= at_least_gb:
        return []
    problem = f"Only {free_gb:.1f} GB are free on the disk of {folder}, and {at_least_gb:.0f} GB are needed"
    return [Finding(problem, "Free some room, or clone to a larger disk")]


def cache_folder() -> Path:
    """Where downloads that several clones share are kept: `$XDG_CACHE_HOME/wardwatch`."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".cache") / "wardwatch"
