"""A site for the bridge's tests: a real broker, a real Kafka, bridges as processes, and gateways that resend."""

import itertools
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from bridge.kafka.client import KafkaConsumer
from bridge.kafka.port import ConsumedRecord
from infra.local import probes
from infra.local.process import Spec, base_env
from infra.local.stack import LocalStack
from tests.support.waiting import until
from vitals.status import Rejected, Status
from vitals.wire import topics
from vitals.wire.uplink_batch import BatchAck
from vitals.wire.vitals_record import decode_vitals

MakeBatch = Callable[..., bytes]
DEADLINE_S = 60.0
ROOT = Path(__file__).parents[2]
numbers = itertools.count(1)


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
        until(self.client.is_connected, "connecting")

    def _heard(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        kind = message.topic.rpartition("/")[2]
        self.heard[kind].append(bytes(message.payload))
        if kind == "confirmed":
            confirmed = msgspec.json.decode(message.payload, type=BatchAck)
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
        self._bridges: dict[str, int] = {}
        admin = AdminClient(self.kafka)
        there = admin.list_topics(timeout=DEADLINE_S).topics
        wanted = [
            NewTopic(t.name, 16 if t.by_lane else 1, 1, config=dict(t.config))
            for t in topics.TOPICS
            if t.name not in there
        ]
        for made in admin.create_topics(wanted).values() if wanted else ():
            made.result(DEADLINE_S)

    def start_bridge(self, bridge: str, *, clock: Path | None = None, **settings: str) -> None:
        """Starts a bridge, with a port of its own, and waits until it is connected.

        Args:
            bridge: Its name.
            clock: File that says by how many seconds its clock is off (`tests.support.fake_clock`).
            settings: Further settings.
        """
        identity, port = self.stack.identity(bridge), self.stack.ports.metrics[-1 - len(self._bridges)]
        certificate = {
            "UPLINK_CA": str(identity.ca),
            "UPLINK_CERT": str(identity.cert),
            "UPLINK_KEY": str(identity.key),
        }
        self._bridges[bridge] = port
        env = {**base_env(), **self.stack.env(), **certificate, "BRIDGE": bridge, "METRICS_PORT": str(port), **settings}
        env["PYTHONPATH"] = str(ROOT)
        python = ROOT / ".venv" / "bin" / "python"
        ready = lambda: bool(self.health(bridge).get("uplink"))  # noqa: E731 - a condition of one line
        moved = ("-m", "tests.support.fake_clock", str(clock)) if clock else ("-m",)
        spec = Spec(bridge, (str(python), *moved, "bridge"), env, ready=ready)
        self.stack.processes.start(spec)
        self.stack.processes.wait_ready(spec)

    def health(self, bridge: str = "") -> dict[str, object]:
        """What a bridge (the only one, unless named) says of itself; nothing when it does not answer."""
        port = self._bridges[bridge] if bridge else next(iter(self._bridges.values()))
        return probes.health(port)

    def kill_bridge(self, bridge: str = "") -> None:
        """As kill -9 does."""
        name = bridge or next(iter(self._bridges))
        self.stack.processes.kill(name)
        self.stop_bridge(name)

    def stop_bridge(self, bridge: str = "") -> None:
        """In order."""
        name = bridge or next(iter(self._bridges))
        self.stack.processes.end([name])
        del self._bridges[name]

    def rss_mb(self, bridge: str) -> float:
        """Its resident memory."""
        return float(self.stack.processes.alive()[bridge].memory_info().rss) / 1e6

    def close(self) -> None:
        """Ends gateways and bridges."""
        for gateway in self.gateways:
            gateway.client.disconnect()
            gateway.client.loop_stop()
        for bridge in list(self._bridges):
            self.stop_bridge(bridge)

    def statuses(self, name: str) -> list[Status]:
        """What Kafka holds of one's statuses, oldest first."""
        found = [msgspec.json.decode(value, type=Status) for key, value in self.read(topics.STATUS) if value]
        return [status for status in found if status.id == name]

    def gateway(self, name: str) -> Gateway:
        self.gateways.append(Gateway(self, f"{name}-{next(numbers)}"))
        return self.gateways[-1]

    def records(self, topic: str) -> list[ConsumedRecord]:
        """All that Kafka holds of a topic."""
        feed = KafkaConsumer(self.kafka, {topic: None})
        found = []
        ends = time.monotonic() + DEADLINE_S
        while not feed.caught_up() and time.monotonic() < ends:
            found += feed.poll(0.2)
        feed.close()
        return found

    def read(self, topic: str) -> list[tuple[bytes, bytes]]:
        """Keys and values of all that Kafka holds of a topic."""
        return [(r.key, r.value or b"") for r in self.records(topic)]

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


def flow(gateway: Gateway, batch: MakeBatch, first: int, last: int) -> set[tuple[str, int, int]]:
    """Sends batches numbered first to last, a few a second as gateways do; what they hold."""
    pause = threading.Event()
    for n in range(first, last + 1):
        gateway.keep(n, batch(gateway.name, n, outbox=gateway.outbox, n=10, boot=n, beds=5))
        pause.wait(0.01)
    return {(f"{gateway.name}-d{i % 5}", n, i) for n in range(first, last + 1) for i in range(10)}
