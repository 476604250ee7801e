"""The state tier's rate, Kafka to alarms: `make bench ONLY=watch`, row `state.rate`.

A backlog of scored readings stands in a real Kafka: every patient a reading of all eight signs each 30 s of log time,
in records as the bridge coalesces them, and one patient in a hundred who desaturates once. Two Ray actors then judge
it, as `python -m cloud watch` starts them, with trends, until both are live. Their processor
time is read from /proc, beside the wall clock. PATIENTS and MINUTES choose the backlog's size.
"""

import json
import os
import secrets
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import psutil

from cloud.alarm.ray import cluster
from cloud.alarm.ray.shard_actor import Health
from cloud.alarm.ray.shard_supervisor import ShardSupervisor
from cloud.cli import topics as topics_job
from cloud.kafka.client import KafkaReader, KafkaWriter
from cloud.kafka.port import read_to_end
from cloud.settings import Topics, Watch
from infra.local.ports import Ports
from infra.local.stack import KAFKA, LocalStack
from vitals import breach_codes, news2
from vitals.alarm_events import Phase, decode
from vitals.readings import Readings, text
from vitals.runtime.daemon import now_ms
from vitals.signs import INDEX, SIGNS
from vitals.wire import topics
from vitals.wire.vitals_record import to_columns

PATIENTS: Final = int(os.environ.get("PATIENTS", "64000"))
MINUTES: Final = int(os.environ.get("MINUTES", "30"))
CADENCE_S: Final = 30
ILL: Final = 0.01
MEANS: Final = {"hr": 75, "pr": 75, "rr": 15, "spo2": 97, "temp": 36.8, "sbp": 125, "dbp": 75, "map": 92}
NOISE: Final = {"hr": 3, "pr": 3, "rr": 1, "spo2": 0.7, "temp": 0.1, "sbp": 4, "dbp": 3, "map": 3}
RECORD: Final = 1000
SHARDS: Final = 2
GOAL: Final = 2e5
WITHIN_S: Final = 900


def readings(names: list[str], t: int, seq: int, rng: np.random.Generator, *, ill: bool) -> Readings:
    """One reading of each patient."""
    n = len(names)
    values = np.empty((n, len(SIGNS)))
    for field, mean in MEANS.items():
        sign = SIGNS[INDEX[field]]
        values[:, INDEX[field]] = np.minimum(np.round(rng.normal(mean, NOISE[field], n), sign.decimals), sign.maximum)
    values[:, len(MEANS) :] = np.nan
    if ill:
        values[: max(1, int(n * ILL)), INDEX["spo2"]] = 80
    whole = np.full(n, 0, dtype=np.int64)
    return Readings(
        patient=text(names),
        device=text([f"mon-{name}" for name in names]),
        gateway=text([f"gw-{int(name[1:]) % 500}" for name in names]),
        ward=text([f"ward-{int(name[1:]) % 100}" for name in names]),
        bed=text([f"bed-{name}" for name in names]),
        boot=whole,
        seq=whole + seq,
        t=whole + t,
        t_gw=whole + t,
        roster=whole + 1,
        suspect=whole,
        limits=whole,
        values=values,
    )


