"""The bridge as a process, between a real broker (TLS, client certificates, ACL) and a real Kafka."""

import itertools
import json
import ssl
import threading
import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from bridge.kafka import KafkaFeed
from infra.local.process import Spec, base_env
from infra.local.stack import KAFKA, SITE_BROKER, LocalStack
from vitals import topics
from vitals.actions import Act, Action
from vitals.batches import Confirmed
from vitals.patients import Admission, Roster
from vitals.records import decode_vitals
from vitals.status import Health, Heartbeat, Rejected, Status

MakeBatch = Callable[..., bytes]
DEADLINE_S = 60.0
ROOT = Path(__file__).parents[2]
numbers = itertools.count(1)


def wait_until(condition: Callable[[], bool], what: str, deadline_s: float = DEADLINE_S) -> None:
    ends = time.monotonic() + deadline_s
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < ends, f"{what} did not happen within {deadline_s:.0f} s"
        pause.wait(0.05)


class Gateway:
    """A gateway as the bridge knows it: keeps each batch until it is confirmed, and sends it again until then."""

    def __init__(self, site: "Site", name: str) -> None:
        self.name = name
        self.outbox = f"box-{name}-{time.time_ns()}"
        self.kept: dict[int, bytes] = {}
        self.heard: dict[str, list[bytes]] = {name: [] for name in topics.DOWN}
        self.refused: list[ReasonCode] = []
        identity = site.stack.identity(name)
        self.client = Client(CallbackAPIVersion.VERSION2, client_id=name, protocol=MQTTProtocolVersion.MQTTv5)
        context = ssl.create_default_context(cafile=identity.ca)
        context.load_cert_chain(identity.cert, identity.key)
        self.client.tls_set_context(context)
        self.client.reconnect_delay_set(1, 1)
        self.client.on_connect = lambda client, *_: client.subscribe(
            [(topics.gateway_topic(name, down), 1) for down in topics.DOWN]
        )
        self.client.on_message = self._heard
        self.client.on_publish = lambda _c, _d, _m, reason, _p: (
            self.refused.append(reason) if reason.is_failure else None
        )
        self.client.connect("127.0.0.1", site.stack.ports.site)
        self.client.loop_start()
        wait_until(self.client.is_connected, "connecting")

    def _heard(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        kind = message.topic.rpartition("/")[2]
        self.heard[kind].append(bytes(message.payload))
        if kind == "confirmed":
            confirmed = msgspec.json.decode(message.payload, type=Confirmed)
            for first, last in confirmed.ranges if confirmed.outbox == self.outbox else ():
                for n in range(first, last + 1):
                    self.kept.pop(n, None)

    def keep(self, n: int, payload: bytes) -> None:
        """Commits a batch to the outbox, and sends it."""
        self.kept[n] = payload
        self.send(payload)

    def send(self, payload: bytes, name: str = "vitals", *, gateway: str | None = None) -> None:
        self.client.publish(topics.gateway_topic(gateway or self.name, name), payload, qos=1)

    def settled(self) -> bool:
        """Sends again what is not confirmed; whether all is."""
        for payload in list(self.kept.values())[:50]:
            self.send(payload)
        return not self.kept

    def settle(self) -> None:
        """Waits until all is confirmed, sending again once a second meanwhile."""
        ends = time.monotonic() + DEADLINE_S
        pause = threading.Event()
        while self.kept:
            assert time.monotonic() < ends, f"{len(self.kept)} batches of {self.name} were not confirmed"
            pause.wait(1.0)
            self.settled()


class Site:
    """The stack, with a bridge that can be killed."""

    def __init__(self, stack: LocalStack) -> None:
        self.stack = stack
        self.kafka = {"bootstrap.servers": stack.env()["KAFKA_BOOTSTRAP"], "client.id": "test"}
        self.gateways: list[Gateway] = []
        self._bridge = ""
        admin = AdminClient(self.kafka)
        there = admin.list_topics(timeout=DEADLINE_S).topics
        wanted = [NewTopic(t.name, 16 if t.by_lane else 1, 1) for t in topics.TOPICS if t.name not in there]
        for made in admin.create_topics(wanted).values() if wanted else ():
            made.result(DEADLINE_S)

    def start_bridge(self, bridge: str, **settings: str) -> None:
        identity = self.stack.identity("bridge")
        self._bridge, port = f"{bridge}-{next(numbers)}", self.stack.ports.metrics[-1]
        certificate = {
            "UPLINK_CA": str(identity.ca),
            "UPLINK_CERT": str(identity.cert),
            "UPLINK_KEY": str(identity.key),
        }
        env = {**base_env(), **self.stack.env(), **certificate, "BRIDGE": bridge, "METRICS_PORT": str(port), **settings}
        env["PYTHONPATH"] = str(ROOT)
        python = ROOT / ".venv" / "bin" / "python"
        spec = Spec(self._bridge, (str(python), "-m", "bridge"), env, ready=lambda: bool(self.health().get("uplink")))
        self.stack.processes.start(spec)
        self.stack.processes.wait_ready(spec)

    def health(self) -> dict[str, object]:
        url = f"http://127.0.0.1:{self.stack.ports.metrics[-1]}/health"
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                found: dict[str, object] = json.loads(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                found = json.loads(error.read())
        except OSError:
            return {}
        return found

    def kill_bridge(self) -> None:
        self.stack.processes.kill(self._bridge)
        self.stack.processes.end([self._bridge])

    def stop_bridge(self) -> None:
        self.stack.processes.end([self._bridge])

    def gateway(self, name: str) -> Gateway:
        self.gateways.append(Gateway(self, f"{name}-{next(numbers)}"))
        return self.gateways[-1]

    def read(self, topic: str) -> list[tuple[bytes, bytes]]:
        """All that Kafka holds of a topic."""
        feed = KafkaFeed(self.kafka, {topic: None})
        found = []
        ends = time.monotonic() + DEADLINE_S
        while not feed.caught_up() and time.monotonic() < ends:
            found += [(r.key, r.value or b"") for r in feed.poll(0.2)]
        feed.close()
        return found

    def identities(self, gateway: Gateway) -> list[tuple[str, int, int]]:
        """The readings of a gateway that Kafka holds, doubles included."""
        records = [decode_vitals(value) for _, value in self.read(topics.VITALS)]
        return [i for r in records for i in r.identities() if i[0].startswith(f"{gateway.name}-d")]

    def rejected(self, gateway: Gateway) -> list[Rejected]:
        found = [msgspec.json.decode(v, type=Rejected) for k, v in self.read(topics.REJECTED)]
        return [r for r in found if f"/{gateway.name}/" in r.topic]

    def write(self, topic: str, partition: int, key: str, value: object) -> None:
        producer = Producer(self.kafka)
        producer.produce(topic, msgspec.json.encode(value) if value is not None else None, key, partition=partition)
        assert producer.flush(DEADLINE_S) == 0


@pytest.fixture
def site(parts_on_demand: LocalStack) -> Iterator[Site]:
    parts_on_demand.up((KAFKA, SITE_BROKER))
    site = Site(parts_on_demand)
    yield site
    for gateway in site.gateways:
        gateway.client.disconnect()
        gateway.client.loop_stop()
    site.stop_bridge()


def flow(gateway: Gateway, batch: MakeBatch, first: int, last: int) -> set[tuple[str, int, int]]:
    """Sends batches numbered first to last, a few a second as gateways do; what they hold."""
    pause = threading.Event()
    for n in range(first, last + 1):
        gateway.keep(n, batch(gateway.name, n, outbox=gateway.outbox, n=10, boot=n, beds=5))
        pause.wait(0.01)
    return {(f"{gateway.name}-d{i % 5}", n, i) for n in range(first, last + 1) for i in range(10)}


def test_a_bridge_killed_in_mid_flow_loses_nothing_and_another_takes_over_its_gateways(
    site: Site, batch: MakeBatch
) -> None:
    site.start_bridge("bridge-kill-a")
    gateway = site.gateway("gw-kill")
    accepted = flow(gateway, batch, 1, 60)
    site.kill_bridge()
    accepted |= flow(gateway, batch, 61, 100)
    site.start_bridge("bridge-kill-a")
    accepted |= flow(gateway, batch, 101, 140)
    site.kill_bridge()
    site.start_bridge("bridge-kill-b")
    accepted |= flow(gateway, batch, 141, 160)
    gateway.settle()
    assert set(site.identities(gateway)) == accepted


def test_without_faults_every_reading_reaches_kafka_exactly_once(site: Site, batch: MakeBatch) -> None:
    site.start_bridge("bridge-once")
    gateway = site.gateway("gw-once")
    accepted = flow(gateway, batch, 1, 100)
    wait_until(lambda: not gateway.kept, "confirmation")
    assert sorted(site.identities(gateway)) == sorted(accepted)


def test_kafka_away_stops_the_taking_and_all_arrives_when_it_is_back(site: Site, batch: MakeBatch) -> None:
    site.start_bridge("bridge-away", STATUS_TIMEOUT_S="2", RECEIVE_MAXIMUM="20")
    gateway = site.gateway("gw-away")
    accepted = flow(gateway, batch, 1, 20)
    wait_until(lambda: not gateway.kept, "confirmation")
    site.stack.processes.kill("kafka")
    accepted |= flow(gateway, batch, 21, 120)
    wait_until(lambda: site.health().get("kafka") is False, "the bridge's report that Kafka is away")
    assert site.health()["waiting"] <= 20
    assert len(gateway.kept) == 100
    site.stack.up((KAFKA,))
    gateway.settle()
    assert set(site.identities(gateway)) == accepted
    wait_until(lambda: site.health().get("ok") is True, "the bridge's recovery")


def test_a_broker_that_dies_loses_nothing_and_is_found_again(site: Site, batch: MakeBatch) -> None:
    site.start_bridge("bridge-broker")
    gateway = site.gateway("gw-broker")
    accepted = flow(gateway, batch, 1, 30)
    site.stack.processes.kill("site-broker")
    wait_until(lambda: site.health().get("uplink") is False, "the bridge's report that the broker is away")
    accepted |= flow(gateway, batch, 31, 40)
    site.stack.up((SITE_BROKER,))
    gateway.settle()
    assert set(site.identities(gateway)) == accepted


def test_garbage_bombs_and_foreign_names_are_rejected_and_others_unharmed(site: Site, batch: MakeBatch) -> None:
    site.start_bridge("bridge-bad")
    good, bad = site.gateway("gw-good"), site.gateway("gw-bad")
    accepted = flow(good, batch, 1, 10)
    for payload in (b"garbage", b"", zlib.compress(b"[" + b"0," * 30_000_000, 9), b"\x00\xff" * 40_000):
        bad.send(payload)
    bad.keep(1, batch(good.name, 1, outbox=bad.outbox, boot=99))
    bad.send(b"{", "status")
    accepted |= flow(good, batch, 11, 20)
    wait_until(lambda: not good.kept and not bad.kept, "confirmation")
    wait_until(lambda: len(site.rejected(bad)) == 6, "six rejections")
    bad.send(batch(good.name, 2, boot=98), gateway=good.name)
    wait_until(lambda: [reason.value for reason in bad.refused] == [0x87], "the broker's refusal")
    assert sorted(site.identities(good)) == sorted(accepted)
    assert site.rejected(good) == []


def test_rosters_actions_and_the_notifiers_heartbeat_reach_their_gateway(site: Site) -> None:
    site.start_bridge("bridge-down")
    gateway, patient = site.gateway("gw-down"), f"p-{time.time_ns()}"
    admission = Admission(
        patient=patient,
        version=5,
        name="n",
        born="1950-01-01",
        phone="",
        address="",
        ward="icu",
        bed="1",
        gateway=gateway.name,
        devices=("d1",),
        since=1,
    )
    place = topics.lane(patient)
    site.write(topics.PATIENTS, place, patient, admission)
    wait_until(lambda: bool(gateway.heard["roster"]), "the roster")
    roster = msgspec.json.decode(gateway.heard["roster"][0], type=Roster)
    assert [p.patient for p in roster.placements] == [patient]
    now = time.time_ns() // 1_000_000
    action = Action(id="a", act=Act.ACKNOWLEDGE, patient=patient, t=now, by="nurse", alarm="x")
    site.write(topics.ACTIONS, place, patient, action)
    site.write(topics.STATUS, 0, "notifier", Status(id="notifier", kind="notifier", health=Health.UP, t=now))
    wait_until(lambda: bool(gateway.heard["actions"] and gateway.heard["heartbeat"]), "action and heartbeat")
    assert msgspec.json.decode(gateway.heard["actions"][0], type=Action) == action
    assert msgspec.json.decode(gateway.heard["heartbeat"][0], type=Heartbeat) == Heartbeat(now)
    site.kill_bridge()
    site.write(topics.PATIENTS, place, patient, None)
    site.start_bridge("bridge-down")
    wait_until(lambda: len(gateway.heard["roster"]) > 1, "the emptied roster")
    emptied = msgspec.json.decode(gateway.heard["roster"][-1], type=Roster)
    assert emptied.placements == ()
    assert emptied.version > roster.version


def test_silence_and_a_last_will_are_told_to_kafka(site: Site) -> None:
    site.start_bridge("bridge-silence", STATUS_TIMEOUT_S="1")
    gateway = site.gateway("gw-silence")

    def told() -> list[Health]:
        statuses = [msgspec.json.decode(v, type=Status) for _, v in site.read(topics.STATUS)]
        return [s.health for s in statuses if s.id == gateway.name]

    gateway.send(msgspec.json.encode(Status(id=gateway.name, kind="gateway", health=Health.UP, t=1)), "status")
    wait_until(lambda: told() == [Health.UP, Health.SILENT], "silence")
    gateway.send(msgspec.json.encode(Status(id=gateway.name, kind="gateway", health=Health.OFFLINE, t=1)), "status")
    wait_until(lambda: told()[2:] == [Health.OFFLINE], "the last will")
