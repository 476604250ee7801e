"""Mixtures of stories in a simulated ward, and what becomes of patients after their story."""

from collections.abc import Mapping
from typing import Final

import msgspec
import numpy as np

from firmware_sim.patient.calibration import TEXTBOOK
from firmware_sim.patient.scenarios import Course, Keyframe, Scenario
from firmware_sim.patient.stories import NAMED, STABLE

TEXTBOOK_STORIES: Final = {
    "desaturation": 12, "sepsis": 8, "haemorrhage": 8, "bradycardia": 10, "arrest": 4, "recovery": 8,
    "probe-off-and-on": 8,
}  # fmt: skip
"""Of a hundred patients of the simulator 2026-11; the others stay stable."""
STORIES: Final = {
    "desaturation": 9, "relapse": 3, "sepsis": 3, "slow-sepsis": 2, "septic-hour": 2, "haemorrhage": 6,
    "bradycardia": 6, "arrest": 2, "sudden-arrest": 2, "sudden-arrest-absent": 1, "sudden-arrest-two-sensors": 1,
    "recovery": 5, "probe-off-and-on": 4, "serial-apnoea": 4, "tachycardia-to-block": 3, "shock-to-pressor": 2,
    "bleed-in-fever": 2, "embolism": 1,
}  # fmt: skip
"""Shares among those who are ill."""
TREATED_S, WELL_S = 3600.0, 3 * 3600.0
"""Nobody lies in shock for a day unseen: treatment begins an hour after a story's end, and two hours later they are
well. An arrest stays one."""
SPEEDS: Final = (0.7, 1.4)
"""Stories take their course faster in some patients than in others."""


def courses_of(simulator: str, rng: np.random.Generator, n: int, last_s: float, ill: float) -> list[Course]:
    """Returns the courses of n patients.

    Args:
        simulator: Name of the parameter set; 2026-11 has its own mixture, and `ill` no meaning for it.
        rng: Source of randomness.
        n: Patients.
        last_s: Second before which stories begin.
        ill: Share of the patients who have a story.
    """
    textbook = simulator == TEXTBOOK.name
    told = _rounded(TEXTBOOK_STORIES, n) if textbook else _spread(STORIES, n * ill, float(rng.random()))
    told += [STABLE.name] * (n - len(told))
    # Whoever is to recover is ill from the beginning.
    starts = [0.0 if name == "recovery" else float(rng.uniform(300, last_s)) for name in told]
    order = rng.permutation(n)
    speeds = np.ones(n) if textbook else rng.uniform(*SPEEDS, n)
    return [Course(_treated(NAMED[told[k]]), starts[k], float(speeds[k])) for k in order]


def _rounded(shares: Mapping[str, int], n: int) -> list[str]:
    return [name for name, share in shares.items() for _ in range(round(share * n / 100))]


def _spread(shares: Mapping[str, int], count: float, offset: float) -> list[str]:
    """Deals stories by systematic sampling: each as often as its share says, on average and in the long run."""
    ends = np.floor(np.cumsum(list(shares.values())) * count / sum(shares.values()) + offset).astype(int)
    return [name for name, k in zip(shares, np.diff(ends, prepend=0).tolist(), strict=True) for _ in range(k)]


def _treated(story: Scenario) -> Scenario:
    end = story.frames[-1]
    if end.arrest or story is STABLE:
        return story
    turns = msgspec.structs.replace(end, at_s=end.at_s + TREATED_S, phase="treated")
    return msgspec.structs.replace(story, frames=(*story.frames, turns, Keyframe(end.at_s + WELL_S, "well")))
