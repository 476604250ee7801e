"""The artefact filter's speed and judgement: `make bench ONLY=filter`.

Speed: filter and limits, per batch of so many devices at 1 Hz, at the measured artefact rates; all eight signs in each
reading. Processor time of one thread, the best of several runs. The rows of memory are as the gateway lays them.

Judgement: simulated wards whose truth is known (`tests/bench/wards.py`), of held-out seeds, at 1 Hz, half of the
patients with a line and half with a cuff. Counted are values, per reading and sign:

- a *false breach* is beyond a limit as sent, is not what a faultless monitor would show, and neither that monitor nor
  the patient's state is beyond it. A monitor's zero is not counted, though any limit would take it for a breach: it is
  too easy. Removed is what is marked suspect or absent.
- a *true breach* is sent as a faultless monitor shows it, beyond a limit on the side on which the patient's state is.
  Held back is what is marked suspect.
- the *page delay* is, for each run of true breaches of a sign, from its first reading to the first that is not marked.
"""

import os
import sys
import time
from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.ingest import artefact_filter as artefacts
from firmware_sim.patient.calibration import NEWEST
from firmware_sim.patient.patient_group import Patient, PatientGroup
from firmware_sim.patient.scenarios import Course
from firmware_sim.patient.stories import STABLE
from tests.bench import wards
from vitals.breach_codes import ABSENT, BREACH_LOW, WITHIN, breach
from vitals.limits import in_force
from vitals.signs import FIELDS, SIGNS

SIZES = {"10k": (10_000, 12, 300.0), "64": (64, 400, 2_500.0)}
"""Devices, rounds, goal in ns per reading."""
WARM = 4
PATIENTS, HOURS = 100, int(os.environ.get("FILTER_HOURS", "6"))
LOW, HIGH = -1, 1


def nanoseconds(count: int, rounds: int, repeats: int = 5) -> float:
    """Returns processor nanoseconds per reading of filter and limits."""
    cohort = PatientGroup([Patient(str(i), Course(STABLE)) for i in range(count)], 1.0, NEWEST.rates, 5, 0)
    made = [cohort.step() for _ in range(rounds)]
    batches = [((wards.T0 + 1000 * r.t_s).astype(np.int64), np.array(r.values, order="C")) for r in made]
    off, profile = np.zeros((count, len(SIGNS)), dtype=np.bool_), np.zeros(count, dtype=np.int64)
    best = float("inf")
    for _ in range(repeats):
        rows, spent = memory(count), 0.0
        for k, (t, values) in enumerate(batches):
            began = time.process_time_ns()
            cleaned, _, rows = artefacts.clean(rows, t, values, off, profile)
            breach(cleaned, in_force((), profile))
            spent += time.process_time_ns() - began if k >= WARM else 0
        best = min(best, spent / (count * (rounds - WARM)))
    return best


def memory(count: int) -> NDArray[np.float64]:
    """Returns what the filter remembers of devices that it has never heard of, as the gateway lays it."""
    return np.moveaxis(np.full((artefacts.COLUMNS, count, len(SIGNS)), np.nan), 0, 1)


