"""Telegraf and the bridge at the same work, by turns: `make peers ONLY=bridge`, some 8 minutes.

`PEERS_S` and `PEERS_TURNS` shorten it.

Both take the same 1,000 gateways' batches of 30 readings over TLS from a Mosquitto of their own and write them to one
Kafka, neither acknowledging before Kafka has them. What is different: the bridge gets batches as gateways send them,
inflates, checks and sorts them by patient, and confirms them to their gateway, which sends again until then. Telegraf
gets plain JSON, writes a record per reading, and confirms nothing: what the broker has acknowledged is done with.
"""

import dataclasses
import os
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import msgspec
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from infra.local.pki import Authority
from infra.local.ports import HOST
from infra.local.process import Spec
from infra.local.servers.mosquitto import site_broker
from tests.load.connection import Broker
from tests.load.environment import Stage, stage
from tests.load.plan import Plan, boot_of
from tests.load.subprocess_load import Apart
from tests.peers import telegraf
from tests.support.waiting import until
from vitals.wire import topics
from vitals.wire.vitals_record import decode_vitals

SECONDS: Final = float(os.environ.get("PEERS_S", "20"))
TURNS: Final = int(os.environ.get("PEERS_TURNS", "3"))
WARM_S: Final = 3.0
BUSY, CALM = 45_000, 1_000
GATEWAYS, PER_BATCH = 1000, 30
QUIET_S: Final = 6.0
Identity = tuple[str, int]


@dataclasses.dataclass(frozen=True)
class Peer:
    """One of the two: its process, its broker, its topic, and how a record of it is read."""

    name: str
    process: str
    mosquitto: Spec
    broker: Broker
    topic: str
    plain: bool
    start: Callable[[], object]
    read: Callable[[bytes, int], list[tuple[Identity, int]]]


def ours(value: bytes, boot: int) -> list[tuple[Identity, int]]:
    """Identities and times of a record of the bridge."""
    found = decode_vitals(value)
    rows = zip(found.device.tolist(), found.seq.tolist(), found.boot.tolist(), found.t.tolist(), strict=True)
    return [((device, seq), t) for device, seq, born, t in rows if born == boot]


def theirs(value: bytes, boot: int) -> list[tuple[Identity, int]]:
    """Identity and time of a record of Telegraf."""
    found = msgspec.json.decode(value)
    fields = found["fields"]
    mine = int(fields["boot"]) == boot
    return [((found["tags"]["device"], int(fields["seq"])), int(found["timestamp"]))] if mine else []


def plan(peer: Peer, rate: float, seed: int) -> Plan:
    """1,000 gateways; as many batches in flight as there are gateways."""
    patients = GATEWAYS * PER_BATCH
    return Plan(patients, PER_BATCH, patients / rate, connections=2, seed=seed, in_flight=GATEWAYS, plain=peer.plain)


def busy(on: Stage, peer: Peer, turn: int) -> float:
    """Readings per processor second under load, counted in Kafka."""
    with _reading(on, peer) as consumer, Apart(plan(peer, BUSY, 100 + turn), peer.broker) as load:
        time.sleep(WARM_S)
        before, used = _stored(consumer, peer, load), on.cpu_s(peer.process)
        time.sleep(SECONDS)
        rate = (_stored(consumer, peer, load) - before) / (on.cpu_s(peer.process) - used)
        load.hush()
        until(lambda: load.told().waiting == 0, "the load to be done with", 120)
    _settle(on, peer)
    return rate


def _stored(consumer: Consumer, peer: Peer, load: Apart) -> int:
    """Telegraf writes a record per reading; the bridge's readings are those that it has confirmed."""
    if not peer.plain:
        return load.told().confirmed * PER_BATCH
    return sum(_end(consumer, place) for place in _places(consumer, peer.topic))


def calm(on: Stage, peer: Peer, turn: int) -> list[float]:
    """Milliseconds from the making of a reading to its reading from Kafka, at 1,000 a second."""
    sent = plan(peer, CALM, 200 + turn)
    with _reading(on, peer) as consumer, Apart(sent, peer.broker):
        found = _collect(consumer, peer, sent.seed, WARM_S)
        found = _collect(consumer, peer, sent.seed, SECONDS)
    _settle(on, peer)
    return [late for _, late in found]


def killed(on: Stage, peer: Peer, victims: tuple[str, ...]) -> tuple[int, int]:
    """Kills three times, under 2,000 readings a second; returns readings lost and readings repeated.

    Args:
        on: The stage.
        peer: Whose path is struck.
        victims: Processes killed, two seconds apart, and then started again, the last one first.
    """
    sent = plan(peer, 2 * CALM, 300 + len(peer.name) + sum(map(len, victims)))
    seen: Counter[Identity] = Counter()
    with _reading(on, peer) as consumer, Apart(sent, peer.broker) as load:
        for _ in range(3):
            for victim in victims:
                seen.update(one for one, _ in _collect(consumer, peer, sent.seed, 2))
                on.stack.processes.kill(victim)
                on.stack.processes.end([victim])
            if peer.mosquitto.name in victims:
                on.stack.processes.start(peer.mosquitto)
                on.stack.processes.wait_ready(peer.mosquitto)
            if peer.process in victims:
                peer.start()
            seen.update(one for one, _ in _collect(consumer, peer, sent.seed, 2))
        load.hush()
        until(lambda: load.told().waiting == 0, "the load to be done with", 120)
        made = load.told().sent * PER_BATCH
        while found := _collect(consumer, peer, sent.seed, QUIET_S):
            seen.update(one for one, _ in found)
    return made - len(seen), sum(seen.values()) - len(seen)


