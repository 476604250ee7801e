"""Pages that were due and did not come, by the project's judge: `make bench ONLY=truth`; half an hour on two cores.

Ten wards at 30 s cadence (50 patients, 24 h) and ten at 1 s (25 patients, 12 h), each once with a nurse who
acknowledges after a minute and once with nobody who does, and ten quiet wards of each cadence with the nurse. The
seeds come from the hash of the commit, so nobody can tune on them; the worst ward counts. The load is a ratio to the
fewest pages that satisfy the requirements on the same life with the same nurse (`tests/truth/judging/fewest.py`).
"""

import hashlib
import os
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from typing import Any, Final

from tests.bench import likeness
from tests.truth.live import Script
from tests.truth.people import Habit
from tests.truth.verdict import verdict

WARDS: Final = int(os.environ.get("TRUTH_WARDS", "10"))
SIZES: Final = {30: (50, 24), 1: (25, 12)}
"""Patients and hours by cadence, s."""
GOALS: Final[dict[str, float | None]] = {
    "truth.due": None,
    "truth.unpaged": 0,
    "truth.masked": 0,
    "truth.late": 0,
    "truth.not_handed_over": 0,
    "fits.false_per_patient_day": 1.0,
    "fits.false_high_per_patient_day": 0.2,
    "unfit.false_per_patient_day": 2.5,
    "truth.overstated_per_patient_day": 0.1,
    "truth.misnamed_per_patient_day": 0.1,
    "truth.messages_per_patient_day": None,
    "truth.messages_to_all_per_patient_day": None,
    "truth.pages_per_deterioration_p90": None,
    "truth.most_in_an_hour_of_one_patient": None,
    "load.messages": 1.5,
    "load.pages_per_deterioration_p90": 1.5,
    "load.most_in_an_hour": 1.5,
}
QUIET: Final = "quiet-ward"
"""The ward with 5 % ill; of `ward` 58 % are."""
LIVES: Final = (("ward", Habit.ACKNOWLEDGES), ("ward", Habit.SILENT), (QUIET, Habit.ACKNOWLEDGES))
UNGUIDED: Final = frozenset(name for name in GOALS if name.startswith("load."))
"""Rows that are only reported where nobody acknowledges: there each page is handed over until it ends."""


def seeds(commit: str, count: int) -> list[int]:
    """Returns seeds that follow from a commit's hash and from nothing else."""
    return [int.from_bytes(hashlib.sha256(f"{commit} {k}".encode()).digest()[:4]) for k in range(count)]


def rows() -> Iterator[dict[str, Any]]:
    """Yields the simulator's rows, then the worst of all wards; those are void while the simulator is out of line."""
    simulator = list(likeness.rows())
    yield from simulator
    yield from voided(_verdicts(), simulator)


def voided(rows: Iterable[dict[str, Any]], simulator: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yields rows, as void if a row of the simulator is out of the recordings' interval."""
    out = ", ".join(row["name"] for row in simulator if not row["held"])
    for row in rows:
        yield row | {"void": True, "note": f"void: {out} out; {row['note']}"} if out else row


def _verdicts() -> Iterator[dict[str, Any]]:
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()  # noqa: S607 - the git in force
    drawn = seeds(commit, WARDS)
    with ProcessPoolExecutor(2) as pool:
        for cadence, (patients, hours) in SIZES.items():
            for story, habit in LIVES:
                scripts = [Script(seed, cadence, patients, hours, story, habit) for seed in drawn]
                found = list(pool.map(verdict, scripts))
                goals = {name: None if name in UNGUIDED and habit is Habit.SILENT else g for name, g in GOALS.items()}
                if story == QUIET:
                    goals["truth.messages_per_patient_day"] = 2.0
                yield from _worst(found, drawn, f"{cadence} s, {story}, nurse {habit.value}", goals)


def _worst(
    found: list[dict[str, float]], drawn: list[int], of: str, goals: Mapping[str, float | None]
) -> Iterator[dict[str, Any]]:
    for name, goal in goals.items():
        worst = max(range(len(found)), key=lambda k: found[k][name])
        note = f"{of}; ward {drawn[worst]}, the worst of {len(found)}"
        if found[worst][name] and name in _DETAILS:
            note += f": {_detail(found[worst], name)}"
        yield {
            "name": f"{name} ({of})", "value": found[worst][name], "unit": "count", "goal": goal, "better": "lower",
            "note": note,
        }  # fmt: skip


_DETAILS: Final = {"truth.unpaged": "detail.unpaged.", "truth.late": "detail.late."}


def _detail(rows: Mapping[str, float], name: str) -> str:
    prefix = _DETAILS[name]
    return ", ".join(f"{key.removeprefix(prefix)} {n:g}" for key, n in rows.items() if key.startswith(prefix))