class Judgement:
    """Counts of one or more wards."""

    def __init__(self) -> None:
        self.false = self.removed = self.true = self.held = self.zeros = 0
        self.delays_s: list[float] = []
        self.passed: Counter[str] = Counter()
        self.held_by: Counter[str] = Counter()

    def watch(self, seed: int, count: int, hours: int) -> None:
        """Counts one ward."""
        rows, profile = memory(count), np.zeros(count, dtype=np.int64)
        waiting = np.full((count, len(SIGNS)), -1, dtype=np.int64)
        for hour in wards.hours(seed, count, 1, hours):
            for k in range(len(hour.t)):
                cleaned, codes, rows = artefacts.clean(rows, hour.t[k], hour.values[k], hour.off[k], profile)
                marked = (codes != 0) | np.isnan(cleaned)
                self._count(hour, k, marked, codes, waiting)

    def _count(
        self, hour: wards.Hour, k: int, marked: NDArray[np.bool_], codes: NDArray[np.int8], waiting: NDArray[np.int64]
    ) -> None:
        sent, truth, state = (side(values[k]) for values in (hour.values, hour.truth, hour.state))
        genuine = (hour.values[k] == hour.truth[k]) & (sent != 0) & (sent == state)
        zero = hour.values[k] == 0
        false = (hour.values[k] != hour.truth[k]) & (sent != 0) & (truth == 0) & (state == 0) & ~zero
        self.zeros += int(zero.sum())
        self.false += int(false.sum())
        self.removed += int((false & marked).sum())
        self.true += int(genuine.sum())
        self.held += int((genuine & marked).sum())
        for _, s in zip(*np.nonzero(false & ~marked), strict=True):
            self.passed[FIELDS[s]] += 1
        for i, s in zip(*np.nonzero(genuine & marked), strict=True):
            self.held_by[f"{FIELDS[s]} {codes[i, s]}"] += 1
        self._wait(hour.t[k], genuine, marked, waiting, truth)

    def _wait(
        self,
        t: NDArray[np.int64],
        genuine: NDArray[np.bool_],
        marked: NDArray[np.bool_],
        waiting: NDArray[np.int64],
        truth: NDArray[np.int8],
    ) -> None:
        """`waiting` is -1 outside a run, -2 in one that has passed, else when it began."""
        waiting[truth == 0] = -1
        i, s = np.nonzero(genuine & (waiting == -1))
        waiting[i, s] = t[i]
        i, s = np.nonzero(genuine & ~marked & (waiting >= 0))
        self.delays_s += ((t[i] - waiting[i, s]) / 1000).tolist()
        waiting[i, s] = -2


def side(values: NDArray[np.float64]) -> NDArray[np.int8]:
    """Returns -1 where a value is below its limit, 1 where above, 0 where within or absent."""
    digits = breach(values, wards.ADULT)
    sides = np.where(digits <= BREACH_LOW, np.int8(LOW), np.int8(HIGH))
    sides[(digits == WITHIN) | (digits == ABSENT)] = 0
    return sides


def judged(seeds: tuple[int, ...], count: int = PATIENTS, hours: int = HOURS) -> Judgement:
    """Returns the filter's judgement on wards of these seeds."""
    found = Judgement()
    for seed in seeds:
        found.watch(seed, count, hours)
    return found


def rows() -> list[dict[str, Any]]:
    """Returns the rows of `bench.json`."""
    found = []
    for name, (count, rounds, goal) in SIZES.items():
        note = (
            f"processor time; filter {'in blocks' if count > artefacts.BLOCK else 'in one'} and limits, {count} devices"
        )
        found.append(_row(f"edge.filter_ns_{name}", round(nanoseconds(count, rounds)), "ns/reading", goal, note))
    j = judged(wards.HELD_OUT_SEEDS)
    over = f"{len(wards.HELD_OUT_SEEDS)} x {PATIENTS} patients x {HOURS} h, held-out seeds"
    removed = _row("edge.false_breach_removed", round(j.removed / j.false, 4), "share", 0.95, f"of {j.false}; {over}")
    delay = float(np.percentile(j.delays_s, 95))
    return [
        *found,
        removed | {"better": "higher", "note": f"{removed['note']}; {j.zeros} zeros apart"},
        _row("edge.true_breach_held_back", round(j.held / j.true, 5), "share", 0.01, f"of {j.true}; {over}"),
        _row("edge.page_delay_p95_s", round(delay, 2), "s", 2.0, f"{len(j.delays_s)} runs, max {max(j.delays_s):g} s"),
    ]


def _row(name: str, value: float, unit: str, goal: float, note: str) -> dict[str, Any]:
    return {"name": name, "value": value, "unit": unit, "goal": goal, "better": "lower", "note": note}


if __name__ == "__main__":
    for line in rows():
        sys.stdout.write(f"{line}\n")
