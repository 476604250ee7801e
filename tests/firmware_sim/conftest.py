"""A gateway's broker that a test may kill, and a gateway that listens on it."""

import os
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from infra.local.servers.mosquitto import device_broker
from tests.support.waiting import until

DEADLINE_S = 20.0


class Broker:
    """Mosquitto as `infra.local` starts it for a gateway, but in the test's hands."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.url = f"mqtt://127.0.0.1:{self.port}"
        self._spec = device_broker("device-broker", folder / f"broker-{self.port}", self.port)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(self._spec.argv, env=dict(os.environ), stderr=subprocess.DEVNULL)  # noqa: S603 - Mosquitto
        until(self._spec.ready, "the broker's start")

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


class Listener:
    """A gateway's subscription with a kept session; it reconnects by itself."""

    def __init__(self, broker: Broker, topic: str) -> None:
        self.messages: list[tuple[str, bytes]] = []
        self.subscribed = threading.Event()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="gateway", protocol=mqtt.MQTTv5)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = lambda client, *_: client.subscribe(topic, qos=1)
        self._client.on_subscribe = lambda *_: self.subscribed.set()
        self._client.on_message = self._take
        kept = Properties(PacketTypes.CONNECT)
        kept.SessionExpiryInterval = 3600
        self._client.connect("127.0.0.1", broker.port, clean_start=False, properties=kept)
        self._client.loop_start()
        assert self.subscribed.wait(DEADLINE_S)

    def _take(self, _client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        self.messages.append((message.topic, message.payload))

    def of(self, topic: str) -> list[bytes]:
        return [payload for heard, payload in self.messages if heard == topic]

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@pytest.fixture
def brokers(tmp_path: Path) -> Iterator[Callable[[], Broker]]:
    started: list[Broker] = []

    def start() -> Broker:
        broker = Broker(tmp_path)
        started.append(broker)
        broker.start()
        return broker

    yield start
    for broker in started:
        broker.kill()


@pytest.fixture
def broker(brokers: Callable[[], Broker]) -> Broker:
    return brokers()


@pytest.fixture
def listen() -> Iterator[Callable[..., Listener]]:
    listeners: list[Listener] = []

    def start(broker: Broker, topic: str = "devices/#") -> Listener:
        listeners.append(Listener(broker, topic))
        return listeners[-1]

    yield start
    for listener in listeners:
        listener.close()
