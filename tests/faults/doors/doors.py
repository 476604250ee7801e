"""Rubbish at every door of the running stack. What each way sends is drawn from a seed."""

import csv
import math
import random
import re
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import httpx2
import paho.mqtt.client as mqtt
from confluent_kafka import Producer

from bridge.up import validate
from cloud.admissions import admission_rows, rota_rows
from infra.local.pki import Identity
from infra.local.ports import HOST
from infra.local.process import PartError, base_env
from infra.local.topic_observer import PARTITIONS
from tests.bench.path.environment import Stage
from tests.doors.good import at
from tests.doors.hostile import WORDS, wrong
from tests.faults.doors.reckoning import Sent
from vitals.runtime.daemon import now_ms
from vitals.wire import topics

DEVICES: Final = ("d1", "d2", "d 3", "ß", "d'1", "x" * 129, "\u04141a", "d\u200b1")
"""Client ids of monitors that send rubbish: names, and what is none."""
GATEWAY: Final = "gw-1"
"""A gateway of its own that sends nothing else."""
IN_FLIGHT: Final = 200
WAIT_S: Final = 60.0
PASSWORD: Final = "the ward is quiet"  # noqa: S105 - of nobody
FILE_ROWS: Final = 200
TICK_S: Final = 0.02
SAY_S: Final = 30.0
LARGE: Final = (200_000, 1_000_000, 3_900_000)
KAFKA_SHARES: Final = {
    topics.VITALS: 25, topics.SCORED: 20, topics.STATUS: 15, topics.ACTIONS: 12, topics.PATIENTS: 8, topics.CONTACTS: 4,
    topics.ALARMS: 12, topics.REJECTED: 4,
}  # fmt: skip
KINDS: Final = {
    topics.VITALS: "columns", topics.SCORED: "scored", topics.STATUS: "status", topics.PATIENTS: "admission",
    topics.CONTACTS: "rota", topics.ALARMS: "alarm",
}  # fmt: skip
UP_SHARES: Final = {"vitals": 5, "status": 2, "rejected": 2, "pressed": 1}


@dataclass(slots=True)
class Mqtt:
    """A client of a broker that has so many messages under way and no more."""

    name: str
    port: int
    identity: Identity | None = None
    acked: int = 0
    sent: int = 0
    _client: mqtt.Client = field(init=False)

    def __post_init__(self) -> None:
        self._client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=self.name, protocol=mqtt.MQTTv5)
        if self.identity is not None:
            self._client.tls_set(str(self.identity.ca), str(self.identity.cert), str(self.identity.key))
        self._client.max_inflight_messages_set(IN_FLIGHT)
        self._client.on_publish = self._published
        self._client.connect(HOST, self.port)
        self._client.loop_start()

    def publish(self, topic: str, payload: bytes) -> None:
        """Publishes at QoS 1; waits while too many are under way."""
        self.wait(IN_FLIGHT)
        self._client.publish(topic, payload, qos=1)
        self.sent += 1

    def wait(self, left: int = 0) -> None:
        """Waits until so few are under way."""
        ends = time.monotonic() + WAIT_S
        while self.sent - self.acked > left:
            if time.monotonic() > ends:
                raise PartError(f"a broker has not acknowledged {self.sent - self.acked} messages of {self.name!r}")
            time.sleep(0.002)

    def close(self) -> None:
        """Waits for all of it, and says goodbye."""
        self.wait()
        self._client.disconnect()
        self._client.loop_stop()

    def _published(self, *_: object) -> None:
        self.acked += 1


@dataclass(slots=True)
class Way:
    """A way in: one of its inputs at a time, until all are sent.

    Attributes:
        count: How many.
        send: Sends one.
        close: Ends it, once all is there.
        done: How many were sent.
    """

    count: int
    send: Callable[[], None]
    close: Callable[[], None]
    done: int = 0


def devices(stage: Stage, count: int, sent: Sent, seed: int) -> Way:
    """Frames of monitors, to the gateways of the neighbours."""
    chance = random.Random(f"{seed}-devices")  # noqa: S311 - rubbish, no secret
    clients = [Mqtt(name, port) for port in stage.stack.ports.devices for name in DEVICES]

    def one() -> None:
        client = chance.choice(clients)
        client.publish(topics.device_vitals(client.name), _fresh(chance, "frame"))
        sent.frames += 1

    return Way(count, one, lambda: _close(clients))


