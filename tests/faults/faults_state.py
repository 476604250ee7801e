"""Kills the state tier under load, and counts: `make faults ONLY=state`, some 40 minutes.

Patients desaturate one after another, so that at any moment some alarm is on its way. 20 times each, in an order drawn
from a seed, an actor, the whole job, the notifier and Kafka are killed (kill -9). Ray starts an actor again, and what
stands for a supervisor the rest. Then every alarm is looked up in topic `alarms`, every notification in
`notifications` and in the SQS queue that is subscribed to the contact's SNS topic.

A message may come twice when a kill falls between SNS's answer and its record; such pairs are counted apart, as those
of which `notifications` has one record alone. `FAULTS_SHARE=0.1` does a tenth of it, `FAULTS_SEED` draws another order.
"""

import json
import os
import random
import secrets
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import boto3
import msgspec
import numpy as np

from cloud.cli import topics as topics_job
from cloud.kafka.client import KafkaReader, KafkaWriter
from cloud.kafka.port import KafkaUnavailableError, read_to_end
from cloud.kafka.settings import Kafka, Topics
from infra.local.ports import Ports
from infra.local.process import Spec
from infra.local.services import Tier
from infra.local.stack import KAFKA, MOTO, LocalStack
from vitals import breach_codes, news2
from vitals.alarm_events import Phase, decode
from vitals.contacts import Contact, Notification, Rota
from vitals.readings import Readings, text
from vitals.runtime.daemon import now_ms
from vitals.signs import INDEX, SIGNS
from vitals.wire import topics
from vitals.wire.vitals_record import to_columns

SHARE: Final = float(os.environ.get("FAULTS_SHARE", "1"))
SEED: Final = int(os.environ.get("FAULTS_SEED", "7"))
EACH: Final = max(1, round(20 * SHARE))
VICTIMS: Final = ("actor", "watch", "notify", KAFKA)
WELL: Final = {"hr": 72, "pr": 72, "rr": 16, "spo2": 97, "temp": 36.8, "sbp": 118, "dbp": 76, "map": 90}
EVERY_S: Final = 1.0
"""Log time between two readings of a patient, and wall clock between two new desaturations."""
RECOVERED_S: Final = 180.0
SETTLED_S: Final = 300.0


@dataclass(slots=True)
class Ward:
    """Feeds scored readings of patients of whom one after another falls to 78 %, and stays there."""

    settings: Kafka
    writer: KafkaWriter = field(init=False)
    low: list[str] = field(default_factory=list)
    _offset: int = 0

    def __post_init__(self) -> None:
        self.writer = KafkaWriter(self.settings, "storm")
        self._offset = now_ms() * 1000

    def turn(self, *, fall: bool) -> None:
        """One reading of each of the last patients and a heartbeat in every lane; `fall` lets one more desaturate."""
        now, values = now_ms(), {}
        if fall:
            name = f"S{len(self.low):05d}"
            self.low.append(name)
            values[name] = 78.0
        # A fall is told again until long after its kill: what was lost on the way must come by the log, not by luck.
        values |= dict.fromkeys(self.low[-3:], 78.0)
        for partition in range(self.settings.partitions):
            self._put(partition, now, [])
        for name in values:
            self._put(self.settings.layout.partition(name), now, [name])
        try:
            self.writer.flush(60)
        except KafkaUnavailableError:
            # Kafka was away for longer: an idempotent producer starts anew, and the turn is taken again.
            self.writer = KafkaWriter(self.settings, "storm")
            self.turn(fall=False)

    def _put(self, partition: int, t: int, names: list[str]) -> None:
        self._offset += 1
        made = _low(names, t)
        columns = to_columns(made) | {"partition": partition, "offset": self._offset, "timestamp": t}
        if names:
            columns["breach"] = breach_codes.pack(breach_codes.breach(made.values, made.bounds())).tolist()
            columns["news2"] = breach_codes.pack(news2.digits(made.values)).tolist()
        self.writer.write((topics.SCORED, partition), b"", json.dumps(columns).encode())


def _low(names: list[str], t: int) -> Readings:
    n = len(names)
    values = np.full((n, len(SIGNS)), np.nan)
    for sign, value in (WELL | {"spo2": 78}).items():
        values[:, INDEX[sign]] = value
    whole = np.full(n, t, dtype=np.int64)
    zero = np.zeros(n, dtype=np.int64)
    return Readings(
        patient=text(names),
        device=text([f"mon-{name}" for name in names]),
        gateway=text(["gw"] * n),
        ward=text(["icu"] * n),
        bed=text([f"bed-{name}" for name in names]),
        boot=zero,
        seq=whole,
        t=whole,
        t_gw=whole,
        roster=zero,
        suspect=zero,
        limits=zero,
        values=values,
    )


