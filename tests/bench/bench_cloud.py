"""Scoring and the archive, Kafka to Kafka and Kafka to lake: `make bench ONLY=cloud`.

Everything runs as it is shipped: `python -m cloud score` and `python -m cloud archive` beside a one-node Kafka on the
same machine, fed by `source`. Latency is from the source record's time stamp to a consumer's receipt of the scored one,
at 1,000 readings/s in records as the bridge's linger of 20 ms leaves them, with a heartbeat a second in every lane;
each trigger runs over more than two real-time batches of BENCH_BATCH_S (300 s: the whole takes some 15 minutes; 20 s
make a short form). Rates are from a backlog in records of 200 readings, by the wall clock, with Kafka on the same
cores; CPU seconds are of Spark's process alone, start included.
"""

import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from confluent_kafka import Consumer, TopicPartition
from numpy.typing import NDArray

from cloud.lake import manifest_names, open_lake, read_manifest
from infra.local.ports import Ports
from infra.local.services import Tier, make_topics, tiers
from infra.local.stack import KAFKA, LocalStack
from tests.bench.source import Source, fill, flow, now_ms
from tests.support.waiting import until
from vitals.wire import topics

BATCH_S = int(os.environ.get("BENCH_BATCH_S", "300"))
BACKLOG = int(os.environ.get("BENCH_BACKLOG", "3000000"))
RATE, WARM_S, PER_RECORD = 1000, 30.0, 200
MICRO_S = 120.0
DEADLINE_S = 1200.0
Latencies = NDArray[np.int64]


def say(line: str) -> None:
    """Progress."""
    sys.stderr.write(f"bench cloud: {line}\n")


@contextmanager
def kafka() -> Iterator[LocalStack]:
    """A broker of this measurement's own, with its topics."""
    with (
        tempfile.TemporaryDirectory(prefix="wardwatch-bench-") as folder,
        LocalStack(Path(folder), ports=Ports.ephemeral(), parts=(KAFKA,)) as stack,
    ):
        make_topics(stack)
        yield stack


@contextmanager
def running(stack: LocalStack, name: str, **settings: str) -> Iterator[psutil.Process]:
    """One tier, from its readiness on."""
    tier: Tier = next(t for t in tiers(stack) if t.name == name)
    spec = tier.spec(stack, **settings)
    process = stack.processes.start(spec)
    try:
        stack.processes.wait_ready(spec)
        yield process
    finally:
        stack.processes.end([name])


def cpu_s(process: psutil.Process) -> float:
    """CPU seconds of a process and all below it."""
    times = [p.cpu_times() for p in (process, *process.children(recursive=True))]
    return float(sum(t.user + t.system for t in times))


class Receiver:
    """A consumer of `vitals.scored` that notes when each record with readings came: (ms, latency in ms)."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._stop = threading.Event()
        self.seen: list[tuple[int, int]] = []
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        at_once = {"group.id": "bench", "fetch.wait.max.ms": 10, "enable.auto.commit": False}
        consumer = Consumer({"bootstrap.servers": self._bootstrap, **at_once})
        consumer.assign([TopicPartition(topics.SCORED, p, 0) for p in range(topics.LANES)])
        while not self._stop.is_set():
            for message in consumer.consume(500, 0.02):
                value = message.value()
                # A heartbeat has no reading whose latency it could be.
                if message.error() is None and isinstance(value, bytes) and b'"seq":[]' not in value:
                    stamp = value[value.rfind(b'"timestamp":') + 12 : -1]
                    self.seen.append((now_ms(), now_ms() - int(stamp)))
        consumer.close()

    def close(self) -> None:
        """Ends it."""
        self._stop.set()
        self._thread.join()

    def between(self, first_ms: int, last_ms: int) -> Latencies:
        """Latencies of what came in a stretch of time."""
        return np.array([latency for t, latency in self.seen if first_ms <= t < last_ms], dtype=np.int64)


def latencies(trigger: str, seconds: float) -> tuple[Latencies, float]:
    """Runs scoring at RATE; returns latencies once warm, and the cores that it used meanwhile."""
    with kafka() as stack:
        bootstrap, stop = stack.env()["KAFKA_BOOTSTRAP"], threading.Event()
        feed = threading.Thread(target=flow, args=(bootstrap, Source(), RATE, stop))
        receiver = Receiver(bootstrap)
        try:
            with running(stack, "score", SCORE_TRIGGER=trigger, SCORE_BATCH_S=str(BATCH_S)) as process:
                feed.start()
                until(lambda: bool(receiver.seen), "the first scored record", DEADLINE_S)
                # What piled up while the virtual machine warmed up has to be worked off first.
                until(
                    lambda: bool(receiver.seen) and receiver.seen[-1][1] < 1000 * (1 if trigger == "real-time" else 20),
                    "keeping pace",
                    DEADLINE_S,
                )
                time.sleep(WARM_S)
                began, before = now_ms(), cpu_s(process)
                say(f"{trigger}: measuring for {seconds:.0f} s")
                time.sleep(seconds)
                used = (cpu_s(process) - before) / seconds
                return receiver.between(began, now_ms()), used
        finally:
            stop.set()
            receiver.close()
            if feed.ident:
                feed.join()


def scored_end(bootstrap: str) -> Callable[[], int]:
    """Returns what tells how many records `vitals.scored` has."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "bench"})

    def end() -> int:
        places = (TopicPartition(topics.SCORED, p) for p in range(topics.LANES))
        return sum(consumer.get_watermark_offsets(place, timeout=30)[1] for place in places)

    return end