def _close(clients: list[Mqtt]) -> None:
    for client in clients:
        client.close()


def gateway(stage: Stage, count: int, sent: Sent, seed: int) -> Way:
    """Messages of a gateway to the bridge."""
    chance = random.Random(f"{seed}-gateway")  # noqa: S311 - rubbish, no secret
    client = Mqtt(GATEWAY, stage.stack.ports.site, stage.stack.identity(GATEWAY))

    def one() -> None:
        (name,) = chance.choices(list(UP_SHARES), list(UP_SHARES.values()))
        topic, payload = topics.gateway_topic(GATEWAY, name), _up(chance, name)
        client.publish(topic, payload)
        sent.up[topic] += 1
        sent.up_refused[topic] += up_refused(name, payload)

    return Way(count, one, client.close)


def up_refused(name: str, payload: bytes) -> int:
    """Returns how many refusals the bridge's rules make of a message."""
    if name == "vitals":
        return len(validate.take(GATEWAY, payload).refusals)
    take = {"status": lambda raw: validate.take_status(GATEWAY, raw), "pressed": validate.take_pressed}
    found: object = take.get(name, validate.take_rejected)(payload)
    return int(isinstance(found, validate.Refusal))


def _up(chance: random.Random, name: str) -> bytes:
    if name != "vitals":
        return _fresh(chance, {"status": "status", "rejected": "rejected", "pressed": "action"}[name])
    packed = zlib.compress(_fresh(chance, "batch"), 1)
    kind = chance.random()
    if kind < 0.05:
        return packed[: chance.randint(0, len(packed))]
    if kind < 0.06:
        # Small on its way, large unpacked.
        return zlib.compress(b'{"gateway":"' + b"x" * chance.choice((1 << 20, 8 << 20)) + b'"}')
    return _fresh(chance, "batch") if kind < 0.08 else packed


def log(stage: Stage, count: int, sent: Sent, seed: int) -> Way:
    """Records in each topic that a part reads."""
    chance = random.Random(f"{seed}-log")  # noqa: S311 - rubbish, no secret
    by_lane = {topic.name: topic.by_lane for topic in topics.TOPICS}
    producer = Producer(
        {"bootstrap.servers": stage.bootstrap, "acks": "all", "compression.type": "lz4", "message.max.bytes": 4 << 20}
    )

    def one() -> None:
        (topic,) = chance.choices(list(KAFKA_SHARES), list(KAFKA_SHARES.values()))
        partition = chance.randrange(PARTITIONS) if by_lane[topic] else 0
        value = _record(chance, topic, partition)

        def written(error: object, message: Any) -> None:  # noqa: ANN401 - confluent-kafka's
            if error is not None:
                raise PartError(f"Kafka refused a record for {topic}: {error}")
            sent.written(topic, partition, message.offset(), value)

        key = GATEWAY.encode() if topic in {topics.STATUS, topics.REJECTED} else b"p1"
        producer.produce(topic, value, key, partition, on_delivery=written)
        producer.poll(0)

    def close() -> None:
        if producer.flush(WAIT_S):
            raise PartError("Kafka did not take all records")

    return Way(count, one, close)


