"""Faults, patients and beds of the storm at the bedside: decided by a seed before anything starts. Pure."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

BEDS: Final = 64
SPARE: Final = 4
"""Beds in which nobody lies at first: somebody may move there."""
DAY_S: Final = 86_400.0
STEP_S: Final = (1.0, 8 * DAY_S)
SAVED_S: Final = (600.0, 21 * DAY_S)
"""A machine without a clock boots with the time at which it was last saved: so far behind."""
FIRST, LAST = 0.02, 0.95
"""Shares of the storm between which faults begin."""
PAUSE_S: Final = 5.0


class What(StrEnum):
    """Kinds of fault."""

    CUT = "uplink cut"
    STEP = "clock step"
    BOOT = "boot with a saved clock"
    KILL = "gateway killed"
    HANG = "broker hangs"
    DIE = "broker killed"
    FULL = "card full"
    READ_ONLY = "card read-only at a start"
    REFUSING = "card takes nothing"
    MOVE = "patient to a free bed"
    SWAP = "two patients swap beds, monitors along"
    CHANGE = "two patients swap beds, monitors stay"
    PAGE = "page of the outbox flipped"
    META = "bit of a kept value flipped"


UPLINK, CLOCK, POWER, BROKER, CARD, PEOPLE = "uplink", "clock", "power", "broker", "card", "people"
KINDS: Final[dict[What, tuple[int, tuple[float, float], tuple[str, ...]]]] = {
    What.CUT: (30, (15, 90), (UPLINK,)),
    What.STEP: (34, (10, 45), (CLOCK,)),
    What.BOOT: (14, (20, 75), (CLOCK, POWER, BROKER)),
    What.KILL: (20, (0, 0), (POWER,)),
    What.HANG: (16, (5, 50), (BROKER,)),
    What.DIE: (14, (0, 5), (BROKER,)),
    What.FULL: (14, (20, 60), (CARD,)),
    What.READ_ONLY: (10, (15, 45), (CARD, POWER)),
    What.REFUSING: (10, (20, 60), (CARD,)),
    What.MOVE: (10, (0, 0), (PEOPLE,)),
    What.SWAP: (8, (0, 0), (PEOPLE,)),
    What.CHANGE: (8, (0, 0), (PEOPLE,)),
    What.PAGE: (6, (0, 0), (CARD, POWER)),
    What.META: (6, (0, 0), (CARD, POWER)),
}
"""How many of 200 faults, how long, s, and what it takes for itself meanwhile; faults on different things meet."""


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """One fault.

    Attributes:
        at_s: When it begins, s of the storm.
        what: Its kind.
        for_s: How long it lasts, s.
        amount: By how much a clock is off, s; a number to draw by, of whom and what else it is.
    """

    at_s: float
    what: What
    for_s: float
    amount: float


def storm(seed: int, seconds: float, count: int) -> tuple[Fault, ...]:
    """Returns a storm's faults in order of time; every kind strikes before any is drawn again.

    Args:
        seed: Decides everything.
        seconds: Within which they begin; where too many want the same thing the last ones come later.
        count: How many.
    """
    chance = random.Random(seed)  # noqa: S311 - a schedule, no secret
    deck = [what for what, (times, _, _) in KINDS.items() for _ in range(times - 1)]
    chosen = [*KINDS, *chance.sample(deck * (1 + count // len(deck)), max(0, count - len(KINDS)))][:count]
    chance.shuffle(chosen)
    moments = sorted(chance.uniform(FIRST, LAST) * seconds for _ in chosen)
    free: dict[str, float] = {}
    found = []
    for moment, what in zip(moments, chosen, strict=True):
        _, (shortest, longest), takes = KINDS[what]
        at_s, for_s = max(moment, *(free.get(name, 0.0) for name in takes)), chance.uniform(shortest, longest)
        # Whoever starts again has a moment to do so.
        pause_s = 3 * PAUSE_S if POWER in takes else PAUSE_S
        free |= dict.fromkeys(takes, at_s + for_s + pause_s)
        found.append(Fault(round(at_s, 1), what, round(for_s, 1), _amount(chance, what)))
    return tuple(sorted(found))


def _amount(chance: random.Random, what: What) -> float:
    if what is What.STEP:
        least, most = STEP_S
        return chance.choice((1, -1)) * round(least * (most / least) ** chance.random(), 1)
    if what is What.BOOT:
        least, most = SAVED_S
        return -round(least * (most / least) ** chance.random(), 1)
    return chance.random()


ILLNESSES: Final[dict[str, dict[str, float]]] = {
    "bradycardia": {"bradycardia": 0.55},
    "desaturation": {"hypoxia": 15.0},
    "mild desaturation": {"hypoxia": 10.5},
    "hypertension": {"pressor": 1.0},
    "shock": {"vasodilation": 1.0, "loss": 0.17, "bradycardia": 0.15},
    "fever": {"fever": 3.0},
    "arrest": {"arrest": 1.0},
}
"""What befalls patients, as drives of `firmware_sim.physiology`, each well beyond the limits it is to break."""
RAMP_S: Final = 3.0
SLOW_S: Final = {"fever": 240.0}
"""A body does not warm up in seconds."""
ILL_S: Final = {1.0: ((150, 320), (140, 300)), 30.0: ((240, 420), (300, 500))}
"""By cadence: how long an illness lasts, and how long it is until the next, s."""


def story(seed: int, device: str, cadence_s: float, seconds: float) -> dict[str, Any]:
    """Returns what becomes of one device's patient: ill, well again, and ill of something else."""
    chance = random.Random(f"{seed} {device}")  # noqa: S311 - a patient, no secret
    (least, most), apart = ILL_S[cadence_s]
    frames: list[dict[str, Any]] = [{"at_s": 0.0, "phase": "stable"}]
    at_s = chance.uniform(20.0, apart[1])
    while at_s < seconds:
        name = chance.choice(list(ILLNESSES))
        ill, ramp_s = ILLNESSES[name], SLOW_S.get(name, RAMP_S)
        until_s = at_s + ramp_s + chance.uniform(least, most)
        frames += [
            {"at_s": at_s, "phase": "stable"},
            {"at_s": at_s + ramp_s, "phase": name, **ill},
            {"at_s": until_s, "phase": name, **ill},
            {"at_s": until_s + ramp_s, "phase": "stable"},
        ]
        at_s = until_s + ramp_s + chance.uniform(*apart)
    return {"name": f"of {device}", "frames": frames}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a patient lies, and on which monitor."""

    bed: str
    device: str


Ward = dict[str, Place]
"""By patient."""


def ward(name: str) -> Ward:
    """Returns the patients of a ward as they lie at first."""
    return {f"p-{name}-{k:02d}": Place(f"{name}-{k:02d}", f"mon-{name}-{k:02d}") for k in range(1, BEDS + 1)}


def moved(of: Ward, name: str, fault: Fault) -> Ward:
    """Returns the ward after a fault that moves patients."""
    chance = random.Random(fault.amount)  # noqa: S311 - of whom, no secret
    one, other = chance.sample(sorted(of), 2)
    here, there = of[one], of[other]
    if fault.what is What.MOVE:
        taken = {place.bed for place in of.values()}
        free = [bed for bed in _beds(name) if bed not in taken]
        return of | {one: Place(chance.choice(free), here.device)}
    if fault.what is What.SWAP:
        return of | {one: Place(there.bed, here.device), other: Place(here.bed, there.device)}
    return of | {one: there, other: here}


def _beds(name: str) -> Iterator[str]:
    return (f"{name}-{k:02d}" for k in range(1, BEDS + SPARE + 1))


def roster(gateway: str, of: Ward, since: dict[str, int], cadence_s: float, version: int) -> dict[str, Any]:
    """Returns a roster as the bridge publishes it.

    Args:
        gateway: Gateway.
        of: Who lies where.
        since: By patient, from when, UTC epoch ms.
        cadence_s: Seconds between two readings.
        version: Its version.
    """
    placements: Sequence[dict[str, Any]] = [
        {"device": place.device, "patient": patient, "ward": "bedside", "bed": place.bed, "since": since[patient],
         "cadence_s": cadence_s}
        for patient, place in of.items()
    ]  # fmt: skip
    return {"gateway": gateway, "version": version, "placements": placements}
