"""Kills the bridge, the broker and Kafka under load, and counts: `make faults ONLY=bridge`, some 12 minutes.

1,000 gateways send batches of 30 readings and keep each until it is confirmed. 20 times the bridge, 5 times Mosquitto
and 5 times Kafka are killed (kill -9), in an order drawn from a seed, each a few seconds after all has flowed again.
Then every reading is looked up in Kafka. `FAULTS_SHARE=0.1` does a tenth of it, `FAULTS_SEED` draws another order.
"""

import os
import random
import sys
import time
from typing import Any, Final

from infra.local.stack import KAFKA, SITE_BROKER
from tests.load.check import Arrived, arrived
from tests.load.environment import Stage, stage
from tests.load.plan import Plan
from tests.load.subprocess_load import Apart
from tests.support.waiting import until

SHARE: Final = float(os.environ.get("FAULTS_SHARE", "1"))
SEED: Final = int(os.environ.get("FAULTS_SEED", "5"))
READINGS: Final = int(1_000_000 * SHARE)
KILLS: Final = {"bridge": round(20 * SHARE), SITE_BROKER: max(1, round(5 * SHARE)), KAFKA: max(1, round(5 * SHARE))}
RATE: Final = 2_000
RECOVERED_S: Final = 180.0


def plan() -> Plan:
    """1,000 gateways of 30 patients."""
    patients = 30_000
    return Plan(patients, cadence_s=patients / RATE, connections=2, seed=SEED, name=f"storm{SEED}")


def storm(on: Stage, load: Apart) -> int:
    """Kills what is to be killed; returns how often all flowed again."""
    chance = random.Random(SEED)  # noqa: S311 - an order of faults, no secret
    order = [name for name, times in KILLS.items() for _ in range(times)]
    chance.shuffle(order)
    for number, victim in enumerate(order, 1):
        time.sleep(chance.uniform(0.5, 3))
        on.stack.processes.kill(victim)
        on.stack.processes.end([victim])
        time.sleep(chance.uniform(0, 2))
        if victim == "bridge":
            on.bridge()
        else:
            on.stack.up((victim,))
        before = load.told()
        until(
            lambda known=before: load.told().confirmed > known.confirmed, f"confirmations after {victim}", RECOVERED_S
        )  # type: ignore[misc] # mypy cannot infer a lambda with a default
        told = load.told()
        _say(f"{number} of {len(order)}: {victim} killed; confirmed {told.confirmed}, waiting {told.waiting}")
    return len(order)


def rows() -> list[dict[str, Any]]:
    """Returns the rows of `faults.json`."""
    began = time.monotonic()
    with stage() as on:
        on.bridge()
        sent = plan()
        with Apart(sent, on.broker) as load:
            until(lambda: load.told().confirmed > 0, "the first confirmation")
            done = storm(on, load)
            until(lambda: load.told().sent * sent.per_gateway >= READINGS, f"{READINGS} readings", 3600)
            load.hush()
            until(lambda: load.told().waiting == 0, "all batches to be confirmed", 600)
            told = load.told()
        return _rows(arrived(on.bootstrap, sent, told.sent), done, told.resent, time.monotonic() - began)


def _rows(count: Arrived, kills: int, resent: int, seconds: float) -> list[dict[str, Any]]:
    of = f"of {count.expected:,} readings that gateways accepted; {kills} kills in {seconds:.0f} s, seed {SEED}"
    again = f"{resent} batches were sent again; repeats bear the first one's identity, by which stores drop them"
    return [
        _row("bridge.storm_lost", count.lost, 0, of),
        _row("bridge.storm_repeated", count.repeated, None, again),
        _row("bridge.storm_altered", count.altered, 0, "repeats that differ from the first"),
        _row("bridge.storm_foreign", count.foreign, 0, "readings that no gateway sent"),
        _row("bridge.storm_readings_missing_from_plan", max(0, READINGS - count.expected), 0, f"of {READINGS:,}"),
    ]


def _row(name: str, value: float, goal: float | None, note: str) -> dict[str, Any]:
    return {"name": name, "value": float(value), "unit": "readings", "goal": goal, "better": "lower", "note": note}


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


if __name__ == "__main__":
    for line in rows():
        _say(str(line))
