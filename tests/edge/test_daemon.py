"""The gateway as systemd, Prometheus and its own broker see it."""

import json
import os
import pwd
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from edge.status import cli
from edge.store.open import open_outbox
from infra.local.ports import HOST, Ports
from infra.local.prerequisites import find_program
from tests.support.waiting import until

ROOT = Path(__file__).parents[2]
FILES = ROOT / "infra" / "pi" / "files"
REFUSED = 0x87
"""Not authorized (MQTT 5, 3.4.2.1)."""


@pytest.fixture
def secured(tmp_path: Path) -> Iterator[tuple[int, int]]:
    """A broker with the Pi's access rules; a name is its password too. Yields the gateway's port and the devices'."""
    ports = Ports.ephemeral(2).devices
    lines = ["per_listener_settings true"]
    for port, kind, names in zip(ports, ("gateway", "devices"), (["gw-secure"], ["mon-1", "mon-2"]), strict=True):
        passwords, acl = tmp_path / f"{kind}.passwords", tmp_path / f"{kind}.acl"
        passwords.touch(mode=0o600)
        for name in names:
            tool = [str(find_program("mosquitto_passwd")), "-b", str(passwords), name, name]
            subprocess.run(tool, check=True, capture_output=True)  # noqa: S603 - own words
        acl.write_text((FILES / f"{kind}.acl").read_text())
        acl.chmod(0o600)
        lines += [f"listener {port} {HOST}", "allow_anonymous false", f"password_file {passwords}", f"acl_file {acl}"]
    user = pwd.getpwuid(os.geteuid()).pw_name
    conf = tmp_path / "mosquitto.conf"
    conf.write_text("\n".join([*lines, "use_username_as_clientid true", f"user {user}"]) + "\n")
    argv = [str(find_program("mosquitto")), "-c", str(conf)]
    with subprocess.Popen(argv, stderr=subprocess.DEVNULL) as broker:  # noqa: S603 - own words
        yield ports[0], ports[1]
        broker.terminate()
        broker.wait(10)


class Monitor:
    """A device with its credentials, and what the broker answered to each of its messages."""

    def __init__(self, port: int, name: str, password: str | None = None) -> None:
        self.codes: list[int] = []
        self.reason = ""
        self.client = Client(CallbackAPIVersion.VERSION2, client_id=name, protocol=MQTTProtocolVersion.MQTTv5)
        self.client.username_pw_set(name, password or name)
        self.client.on_connect = lambda _c, _d, _f, reason, _p: setattr(self, "reason", str(reason))
        self.client.on_publish = lambda _c, _d, _m, reason, _p: self.codes.append(reason.value)
        until(lambda: self._connect(port), "the broker reached")
        self.client.loop_start()
        until(lambda: self.reason, "an answer")

    def _connect(self, port: int) -> bool:
        try:
            self.client.connect(HOST, port)
        except ConnectionRefusedError:
            return False
        return True

    def say(self, topic: str, payload: bytes) -> int:
        count = len(self.codes)
        self.client.publish(topic, payload, qos=1)
        until(lambda: len(self.codes) > count, "a PUBACK")
        return self.codes[-1]

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


