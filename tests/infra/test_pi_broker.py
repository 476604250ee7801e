"""The broker of a Pi, with the very files that install.sh puts there, on a real Mosquitto."""

import os
import pwd
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from infra.local.pki import Authority, Identity
from infra.local.ports import Ports
from infra.local.prerequisites import find_program
from infra.local.probes import tcp_accepts
from tests.support.waiting import within

FILES = Path(__file__).resolve().parents[2] / "infra" / "pi" / "files"
NOT_AUTHORIZED = 135
NO_SUBSCRIBER = 16
PASSWORD = "secret"  # noqa: S105 - of this test's own broker


@dataclass
class Broker:
    """A Pi's broker on ports of the test's own."""

    folder: Path
    inner: int
    outer: int
    server: Identity
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        argv = [str(find_program("mosquitto")), "-c", str(self.folder / "mosquitto.conf")]
        self.process = subprocess.Popen(argv)  # noqa: S603 - our own words
        assert within(10, lambda: tcp_accepts(self.inner) and tcp_accepts(self.outer))

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()


@dataclass
class Client:
    """One MQTT 5 client, on the loopback listener or (a device) on the one with TLS."""

    broker: Broker
    name: str
    user: str | None = None
    device: bool = True
    keep: bool = False
    reasons: list[int] = field(default_factory=list)
    granted: list[int] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)
    connected: list[int] = field(default_factory=list)

    def __enter__(self) -> "Client":
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, self.name, protocol=mqtt.MQTTv5)
        if self.user:
            self._client.username_pw_set(self.user, PASSWORD)
        if self.device:
            self._client.tls_set(str(self.broker.server.ca))
        self._client.on_connect = lambda _c, _u, _f, reason, _p: self.connected.append(reason.value)
        self._client.on_publish = lambda _c, _u, _m, reason, _p: self.reasons.append(reason.value)
        self._client.on_subscribe = lambda _c, _u, _m, reasons, _p: self.granted.extend(r.value for r in reasons)
        self._client.on_message = lambda _c, _u, message: self.heard.append(message.topic)
        properties = Properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = 3600 if self.keep else 0
        port = self.broker.outer if self.device else self.broker.inner
        self._client.connect("127.0.0.1", port, clean_start=not self.keep, properties=properties)
        self._client.loop_start()
        assert within(10, lambda: bool(self.connected))
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def publish(self, topic: str) -> int:
        """Publishes; returns the broker's answer."""
        count = len(self.reasons)
        self._client.publish(topic, b"{}", qos=1)
        assert within(10, lambda: len(self.reasons) > count)
        return self.reasons[-1]

    def subscribe(self, topic: str) -> None:
        count = len(self.granted)
        self._client.subscribe(topic, options=SubscribeOptions(qos=1))
        assert within(10, lambda: len(self.granted) > count)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    ports = Ports.ephemeral(gateways=2)
    found = Broker(tmp_path, ports.devices[0], ports.devices[1], Authority(tmp_path / "pki").server("gw-pi"))
    text = (FILES / "mosquitto.conf").read_text(encoding="utf-8")
    for former, own in (
        ("/etc/wardwatch/broker/server.crt", str(found.server.cert)),
        ("/etc/wardwatch/broker/server.key", str(found.server.key)),
        ("/etc/wardwatch/broker", str(tmp_path)),
        ("/run/mosquitto/queue", str(tmp_path)),
        ("listener 1883 ", f"listener {found.inner} "),
        ("listener 8883", f"listener {found.outer} 127.0.0.1"),
    ):
        assert former in text
        text = text.replace(former, own)
    (tmp_path / "mosquitto.conf").write_text(f"user {pwd.getpwuid(os.geteuid()).pw_name}\n{text}")
    for name in ("gateway.acl", "devices.acl"):
        (tmp_path / name).write_text((FILES / name).read_text(encoding="utf-8"))
        (tmp_path / name).chmod(0o600)
    for name, users in (("gateway.passwords", ["gateway"]), ("devices.passwords", ["mon-1", "mon-2", "bed-1"])):
        (tmp_path / name).touch(0o600)
        for user in users:
            argv = [str(find_program("mosquitto_passwd")), "-b", str(tmp_path / name), user, PASSWORD]
            subprocess.run(argv, check=True)  # noqa: S603 - our own words
    found.start()
    yield found
    found.kill()


def test_a_monitor_writes_under_its_own_name_alone_whatever_it_calls_itself(broker: Broker) -> None:
    with Client(broker, "mon-2", user="mon-1") as monitor:
        assert monitor.publish("devices/mon-1/vitals") in {0, NO_SUBSCRIBER}
        assert monitor.publish("devices/mon-2/vitals") == NOT_AUTHORIZED
        assert monitor.publish("beds/bed-1/ack") == NOT_AUTHORIZED


def test_a_monitor_hears_no_other_monitor(broker: Broker) -> None:
    with Client(broker, "x", user="mon-1") as one, Client(broker, "y", user="mon-2") as two:
        two.subscribe("#")
        two.subscribe("devices/mon-1/vitals")
        with Client(broker, "gw-pi", user="gateway", device=False) as gateway:
            gateway.subscribe("devices/+/vitals")
            assert one.publish("devices/mon-1/vitals") == 0
            assert within(10, lambda: gateway.heard == ["devices/mon-1/vitals"])
        assert two.heard == []


@pytest.mark.parametrize(("user", "device"), [(None, True), ("stranger", True), (None, False), ("mon-1", False)])
def test_nobody_without_a_password_of_their_own_is_let_in(broker: Broker, user: str | None, device: bool) -> None:
    with Client(broker, "somebody", user=user, device=device) as stranger:
        assert stranger.connected == [NOT_AUTHORIZED]


def test_a_light_shows_its_own_bed_and_its_button_acknowledges_it(broker: Broker) -> None:
    with (
        Client(broker, "light", user="bed-1") as light,
        Client(broker, "gw-pi", user="gateway", device=False) as gateway,
    ):
        gateway.subscribe("beds/+/ack")
        light.subscribe("beds/bed-1/alarm")
        light.subscribe("beds/bed-2/alarm")
        gateway.publish("beds/bed-2/alarm")
        gateway.publish("beds/bed-1/alarm")
        assert within(10, lambda: light.heard == ["beds/bed-1/alarm"])
        assert light.publish("beds/bed-1/ack") == 0
        assert light.publish("beds/bed-2/ack") == NOT_AUTHORIZED
        assert light.publish("beds/bed-1/standby") in {0, NO_SUBSCRIBER}
        assert light.publish("beds/bed-2/standby") == NOT_AUTHORIZED
        assert within(10, lambda: gateway.heard == ["beds/bed-1/ack"])


def test_what_a_monitor_was_told_is_kept_survives_the_brokers_kill_before_the_gateway_is_back(broker: Broker) -> None:
    with Client(broker, "gw-pi", user="gateway", device=False, keep=True) as gateway:
        gateway.subscribe("devices/+/vitals")
    for _ in range(2):
        with Client(broker, "mon-1", user="mon-1") as monitor:
            assert monitor.publish("devices/mon-1/vitals") == 0
        assert within(10, (broker.folder / "mosquitto.db").exists)
        threading.Event().wait(1.5)  # the time within which an acknowledged message is on disk
        broker.kill()
        broker.start()
    with Client(broker, "gw-pi", user="gateway", device=False, keep=True) as gateway:
        assert within(10, lambda: gateway.heard == ["devices/mon-1/vitals"] * 2), gateway.heard
