"""The gateway's own broker while the gateway is away: what a reading costs it, and what a kill costs the readings."""

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from infra.local.ports import HOST, Ports
from infra.local.servers.mosquitto import device_broker
from tests.support.waiting import until
from vitals.wire import topics

WAITING, FURTHER = 20_000, 1_000
READING = b'{"boot":3735928559,"seq":%d,"t":1763812800123,"hr":112,"pr":112,"rr":22,"spo2":94,"temp":36.8}'
TICKS = os.sysconf("SC_CLK_TCK")


class Queue:
    """A gateway's broker, as the local stack and the Pi have it."""

    def __init__(self, folder: Path) -> None:
        self.port = Ports.ephemeral(1).devices[0]
        self.file = folder / "mosquitto.db"
        self._argv = device_broker("queue", folder, self.port).argv
        self.running: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        self.running = subprocess.Popen(self._argv, stderr=subprocess.DEVNULL)  # noqa: S603 - own words

    def kill(self) -> None:
        assert self.running is not None
        self.running.kill()
        self.running.wait(10)

    def spent_ms(self) -> float:
        assert self.running is not None
        fields = Path(f"/proc/{self.running.pid}/stat").read_text().rpartition(")")[2].split()
        return 1000 * (int(fields[11]) + int(fields[12])) / TICKS

    def client(self, name: str, taken: list[bytes] | None = None) -> Client:
        client = Client(CallbackAPIVersion.VERSION2, client_id=name, protocol=MQTTProtocolVersion.MQTTv5)
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call] # paho leaves it untyped
        properties.SessionExpiryInterval = 3600
        properties.ReceiveMaximum = 2_000
        client.max_inflight_messages_set(500)
        if taken is not None:
            client.on_message = lambda _c, _d, message: taken.append(message.payload)
        heard: list[int] = []
        client.on_subscribe = lambda *_: heard.append(1)

        def reached() -> bool:
            try:
                client.connect(HOST, self.port, clean_start=False, properties=properties)
            except ConnectionRefusedError:
                return False
            return True

        until(reached, "the broker")
        client.loop_start()
        until(client.is_connected, "a connection")
        if taken is not None:
            client.subscribe(topics.device_vitals("+"), 1)
            until(lambda: heard, "a subscription")
        return client

    def send(self, device: Client, first: int, count: int) -> None:
        """Publishes readings; returns when the broker has acknowledged them all."""
        sent = [device.publish(topics.device_vitals("mon-1"), READING % (first + k), qos=1) for k in range(count)]
        for message in sent:
            message.wait_for_publish(60)


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Queue]:
    found = Queue(tmp_path)
    yield found
    found.kill()


def test_with_twenty_thousand_waiting_readings_one_more_is_cheap_and_all_outlive_a_kill(queue: Queue) -> None:
    gateway = queue.client("gw-1", [])
    gateway.disconnect()
    gateway.loop_stop()
    device = queue.client("mon-1")
    queue.send(device, 0, WAITING)

    spent = queue.spent_ms()
    for k in range(0, FURTHER, 4):
        # Four at once, as a ward's readings come.
        queue.send(device, WAITING + k, 4)
    assert (queue.spent_ms() - spent) / FURTHER < 1.5, "ms of a core for a reading"

    acknowledged = time.time()
    # A save that began after the last acknowledgement: the one after the next.
    for _ in range(2):
        before = queue.file.stat().st_mtime_ns
        until(lambda before=before: queue.file.stat().st_mtime_ns != before, "saved")  # type: ignore[misc]
    assert time.time() - acknowledged < 6, "at most two seconds apart"
    queue.kill()
    device.disconnect()
    device.loop_stop()
    queue.start()
    taken: list[bytes] = []
    again = queue.client("gw-1", taken)
    until(lambda: len(set(taken)) == WAITING + FURTHER, "every acknowledged reading")
    again.disconnect()
    again.loop_stop()