def test_a_device_with_credentials_writes_under_its_own_name_alone_and_the_gateway_reads_it(
    secured: tuple[int, int], tmp_path: Path
) -> None:
    data = tmp_path / "edge"
    environ = os.environ | {
        "GATEWAY": "gw-secure",
        "DEVICE_BROKER": f"mqtt://{HOST}:{secured[0]}",
        "DEVICE_USER": "gw-secure",
        "DEVICE_PASSWORD": "gw-secure",
        "UPLINK": f"mqtt://{HOST}:9",
        "EDGE_DATA": str(data),
        "COMMIT_LINGER_MS": "0",
        "DRAIN_S": "0.2",
    }
    monitor = Monitor(secured[1], "mon-1")
    stranger = Monitor(secured[1], "mon-2", password="guess")  # noqa: S106 - a wrong one, on purpose
    log = tmp_path / "log"
    with (
        log.open("wb") as sink,
        subprocess.Popen([sys.executable, "-m", "edge"], env=environ, stderr=sink, cwd=ROOT) as edge,
    ):
        try:
            until(lambda: "listening to" in log.read_text(), "the gateway listening")
            message = json.dumps({"boot": 1, "seq": 0, "t": time.time_ns() // 1_000_000, "hr": 72}).encode()
            assert monitor.say("devices/mon-2/vitals", message) == REFUSED
            assert monitor.say("beds/mon-2/ack", b"") == REFUSED
            assert monitor.say("devices/mon-1/vitals", message) == 0
            assert monitor.reason == "Success"
            assert stranger.reason == "Not authorized"

            until(lambda: list(cli.accepted(data)), "the reading accepted")
            assert list(cli.accepted(data)) == [{"device": "mon-1", "boot": 1, "ranges": [[0, 0]]}]
        finally:
            edge.terminate()
            edge.wait(20)
            monitor.close()
            stranger.close()


def test_without_a_card_at_the_start_the_bed_alarms_and_the_card_is_used_once_it_is_there(
    broker: Any,  # noqa: ANN401 - the fixture's
    tmp_path: Path,
) -> None:
    data = tmp_path / "edge"
    environ = os.environ | {
        "GATEWAY": "gw-d",
        "DEVICE_BROKER": f"mqtt://{HOST}:{broker.port}",
        "UPLINK": f"mqtt://{HOST}:9",
        "EDGE_DATA": str(data),
        "COMMIT_LINGER_MS": "0",
        "DRAIN_S": "0.2",
    }
    # The roster was kept by an earlier run.
    outbox = open_outbox(data, 1_800_000_000_000)
    stay = {"device": "mon-1", "patient": "p-1", "ward": "W", "bed": "W-1", "since": 1, "cadence_s": 1.0}
    with outbox.transaction():
        outbox.save("roster", json.dumps({"gateway": "gw-d", "version": 1, "placements": [stay]}).encode())
    outbox.close()
    # No file can be made: what SQLite meets on a card that is full.
    lights: dict[str, Any] = {}
    eye = Client(CallbackAPIVersion.VERSION2, client_id="mon-1", protocol=MQTTProtocolVersion.MQTTv5)
    eye.on_message = lambda _c, _d, m: lights.update({m.topic: json.loads(m.payload)})
    eye.on_connect = lambda *_: eye.subscribe("beds/#", qos=1)
    until(lambda: _reached(eye, broker.port), "the broker")
    eye.loop_start()
    log, seq = tmp_path / "log", 0
    (data / "outbox.db-wal").mkdir()

    def alarms(light: str) -> set[str]:
        return {a["condition"] for a in lights.get(f"beds/{light}/alarm", {"alarms": []})["alarms"]}

    def speak() -> None:
        nonlocal seq
        message = {"boot": 1, "seq": seq, "t": time.time_ns() // 1_000_000, "hr": 150, "spo2": 70}
        eye.publish("devices/mon-1/vitals", json.dumps(message).encode(), qos=1)
        seq += 1

    with (
        log.open("wb") as sink,
        subprocess.Popen([sys.executable, "-m", "edge"], env=environ, stderr=sink, cwd=ROOT) as edge,
    ):
        try:
            until(lambda: "listening to" in log.read_text(), "the gateway listening")
            until(lambda: speak() or "spo2" in alarms("W-1"), "an alarm at the bed")
            until(lambda: "outbox-write-failing" in alarms("gw-d"), "the gateway's own alarm")
            (data / "outbox.db-wal").rmdir()
            until(lambda: speak() or "can be opened again" in log.read_text(), "the card found")
            until(lambda: log.read_text().count("listening to") == 2, "the gateway with its card")
            until(lambda: speak() or list(cli.accepted(data)), "readings accepted")
        finally:
            edge.terminate()
            edge.wait(20)
            eye.disconnect()
            eye.loop_stop()


def _reached(client: Client, port: int) -> bool:
    try:
        client.connect(HOST, port)
    except ConnectionRefusedError:
        return False
    return True


def test_systemd_hears_of_start_life_and_end_and_prometheus_of_readings(tmp_path: Path) -> None:
    port = Ports.ephemeral(1).metrics[0]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(30)
        environ = os.environ | {
            "GATEWAY": "gw-d",
            "DEVICE_BROKER": f"mqtt://{HOST}:9",
            "UPLINK": f"mqtt://{HOST}:9",
            "EDGE_DATA": str(tmp_path / "edge"),
            "METRICS_PORT": str(port),
            "DRAIN_S": "0.2",
            "NOTIFY_SOCKET": str(tmp_path / "notify"),
        }
        log = tmp_path / "log"
        with (
            log.open("wb") as sink,
            subprocess.Popen([sys.executable, "-m", "edge"], env=environ, stderr=sink, cwd=ROOT) as edge,
        ):
            try:
                assert systemd.recv(100) == b"READY=1"
                assert [systemd.recv(100) for _ in range(2)] == [b"WATCHDOG=1"] * 2
                with urllib.request.urlopen(f"http://{HOST}:{port}/metrics", timeout=10) as answer:
                    shown = answer.read().decode()
                edge.terminate()
                heard = []
                while b"STOPPING=1" not in heard:
                    heard.append(systemd.recv(100))
                assert edge.wait(20) == 0
            finally:
                edge.kill()
    for name in (
        "wardwatch_edge_accepted_readings_total",
        "wardwatch_edge_rejected_messages",
        "wardwatch_edge_backlog_batches",
        "wardwatch_edge_uplink_up",
    ):
        assert re.search(f"^# HELP {name}", shown, re.MULTILINE), name
    assert all(json.loads(line)["part"] == "edge" for line in log.read_text().splitlines())