@dataclass(slots=True)
class Storm:
    """The parts, the ward, and what was killed."""

    stack: LocalStack
    specs: dict[str, Spec]
    ward: Ward
    back_s: dict[str, list[float]] = field(default_factory=dict)

    def until(self, done: Callable[[], bool], what: str, within_s: float = RECOVERED_S) -> float:
        """Feeds until something holds; returns how long it took, s."""
        began = time.monotonic()
        while not done():
            if time.monotonic() - began > within_s:
                raise TimeoutError(f"{what}: not within {within_s} s")
            for name, spec in self.specs.items():
                if name not in self.stack.processes.alive():
                    self.stack.processes.start(spec)
            self.ward.turn(fall=False)
            time.sleep(EVERY_S / 4)
        return time.monotonic() - began

    def strike(self, victim: str, chance: random.Random) -> None:
        """Lets patients fall around a kill, and waits until the newest of them is told of."""
        for _ in range(3):
            self.ward.turn(fall=True)
        time.sleep(chance.uniform(0, 1.5))
        self._kill(victim)
        for _ in range(2):
            self.ward.turn(fall=True)
        newest = self.ward.low[-1]
        self.back_s.setdefault(victim, []).append(self.until(lambda: newest in told(self.stack), f"after {victim}"))

    def _kill(self, victim: str) -> None:
        if victim == "actor":
            watch = self.stack.processes.alive().get("watch")
            family = watch.children(recursive=True) if watch is not None else []
            actors = [p for p in family if "ShardActor" in p.name() or "ray::Shard" in " ".join(p.cmdline())]
            if actors:
                random.Random(len(self.ward.low)).choice(actors).kill()  # noqa: S311 - no secret
            return
        self.stack.processes.kill(victim)
        if victim == KAFKA:
            self.stack.processes.end([KAFKA])
            self.stack.up((KAFKA,))


def told(stack: LocalStack) -> set[str]:
    """Returns the patients of whom a notification is on record."""
    return {n.patient for n in _records(stack, topics.NOTIFICATIONS, Notification) if n.sns}


def _records(stack: LocalStack, topic: str, kind: Any) -> list[Any]:  # noqa: ANN401 - any record's type
    settings = Kafka(kafka_bootstrap=stack.env()["KAFKA_BOOTSTRAP"])
    reader = KafkaReader(settings, "storm-look")
    try:
        found = read_to_end(reader, dict.fromkeys(settings.layout.places(topic), 0))
    except KafkaUnavailableError:
        return []
    finally:
        reader.close()
    return [msgspec.json.decode(r.value, type=kind) if kind else decode(r.value) for r in found if r.value]


def messages(stack: LocalStack) -> Counter[tuple[str, int, str, int]]:
    """Returns how often each message stands in the outbox queue, by alarm, number, contact and handover."""
    env = stack.env()
    sqs, found = boto3.client("sqs", endpoint_url=env["AWS_ENDPOINT_URL"]), Counter[tuple[str, int, str, int]]()
    while batch := sqs.receive_message(QueueUrl=env["ALERT_OUTBOX_URL"], MaxNumberOfMessages=10).get("Messages"):
        for message in batch:
            body = json.loads(message["Body"])
            found[body["alarm"], body["n"], body["contact"], body["handover"]] += 1
            sqs.delete_message(QueueUrl=env["ALERT_OUTBOX_URL"], ReceiptHandle=message["ReceiptHandle"])
    return found


def start() -> tuple[LocalStack, Ports]:
    """Returns the stack, not yet up, and its ports."""
    ports = Ports.ephemeral()
    folder = Path(tempfile.mkdtemp(prefix="faults-state-"))
    return LocalStack(folder, ports=ports, parts=(KAFKA, MOTO), kafka_heap_mb=512), ports


