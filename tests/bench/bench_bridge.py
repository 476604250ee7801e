"""The bridge's rate and latency: `make bench ONLY=bridge`, some 100 s; `BENCH_S=5` shortens each part.

1,000 gateways send batches of 30 readings of all eight signs, sealed as gateways seal them, over TLS to a real broker,
and keep each until it is confirmed; the bridge writes to a real Kafka. The load is a process of its own. Rates are per
second of processor time of the bridge's process, kernel time and librdkafka's threads included, from /proc.
"""

import os
import statistics
import sys
import time
from typing import Any, Final

from tests.load.check import arrived
from tests.load.environment import Stage, stage
from tests.load.plan import Plan
from tests.load.subprocess_load import Apart
from tests.support.waiting import until

PER_BATCH: Final = 30
GATEWAYS: Final = 1000
BUSY_RATE: Final = 60_000
CALM_RATE: Final = 1_000
WARM_S: Final = 6.0
SECONDS: Final = float(os.environ.get("BENCH_S", "30"))
GOAL_RATE, GOAL_P99_MS = 1.5e5, 50.0


def plan(rate: float) -> Plan:
    """1,000 gateways that send so many readings a second."""
    patients = GATEWAYS * PER_BATCH
    # As many batches in flight as there are gateways: the load waits for the bridge instead of piling up before it.
    return Plan(patients, PER_BATCH, patients / rate, connections=2, seed=int(time.time()), in_flight=GATEWAYS)


def busy(on: Stage) -> list[dict[str, Any]]:
    """Readings per processor second while more come than a hospital sends."""
    sent, windows = plan(BUSY_RATE), []
    with Apart(sent, on.broker) as load:
        time.sleep(WARM_S)
        began, before = load.told(), {name: on.cpu_s(name) for name in ("site-broker", "kafka")}
        for _ in range(max(3, int(SECONDS))):
            first, used = load.told(), on.cpu_s("bridge")
            time.sleep(1.0)
            done = (load.told().confirmed - first.confirmed) * PER_BATCH
            windows.append(done / (on.cpu_s("bridge") - used))
        ended, others = load.told(), {name: on.cpu_s(name) - used for name, used in before.items()}
        load.hush()
        until(lambda: load.told().waiting == 0, "all batches to be confirmed", 120)
        count = arrived(on.bootstrap, sent, load.told().sent)
    seconds = len(windows)
    rate = (ended.confirmed - began.confirmed) * PER_BATCH / seconds
    shares = ", ".join(f"{name} {cpu / seconds:.2f}" for name, cpu in others.items())
    note = (
        f"median of {seconds} windows of 1 s, {min(windows):,.0f} to {max(windows):,.0f}; {rate:,.0f} readings/s came; "
        f"cores used beside it: load {(ended.cpu_s - began.cpu_s) / seconds:.2f}, {shares}"
    )
    kept = f"of {count.expected:,} readings, {count.repeated} more than once"
    return [
        _row("bridge.rate", statistics.median(windows), "readings/CPU-s", GOAL_RATE, "higher", note),
        _row("bridge.rss", on.rss_mb("bridge"), "MB", None, "lower", "after that load"),
        _row("bridge.lost", count.lost, "readings", 0, "lower", kept),
    ]


def calm(on: Stage) -> dict[str, Any]:
    """Latency at 1,000 readings a second."""
    with Apart(plan(CALM_RATE), on.broker) as load:
        time.sleep(WARM_S)
        load.forget()
        time.sleep(SECONDS)
        told = load.told()
    note = (
        f"from sending a batch to its confirmation at the gateway: both ways through the broker are in it; "
        f"p50 {told.p50_ms:.1f}, max {told.max_ms:.1f} ms, sent again {told.resent}"
    )
    return _row("bridge.p99_ms", told.p99_ms, "ms", GOAL_P99_MS, "lower", note)


def rows() -> list[dict[str, Any]]:
    """Returns the rows of `bench.json`."""
    with stage() as on:
        on.bridge()
        return [*busy(on), calm(on)]


def _row(name: str, value: float, unit: str, goal: float | None, better: str, note: str) -> dict[str, Any]:  # noqa: PLR0917 - the fields of a row, in its order
    return {"name": name, "value": round(value, 1), "unit": unit, "goal": goal, "better": better, "note": note}


if __name__ == "__main__":
    for line in rows():
        sys.stdout.write(f"{line}\n")