def backlog(settings: Watch) -> Iterator[tuple[int, bytes, int]]:
    """Yields partition, value and count of each record; patients report evenly over the cadence."""
    rng = np.random.default_rng(1)
    lanes: dict[int, list[str]] = {}
    for k in range(PATIENTS):
        lanes.setdefault(settings.layout.partition(f"P{k:07d}"), []).append(f"P{k:07d}")
    offsets = dict.fromkeys(lanes, 0)
    rounds = MINUTES * 60 // CADENCE_S
    begin = now_ms() - 1000 * rounds * CADENCE_S
    for step in range(rounds):
        for second in range(CADENCE_S):
            t = begin + 1000 * (step * CADENCE_S + second)
            for partition, everybody in sorted(lanes.items()):
                names = everybody[second::CADENCE_S]
                for first in range(0, max(len(names), 1), RECORD):
                    part = names[first : first + RECORD]
                    made = readings(part, t, step, rng, ill=step == rounds // 2)
                    offsets[partition] += 1
                    columns = to_columns(made) | {
                        "breach": breach_codes.pack(breach_codes.breach(made.values, made.bounds())).tolist(),
                        "news2": breach_codes.pack(news2.digits(made.values)).tolist(),
                        "partition": partition,
                        "offset": offsets[partition],
                        "timestamp": t + 50,
                    }
                    yield partition, json.dumps(columns, separators=(",", ":")).encode(), len(part)


def fill(settings: Watch) -> int:
    """Writes the backlog; returns its readings."""
    writer, count = KafkaWriter(settings, "bench", linger_ms=5), 0
    for i, (partition, value, readings_) in enumerate(backlog(settings)):
        writer.write((topics.SCORED, partition), b"", value)
        count += readings_
        if i % 500 == 499:  # librdkafka's queue is bounded, and so is our patience
            writer.flush()
            sys.stderr.write(f"\rbacklog: {count:,} readings")
    writer.flush()
    sys.stderr.write(f"\rbacklog: {count:,} readings\n")
    return count


def processor_s(found: list[Health]) -> float:
    """Returns the processor seconds of the actors' processes so far."""
    return sum(sum(psutil.Process(shard.pid).cpu_times()[:2]) for shard in found)


def run(settings: Watch) -> tuple[float, float, list[Health]]:
    """Judges the backlog; returns wall clock and processor time, s, and how the shards are."""
    ray = cluster.start(settings)
    shards = ShardSupervisor(ray, settings)
    try:
        for number in range(SHARDS):
            shards.start(number)
        found = shards.health(120)
        began, spent = time.monotonic(), processor_s(found)
        judged = sum(shard.readings for shard in found)
        while len(found) < SHARDS or any(shard.catching_up for shard in found):
            if time.monotonic() - began > WITHIN_S:
                raise TimeoutError(f"the backlog was not judged in {WITHIN_S} s")
            time.sleep(0.2)
            found = shards.health(10)
            sys.stderr.write(f"\rjudged: {sum(shard.readings for shard in found):,}")
        sys.stderr.write("\n")
        took, cpu = time.monotonic() - began, processor_s(found) - spent
        if judged:
            sys.stderr.write(f"{judged:,} readings were judged before the clock ran\n")
        return took, cpu, found
    finally:
        shards.stop(30)
        ray.shutdown()


def alarms(settings: Watch) -> int:
    """Returns how many SpO2 alarms began."""
    reader = KafkaReader(settings, "bench-alarms")
    records = read_to_end(reader, dict.fromkeys(settings.layout.places(topics.ALARMS), 0))
    reader.close()
    events = [decode(record.value) for record in records if record.value]
    return sum(event.phase is Phase.START and event.condition == "spo2" for event in events)


def rows() -> list[dict[str, Any]]:
    """Returns the rows of `bench.json`."""
    with tempfile.TemporaryDirectory(prefix="bench-watch-") as folder:
        return measured(Path(folder))


def measured(folder: Path) -> list[dict[str, Any]]:
    """Measures with all data in a folder."""
    ports = Ports.ephemeral()
    with LocalStack(folder, ports=ports, parts=(KAFKA,), kafka_heap_mb=1024) as stack:
        settings = Watch(
            kafka_bootstrap=stack.env()["KAFKA_BOOTSTRAP"],
            watch_shards=SHARDS,
            watch_snapshots=(folder / "snapshots").as_uri(),
            ray_port=ports.ray,
            ray_auth_token=secrets.token_urlsafe(32),
        )
        topics_job.ensure(Topics(kafka_bootstrap=settings.kafka_bootstrap))
        count = fill(settings)
        took, cpu, found = run(settings)
        began = alarms(settings)
    judged = sum(shard.readings for shard in found)
    note = (
        f"{judged:,} of {count:,} readings of {PATIENTS:,} patients, {began:,} SpO2 alarms, {SHARDS} actors; "
        f"{judged / cpu:,.0f} per processor second, wall clock {took:.1f} s"
    )
    fields = {"unit": "readings/s", "better": "higher"}
    return [
        {"name": "state.rate", "value": round(judged / took, 1), "goal": GOAL, "note": note, **fields},
        {"name": "state.rate_cpu", "value": round(judged / cpu, 1), "goal": None, "note": "of one core", **fields},
    ]


if __name__ == "__main__":
    for line in rows():
        sys.stdout.write(f"{line}\n")
