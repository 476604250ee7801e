"""The alarm engine's speed and memory: `make bench ONLY=state`.

Every patient sends one reading of all eight signs a second. Three in a hundred have an alarm that goes on, the others
are well; values have their noise, patient ids are fresh strings as a decoder makes them. Times are processor seconds of
one thread around `engine.advance` alone, the best of three runs of some seconds each.
"""

import sys
import time
import tracemalloc
from typing import Any

import numpy as np

from vitals import engine, readings
from vitals.admissions import DeviceAssignment
from vitals.readings import Readings
from vitals.signs import INDEX, SIGNS

T0 = 1_763_812_800_000
MEANS = {"hr": 75, "pr": 75, "rr": 15, "spo2": 97, "temp": 36.8, "sbp": 125, "dbp": 75, "map": 92}
NOISE = {"hr": 3, "pr": 3, "rr": 1, "spo2": 0.7, "temp": 0.1, "sbp": 4, "dbp": 3, "map": 3}
ILL = 0.03
SIZES = {"1k": (1_000, 300), "100k": (100_000, 6), "1m": (1_000_000, 3)}
WARM_S = 101
GOAL_RATE, GOAL_BYTES = 1e6, 450.0


def names(count: int) -> list[str]:
    """Patient ids, each call anew."""
    return [f"patient-{k:07d}" for k in range(count)]


def batch(count: int, step: int, rng: np.random.Generator) -> Readings:
    """One reading of every patient."""
    values = np.empty((count, len(SIGNS)))
    for field, mean in MEANS.items():
        column = rng.normal(mean, NOISE[field], count)
        values[:, INDEX[field]] = np.round(column, SIGNS[INDEX[field]].decimals)
    ill = slice(0, int(count * ILL))
    values[ill, INDEX["spo2"]] = np.round(rng.normal(87.5, 0.7, count)[ill])
    values[:, INDEX["spo2"]] = np.minimum(values[:, INDEX["spo2"]], 100)
    t = np.full(count, T0 + 1000 * step, dtype=np.int64)
    same = {
        name: readings.text([text] * count)
        for name, text in (("device", "device"), ("gateway", "gateway"), ("ward", "ward"), ("bed", "bed"))
    }
    zero = np.zeros(count, dtype=np.int64)
    return Readings(
        patient=readings.text(names(count)), **same, boot=zero, seq=np.full(count, step), t=t, t_gw=t, roster=zero,
        suspect=zero, limits=zero, values=values,
    )  # fmt: skip


def placed(count: int) -> engine.State:
    """An engine that knows the patients, each in a bed of their own."""
    placements = (
        DeviceAssignment(device=f"d{k}", patient=name, ward=f"w{k // 30}", bed=f"bed-{k}", since=T0, cadence_s=1.0)
        for k, name in enumerate(names(count))
    )
    state, _ = engine.place(engine.empty(), placements, T0)
    return state


def rate(count: int, steps: int) -> float:
    """Returns readings per processor second, once alarms have begun."""
    rng = np.random.default_rng(1)
    state = placed(count)
    best = 0.0
    for step in range(1, WARM_S, 10):
        engine.advance(state, batch(count, step, rng), T0 + 1000 * step)
    step = WARM_S
    prepared = [batch(count, 0, rng) for _ in range(min(steps, 4))]
    for _ in range(3):
        spent = 0.0
        for k in range(steps):
            step += 1
            now = prepared[k % len(prepared)]
            now.t[:] = T0 + 1000 * step
            began = time.process_time()
            engine.advance(state, now, T0 + 1000 * step)
            spent += time.process_time() - began
        best = max(best, count * steps / spent)
    return best


def bytes_per_patient(count: int = 200_000) -> float:
    """Returns bytes of everything that the state holds, ids included, once alarms have begun."""
    rng = np.random.default_rng(1)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    state = placed(count)
    for step in range(1, WARM_S, 10):
        engine.advance(state, batch(count, step, rng), T0 + 1000 * step)
    used = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    return used / count if engine.active(state) else float("nan")


def rows() -> list[dict[str, Any]]:
    """Returns the rows of `bench.json`."""
    found = []
    for name, (count, steps) in SIZES.items():
        value = rate(count, steps)
        note = f"one core, batches of {count} patients, {ILL:.0%} with an alarm that goes on"
        found.append(_row(f"state.engine_rate_{name}", value, "readings/s", GOAL_RATE, "higher", note))
    note = "all that the state holds, ids included, 3% with an alarm"
    return [*found, _row("state.bytes", bytes_per_patient(), "bytes/patient", GOAL_BYTES, "lower", note)]


def _row(name: str, value: float, unit: str, goal: float, better: str, note: str) -> dict[str, Any]:  # noqa: PLR0917 - the fields of a row, in its order
    return {"name": name, "value": round(value, 1), "unit": unit, "goal": goal, "better": better, "note": note}


if __name__ == "__main__":
    for line in rows():
        sys.stdout.write(f"{line}\n")
