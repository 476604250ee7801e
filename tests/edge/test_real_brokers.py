"""The gateway as a process, between two real Mosquittos: TLS above, devices below, and somebody pulling plugs."""

import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from edge.status import cli
from edge.store.identity import NUMBERS_PER_START
from infra.local.stack import LocalStack
from tests.support.waiting import until
from vitals.wire import topics, uplink_batch
from vitals.wire.uplink_batch import Batch

GATEWAY = "edge-it"
ROOT = Path(__file__).parents[2]
DEADLINE_S = 30.0


class Plug:
    """A TCP relay to the site broker that can be pulled."""

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._pairs: list[socket.socket] = []
        self.pulled = False
        threading.Thread(target=self._accept, daemon=True).start()

    def pull(self) -> None:
        self.pulled = True
        for end in self._pairs:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def put_back(self) -> None:
        self.pulled = False

    def close(self) -> None:
        self.pull()
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                inner, _ = self._listener.accept()
                if self.pulled:
                    inner.close()
                    continue
                outer = socket.create_connection(self._target)
                self._pairs = [inner, outer]
                for a, b in ((inner, outer), (outer, inner)):
                    threading.Thread(target=self._relay, args=(a, b), daemon=True).start()

    @staticmethod
    def _relay(source: socket.socket, sink: socket.socket) -> None:
        with source, suppress(OSError):
            while data := source.recv(65_536):
                sink.sendall(data)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_RDWR)


def connected(client: Client, url: str) -> Client:
    parts = urlsplit(url)
    client.connect(parts.hostname or "", parts.port or 0)
    client.loop_start()
    until(client.is_connected, f"connected to {url}")
    return client


class Bridge:
    """What stands above: takes batches, confirms them when told to, publishes rosters."""

    def __init__(self, mosquitto: LocalStack) -> None:
        self.got: list[Batch] = []
        self.statuses: list[dict[str, Any]] = []
        self.told: list[tuple[str, Any]] = []
        self.confirming = True
        identity = mosquitto.identity("bridge")
        self._client = Client(CallbackAPIVersion.VERSION2, client_id="bridge-it", protocol=MQTTProtocolVersion.MQTTv5)
        self._client.tls_set(
            str(identity.ca), str(identity.cert), str(identity.key), tls_version=ssl.PROTOCOL_TLS_CLIENT
        )
        self._client.on_message = lambda _c, _d, message: self._take(message.topic, bytes(message.payload))
        connected(self._client, mosquitto.env()["UPLINK"])
        self._client.subscribe([(topics.gateway_topic(GATEWAY, name), 1) for name in topics.UP])

    def say(self, name: str, message: object, *, retain: bool = False) -> None:
        payload = b"" if message is None else json.dumps(message).encode()
        self._client.publish(topics.gateway_topic(GATEWAY, name), payload, qos=1, retain=retain)

    def identities(self) -> set[tuple[str, int, int]]:
        return {identity for batch in tuple(self.got) for identity in batch.readings.identities()}

    def close(self) -> None:
        self.say("roster", None, retain=True)
        self._client.disconnect()
        self._client.loop_stop()

    def _take(self, topic: str, payload: bytes) -> None:
        name = topic.rpartition("/")[2]
        if name == "status":
            self.statuses.append(json.loads(payload))
            if sent := self.statuses[-1].get("sent"):
                now = time.time_ns() // 1_000_000
                self.say("clock", {"offset_ms": now - sent, "t": now})
        if name in {"rejected", "pressed"}:
            self.told.append((name, json.loads(payload)))
        if name != "vitals":
            return
        batch = uplink_batch.decode(payload)
        self.got.append(batch)
        if self.confirming:
            self.say("confirmed", {"outbox": batch.outbox, "ranges": [[batch.n, batch.n]]})


