"""A synthetic source of `vitals`: records as the bridge writes them, into Kafka, of which every reading can be told.

Reading k of a lane is of device k mod DEVICES and has the sequence number k div DEVICES, so what a lane has sent is one
number, and what has arrived is a set of numbers to hold against it.
"""

import threading
import time
from dataclasses import dataclass, field
from typing import Final

import msgspec
import numpy as np
from confluent_kafka import Producer

from vitals.limits import ADULT, Limit, with_overrides
from vitals.signs import FIELDS, INDEX, SIGNS
from vitals.wire import topics

DEVICES: Final = 250
"""Devices of one lane."""
BOOT: Final = 7
_MEANS: Final = {"hr": 75, "pr": 75, "rr": 15, "spo2": 97, "temp": 36.8, "sbp": 125, "dbp": 75, "map": 92}
_NOISE: Final = {"hr": 3, "pr": 3, "rr": 1, "spo2": 0.7, "temp": 0.1, "sbp": 4, "dbp": 3, "map": 3}
_ABSENT, _OVERRIDDEN = 0.05, 0.05
_DRAWN: Final = 50_000
_SETS: Final = (with_overrides(ADULT, {"spo2": Limit(80, 86, None, None, 15)}).wire(),)
_encode = msgspec.json.Encoder().encode


def device(lane: int, k: int) -> str:
    """Returns the device of a lane's reading k."""
    return f"mon-{lane}-{k % DEVICES}"


def place(device_: str, seq: int) -> tuple[int, int]:
    """Returns the lane and the k of a reading: the inverse of what `Source.record` writes."""
    _, lane, number = device_.split("-")
    return int(lane), seq * DEVICES + int(number)


@dataclass
class Source:
    """Makes records and counts what each lane has sent.

    Attributes:
        lanes: Lanes, each on the partition of its number.
        sent: Readings made so far, by lane.
    """

    lanes: int = topics.LANES
    sent: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.sent = self.sent or [0] * self.lanes
        self._rng = np.random.default_rng(6)
        # Drawing values costs the most, so each record takes a stretch of many drawn beforehand.
        self._values = {name: self._column(name) for name in FIELDS}
        self._late = self._rng.integers(0, 1000, _DRAWN).tolist()
        self._limits = np.where(self._rng.random(_DRAWN) < _OVERRIDDEN, -1, 0).tolist()

    def _column(self, name: str) -> list[float | int | None]:
        sign = SIGNS[INDEX[name]]
        drawn = np.round(self._rng.normal(_MEANS.get(name, 40), _NOISE.get(name, 2), _DRAWN), sign.decimals)
        drawn = np.clip(drawn, sign.minimum, sign.maximum)
        absent = self._rng.random(_DRAWN) < _ABSENT
        return [None if gone else int(x) if x == int(x) else float(x) for x, gone in zip(drawn, absent, strict=True)]

    def record(self, lane: int, count: int, t: int) -> bytes:
        """Returns the next record of a lane: `count` readings of the second before t [ms], or a heartbeat of none."""
        first = self.sent[lane]
        self.sent[lane] += count
        ks = range(first, first + count)
        begin = int(self._rng.integers(0, _DRAWN - count))
        at = range(begin, begin + count)
        limits = [self._limits[i] for i in at]
        columns = {
            "patient": [f"p-{lane}-{k % DEVICES}" for k in ks],
            "device": [device(lane, k) for k in ks],
            "gateway": [f"gw-{lane}"] * count,
            "ward": [f"ward-{lane % 4}"] * count,
            "bed": [f"bed-{lane}-{k % DEVICES}" for k in ks],
            "boot": [BOOT] * count,
            "seq": [k // DEVICES for k in ks],
            "t": [t - self._late[i] for i in at],
            "t_gw": [t - self._late[i] // 20 for i in at],
            "roster": [1] * count,
            "suspect": [0] * count,
            "limits": limits,
        }
        signs = {name: [column[i] for i in at] for name, column in self._values.items()}
        return bytes(_encode(columns | signs | ({"limit_sets": _SETS} if -1 in limits else {})))


def producer(bootstrap: str) -> Producer:
    """Returns a Kafka producer with the bridge's settings."""
    return Producer(
        {
            "bootstrap.servers": bootstrap,
            "enable.idempotence": True,
            "acks": "all",
            "linger.ms": 1,
            "compression.type": "lz4",
            "message.max.bytes": 4 << 20,
            "queue.buffering.max.kbytes": 128 << 10,
        }
    )


def fill(bootstrap: str, source: Source, readings: int, per_record: int, *, scored: bool = False) -> None:
    """Writes a backlog of some `readings`, `per_record` in a record, lanes in turn; `scored`: as Spark leaves it."""
    to = producer(bootstrap)
    topic = topics.SCORED if scored else topics.VITALS
    for n in range(readings // per_record):
        lane = n % source.lanes
        # As if each device had sent a reading every second until now.
        t = now_ms() - (readings // source.lanes - source.sent[lane]) // DEVICES * 1000
        value = source.record(lane, per_record, t)
        if scored:
            value = as_scored(value, per_record, lane, n // source.lanes, t)
        while True:
            try:
                to.produce(topic, value, str(lane).encode(), lane)
                break
            except BufferError:
                to.poll(0.1)
        to.poll(0)
    if to.flush(120):
        raise RuntimeError("Kafka did not take the backlog within 120 s")


def as_scored(value: bytes, count: int, lane: int, offset: int, t: int) -> bytes:
    """Returns a record as scoring writes it, with digits of readings that are mostly well."""
    digits = {
        "breach": [0 if k % 20 else 1 << 9 for k in range(count)],
        "news2": [0 if k % 7 else 1 for k in range(count)],
    }
    return bytes(value[:-1] + b"," + _encode(digits | {"partition": lane, "offset": offset, "timestamp": t})[1:])


def flow(bootstrap: str, source: Source, rate: int, stop: threading.Event, tick_s: float = 0.02) -> None:
    """Writes `rate` readings a second as a bridge with a linger of `tick_s` does, and a heartbeat a second per lane."""
    to, rng = producer(bootstrap), np.random.default_rng(1)
    began, ticks = time.monotonic(), 0
    while not stop.is_set():
        ticks += 1
        # What falls due in this tick lies on lanes by chance.
        due = np.bincount(rng.integers(0, source.lanes, round(rate * tick_s)), minlength=source.lanes)
        beat = ticks % round(1 / tick_s) == 0
        for lane, count in enumerate(due.tolist()):
            if count or beat:
                to.produce(topics.VITALS, source.record(lane, count, now_ms()), str(lane).encode(), lane)
        to.poll(0)
        stop.wait(max(0.0, began + ticks * tick_s - time.monotonic()))
    if to.flush(60):
        raise RuntimeError("Kafka did not take what flowed within 60 s")


def now_ms() -> int:
    """UTC epoch ms."""
    return time.time_ns() // 1_000_000
