"""Devices at a real Mosquitto that asks for certificates or passwords, and at brokers that never answer."""

import json
import os
import pwd
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from firmware_sim import build
from firmware_sim.broker import Tls
from firmware_sim.ground_truth_log import GroundTruthLog, Summary
from firmware_sim.mqtt_connection import TIMEOUT_S
from firmware_sim.plan import DevicePlan, Plan
from firmware_sim.simulation import Clock, Simulation
from infra.local.pki import Authority
from infra.local.probes import mqtt_accepts
from tests.support.waiting import until
from vitals.runtime.daemon import now_ms

Secured = Callable[..., SimpleNamespace]
# paho-mqtt leaves the socket of a failed TLS handshake to the garbage collector.
failed_handshake = pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def secured(tmp_path: Path) -> Iterator[Secured]:
    """Starts Mosquitto with an open listener for the gateway, and one with the given lines for devices."""
    running: list[subprocess.Popen[bytes]] = []

    def start(*lines: str) -> SimpleNamespace:
        ports = SimpleNamespace(port=free_port(), devices=free_port())
        user = pwd.getpwuid(os.geteuid()).pw_name
        open_to_all = [f"listener {ports.port} 127.0.0.1", "allow_anonymous true"]
        secure = [f"listener {ports.devices} 127.0.0.1", *lines]
        conf = tmp_path / "mosquitto.conf"
        conf.write_text("\n".join(["per_listener_settings true", f"user {user}", *open_to_all, *secure]) + "\n")
        running.append(subprocess.Popen(["mosquitto", "-c", str(conf)], stderr=subprocess.DEVNULL))  # noqa: S603, S607 - Mosquitto
        until(lambda: mqtt_accepts(ports.port), "the broker's start")
        return ports

    yield start
    for process in running:
        process.terminate()
        process.wait()


def simulated(devices: tuple[DevicePlan, ...], tls: Tls, *, duration_s: float = 1.0, drain_s: float = 5.0) -> Summary:
    plan = Plan(devices=devices, cadence_s=0.2, artefacts={"scale": 0}, tls=tls)
    with GroundTruthLog(None) as ledger:
        fleet = Simulation(
            build.devices(plan, ledger, np.random.default_rng()),
            build.sources(plan, now_ms()),
            ledger,
            Clock(time.monotonic, now_ms),
            plan.seed,
        )
        # The simulation starts a loop; a browser test of the same process may still have one in this thread.
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(fleet.run, threading.Event(), duration_s, drain_s).result()


def two(url: str) -> tuple[DevicePlan, ...]:
    return tuple(DevicePlan(device=f"mon-{n}", broker=url) for n in (1, 2))


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "pki")


def certificates(authority: Authority) -> tuple[list[str], Tls]:
    """Mosquitto's lines and the devices' files; each device's certificate bears its name."""
    server = authority.server("broker")
    for n in (1, 2):
        authority.client(f"mon-{n}")
    lines = [f"cafile {server.ca}", f"certfile {server.cert}", f"keyfile {server.key}"]
    lines += ["require_certificate true", "use_identity_as_username true"]
    own = str(authority.folder / "{device}")
    return lines, Tls(ca=str(server.ca), cert=own + ".crt", key=own + ".key")


def test_each_device_writes_under_its_own_certificate(
    secured: Secured, listen: Callable[..., SimpleNamespace], authority: Authority, tmp_path: Path
) -> None:
    lines, tls = certificates(authority)
    (tmp_path / "acl").write_text("pattern write devices/%u/#\n")
    broker = secured(*lines, f"acl_file {tmp_path / 'acl'}")
    listener = listen(broker)
    summary = simulated(two(f"mqtts://127.0.0.1:{broker.devices}"), tls)
    assert (summary.pending, summary.acknowledged) == (0, summary.sent)
    assert summary.sent >= 8
    until(lambda: sum(topic.endswith("vitals") for topic, _ in listener.messages) == summary.sent, "arrival of all")
    assert {json.loads(p)["seq"] for p in listener.of("devices/mon-2/vitals")} == set(range(summary.sent // 2))


@failed_handshake
def test_a_broker_whose_certificate_nobody_knows_gets_nothing(
    secured: Secured, authority: Authority, tmp_path: Path
) -> None:
    lines, tls = certificates(authority)
    broker = secured(*lines)
    strange = Authority(tmp_path / "other").client("mon-1").ca
    tls = Tls(ca=str(strange), cert=tls.cert, key=tls.key)
    summary = simulated(two(f"mqtts://127.0.0.1:{broker.devices}"), tls, drain_s=0.2)
    assert summary.acknowledged == 0
    assert summary.pending == summary.sent > 0


@pytest.mark.parametrize(("password", "acknowledged"), [("for-{device}", True), ("wrong", False)])
def test_a_device_gives_its_name_and_password(
    secured: Secured, listen: Callable[..., SimpleNamespace], tmp_path: Path, password: str, acknowledged: bool
) -> None:
    passwords = tmp_path / "passwords"
    passwords.touch(mode=0o600)
    for n in (1, 2):
        subprocess.run(["mosquitto_passwd", "-b", str(passwords), f"mon-{n}", f"for-mon-{n}"], check=True)  # noqa: S603, S607 - Mosquitto's
    broker = secured("allow_anonymous false", f"password_file {passwords}")
    listen(broker)
    url = f"mqtt://{{device}}:{password}@127.0.0.1:{broker.devices}"
    summary = simulated(two(url), Tls(), drain_s=5.0 if acknowledged else 0.2)
    assert summary.acknowledged == (summary.sent if acknowledged else 0)


@failed_handshake
def test_brokers_that_never_answer_keep_no_other_device_waiting(
    secured: Secured, listen: Callable[..., SimpleNamespace]
) -> None:
    broker = secured("allow_anonymous true")
    listen(broker)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        # One waits for a TLS greeting, one for MQTT's, one for a name that cannot be.
        port = silent.getsockname()[1]
        stuck = (f"mqtts://127.0.0.1:{port}", f"mqtt://127.0.0.1:{port}", "mqtt://broker.invalid:1883")
        devices = tuple(DevicePlan(device=f"stuck-{n}", broker=url) for n, url in enumerate(stuck))
        summary = simulated((*devices, *two(f"mqtt://127.0.0.1:{broker.devices}")), Tls(), duration_s=2, drain_s=0.1)
    assert summary.late_max_s < 0.5 < TIMEOUT_S
    assert summary.acknowledged == summary.sent * 2 // 5


def test_a_certificate_that_is_not_there_is_refused_before_anything_connects(tmp_path: Path) -> None:
    tls = Tls(ca=str(tmp_path / "no.crt"))
    with pytest.raises(ValueError, match=r"no\.crt cannot be found"):
        simulated(two("mqtts://127.0.0.1:1"), tls)
    with pytest.raises(ValueError, match="needs its key"):
        Tls(cert="a.crt")
