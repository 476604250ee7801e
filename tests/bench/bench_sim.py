"""The simulator's speed: `make bench ONLY=sim`.

A patient is one reading of all eight signs: body, story, artefacts, truth and state, as columns. Processor time of one
thread, the best of several runs; the stories are dealt out in turn.
"""

import sys
import time
from typing import Any

from firmware_sim.patient.calibration import NEWEST
from firmware_sim.patient.patient_group import Patient, PatientGroup
from firmware_sim.patient.scenarios import Course
from firmware_sim.patient.stories import NAMED

PATIENTS, ROUNDS, RUNS = 20_000, 6, 5
GOAL = 1e6


def rate(count: int, rounds: int, runs: int) -> float:
    """Returns patients per processor second at 1 Hz."""
    told = tuple(NAMED.values())
    patients = [Patient(f"d{i}", Course(told[i % len(told)])) for i in range(count)]
    cohort = PatientGroup(patients, 1.0, NEWEST.rates, 1, 0.0)
    cohort.step()
    best = 0.0
    for _ in range(runs):
        began = time.process_time()
        for _ in range(rounds):
            cohort.step()
        best = max(best, count * rounds / (time.process_time() - began))
    return best


def rows() -> list[dict[str, Any]]:
    """Returns the rows of `bench.json`."""
    value = round(rate(PATIENTS, ROUNDS, RUNS))
    note = f"one core, {PATIENTS} patients in {len(NAMED)} stories, truth and artefacts included"
    return [
        {
            "name": "sim.patients_per_s",
            "value": value,
            "unit": "patients/s",
            "goal": GOAL,
            "better": "higher",
            "note": note,
        }
    ]


if __name__ == "__main__":
    for line in rows():
        sys.stdout.write(f"{line}\n")