def _record(chance: random.Random, topic: str, partition: int) -> bytes:
    if chance.random() < 0.0002:
        return b'{"hr":[' + b"1," * (chance.choice(LARGE) // 2) + b"1]}"
    if topic == topics.REJECTED:
        found = _fresh(chance, "rejected")
        return found[1:-1] if found.startswith(b"[") else found
    if topic == topics.SCORED:
        # Whoever writes a source's place far ahead hides all that comes after: this is forged and not damaged, and
        # only Spark can write there.
        good = {k: v for k, v in at(now_ms())["scored"].items() if k not in {"partition", "offset", "timestamp"}}
        return wrong(good, chance)
    kind = chance.choice(("action", "chart")) if topic == topics.ACTIONS else KINDS[topic]
    return _fresh(chance, kind)


def _fresh(chance: random.Random, kind: str) -> bytes:
    return wrong(at(now_ms())[kind], chance)


def page(stage: Stage, count: int, sent: Sent, seed: int) -> Way:
    """Forms and JSON to the ward page, by somebody who is signed in and may do everything."""
    chance = random.Random(f"{seed}-page")  # noqa: S311 - rubbish, no secret
    client = _signed_in(stage)

    def one() -> None:
        method, path, body, kind = _request(chance)
        status = 429
        while status == 429:
            try:
                answer = client.request(method, path, content=body, headers={"content-type": kind} if body else {})
                status = answer.status_code
            except httpx2.HTTPError:
                status = 0
            if status == 429 and not path.startswith("/api/"):
                break  # a guess at a password or a link, refused for their number
            if status == 429:
                time.sleep(0.1)
        sent.http[status] += 1

    return Way(count, one, client.close)


def _signed_in(stage: Stage) -> httpx2.Client:
    said = (stage.stack.processes.logs / "console.log").read_text(encoding="utf-8")
    found = re.search(r"/welcome/[\w-]+", said)
    if found is None:
        raise PartError("the console printed no link for its first user")
    client = httpx2.Client(base_url=stage.stack.env()["CONSOLE_URL"], timeout=30)
    fields = {"name": "root", "password": PASSWORD, "again": PASSWORD}
    client.post(found.group(), data=fields)
    if client.post("/signin", data={"name": "root", "password": PASSWORD}).status_code != 303:
        raise PartError("the first user cannot sign in")
    client.headers["x-csrf"] = client.get("/api/me").json()["csrf"]
    return client


def _request(chance: random.Random) -> tuple[str, str, bytes, str]:
    token = quote(chance.choice(WORDS).strip('"')[:600], safe="")
    patient, json_ = chance.choice(("h1", "h2", token)), "application/json"
    row = at(now_ms())["row"]
    new = {key: row[key] for key in ("name", "born", "phone", "address", "profile", "cadence_s")}
    new |= {"patient": f"h{chance.randrange(40)}", "ward": "w1", "bed": f"hb{chance.randrange(40)}"}
    new |= {"gateway": GATEWAY, "devices": f"hd{chance.randrange(40)}"}
    bounds = {"spo2": [80, 85, None, None], "hr": [40, 50, 120, 140]}
    contact = at(now_ms())["rota"]["contacts"][0]
    moved = {"version": 1, "ward": "w1", "bed": "b", "gateway": GATEWAY, "devices": "d"}
    bodies: dict[str, object] = {
        "POST /api/patients": new,
        f"POST /api/patients/{patient}/limits": {"version": 1, "profile": "adult", "scale2": False, "bounds": bounds},
        f"POST /api/patients/{patient}/chart": {"oxygen": True, "consciousness": "A"},
        f"POST /api/patients/{patient}/transfer": moved,
        f"POST /api/patients/{patient}/discharge": {"version": 1},
        "POST /api/alarms/acknowledge": {"alarm": "p1.hr.1"},
        "POST /api/alarms/coming": {"alarm": "p1.hr.1"},
        "POST /api/alarms/cannot": {"alarm": "p1.hr.1"},
        "POST /api/alarms/acknowledge-incident": {"incident": "p1.hr.1", "shown": 1},
        "POST /api/alarms/pause": {"alarm": "p1.hr.1", "seconds": 60},
        "PUT /api/wards/w1/rota": {"version": 0, "contacts": [contact]},
        f"PUT /api/users/{token or 'x'}": {"roles": {"w1": "nurse"}},
    }  # fmt: skip
    looks = [
        f"GET /api/patients/{patient}", f"GET /api/patients/{patient}/history?hours={token}", f"GET /api/wards/{token}",
        f"GET /api/audit?before={token}", f"GET /fhir/Observation?patient={patient}&date={token}&_count={token}",
        f"GET /fhir/Patient/{patient}", f"GET /a/{token}", f"POST /a/{token}", f"GET /api/users?x={token}",
    ]  # fmt: skip
    if chance.random() < 0.25:
        method, _, path = chance.choice(looks).partition(" ")
        return method, path, b"", json_
    if chance.random() < 0.02:
        form = "&".join(f"{name}={quote(chance.choice(WORDS), safe='')}" for name in ("name", "password", "again"))
        return (
            "POST",
            chance.choice(("/signin", f"/welcome/{token}")),
            form.encode(),
            "application/x-www-form-urlencoded",
        )
    what, good = chance.choice(list(bodies.items()))
    method, _, path = what.partition(" ")
    body = wrong(good, chance)
    return method, path, body if chance.random() < 0.995 else body * 2_000, json_


def files(stage: Stage, count: int, sent: Sent, seed: int) -> Way:
    """Rosters and rotas as files: a process for so many rows, as somebody would load them."""
    chance = random.Random(f"{seed}-files")  # noqa: S311 - rubbish, no secret
    folder = stage.folder / "files"
    folder.mkdir()
    made = iter(range(1_000_000))

    def one() -> None:
        number = next(made)
        rows = min(FILE_ROWS, count - number * FILE_ROWS)
        word, columns, good = "duty", rota_rows.REQUIRED | rota_rows.OPTIONAL, ""
        if number % 4 != 1:
            word, columns, good = "admit", admission_rows.REQUIRED | admission_rows.OPTIONAL, "row"
        path = folder / f"{number}.csv"
        with path.open("w", newline="", encoding="utf-8", errors="surrogatepass") as file:
            table = csv.DictWriter(file, sorted(columns))
            table.writeheader()
            table.writerows(_cells(chance, good, columns, f"{number}-{k}") for k in range(rows))
        _loaded(stage, word, path, rows, sent)

    return Way(-(-count // FILE_ROWS), one, lambda: None)


def _cells(chance: random.Random, good: str, columns: frozenset[str], name: str) -> dict[str, str]:
    contact = {
        "ward": "w1",
        "contact": "c1",
        "name": "B. Holt",
        "start": "2026-11-22T07:00Z",
        "end": "2026-11-23T07:00Z",
    }
    base = at(now_ms())["row"] if good else contact | {"phone": "+441632960001"}
    cells = {key: str(base.get(key, "") if base.get(key) is not None else "") for key in columns}
    if good:
        cells |= {"patient": f"f{name}", "bed": f"fb{name}", "devices": f"fd{name}", "canary": "no"}
    for _ in range(chance.randint(1, 3)):
        # Of CSV itself a cell that is longer than its reader takes is the end; its rows are then told of as one.
        cells[chance.choice(sorted(columns))] = chance.choice(WORDS).strip('"').replace("\0", "") or "²"
    return cells


def _loaded(stage: Stage, word: str, path: Path, rows: int, sent: Sent) -> None:
    done = subprocess.run(  # noqa: S603 - fixed words
        [sys.executable, "-m", "cloud", word, str(path), "--skip-bad"],
        env={**base_env(), **stage.stack.env()}, capture_output=True, check=False, timeout=300,
    )  # fmt: skip
    said, wrong_ = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
    sent.rows["sent"] += rows
    sent.rows["files"] += 1
    if "Traceback" in wrong_:
        sent.rows["crashed"] += 1
        return
    admitted = re.search(r"(\d+) (?:patients|duties)", said)
    sent.rows["admitted"] += int(admitted.group(1)) if admitted else 0
    sent.rows["told"] += len(re.findall(r"line \d+: ", wrong_))


def all_at_once(ways: dict[str, Way], seconds: float, say: Callable[[str], None]) -> None:
    """Sends all of every way, evenly over the time, each in a thread of its own.

    Raises:
        PartError: A door did not open any more.
    """
    with ThreadPoolExecutor(len(ways)) as pool:
        sending = [pool.submit(_send, way, seconds) for way in ways.values()]
        while not all(one.done() for one in sending):
            say(", ".join(f"{name} {way.done} of {way.count}" for name, way in ways.items()))
            wait(sending, SAY_S, FIRST_EXCEPTION)
        for one in sending:
            one.result()


def _send(way: Way, seconds: float) -> None:
    began = time.monotonic()
    while way.done < way.count:
        due = min(way.count, math.ceil(way.count * (time.monotonic() - began) / seconds))
        while way.done < due:
            way.send()
            way.done += 1
        time.sleep(TICK_S)
    way.close()
