"""What install.sh puts on a Pi: scripts, units, the locked packages. `make pi` installs it all in a bare Debian."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from infra.local.prerequisites import find_program
from infra.local.servers.mosquitto import QUEUE_BYTES, device_broker

ROOT = Path(__file__).resolve().parents[2]
PI = ROOT / "infra" / "pi"
FILES = PI / "files"
BIN = Path(sys.executable).parent
SCRIPTS = [PI / "install.sh", FILES / "check-certificate", ROOT / "infra" / "aws" / "entrypoint.sh"]


def run(*argv: str | Path) -> subprocess.CompletedProcess[str]:
    words = [str(word) for word in argv]
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)  # noqa: S603 - our own words


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_shellcheck_finds_nothing(script: Path) -> None:
    found = run(BIN / "shellcheck", script)
    assert (found.returncode, found.stdout) == (0, "")


def edge_packages() -> dict[str, list[str]]:
    """File names of all locked wheels of every package that the extra `edge` brings, by package."""
    packages: dict[str, list[dict[str, Any]]] = {}
    for package in tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))["package"]:
        packages.setdefault(package["name"], []).append(package)  # a version for each Python, where these differ
    (project,) = packages["wardwatch"]
    waiting = [d["name"] for d in [*project["dependencies"], *project["optional-dependencies"]["edge"]]]
    seen: dict[str, list[str]] = {}
    while waiting:
        if (name := waiting.pop()) not in seen:
            versions = packages[name]
            seen[name] = [wheel["url"].rpartition("/")[2] for v in versions for wheel in v.get("wheels", [])]
            waiting += [dependency["name"] for v in versions for dependency in v.get("dependencies", [])]
    return seen


@pytest.mark.parametrize("python", ["311", "313"], ids=["Debian 12", "Debian 13"])
def test_every_package_of_a_gateway_has_a_wheel_for_arm64(python: str) -> None:
    found = edge_packages()
    pure, own = r"-(py3|py2\.py3)-none-any\.whl$", rf"-(cp{python}-cp{python}|cp3\d+-abi3)-manylinux\S*_aarch64\.whl$"
    fits = re.compile(f"{pure}|{own}")
    assert [name for name, wheels in found.items() if not any(map(fits.search, wheels))] == []
    assert {"numpy", "awscrt", "msgspec", "paho-mqtt"} <= found.keys()
    assert not {"boto3", "pyspark", "ray", "confluent-kafka", "pyarrow"} & found.keys()


def test_the_gateways_lock_is_the_projects() -> None:
    words = ("export", "--frozen", "--offline", "--no-dev", "--no-default-groups", "--extra", "edge")
    told = run(BIN / "uv", *words, "--no-emit-project", "--no-header")
    assert told.returncode == 0, told.stderr
    assert (PI / "edge.lock").read_text(encoding="utf-8") == told.stdout, f"uv {' '.join(words)} > infra/pi/edge.lock"
    assert set(re.findall(r"^([\w-]+)==", told.stdout, re.M)) <= edge_packages().keys()


def test_the_units_are_what_systemd_takes(tmp_path: Path) -> None:
    units = []
    for unit in (*FILES.glob("*.service"), *FILES.glob("*.timer")):
        # The programs are not installed here.
        text = re.sub(r"/opt/wardwatch/\S+", "/bin/true", unit.read_text(encoding="utf-8"))
        (tmp_path / unit.name).write_text(text)
        units.append(tmp_path / unit.name)
    found = run(str(find_program("systemd-analyze")), "verify", *units)
    assert (found.returncode, found.stderr) == (0, "")


@pytest.mark.parametrize(("unit", "at_most"), [("wardwatch-edge.service", 2.0), ("wardwatch-certificate.service", 5.0)])
def test_the_units_leave_little_to_an_intruder(unit: str, at_most: float) -> None:
    told = run(str(find_program("systemd-analyze")), "security", "--offline=true", FILES / unit).stdout
    exposure = re.search(r"Overall exposure level for \S+: ([\d.]+)", told)
    assert exposure, told
    assert float(exposure.group(1)) <= at_most, told


def test_the_gateway_is_watched_and_started_again_for_ever() -> None:
    text = (FILES / "wardwatch-edge.service").read_text(encoding="utf-8")
    for line in ("Type=notify", "WatchdogSec=30", "Restart=always", "StartLimitIntervalSec=0", "MemoryMax=192M"):
        assert f"\n{line}\n" in text


def test_the_gateway_may_ask_for_the_clock_and_knows_a_boot_again() -> None:
    text = (FILES / "wardwatch-edge.service").read_text(encoding="utf-8")
    # `ProtectClock` also forbids to ask, and `ProcSubset=pid` hides the kernel's id of the boot.
    assert "ProtectClock" not in text
    assert text.index("\nSystemCallFilter=adjtimex clock_adjtime\n") > text.index("\nSystemCallFilter=~@privileged")
    for line in ("RuntimeDirectory=wardwatch", "RuntimeDirectoryPreserve=yes", "CapabilityBoundingSet="):
        assert f"\n{line}\n" in text


def test_a_pis_broker_keeps_what_it_acknowledged_as_the_local_one_does(tmp_path: Path) -> None:
    device_broker("device-broker", tmp_path, 18_999)
    local = set((tmp_path / "mosquitto.conf").read_text().splitlines())
    ours = set((FILES / "mosquitto.conf").read_text().splitlines())
    wanted = {line for line in local if re.match(r"autosave|max_queued|max_inflight|persistent|persistence true", line)}
    assert wanted <= ours
    assert f"max_queued_bytes {QUEUE_BYTES}" in wanted
