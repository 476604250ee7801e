"""Stories that a ward meets and the simulator's own list lacks: what comes back, turns, grows worse, comes double."""

from typing import Final

import numpy as np

from firmware_sim.patient.scenarios import Course, Keyframe, Scenario
from firmware_sim.patient.stories import NAMED as SIMULATED
from firmware_sim.patient.stories import bouts

WARD: Final = "ward"
"""The benchmark's mixture of patients, 58 % of them ill."""
QUIET_WARD: Final = "quiet-ward"
"""The same mixture with 5 % ill."""
ILL: Final = {WARD: 0.58, QUIET_WARD: 0.05}
_MINUTE_S: Final = 60.0

NAMED: Final[dict[str, Scenario]] = SIMULATED | {
    story.name: story
    for story in (
        bouts("second-arrest", 2, 1200, 115, arrest=1),
        # Acknowledged at 84 %, and then worse by steps.
        Scenario(
            "worse-by-steps",
            (
                Keyframe(0, "well"),
                Keyframe(900, "hypoxic", hypoxia=14),
                Keyframe(2700, "hypoxic", hypoxia=14),
                Keyframe(2760, "worse", hypoxia=24),
                Keyframe(4500, "worse", hypoxia=24),
                Keyframe(4560, "worst", hypoxia=36),
                Keyframe(6300, "worst", hypoxia=36),
                Keyframe(6600, "well"),
            ),
        ),
    )
}


def courses(story: str, seed: int, patients: int, hours: int) -> list[Course] | None:
    """Returns a story told of everybody, each from a moment of their own; None for a ward's mixture.

    Raises:
        KeyError: There is no such story.
    """
    if story in ILL:
        return None
    told = NAMED[story]
    last = max(0.0, hours * 3600 - told.frames[-1].at_s - _MINUTE_S)
    starts = np.random.default_rng([seed, 4]).uniform(0, min(last, 1800.0), patients)
    return [Course(told, float(start)) for start in starts]
