"""Alarm limits: limits and condition delays per sign, as profiles and as one patient's overrides.

Limits are sent *with* the readings to which they apply. A reading names a built-in profile by its index in `PROFILES`
(k >= 0, append-only) or a set of its own record's `limit_sets` (-1 - k).

Defaults are the factory and nurse-set adult limits collected in the design (MIMIC-III settings, CARESCAPE V100,
TM80, LIFEPAK 15); delays follow the published effect of 10 to 20 s on non-actionable alarms.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from vitals.bounds import MAX_DELAY_S, MAX_VALUE, Delay, Value, shown
from vitals.signs import FIELDS, INDEX, SIGNS

EXTREME_LOW, LOW, HIGH, EXTREME_HIGH, DELAY_S = range(5)
"""Columns of a limit array."""
COLUMNS: Final = 5
_DBP: Final = INDEX["dbp"]
MAX_PROFILE: Final = 128
"""Longest name of a profile, characters: limits travel with readings, in records of bounded size."""


class Limit(msgspec.Struct, frozen=True, omit_defaults=True):
    """Limits of one sign. A bound that is None never breaches.

    Attributes:
        extreme_low: Extreme limit: a value below it is of high priority, in the sign's unit.
        low: A value below it breaches.
        high: A value above it breaches.
        extreme_high: Extreme limit: a value above it is of high priority.
        delay_s: Condition delay: a breach shorter than this many seconds is no alarm condition (not for extremes).
    """

    extreme_low: Value | None = None
    low: Value | None = None
    high: Value | None = None
    extreme_high: Value | None = None
    delay_s: Delay = 0.0

    def __post_init__(self) -> None:
        bounds = [b for b in (self.extreme_low, self.low, self.high, self.extreme_high) if b is not None]
        # NaN compares false with everything.
        if not all(-MAX_VALUE <= b <= MAX_VALUE for b in bounds):
            raise ValueError(f"limits must be finite numbers between {-MAX_VALUE:g} and {MAX_VALUE:g}")
        if bounds != sorted(bounds):
            raise ValueError(f"limits contradict each other: {bounds} must ascend")
        if not 0 <= self.delay_s <= MAX_DELAY_S:
            raise ValueError(f"a condition delay lasts 0 to {MAX_DELAY_S:g} s")


@dataclass(frozen=True, slots=True)
class LimitSet:
    """Limits of every sign, hashable; a sign without limits is not monitored.

    Attributes:
        profile: Name of the base profile.
        limits: One `Limit` per sign, in digit order.
    """

    profile: str
    limits: tuple[Limit, ...]

    def __post_init__(self) -> None:
        if len(self.limits) != len(SIGNS):
            raise ValueError(f"limit set {self.profile}: {len(self.limits)} limits for {len(SIGNS)} signs")

    def array(self) -> NDArray[np.float64]:
        """Returns (signs, 5) floats: extreme low, low, high, extreme high, delay [s]; NaN is no bound."""
        return _array(self)

    def wire(self) -> dict[str, object]:
        """Returns the JSON form: the profile's name and, per sign, the row of `array()` with null for no bound."""
        return {"profile": self.profile} | {
            field: [
                limit.extreme_low,
                limit.low,
                limit.high,
                limit.extreme_high,
                limit.delay_s,
            ]
            for field, limit in zip(FIELDS, self.limits, strict=True)
        }


@lru_cache(maxsize=4096)
def _array(limits: LimitSet) -> NDArray[np.float64]:
    rows = [(x.extreme_low, x.low, x.high, x.extreme_high, x.delay_s) for x in limits.limits]
    array = np.array([[math.nan if cell is None else cell for cell in row] for row in rows], dtype=np.float64)
    array.flags.writeable = False
    return array


def from_wire(wire: Mapping[str, object]) -> LimitSet:
    """Decodes the JSON form; a sign without an entry is not monitored.

    Records of before version 0.2 have a sixth number, a hysteresis that no rule uses any more.

    Raises:
        ValueError: A row is not five numbers, its bounds contradict each other, or the profile's name is too long.
    """
    limits = []
    for field in FIELDS:
        row = wire.get(field)
        if row is None:
            limits.append(Limit())
        elif isinstance(row, list) and len(row) in (COLUMNS, COLUMNS + 1):
            try:
                extreme_low, low, high, extreme_high, *rest = map(_number, row[:COLUMNS])
                limits.append(Limit(extreme_low, low, high, extreme_high, *(x or 0.0 for x in rest)))
            except (TypeError, ValueError, OverflowError) as error:
                raise ValueError(f"limits of {field}: {str(row)[:MAX_PROFILE]} are no limits: {error}") from error
        else:
            raise ValueError(f"limits of {field}: {str(row)[:MAX_PROFILE]} is not a list of {COLUMNS} numbers")
    profile = str(wire.get("profile", ""))
    if len(profile) > MAX_PROFILE:
        raise ValueError(f"a profile's name of {len(profile)} characters is over {MAX_PROFILE}")
    return LimitSet(profile, tuple(limits))