@dataclass(frozen=True, slots=True)
class Scored:
    """How a backlog was scored: readings/s from the first record on and over its second half, µs of CPU a reading
    with the start, and s until the first record."""

    cold: float
    warm: float
    cpu_us: float
    first_s: float


def backlog_scored() -> Scored:
    """Scores a backlog."""
    with kafka() as stack:
        bootstrap = stack.env()["KAFKA_BOOTSTRAP"]
        fill(bootstrap, Source(), BACKLOG, PER_RECORD)
        end, records = scored_end(bootstrap), BACKLOG // PER_RECORD
        say(f"scoring a backlog of {BACKLOG:,} readings")
        started = time.monotonic()
        with running(stack, "score", SCORE_BATCH_S=str(BATCH_S)) as process:
            until(lambda: end() > 0, "the first scored record", DEADLINE_S)
            first, at_first = time.monotonic(), end()
            until(lambda: end() >= records // 2, "half of the backlog scored", DEADLINE_S)
            half, at_half = time.monotonic(), end()
            until(lambda: end() >= records, "the whole backlog scored", DEADLINE_S)
            done = time.monotonic()
            return Scored(
                cold=(records - at_first) * PER_RECORD / (done - first),
                warm=(records - at_half) * PER_RECORD / (done - half),
                cpu_us=cpu_s(process) / BACKLOG * 1e6,
                first_s=first - started,
            )


def backlog_archived() -> tuple[float, float, float]:
    """Archives a scored backlog; returns readings/s by the wall clock, µs of CPU a reading, bytes a reading."""
    with kafka() as stack:
        bootstrap, lake = stack.env()["KAFKA_BOOTSTRAP"], (stack.var / "lake").as_uri()
        fill(bootstrap, Source(), BACKLOG, PER_RECORD, scored=True)
        store = open_lake(lake)

        def rows() -> int:
            return sum(read_manifest(store, name).rows for name in manifest_names(store, topics.SCORED))

        say(f"archiving a backlog of {BACKLOG:,} readings")
        with running(stack, "archive", LAKE=lake, ARCHIVE_INTERVAL_S="0") as process:
            ready = time.monotonic()
            until(lambda: rows() >= BACKLOG, "the whole backlog archived", DEADLINE_S)
            took, used = time.monotonic() - ready, cpu_s(process)
        manifests = [read_manifest(store, name) for name in manifest_names(store, topics.SCORED)]
        size = sum(entry.meta.content_length for manifest in manifests for entry in manifest.entries)
        return BACKLOG / took, used / BACKLOG * 1e6, size / BACKLOG


def rows() -> list[dict[str, Any]]:
    """Returns the rows of `bench.json`."""
    load = f"load average {os.getloadavg()[0]:.1f} at the begin"
    real, cores = latencies("real-time", 2 * BATCH_S + 30)
    late = f"{len(real):,} records, over two ends of batches of {BATCH_S} s, {cores:.2f} cores"
    micro, micro_cores = latencies("micro-batch", min(MICRO_S, 2 * BATCH_S))
    scored = backlog_scored()
    archived, archived_us, size = backlog_archived()
    cpu = "{:,} readings; {:.1f} µs CPU each, start included"
    warming = f"{cpu.format(BACKLOG, scored.cpu_us)}; the whole, while the JVM warms up, {scored.cold:,.0f}/s"
    of_micro = f"{len(micro):,} records, {micro_cores:.2f} cores; micro-batch, for comparison"
    return [
        row("score.p50_ms", float(np.percentile(real, 50)), "ms", 60, f"{late}; {load}"),
        row("score.p99_ms", float(np.percentile(real, 99)), "ms", 250, f"{late}; longest {real.max():,} ms"),
        row("score.micro_p50_ms", float(np.percentile(micro, 50)), "ms", None, of_micro),
        row("score.micro_p99_ms", float(np.percentile(micro, 99)), "ms", None, of_micro),
        row("score.rate", scored.warm, "readings/s", 1e5, f"second half of {warming}"),
        row("score.first_s", scored.first_s, "s", 30, "from the process's start to its first scored record"),
        row("archive.rate", archived, "readings/s", 1e5, cpu.format(BACKLOG, archived_us)),
        row("archive.bytes", size, "bytes/reading", 14, "vitals as archived, before compaction"),
    ]  # fmt: skip


def row(name: str, value: float, unit: str, goal: float | None, note: str) -> dict[str, Any]:
    """One row; rates are better when higher."""
    better = "higher" if unit == "readings/s" else "lower"
    return {"name": name, "value": round(value, 1), "unit": unit, "goal": goal, "better": better, "note": note}


if __name__ == "__main__":
    for line in rows():
        sys.stdout.write(f"{json.dumps(line)}\n")