def _collect(consumer: Consumer, peer: Peer, seed: int, seconds: float) -> list[tuple[Identity, float]]:
    ends, found, boot = time.monotonic() + seconds, [], boot_of(seed)
    while time.monotonic() < ends:
        for message in consumer.consume(500, 0.05):
            now = time.time() * 1000
            if message.error() is None and (value := message.value()):
                found += [(one, now - t) for one, t in peer.read(value, boot)]
    return found


@contextmanager
def _reading(on: Stage, peer: Peer) -> Iterator[Consumer]:
    """A consumer of what comes from now on."""
    consumer = Consumer({"bootstrap.servers": on.bootstrap, "group.id": "peers", "fetch.wait.max.ms": 5})
    places = _places(consumer, peer.topic)
    consumer.assign([TopicPartition(place.topic, place.partition, _end(consumer, place)) for place in places])
    yield consumer
    consumer.close()


def _places(consumer: Consumer, topic: str) -> list[TopicPartition]:
    return [TopicPartition(topic, p) for p in consumer.list_topics(topic, 30).topics[topic].partitions]


def _end(consumer: Consumer, place: TopicPartition) -> int:
    marks = consumer.get_watermark_offsets(place, timeout=30)
    if marks is None:
        raise TimeoutError(f"Kafka did not tell the end of {place.topic}")
    return int(marks[1])


def _settle(on: Stage, peer: Peer) -> None:
    """Waits until nothing more comes, so that the other's turn is its own."""
    with _reading(on, peer) as consumer:
        while True:
            before = sum(_end(consumer, place) for place in _places(consumer, peer.topic))
            time.sleep(2.0)
            # The bridge's heartbeats go on: one record per lane and second.
            if sum(_end(consumer, place) for place in _places(consumer, peer.topic)) - before <= 3 * topics.LANES:
                return


def peers(on: Stage, program: Any) -> list[Peer]:  # noqa: ANN401 - a path, or None without Telegraf
    """Starts both, each with a broker of its own."""
    bridge = on.bridge()
    (mosquitto,) = on.stack.specs(("site-broker",))
    found = [Peer("bridge", bridge.name, mosquitto, on.broker, topics.VITALS, False, on.bridge, ours)]
    if program is None:
        return found
    stack = on.stack
    admin = AdminClient({"bootstrap.servers": on.bootstrap})  # kept: without a name it is destroyed before it answers
    admin.create_topics([NewTopic(telegraf.TOPIC, 16, 1)])[telegraf.TOPIC].result(30)
    server, probe = Authority(stack.var / "pki").server("site-broker"), stack.identity("probe")
    spec = site_broker(stack.var / "telegraf-broker", stack.ports.moto, server, probe)
    spec = dataclasses.replace(spec, name="telegraf-broker")
    stack.processes.start(spec)
    stack.processes.wait_ready(spec)
    reader = stack.identity("bridge")
    to = telegraf.spec(program, stack.var / "telegraf", stack.ports.moto, reader, on.bootstrap)
    stack.processes.start(to)
    load = dataclasses.replace(on.broker, url=f"mqtts://{HOST}:{stack.ports.moto}")

    def start() -> None:
        stack.processes.start(to)

    return [*found, Peer("telegraf", "telegraf", spec, load, telegraf.TOPIC, True, start, theirs)]


def rows() -> list[dict[str, Any]]:
    """Returns the rows of `peers.json`."""
    program, found = telegraf.program(), []
    with stage() as on:
        both = peers(on, program)
        time.sleep(WARM_S)
        rates: dict[str, list[float]] = {peer.name: [] for peer in both}
        late: dict[str, list[float]] = {peer.name: [] for peer in both}
        for turn in range(TURNS):
            for peer in both:
                rates[peer.name].append(busy(on, peer, turn))
                late[peer.name] += calm(on, peer, turn)
                sys.stderr.write(f"turn {turn + 1}, {peer.name}: {rates[peer.name][-1]:,.0f} readings per CPU-second\n")
        for peer in both:
            found += _rows(peer.name, rates[peer.name], late[peer.name])
            for key, victims in _cases(peer).items():
                lost, repeated = killed(on, peer, victims)
                sys.stderr.write(f"{peer.name}, {' and '.join(victims)} killed: {lost} lost, {repeated} repeated\n")
                note = f"{' and '.join(victims)} killed three times (-9) at 2,000 readings/s; {repeated} came again"
                found.append(_row(f"peers.{peer.name}_lost_{key}_kill", lost, "readings", "lower", note))
    return found


def _cases(peer: Peer) -> dict[str, tuple[str, ...]]:
    """What is killed: the program, its broker, and both, as when the power of their machine fails."""
    own, broker = peer.process, peer.mosquitto.name
    return {"own": (own,), "broker": (broker,), "power": (own, broker)}


def _rows(name: str, rates: list[float], late: list[float]) -> list[dict[str, Any]]:
    spread = f"{TURNS} turns of {SECONDS:.0f} s by turns with the other: " + ", ".join(f"{r:,.0f}" for r in rates)
    quantiles = statistics.quantiles(late, n=100)
    note = f"reading made → read from Kafka at 1,000 readings/s, {len(late)} readings; p50 {quantiles[49]:.1f} ms"
    return [
        _row(f"peers.{name}_rate", statistics.median(rates), "readings/CPU-s", "higher", spread),
        _row(f"peers.{name}_p99_ms", quantiles[98], "ms", "lower", note),
    ]


def _row(name: str, value: float, unit: str, better: str, note: str) -> dict[str, Any]:
    return {"name": name, "value": round(value, 1), "unit": unit, "goal": None, "better": better, "note": note}


if __name__ == "__main__":
    for line in rows():
        sys.stdout.write(f"{line}\n")