@lru_cache(maxsize=4096)
def alarming(limits: LimitSet) -> LimitSet:
    """Returns the limits by which alarms start: those of diastolic pressure only if the admission has set them.

    A diastolic pressure by itself is no problem (R1). The profiles keep their limits of it, for charts and display,
    because a profile never changes under its name.
    """
    base = PROFILES[PROFILE_INDEX[limits.profile]] if limits.profile in PROFILE_INDEX else None
    own = limits.limits[_DBP]
    if base is None or own != base.limits[_DBP] or own == Limit():
        return limits
    return with_overrides(limits, {"dbp": Limit()})


def _number(cell: object) -> float | None:
    if cell is None:
        return None
    if isinstance(cell, bool) or not isinstance(cell, int | float):
        raise TypeError(f"{shown(cell)} is no number")
    return float(cell)


def with_overrides(base: LimitSet, overrides: Mapping[str, Limit]) -> LimitSet:
    """Returns `base` with the limits of some signs replaced.

    Raises:
        ValueError: An override names an unknown sign.
    """
    unknown = overrides.keys() - INDEX.keys()
    if unknown:
        raise ValueError(f"limits for unknown signs: {', '.join(sorted(unknown))}; known are {', '.join(FIELDS)}")
    return LimitSet(base.profile, tuple(overrides.get(f, x) for f, x in zip(FIELDS, base.limits, strict=True)))


def _profile(name: str, **limits: Limit) -> LimitSet:
    return with_overrides(LimitSet(name, tuple(Limit() for _ in SIGNS)), limits)


ADULT: Final = _profile(
    "adult",
    hr=Limit(40, 50, 120, 140, 10),
    pr=Limit(40, 50, 120, 140, 10),
    rr=Limit(6, 8, 30, 35, 20),
    spo2=Limit(85, 90, None, None, 15),
    temp=Limit(None, 35, 39, None, 30),
    sbp=Limit(80, 90, 160, 200, 15),
    dbp=Limit(None, 50, 110, None, 15),
    map=Limit(None, 60, 110, None, 15),
)


def _paediatric(
    name: str, rate: tuple[float, float], breath: tuple[float, float], sbp: tuple[float, float]
) -> LimitSet:
    """Returns a paediatric profile: extreme limits are a fifth beyond the limits, the lower systolic one 15 %."""
    heart = Limit(rate[0] * 0.8, rate[0], rate[1], rate[1] * 1.2, 10)
    return with_overrides(
        LimitSet(name, ADULT.limits),
        {
            "hr": heart,
            "pr": heart,
            "rr": Limit(breath[0] * 0.8, breath[0], breath[1], breath[1] * 1.2, 20),
            "sbp": Limit(sbp[0] * 0.85, sbp[0], sbp[1], sbp[1] * 1.2, 15),
            "dbp": Limit(None, sbp[0] * 0.5, sbp[1] * 0.7, None, 15),
            "map": Limit(None, sbp[0] * 0.65, sbp[1] * 0.8, None, 15),
        },
    )


PROFILES: Final[tuple[LimitSet, ...]] = (
    # Append only: readings name a profile by its index here, and are read years later (docs/alarms.md).
    ADULT,
    # Chronic hypercapnic failure: NEWS2 scale 2 aims at 88-92 %.
    with_overrides(LimitSet("copd", ADULT.limits), {"spo2": Limit(80, 85, None, None, 15)}),
    # At home few values come and movement is common: wider, slower.
    with_overrides(
        LimitSet("home", ADULT.limits),
        {"hr": Limit(40, 45, 130, 150, 30), "pr": Limit(40, 45, 130, 150, 30), "rr": Limit(6, 8, 30, 35, 60)},
    ),
    _paediatric("infant", (100, 180), (25, 60), (70, 105)),
    _paediatric("toddler", (90, 160), (20, 40), (80, 110)),
    _paediatric("child", (70, 140), (16, 30), (85, 120)),
    _paediatric("adolescent", (55, 120), (10, 25), (95, 140)),
)
_COLUMNS: Final = np.ascontiguousarray(np.moveaxis(np.stack([p.array() for p in PROFILES]), -1, 0))
PROFILE_INDEX: Final[dict[str, int]] = {profile.profile: k for k, profile in enumerate(PROFILES)}


def in_force(own: tuple[LimitSet, ...], which: NDArray[np.int64]) -> NDArray[np.float64]:
    """Returns (n, signs, 5) limits of n readings, as `LimitSet.array()`; each column is contiguous in memory.

    Args:
        own: Overridden limits.
        which: (n,) k >= 0 is `PROFILES[k]`, negative is `own[-1 - k]`.
    """
    columns = _COLUMNS
    if own:
        # Negative indices count from the end, so these are in reverse order.
        columns = np.concatenate([columns, np.stack([s.array().T for s in reversed(own)], axis=1)], axis=1)
    return np.moveaxis(columns.take(which, axis=1), 0, -1)


def profile(name: str) -> LimitSet:
    """Returns the built-in profile of that name.

    Raises:
        ValueError: There is none; the error lists the known ones.
    """
    try:
        return PROFILES[PROFILE_INDEX[name]]
    except KeyError:
        raise ValueError(f"unknown limit profile {name!r}; known are {', '.join(PROFILE_INDEX)}") from None