def specs(stack: LocalStack, ports: Ports) -> dict[str, Spec]:
    """Returns how job and notifier are started."""
    watch = {
        "WATCH_SNAPSHOTS": (stack.var / "snapshots").as_uri(),
        "WATCH_SNAPSHOT_S": "5",
        "RAY_PORT": str(ports.ray),
        "RAY_AUTH_TOKEN": secrets.token_urlsafe(32),
    }
    notify = {"NOTIFY_BURST": "100000", "LINK_KEY": secrets.token_urlsafe(32)}
    tiers = (
        Tier("watch", ("cloud", "watch"), ports.metrics[0], watch, ready_timeout_s=180),
        Tier("notify", ("cloud", "notify"), ports.metrics[1], notify, ready_timeout_s=60),
    )
    return {tier.name: tier.spec(stack) for tier in tiers}


def rows() -> list[dict[str, Any]]:
    """Returns the rows of `faults.json`."""
    stack, ports = start()
    chance = random.Random(SEED)  # noqa: S311 - an order of faults, no secret
    order = [victim for victim in VICTIMS for _ in range(EACH)]
    chance.shuffle(order)
    with stack:
        os.environ |= {k: v for k, v in stack.env().items() if k.startswith("AWS_")}
        settings = Kafka(kafka_bootstrap=stack.env()["KAFKA_BOOTSTRAP"])
        topics_job.ensure(Topics(kafka_bootstrap=settings.kafka_bootstrap))
        nurse = Contact(contact="nurse", name="B. Holt", start=0, end=2**53, phone="+441632960001")
        duty = Rota(ward="icu", version=1, contacts=(nurse,))
        writer = KafkaWriter(settings, "storm-duty")
        writer.write((topics.CONTACTS, 0), b"icu", msgspec.json.encode(duty))
        writer.flush()
        storm = Storm(stack, specs(stack, ports), Ward(settings))
        for spec in storm.specs.values():
            stack.processes.start(spec)
        storm.ward.turn(fall=True)
        storm.until(lambda: "S00000" in told(stack), "the first alarm", 240)
        for number, victim in enumerate(order, 1):
            storm.strike(victim, chance)
            sys.stderr.write(
                f"{number} of {len(order)}: {victim} killed, back after {storm.back_s[victim][-1]:.1f} s\n"
            )
        everybody = set(storm.ward.low)
        storm.until(lambda: everybody <= told(stack), "all alarms told", SETTLED_S)
        found = count(stack, storm)
        stack.processes.end([name for name in storm.specs if name in stack.processes.alive()])
    # What a storm broke off leaves behind stays, for whoever looks into it.
    shutil.rmtree(stack.var)
    return found


def count(stack: LocalStack, storm: Storm) -> list[dict[str, Any]]:
    """Looks up what became of every fall."""
    events = _records(stack, topics.ALARMS, None)
    sent = [n for n in _records(stack, topics.NOTIFICATIONS, Notification) if n.first]
    starts = Counter(e.patient for e in events if e.phase is Phase.START and e.condition == "spo2")
    low = set(storm.ward.low)
    mine = [n for n in sent if n.patient in low]
    records = Counter((n.alarm, n.n, n.contact, n.handover) for n in mine if n.sns)
    outbox = {key: times for key, times in messages(stack).items() if key[0].split(".")[0] in low}
    window = sum(times - 1 for key, times in outbox.items() if times > 1 and records[key] == 1)
    # Alarms merged into another's message have a record of their own and no message.
    note = f"{len(low)} alarms, {EACH} kills each of actor, job, notifier and Kafka, seed {SEED}"
    worst = {victim: max(times) for victim, times in storm.back_s.items()}
    doubled = sum(times > 1 for times in Counter((e.id, e.n) for e in events).values())
    return [
        _row("faults.state_missed", len(low - starts.keys()), 0, note),
        _row("faults.state_doubled", doubled + sum(t - 1 for t in starts.values() if t > 1), 0, note),
        _row("faults.state_untold", len(low - {n.patient for n in mine if n.sns}), 0, note),
        _row("faults.state_told_twice", sum(t - 1 for t in records.values()), 0, "outside the stated window"),
        _row("faults.state_window", window, None, "messages sent twice: killed between SNS's answer and its record"),
        *(
            _row(f"faults.state_back_s_{v}", round(s, 1), None, "worst, kill to the newest told")
            for v, s in worst.items()
        ),
    ]


def _row(name: str, value: float, goal: float | None, note: str) -> dict[str, Any]:
    unit = "s" if "_s_" in name else "count"
    return {"name": name, "value": value, "unit": unit, "goal": goal, "better": "lower", "note": note}


if __name__ == "__main__":
    for line in rows():
        sys.stdout.write(f"{line}\n")
