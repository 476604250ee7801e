"""Latency from a breach at the bedside to SNS, at the size of some wards, through real gateways."""

import json
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from infra.local.process import PartError, Spec, base_env
from infra.local.servers.sns.server import Options
from infra.local.topic_observer import PARTITIONS, Observer
from tests.bench.path import breach_scenario
from tests.bench.path.cpu_usage import usage
from tests.bench.path.environment import Settings, Stage, whole_path
from tests.bench.path.trace_latency import Traces

GATEWAYS: Final = 4
CADENCE_S: Final = 5.0
SETTLE_S: Final = 30.0
LAST_WITHIN_S: Final = 90.0
SETTINGS: Final[Settings] = {
    # Every message is measured, so none is merged; a recipient of a real ward has fewer.
    "notify": {"NOTIFY_BURST": "100000"},
}


@dataclass(frozen=True, slots=True)
class Measured:
    """Result of a measurement.

    Attributes:
        breaches: Scripted breaches.
        alarmed: Patients with an alarm.
        traces: Traces of every reading and event.
        readings_s: Readings per second that the devices sent.
        used: Processor seconds by part.
        seconds: Duration of the measurement.
    """

    breaches: int
    alarmed: int
    traces: Traces
    readings_s: float
    used: dict[str, float]
    seconds: float


def measure(count: int, duration_s: float, seed: int = 1, *, sns: Options | None = None) -> Measured:
    """Measures `count` patients with one breach each, distributed over a time.

    Args:
        count: Patients, a quarter of them on each gateway.
        duration_s: Time from the first breach to the last, s.
        seed: Seed of the patients.
        sns: Behaviour of the stand-in for SNS; None: moto is used, which answers more and more slowly.
    """
    beds = dict.fromkeys(breach_scenario.wards(GATEWAYS), count // GATEWAYS)
    with tempfile.TemporaryDirectory(prefix="wardwatch-path-") as folder:
        people = Path(folder) / "people"
        rosters: list[Path] = []
        with whole_path(
            Path(folder),
            gateways=breach_scenario.gateways(GATEWAYS),
            settings=SETTINGS,
            prepare=lambda stack: rosters.append(breach_scenario.people(stack, people, beds, CADENCE_S, seed)),
            sns=sns,
        ) as stage:
            return _measured(stage, beds, rosters[0], duration_s, seed)


def _measured(stage: Stage, beds: dict[str, int], roster: Path, duration_s: float, seed: int) -> Measured:
    processes = stage.stack.processes
    with Observer(stage.bootstrap, PARTITIONS, Traces()) as seen:
        devices = _devices(stage, beds, duration_s, seed)
        processes.start(devices)
        # It has no port to wait for; if it rejects the plan, it ends during the admission.
        stage.command("cloud", "admit", str(roster))
        if devices.name not in processes.alive():
            raise PartError(f"the devices ended; see {processes.logs}/{devices.name}.log")
        count = sum(beds.values())
        before, began = usage(processes), time.monotonic()
        alarmed = _watch(seen, duration_s, count)
        after, seconds = usage(processes), time.monotonic() - began
        processes.end([devices.name])
        return Measured(
            breaches=count,
            alarmed=alarmed,
            traces=seen.sight,
            readings_s=len(seen.sight.readings) / seconds,
            used=after.since(before),
            seconds=seconds,
        )


def _watch(seen: Observer[Traces], duration_s: float, count: int) -> int:
    """Waits until each patient's message was sent, or a time-out; returns the number of patients with an alarm."""
    ends = time.monotonic() + SETTLE_S + duration_s + LAST_WITHIN_S
    told = 0.0
    while time.monotonic() < ends:
        alarmed, sent = seen.asked(lambda traces: (len(traces.patients), len(traces.sent)))
        if alarmed >= count and sent >= count:
            break
        if time.monotonic() - told > SETTLE_S:
            told = time.monotonic()
            sys.stderr.write(f"path: {alarmed} of {count} alarmed, {sent} messages\n")
        time.sleep(1)
    return seen.asked(lambda traces: len(traces.patients))


def _devices(stage: Stage, beds: dict[str, int], duration_s: float, seed: int) -> Spec:
    folder = stage.folder / "devices"
    folder.mkdir()
    brokers = {ward: stage.stack.device_broker_url(f"gw-{ward}") for ward in beds}
    plan = json.loads(breach_scenario.plan(brokers, beds, duration_s=duration_s, cadence_s=CADENCE_S, seed=seed))
    for device in plan["devices"]:
        # Time to admit all patients, and for each gateway to receive its roster.
        device["start_s"] += SETTLE_S
    (folder / "plan.json").write_text(json.dumps(plan))
    words = ("--plan", str(folder / "plan.json"), "--ledger", str(folder / "ledger.jsonl"))
    return Spec("devices", (sys.executable, "-m", "firmware_sim", *words), env=base_env(), stop_timeout_s=30.0)
