"""ADT: histories that arrive late, shuffled and doubled, against the truth: `make bench ONLY=adt`.

Each history is a hospital of its own (`tests/cloud/adt/hospital.py`) with 200 patients: admissions, transfers, swaps,
discharges, merges, updates and cancels, several in one second. Each message arrives twice, both late by up to half an
hour. In the end beds, names and monitors must be those of the hospital, without an open question. `ADT_HISTORIES` sets
the number; 10,000 is the one that counts.
"""

import os
import random
import time
from typing import Any

from tests.cloud.adt.hospital import Arrivals, history, late_and_doubled

HISTORIES = int(os.environ.get("ADT_HISTORIES", "10000"))
PATIENTS, EVENTS, WINDOW_S = 200, 100, 1800.0


def rows() -> list[dict[str, Any]]:
    """Returns the rows of `bench.json`."""
    seed = int(os.environ.get("FAULTS_SEED", "1"))
    wrong, messages, took = 0, 0, 0.0
    for number in range(HISTORIES):
        made = history(seed + number, PATIENTS, EVENTS)
        arrivals = late_and_doubled(made, random.Random(seed - number), WINDOW_S)  # noqa: S311 - a seed, no secret
        begun = time.process_time()
        taken = Arrivals(made)
        wrong += bool(taken.wrong(taken.take(arrivals)))
        took += time.process_time() - begun
        messages += len(arrivals)
    note = f"{HISTORIES} histories of {PATIENTS} patients, {messages} messages, from seed {seed}"
    return [
        {"name": "adt.wrong_census", "value": wrong, "unit": "histories", "goal": 0, "better": "lower", "note": note},
        {"name": "adt.messages", "value": round(messages / took), "unit": "messages/s", "goal": None,
         "better": "higher",
         "note": "processor time of one core; each second one is a repeat"},
    ]  # fmt: skip
