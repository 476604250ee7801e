"""Stories that a ward meets and the simulator's own list lacks: what comes back, turns, grows worse, comes double."""

from typing import Final

import numpy as np

from firmware_sim.patient.scenarios import NAMED as SIMULATED
from firmware_sim.patient.scenarios import Course, Keyframe, Scenario

WARD: Final = "ward"
"""The benchmark's mixture of patients."""
_MINUTE_S: Final = 60.0


def _pulses(name: str, count: int, every_s: float, lasting_s: float, **drive: float) -> Scenario:
    """Returns a story of bouts that come and go within seconds."""
    frames = [Keyframe(0, "well")]
    for k in range(count):
        begin = 600 + k * every_s
        frames += [
            Keyframe(begin, "well"),
            Keyframe(begin + 10, "bout", **drive),
            Keyframe(begin + lasting_s, "bout", **drive),
            Keyframe(begin + lasting_s + 10, "well"),
        ]
    return Scenario(name, tuple(frames))


NAMED: Final[dict[str, Scenario]] = SIMULATED | {
    story.name: story
    for story in (
        # Opioid apnoea: twenty bouts of 100 s, each deep, each over.
        _pulses("serial-apnoea", 20, 400, 100, hypoxia=32),
        _pulses("second-arrest", 2, 1200, 115, arrest=1),
        # A tachycardia is treated, and turns within seconds into a block.
        Scenario(
            "tachycardia-to-block",
            (
                Keyframe(0, "well"),
                Keyframe(900, "well"),
                Keyframe(905, "tachycardia", fever=6.3),
                Keyframe(2400, "tachycardia", fever=6.3),
                Keyframe(2405, "block", bradycardia=0.42),
                Keyframe(4200, "block", bradycardia=0.42),
                Keyframe(4260, "well"),
            ),
        ),
        # A shock is treated with too much of a pressor.
        Scenario(
            "shock-to-pressor",
            (
                Keyframe(0, "well"),
                Keyframe(900, "shock", vasodilation=0.8),
                Keyframe(3600, "shock", vasodilation=0.8),
                Keyframe(3700, "pressor", pressor=0.8),
                Keyframe(6000, "pressor", pressor=0.8),
                Keyframe(6300, "well"),
            ),
        ),
        # From well to septic shock within an hour.
        Scenario(
            "septic-hour",
            (
                Keyframe(0, "well"),
                Keyframe(300, "infection"),
                Keyframe(3600, "shock", fever=2.9, hypoxia=13, vasodilation=0.95),
                Keyframe(4200, "shock", fever=2.9, hypoxia=13, vasodilation=0.95),
            ),
        ),
        # The fever is known and acknowledged when the bleeding begins.
        Scenario(
            "bleed-in-fever",
            (
                Keyframe(0, "fever", fever=2.6),
                Keyframe(5400, "fever", fever=2.6),
                Keyframe(6600, "bleeding", fever=2.6, loss=0.2),
                Keyframe(9000, "shock", fever=2.6, loss=0.4),
            ),
        ),
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
    """Returns a story told of everybody, each from a moment of their own; None for the benchmark's mixture.

    Raises:
        KeyError: There is no such story.
    """
    if story == WARD:
        return None
    told = NAMED[story]
    last = max(0.0, hours * 3600 - told.frames[-1].at_s - _MINUTE_S)
    starts = np.random.default_rng([seed, 4]).uniform(0, min(last, 1800.0), patients)
    return [Course(told, float(start)) for start in starts]
