"""The tiers' settings against the parts that read them."""

import sys
from pathlib import Path

import pytest

import bridge.settings
import cloud.archive.job
import cloud.console.settings
import cloud.score.job
import cloud.settings
import cloud.warehouse.job
import edge.settings
from infra.local import maven_jars
from infra.local import services as declared
from infra.local.ports import Ports
from infra.local.process import Processes, Spec, base_env
from infra.local.stack import LocalStack
from vitals.runtime.settings import documented, load

READ_BY: dict[str, type] = {
    "notify": cloud.settings.Notify,
    "console": cloud.console.settings.Console,
    "load": cloud.warehouse.job.Settings,
    "archive": cloud.archive.job.Settings,
    "watch": cloud.settings.Watch,
    "score": cloud.score.job.Score,
    "bridge": bridge.settings.Settings,
    "edge-gw-icu": edge.settings.Settings,
    "edge-gw-med": edge.settings.Settings,
}


@pytest.fixture
def idle(tmp_path: Path) -> LocalStack:
    return LocalStack(tmp_path, ports=Ports.from_base(40_000))


def test_every_tier_is_given_only_settings_that_its_part_knows_and_accepts(idle: LocalStack) -> None:
    listed = declared.tiers(idle)
    assert {tier.name for tier in listed} == set(READ_BY)
    for tier in listed:
        assert set(tier.settings) <= set(documented(READ_BY[tier.name])), tier.name
        assert load(READ_BY[tier.name], tier.spec(idle).env).metrics_port == tier.metrics_port


def test_each_gateway_has_its_own_broker_certificate_and_outbox(idle: LocalStack) -> None:
    first, second = (tier.settings for tier in declared.tiers(idle) if tier.words == ("edge",))
    for name in ("GATEWAY", "DEVICE_BROKER", "UPLINK_CERT", "UPLINK_KEY", "EDGE_DATA"):
        assert first[name] != second[name]


def test_what_is_kept_stands_back_for_what_calls_a_nurse(idle: LocalStack) -> None:
    specs = [*(tier.spec(idle) for tier in declared.tiers(idle)), *idle.specs()]
    assert {spec.name for spec in specs if spec.niceness > 0} == {"archive", "load", "postgres"}


def test_a_process_that_stands_back_does_so_with_all_that_it_starts(tmp_path: Path) -> None:
    mother = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import sys; sys.stdin.read()'], stdin=-1)"
    processes = Processes(tmp_path)
    try:
        process = processes.start(Spec("late", (sys.executable, "-c", mother), base_env(), niceness=10))
        while not (children := process.children()):
            assert process.is_running()
        assert [one.nice() for one in (process, *children)] == [10, 10]
        group = Path(f"/proc/{process.pid}/autogroup").read_text()
        assert group.split()[-1] == "10"
    finally:
        processes.end()


def test_what_a_killed_process_left_of_temporary_files_is_gone_when_it_starts_again(tmp_path: Path) -> None:
    leaves = "import sys, tempfile, time; tempfile.mkstemp(prefix=sys.argv[1]); time.sleep(60)"
    processes, scratch = Processes(tmp_path), tmp_path / "tmp" / "job"
    try:
        for number in "12":
            spec = Spec("job", (sys.executable, "-c", leaves, number), base_env(), scratch=scratch)
            process = processes.start(spec)
            while not list(scratch.glob(f"{number}*")):
                assert process.is_running()
            assert len(list(scratch.iterdir())) == 1
            processes.kill("job")
    finally:
        processes.end()


def test_spark_is_given_the_fetched_connector(idle: LocalStack) -> None:
    score = next(tier for tier in declared.tiers(idle) if tier.name == "score")
    paths = [Path(path) for path in score.settings["SCORE_JARS"].split(",")]
    assert {path.name for path in paths} == {jar.file_name for jar in maven_jars.read_lock()["spark"].jars}
    assert all(path.is_file() for path in paths)


def test_a_cut_cable_stands_only_before_the_gateway_that_it_belongs_to(idle: LocalStack) -> None:
    uplinks = {
        tier.name: tier.settings.get("UPLINK") for tier in declared.tiers(idle, {"gw-med": "mqtts://127.0.0.1:1"})
    }
    assert uplinks["edge-gw-med"] == "mqtts://127.0.0.1:1"
    assert uplinks["edge-gw-icu"] == idle.env()["UPLINK"]
