"""Capacity of the path: uplink batches of more and more patients, until a hop no longer keeps up.

The load's gateways are synthetic (`tests.load`) and publish to the site broker; all parts after it are real. Some of
the patients have a breach, so that the path to SNS is measured under load. No patient is admitted, because the alarm
engine evaluates unknown patients as well. Synthetic gateways send no status, so a million admitted patients would be
patients of silent gateways.
"""

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psycopg

from infra.demo.stores import Lake
from infra.local.services import Tier, tiers
from infra.local.stack import LocalStack
from infra.local.topic_observer import PARTITIONS, Observer
from tests.bench.path import breach_scenario
from tests.bench.path.cpu_usage import usage
from tests.bench.path.environment import Settings, Stage, whole_path
from tests.bench.path.sampled_latency import LANES, Sampled
from tests.load.environment import site
from tests.load.plan import WARD, Plan
from tests.load.subprocess_load import Apart, Told
from tests.support.waiting import until
from vitals.wire import topics

CADENCE_S: Final = 30.0
PER_GATEWAY: Final = 30
BREACHES_A_ROUND: Final = 30
"""One a second: moto, the stand-in for SNS, accepts some fifty messages a second, and needs a core for it."""
WARM_S: Final = 90.0
DRAIN_S: Final = 1800.0
LOOK_EVERY_S: Final = 10.0
SETTINGS: Final[Settings] = {
    "notify": {"NOTIFY_BURST": "100000"},
    # Few large records: the work of Kafka, Spark and Ray for each record costs as much as some hundred readings.
    "bridge": {"LINGER_MS": "800"},
    "score": {"SCORE_MEMORY": "2g"},
    "archive": {"ARCHIVE_MEMORY": "2g", "ARCHIVE_OBJECT_ROWS": "400000"},
    # The ward page's curves of a million patients would be most of the state's memory.
    "watch": {"WATCH_SNAPSHOT_S": "120"},
}


@dataclass(frozen=True, slots=True)
class Step:
    """Result for one number of patients; `told` are the load's counters at the end.

    Attributes:
        patients: Number of patients.
        seconds: Duration of the measurement.
        readings_s: Readings per second that the load sent.
        hops_ms: (p50, p99) by hop.
        cpu_s: Processor seconds by part; the load's own under "the load itself".
        pss_mb: Memory at the end, by part.
        waiting: Batches that were not confirmed when the load ended.
        lost: Readings that the warehouse lacks after it has caught up.
        doubled: Readings that it has more than once.
        drained_s: Seconds until lake and warehouse had caught up.
        bytes_reading: Bytes per reading by store.
    """

    patients: int
    seconds: float
    readings_s: float
    told: Told
    hops_ms: dict[str, tuple[float, float]]
    cpu_s: dict[str, float]
    pss_mb: dict[str, float]
    waiting: int
    lost: int
    doubled: int
    drained_s: float
    bytes_reading: dict[str, float] = field(default_factory=dict)


def climb(folder: Path, steps: list[tuple[int, float]]) -> Iterator[Step]:
    """Measures several numbers of patients in turn, each on a stack of its own.

    Args:
        folder: Empty, for all data.
        steps: Patients and seconds of each step.
    """
    for number, (patients, seconds) in enumerate(steps):
        own = folder / str(number)
        with whole_path(
            own,
            gateways=(),
            settings=SETTINGS,
            prepare=lambda stack, people=own / "people": _rota(stack, people),  # type: ignore[misc] # mypy cannot type a lambda's defaults
            chosen=_on_the_path,
        ) as stage:
            plan = Plan(
                patients=patients,
                per_gateway=PER_GATEWAY,
                cadence_s=CADENCE_S,
                connections=8,
                name=f"s{number}",
                seed=number,
                ramp_s=WARM_S / 2,
                breach_every=max(1, patients // BREACHES_A_ROUND),
            )
            yield _step(stage, plan, seconds)


def _on_the_path(stack: LocalStack) -> list[Tier]:
    # A ward page reads all patients of its hospital, and no hospital has a million beds.
    return [tier for tier in tiers(stack) if tier.name != "console"]


def _rota(stack: LocalStack, folder: Path) -> None:
    breach_scenario.people(stack, folder, {WARD: 1}, CADENCE_S, seed=1)


def _step(stage: Stage, plan: Plan, seconds: float) -> Step:
    processes = stage.stack.processes
    before_rows = _rows(stage)
    with Observer(stage.bootstrap, PARTITIONS, Sampled(), bulk=LANES) as seen, Apart(plan, site(stage.stack)) as load:
        _run(load, WARM_S, plan.patients)
        seen.asked(Sampled.forget)
        load.forget()
        start, told_at_start, began = usage(processes), load.told(), time.monotonic()
        _run(load, seconds, plan.patients)
        seconds = time.monotonic() - began
        end, told_at_end = usage(processes), load.told()
        hops = seen.asked(Sampled.spread)
        load.hush()
        hushed = time.monotonic()
        until(lambda: load.told().waiting == 0, "every batch to be confirmed", DRAIN_S, 0.5)
        expected = before_rows + load.told().sent * plan.per_gateway
        until(lambda: _rows(stage) >= expected, f"{expected} rows in the warehouse", DRAIN_S, 0.5)
        drained_s = time.monotonic() - hushed
        told = load.told()
    rows, distinct = _counted(stage)
    sent = (told_at_end.sent - told_at_start.sent) * plan.per_gateway
    return Step(
        patients=plan.patients,
        seconds=seconds,
        readings_s=sent / seconds,
        told=told,
        hops_ms=hops,
        cpu_s=end.since(start) | {"the load itself": told_at_end.cpu_s - told_at_start.cpu_s},
        pss_mb=dict(end.pss_mb),
        waiting=told_at_end.waiting,
        lost=expected - distinct,
        doubled=rows - distinct,
        drained_s=drained_s,
        bytes_reading={"lake": _lake_bytes(stage) / max(1, rows)},
    )


def _run(load: Apart, seconds: float, patients: int) -> None:
    ends = time.monotonic() + seconds
    while (left := ends - time.monotonic()) > 0:
        time.sleep(min(LOOK_EVERY_S, left))
        told = load.told()
        state = {"sent": told.sent, "waiting": told.waiting, "late": told.late, "resent": told.resent}
        sys.stderr.write(f"{patients:,} patients, {left:.0f} s to go: {json.dumps(state)}\n")


def _rows(stage: Stage) -> int:
    # From the loader's own log: counting the rows themselves repeatedly would delay the loader.
    return int(_asked(stage, "select coalesce(sum(loaded_rows), 0) from load_log where topic = 'vitals.scored'")[0])


def _counted(stage: Stage) -> tuple[int, int]:
    rows, distinct = _asked(
        stage,
        "select coalesce(sum(n), 0), count(*) from (select count(*) as n from vitals group by device, boot, seq) q",
    )
    return int(rows), int(distinct)


def _asked(stage: Stage, sql: str) -> tuple[int, ...]:
    with psycopg.connect(stage.stack.warehouse_url(), connect_timeout=30) as connection:
        return tuple(connection.execute(sql.encode()).fetchone() or (0,))


def _lake_bytes(stage: Stage) -> float:
    return float(Lake(stage.stack.env()["LAKE"]).bytes_of(topics.SCORED))
