"""From a breach at the bedside to SNS's acceptance, and how many patients the path carries: `make bench ONLY=path`.

`path.p50_ms`, `path.p99_ms`: a thousand patients behind four real gateways, a reading every 5 s each, one sudden
bradycardia each over ten minutes. The reading that decides is beyond an extreme bound, so no alarm rule's delay is
in the figure. Every hop is the real part, but for SNS, whose stand-in answers in a constant 30 ms; `path.moto_p50_ms`,
`path.moto_p99_ms` are the same with moto, which answers the later the more it keeps. PATH_BREACHES and
PATH_SECONDS make both shorter; 0 breaches leave them out, PATH_MOTO=0 the second.

`path.patients`: uplink batches of ever more patients at one reading per 30 s
(`tests/bench/path/capacity.py`), as PATH_STEPS has them: patients:seconds, with commas between; an empty text leaves it
out.
"""

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from infra.local.servers.sns.server import Options
from tests.bench.path.capacity import Step, climb
from tests.bench.path.latency import measure
from tests.bench.path.percentiles import rank

BREACHES, SECONDS = int(os.environ.get("PATH_BREACHES", "1000")), float(os.environ.get("PATH_SECONDS", "600"))
STEPS = os.environ.get("PATH_STEPS", "100000:60,250000:60,500000:60,750000:60,1000000:600")
MOTO = os.environ.get("PATH_MOTO", "1") != "0"
P99_MS = 5_000.0
CONSTANT = Options(answer_ms=30, confirmed=True, emails_per_s=0)
"""Everybody has confirmed, and one nurse may have more mail than SNS sends: here the path is measured."""


def rows() -> list[dict[str, Any]]:
    """Returns the rows of `bench.json`."""
    steps = [(int(patients), float(s)) for patients, _, s in (step.partition(":") for step in STEPS.split(",") if step)]
    ward = at_ward_scale("path.", CONSTANT) if BREACHES else []
    beside = at_ward_scale("path.moto_", None) if BREACHES and MOTO else []
    return [*ward, *beside, *(of_many(steps) if steps else [])]


def at_ward_scale(name: str, sns: Options | None) -> list[dict[str, Any]]:
    """Latency of the whole path; `name` begins the rows' names."""
    seen = measure(BREACHES, SECONDS, sns=sns)
    totals, hops = seen.traces.totals_ms(), seen.traces.hops_ms()
    shares = ", ".join(f"{hop} {rank(spans, 0.5):.0f}/{rank(spans, 0.99):.0f}" for hop, spans in hops.items())
    note = f"{len(totals)} events of {seen.alarmed} of {seen.breaches} patients at {seen.readings_s:.0f} readings/s"
    busiest = sorted(seen.used.items(), key=lambda item: -item[1])[:6]
    cpu = ", ".join(f"{name} {used / seen.seconds:.2f}" for name, used in busiest)
    return [
        row(f"{name}p50_ms", rank(totals, 0.5), "ms", 300, note),
        row(f"{name}p99_ms", rank(totals, 0.99), "ms", 1500, f"hop p50/p99: {shares}"),
        row(f"{name}alarms_missed", seen.breaches - seen.alarmed, "count", 0, f"cores used: {cpu}"),
    ]


def of_many(steps: list[tuple[int, float]]) -> list[dict[str, Any]]:
    """The climb: a row for each step, and the most patients that were carried in time and without a loss."""
    found, carried = [], 0
    with tempfile.TemporaryDirectory(prefix="wardwatch-patients-") as folder:
        for step in climb(Path(folder), steps):
            line = row(f"path.p99_ms_{step.patients}", p99_ms(step), "ms", P99_MS, told(step))
            sys.stderr.write(f"{line}\n")
            found.append(line)
            if p99_ms(step) <= P99_MS and not step.lost:
                carried = max(carried, step.patients)
    most = row("path.patients", carried, "patients", 1_000_000, f"p99 to SNS at most {P99_MS:g} ms, none lost")
    return [*found, most | {"better": "higher"}]


def p99_ms(step: Step) -> float:
    """Measurement to SNS's acceptance."""
    return step.hops_ms.get("sns", (0.0, float("inf")))[1]


def told(step: Step) -> str:
    """Returns what a step showed, in a line."""
    read = step.readings_s * step.seconds
    hops = ", ".join(f"{hop} {p50:.0f}/{p99:.0f}" for hop, (p50, p99) in step.hops_ms.items())
    cpu = sorted(step.cpu_s.items(), key=lambda item: -item[1])
    used = ", ".join(f"{name} {seconds / read * 1e6:.1f}" for name, seconds in cpu if seconds / step.seconds > 0.005)
    held = ", ".join(f"{name} {size:.0f}" for name, size in sorted(step.pss_mb.items(), key=lambda item: -item[1])[:8])
    stored = ", ".join(f"{name} {size:.1f}" for name, size in step.bytes_reading.items())
    return (
        f"{step.readings_s:.0f} readings/s for {step.seconds:.0f} s; lost {step.lost}, doubled {step.doubled}, "
        f"{step.waiting} batches waiting at the end, all stored {step.drained_s:.0f} s later; "
        f"hop p50/p99 ms since measurement: {hops}; CPU-s per million readings: {used}; MB: {held}; "
        f"bytes a reading: {stored}"
    )


def row(name: str, value: float, unit: str, goal: float, note: str) -> dict[str, Any]:
    """Returns a row of `bench.json`."""
    return {"name": name, "value": round(value, 1), "unit": unit, "goal": goal, "better": "lower", "note": note}
