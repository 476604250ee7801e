"""What the machine must offer, told in one line each."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from infra.local import prerequisites
from infra.local.maven_jars import connector_mismatch, read_lock


def fake_java(folder: Path, says: str) -> dict[str, str]:
    """An environment in which `java -version` says what it is told."""
    program = folder / "java"
    program.write_text(f"#!/bin/sh\necho '{says}' >&2\n")
    program.chmod(0o755)
    return {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}


def run(*words: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", *words]
    return subprocess.run(argv, env=env, capture_output=True, text=True, check=False, timeout=60)  # noqa: S603 - own words


def test_doctor_names_a_java_that_is_too_old_and_the_remedy(tmp_path: Path) -> None:
    env = fake_java(tmp_path, 'openjdk version "11.0.20" 2023-07-18')
    found = run("infra.local", "doctor", "--var", str(tmp_path / "var"), env=env)
    assert found.returncode == 1
    line = next(line for line in found.stdout.splitlines() if "Java is too old" in line)
    assert "version 11" in line
    assert "apt-get install" in line


def test_up_and_setup_stop_at_an_old_java_before_anything_starts(tmp_path: Path) -> None:
    env = fake_java(tmp_path, 'java version "1.8.0_392"')
    for words in (("infra.local", "up", "--var", str(tmp_path / "var")), ("infra.setup",)):
        stopped = run(*words, env=env)
        assert stopped.returncode == 1
        assert stopped.stderr.startswith("Java is too old")
        assert stopped.stdout == ""
    assert not (tmp_path / "var").exists()


@pytest.mark.parametrize(
    ("says", "major"),
    [('openjdk version "17.0.15" 2025-04-15', 17), ('java version "1.8.0_392"', 8), ('openjdk version "21" 2023', 21)],
)
def test_javas_version_is_read_in_all_its_spellings(says: str, major: int) -> None:
    assert prerequisites.java_major(says) == major


def test_a_missing_program_is_named_with_the_exact_line_to_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(prerequisites, "SBIN", ())
    assert str(prerequisites.check_java()[0]).startswith("Java is missing")
    assert "sudo apt-get update && sudo apt-get install -y" in str(prerequisites.check_mosquitto()[0])


def test_a_full_disk_is_named_with_what_is_needed(tmp_path: Path) -> None:
    (finding,) = prerequisites.check_disk(tmp_path / "not" / "yet", at_least_gb=1e6)
    assert "1000000 GB are needed" in str(finding)


def test_a_stack_of_ports_taken_twice_is_refused_by_doctor(tmp_path: Path) -> None:
    found = run("infra.local", "doctor", "--var", str(tmp_path), "--port-base", "70000", env=dict(os.environ))
    assert found.returncode == 1
    assert "ports must lie in" in found.stderr


def test_sparks_connector_was_locked_for_the_installed_spark() -> None:
    assert connector_mismatch() is None


def test_every_locked_jar_has_a_coordinate_and_a_checksum() -> None:
    for jars in read_lock().values():
        assert len(jars.jars) == len({jar.file_name for jar in jars.jars})
        assert all(len(jar.sha256) == 64 and jar.coordinate.count(":") == 2 for jar in jars.jars)
