"""The gateway on a Raspberry Pi's processor, under qemu: `make pi`, some two minutes.

What differs from this machine's processor is all that this can show: numbers, memory order, wheels. It is no card, no
clock and no power cut. Where a package cannot be had the tests are not run, and say why.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from edge.status import cli
from infra.local.ports import Ports
from infra.local.process import base_env
from infra.local.stack import DEVICE_BROKERS, SITE_BROKER, LocalStack
from tests.faults.bedside.above import Above
from tests.pi.aarch64 import ROOT, Board, NotHadError, board
from tests.support.waiting import until

GATEWAY: Final = "gw-arm"
MONITORS, CADENCE_S, SECONDS = 6, 1.0, 40.0
KILLED_AFTER: Final = 60
"""Readings."""
CLINICAL: Final = (
    "tests/vitals/test_clinical_cases.py",
    "tests/vitals/test_engine_edges.py",
    "tests/vitals/test_limits.py",
    "tests/vitals/test_news2.py",
    "tests/edge/test_filter.py",
)


@pytest.fixture(scope="module")
def arm(tmp_path_factory: pytest.TempPathFactory) -> Board:
    try:
        return board(tmp_path_factory.mktemp("arm"))
    except NotHadError as error:
        pytest.skip(f"not run: {error}")


@contextmanager
def gateway(arm: Board, stack: LocalStack, data: Path) -> Iterator[subprocess.Popen[bytes]]:
    identity = stack.identity(GATEWAY)
    environ = base_env() | arm.env() | {
        "GATEWAY": GATEWAY,
        "DEVICE_BROKER": stack.device_broker_url(GATEWAY),
        "UPLINK": stack.env()["UPLINK"],
        "UPLINK_CA": str(identity.ca),
        "UPLINK_CERT": str(identity.cert),
        "UPLINK_KEY": str(identity.key),
        "UPLINK_FLUSH_S": "1",
        "EDGE_DATA": str(data),
    }  # fmt: skip
    with subprocess.Popen(arm.python("-m", "edge"), env=environ, cwd=ROOT) as running:  # noqa: S603 - own words
        try:
            yield running
        finally:
            running.terminate()
            running.wait(60)


def accepted(data: Path) -> int:
    return sum(last - first + 1 for line in cli.accepted(data) for first, last in line["ranges"])


@pytest.mark.timeout(600)
def test_a_gateway_on_aarch64_accepts_all_and_loses_nothing_when_it_is_killed(arm: Board, tmp_path: Path) -> None:
    stack = LocalStack(
        tmp_path / "stack", ports=Ports.ephemeral(1), gateways=(GATEWAY,), parts=(DEVICE_BROKERS, SITE_BROKER)
    )
    data, sent = tmp_path / "edge", round(MONITORS * SECONDS / CADENCE_S)
    with stack, Above(stack) as above:
        words = ["--ward", f"arm={MONITORS}@{stack.device_broker_url(GATEWAY)}", "--cadence", f"{CADENCE_S:g}"]
        words += ["--duration", f"{SECONDS:g}", "--seed", "7"]
        argv = [sys.executable, "-m", "firmware_sim", *words]
        with gateway(arm, stack, data) as first:
            until((data / "outbox.db").exists, "an outbox", 120, 0.2)
            with subprocess.Popen(argv, env=base_env(), cwd=ROOT) as monitors:  # noqa: S603 - own words
                until(lambda: len(above.came(GATEWAY)) >= KILLED_AFTER, "readings above", 120, 0.2)
                first.kill()
                first.wait(20)
                with gateway(arm, stack, data) as second:
                    assert monitors.wait(120) == 0
                    until(lambda: len(above.came(GATEWAY)) >= sent, f"{sent} readings above", 120, 0.2)
                    until(lambda: accepted(data) == len(above.came(GATEWAY)), "as many in the ledger", 120, 0.2)
                    second.terminate()
                    assert second.wait(60) == 0
    sys.stderr.write(f"\non aarch64: {sent} sent, {accepted(data)} accepted, {len(above.came(GATEWAY))} above\n")


@pytest.mark.timeout(600)
def test_engine_limits_news2_and_filter_are_the_same_on_aarch64(arm: Board) -> None:
    words = ("-m", "pytest", "-q", "--noconftest", "-p", "no:cacheprovider", *CLINICAL)
    done = subprocess.run(  # noqa: S603 - own words
        arm.python(*words),
        env=base_env() | arm.env(),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
    sys.stderr.write(f"\non aarch64: {done.stdout.splitlines()[-1]}\n")