class Device:
    """One bedside device; the broker's PUBACK counts as delivery."""

    def __init__(self, url: str, name: str, boot: int) -> None:
        self.name, self.boot, self.seq = name, boot, 0
        self.sent: set[tuple[str, int, int]] = set()
        self._client = Client(CallbackAPIVersion.VERSION2, client_id=name, protocol=MQTTProtocolVersion.MQTTv5)
        connected(self._client, url)

    def read(self, count: int = 1, **signs: float) -> None:
        for _ in range(count):
            self.repeat(self.seq, **signs)
            self.seq += 1

    def repeat(self, seq: int, **signs: float) -> None:
        message = {"boot": self.boot, "seq": seq, "t": time.time_ns() // 1_000_000, **(signs or {"hr": 72})}
        self._client.publish(topics.device_vitals(self.name), json.dumps(message), qos=1).wait_for_publish(10)
        self.sent.add((self.name, self.boot, seq))

    def raw(self, payload: bytes) -> None:
        self._client.publish(topics.device_vitals(self.name), payload, qos=1).wait_for_publish(10)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


class Process:
    """`python -m edge`."""

    def __init__(self, environ: Mapping[str, str], log: Path) -> None:
        self.environ, self.log = environ, log
        self.running: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.running = subprocess.Popen([sys.executable, "-m", "edge"], env=self.environ, stderr=log, cwd=ROOT)

    def end(self, how: signal.Signals) -> int:
        assert self.running is not None
        self.running.send_signal(how)
        code = self.running.wait(30)
        self.running = None
        return code

    def ask(self, what: str) -> str:
        asked = [sys.executable, "-m", "edge", what]
        done = subprocess.run(asked, env=self.environ, capture_output=True, text=True, check=True, cwd=ROOT)  # noqa: S603 - fixed words
        return done.stdout

    def accepted(self) -> set[tuple[str, int, int]]:
        return {
            (row["device"], row["boot"], seq)
            for row in cli.accepted(Path(self.environ["EDGE_DATA"]))
            for first, last in row["ranges"]
            for seq in range(first, last + 1)
        }

    def backlog(self) -> int:
        return cli.status(Path(self.environ["EDGE_DATA"]), 0)["backlog"]["batches"]


class Site:
    """Everything around one gateway."""

    def __init__(self, mosquitto: LocalStack, folder: Path) -> None:
        self.broker = mosquitto.env()["DEVICE_BROKER"]
        uplink = urlsplit(mosquitto.env()["UPLINK"])
        self.plug = Plug((uplink.hostname or "", uplink.port or 0))
        self.bridge = Bridge(mosquitto)
        identity = mosquitto.identity(GATEWAY)
        self.data = folder / "edge"
        self.log = folder / "edge.log"
        environ = os.environ | {
            "GATEWAY": GATEWAY,
            "DEVICE_BROKER": self.broker,
            "UPLINK": f"mqtts://localhost:{self.plug.port}",
            "UPLINK_CA": str(identity.ca),
            "UPLINK_CERT": str(identity.cert),
            "UPLINK_KEY": str(identity.key),
            "EDGE_DATA": str(self.data),
            "UPLINK_FLUSH_S": "0.3",
            "STATUS_S": "0.5",
        }
        self.edge = Process(environ, self.log)
        self.devices: list[Device] = []
        self.lights: dict[str, Any] = {}
        self._eye = Client(CallbackAPIVersion.VERSION2, client_id="edge-it-eye", protocol=MQTTProtocolVersion.MQTTv5)
        self._eye.on_message = lambda _c, _d, m: self.lights.update({m.topic: json.loads(m.payload or b"null")})
        connected(self._eye, self.broker).subscribe("beds/#", qos=1)

    def device(self, name: str, boot: int = 1) -> Device:
        self.devices.append(Device(self.broker, name, boot))
        return self.devices[-1]

    def sent(self) -> set[tuple[str, int, int]]:
        return set().union(*(device.sent for device in self.devices))

    def start(self) -> None:
        """Starts the gateway; a broker keeps for it only what comes after it has subscribed once."""
        before = self.log.read_text().count("listening to") if self.log.exists() else 0
        self.edge.start()
        until(lambda: self.log.read_text().count("listening to") > before, "the gateway listening")

    def statuses_up(self) -> bool:
        return any(status["health"] == "up" for status in tuple(self.bridge.statuses))

    def everything_arrived(self) -> None:
        until(lambda: self.bridge.identities() == self.sent(), "every reading above")

    def close(self) -> None:
        if self.edge.running is not None:
            self.edge.end(signal.SIGKILL)
        for topic in self.lights:
            self._eye.publish(topic, b"", qos=1, retain=True).wait_for_publish(10)
        self._eye.disconnect()
        self._eye.loop_stop()
        for device in self.devices:
            device.close()
        self.bridge.close()
        self.plug.close()
        # The gateway's session must not go on collecting other tests' readings.
        forget = Client(CallbackAPIVersion.VERSION2, client_id=GATEWAY, protocol=MQTTProtocolVersion.MQTTv5)
        connected(forget, self.broker).disconnect()
        forget.loop_stop()


@pytest.fixture
def site(mosquitto: LocalStack, tmp_path: Path) -> Iterator[Site]:
    site = Site(mosquitto, tmp_path)
    try:
        yield site
    finally:
        site.close()


def contradictions(got: list[Batch]) -> list[str]:
    """What must never be: one number with two contents, or one reading under two numbers of one start."""
    contents: dict[tuple[str, int], list[Any]] = {}
    owner: dict[tuple[str, int, tuple[str, int, int]], int] = {}
    wrong = []
    for batch in got:
        identities = batch.readings.identities()
        if contents.setdefault((batch.outbox, batch.n), identities) != identities:
            wrong.append(f"batch {batch.n} has two contents")
        wrong += [
            f"{identity} is in batch {batch.n} and another"
            for identity in identities
            if owner.setdefault((batch.outbox, batch.n // NUMBERS_PER_START, identity), batch.n) != batch.n
        ]
    return wrong


def test_nothing_accepted_is_lost_or_doubled_through_a_cut_and_a_kill(site: Site) -> None:
    one, two = site.device("edge-it-1"), site.device("edge-it-2")
    site.start()
    one.read(20)
    site.everything_arrived()
    until(lambda: json.loads("".join(site.edge.ask("status")))["backlog"]["batches"] == 0, "confirmed batches gone")

    site.plug.pull()
    two.read(30)
    one.repeat(3)
    one.repeat(19)
    two.raw(b'{"boot": 1, "seq"')
    until(lambda: site.edge.accepted() == site.sent(), "accepted with the uplink cut")
    site.edge.end(signal.SIGKILL)
    one.read(25)  # the broker keeps these for the gateway
    site.start()
    two.read(10)
    until(lambda: site.edge.accepted() == site.sent(), "accepted after the kill, with the uplink cut")
    site.plug.put_back()
    site.everything_arrived()
    assert site.edge.accepted() == site.sent() == site.bridge.identities()
    assert contradictions(site.bridge.got) == []
    assert len({batch.outbox for batch in site.bridge.got}) == 1


def test_the_bed_alarms_with_the_uplink_cut_and_the_alarm_survives_a_kill(site: Site) -> None:
    placement = {"device": "edge-it-3", "patient": "p", "ward": "W", "bed": "edge-it-B", "since": 0, "cadence_s": 0.2}
    site.bridge.say("roster", {"gateway": GATEWAY, "version": 3, "placements": [placement]}, retain=True)
    site.start()
    until(lambda: "beds/edge-it-B/alarm" in site.lights, "the roster in force")
    site.plug.pull()
    patient = site.device("edge-it-3")
    until(lambda: not patient.read(hr=31) and site.lights["beds/edge-it-B/alarm"]["alarms"], "an alarm at the bed")
    first = site.lights["beds/edge-it-B/alarm"]
    assert first["priority"] == "high"
    until(lambda: site.sent() <= site.edge.accepted(), "a commit of the readings that raised it")
    site.edge.end(signal.SIGKILL)
    until(lambda: site.lights["beds/edge-it/alarm"]["alarms"], "the gateway's own light says that it is down")
    site.lights.clear()
    site.start()
    until(lambda: "beds/edge-it-B/alarm" in site.lights, "the bed's signal after the restart")
    again = site.lights["beds/edge-it-B/alarm"]
    assert [a["id"] for a in again["alarms"]] == [a["id"] for a in first["alarms"]]
    site.plug.put_back()
    site.everything_arrived()
    assert {p for batch in site.bridge.got for p in batch.readings.patient.tolist()} == {"p"}


@pytest.mark.parametrize("card", ["new", "damaged"])
def test_what_is_never_confirmed_is_sent_again_and_a_new_card_begins_new_numbers(site: Site, card: str) -> None:
    device = site.device("edge-it-4")
    site.bridge.confirming = False
    site.start()
    device.read(2)
    site.everything_arrived()
    until(lambda: len(site.bridge.got) > len({batch.n for batch in site.bridge.got}), "a second sending")
    assert contradictions(site.bridge.got) == []
    site.bridge.confirming = True
    site.edge.end(signal.SIGKILL)
    if card == "new":
        shutil.rmtree(site.data)
    else:
        for name in ("outbox.db", "outbox.db-wal"):
            (site.data / name).write_bytes(b"\xa5" * 20_000)
    site.start()
    device.read(3)
    site.everything_arrived()
    site.bridge.statuses.clear()
    until(site.statuses_up, "a status")
    assert ("outbox-replaced" in "".join(site.bridge.statuses[-1].get("alarms", []))) == (card == "damaged")
    by_outbox = {batch.outbox: batch.n for batch in reversed(site.bridge.got)}
    assert len(by_outbox) == 2
    assert set(by_outbox.values()) == {1}


def test_a_device_that_sends_much_delays_nobody_elses_readings(site: Site) -> None:
    site.start()
    loud, calm = site.device("edge-it-6"), site.device("edge-it-7")
    for _ in range(300):
        loud.raw(b"x" * 65_000)
    began = time.monotonic()
    calm.read(1)
    site.everything_arrived()
    assert time.monotonic() - began < 20, "19 MB lie before it in the broker's queue"
    until(lambda: site.bridge.told, "refusals told")
    assert all(len(refusal["payload"]) < 2_000 for _, told in site.bridge.told for refusal in told)


def test_sigterm_drains_says_goodbye_and_leaves_nothing_behind(site: Site) -> None:
    site.edge.environ = {**site.edge.environ, "UPLINK_FLUSH_S": "60"}
    device = site.device("edge-it-5")
    site.start()
    device.read(5)
    until(site.statuses_up, "the gateway up")
    until(lambda: site.edge.accepted() == site.sent(), "accepted")
    assert site.bridge.got == []
    assert site.edge.end(signal.SIGTERM) == 0
    site.everything_arrived()
    assert json.loads(site.edge.ask("status"))["backlog"]["batches"] == 0
    assert json.loads(site.edge.ask("accepted")) == {"device": "edge-it-5", "boot": 1, "ranges": [[0, 4]]}
    until(lambda: site.bridge.statuses[-1]["health"] == "offline", "the goodbye")


def test_a_second_gateway_on_the_same_directory_is_refused(site: Site) -> None:
    site.start()
    until(site.statuses_up, "the gateway up")
    other = Process(site.edge.environ, site.log)
    other.start()
    assert other.running is not None
    assert other.running.wait(30) == 1
    assert "another gateway runs" in site.log.read_text()
