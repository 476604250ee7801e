"""Breaches of limits: the level of each problem in each reading, and how long it has lasted (R1, R2, R3)."""

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from tests.truth.judging.life import (
    HIGH,
    HR,
    MAP,
    MEDIUM,
    MINUTE,
    PR,
    RR,
    SBP,
    SECOND,
    SPO2,
    TEMP,
    Bed,
    Flags,
    Floats,
    Times,
)

Levels = npt.NDArray[np.int8]
ABSENT: Final = -1
CALM: Final = MINUTE
LOST_MORE: Final = 30 * SECOND
FEWEST: Final = 4


@dataclass(frozen=True, slots=True)
class Kind:
    """Series of one problem.

    Attributes:
        signs: Columns of the readings; the problem is there when any of them is beyond.
        up: The side above the limits, else below.
        medium: Milliseconds for which a breach of a limit lasts before it is due.
        high: The same for a breach of an extreme bound.
        steps: Worsening of each sign that is told again after an acknowledgement (R9).
    """

    signs: tuple[int, ...]
    up: bool
    medium: int
    high: int
    steps: tuple[float, ...]


def _two_sided(name: str, signs: tuple[int, ...], medium: int, high: int, *steps: float) -> dict[str, Kind]:
    sides = {"low": False, "high": True}
    return {f"{name}-{side}": Kind(signs, up, medium * SECOND, high * SECOND, steps) for side, up in sides.items()}


KINDS: Final[dict[str, Kind]] = {
    **_two_sided("rate", (HR,), 10, 5, 20.0),
    **_two_sided("breathing", (RR,), 20, 15, 6.0),
    "oxygen-low": Kind((SPO2,), False, 15 * SECOND, 10 * SECOND, (4.0,)),
    **_two_sided("pressure", (SBP, MAP), 15, 10, 15.0, 10.0),
    **_two_sided("temperature", (TEMP,), 30, 30, 1.0),
}


class Run(NamedTuple):
    """First and last place of neighbours for which something holds."""

    first: int
    last: int


def runs(flags: Flags) -> list[Run]:
    """Finds the runs of true flags, in order."""
    turns = np.flatnonzero(np.diff(flags.astype(np.int8), prepend=0, append=0))
    return [Run(first, after - 1) for first, after in turns.reshape(-1, 2).tolist()]


def worst_first(kind: Kind, values: Floats) -> Floats:
    """Picks the kind's signs of (m, 8) values as (m, signs), turned so that more is worse.

    The oximeter's rate stands in for the heart's where there is none.
    """
    picked = values[:, kind.signs]
    if kind.signs == (HR,):
        picked = np.where(np.isnan(picked), values[:, [PR]], picked)
    return picked if kind.up else -picked


def levels(kind: Kind, values: Floats, limits: Floats) -> Levels:
    """Returns HIGH beyond an extreme bound, MEDIUM beyond a limit, else 0; ABSENT where nothing was measured.

    Args:
        kind: The problem.
        values: (m, 8).
        limits: As in `Bed.limits`, (8, 4).
    """
    picked = worst_first(kind, values)
    bounds = limits[list(kind.signs)]
    limit, extreme = (bounds[:, 2], bounds[:, 3]) if kind.up else (-bounds[:, 1], -bounds[:, 0])
    # A comparison with NaN is false: a bound that is not set is never passed.
    found = np.where((picked > limit).any(axis=1), MEDIUM, 0)
    found = np.where((picked > extreme).any(axis=1), HIGH, found)
    return np.where(np.isnan(picked).all(axis=1), ABSENT, found).astype(np.int8)


@dataclass(frozen=True)
class Watch:
    """One problem of one patient, over the k readings that the gateway could use for it.

    Attributes:
        name: The problem.
        kind: Its delays and steps.
        cuff: Its readings are a cuff's.
        cadence: Milliseconds for which a reading holds.
        t: Moments, (k,), UTC epoch ms.
        values: Its signs, more is worse, (k, signs).
        level: 0, MEDIUM or HIGH, (k,).
    """

    name: str
    kind: Kind
    cuff: bool
    cadence: int
    t: Times
    values: Floats
    level: Levels

    def lasted(self, run: Run, level: int) -> int | None:
        """The place at which a run has lasted the delay of its level, None where it ended before.

        A cuff confirms with its next reading, and so does a device that sends less often than the delay.
        """
        delay = self.kind.high if level >= HIGH else self.kind.medium
        place = run.first + 1
        if not self.cuff:
            ripe = int(np.searchsorted(self.t, self.t[run.first] + delay))
            place = max(ripe, place) if self.cadence > delay else ripe
        return place if place <= run.last else None

    def calm(self, before: Run, after: Run) -> int:
        """Milliseconds within limits between two neighbouring runs beyond them, a reading holding for one cadence."""
        held = min(int(self.t[after.first]), int(self.t[after.first - 1]) + self.cadence)
        return held - int(self.t[before.last + 1])

    def problems(self) -> list[list[Run]]:
        """Gathers the runs beyond a limit into problems, which 60 s within limits end; one cuff reading ends one."""
        found: list[list[Run]] = []
        for run in runs(self.level >= MEDIUM):
            if found and not self.cuff and self.calm(found[-1][-1], run) < CALM:
                found[-1].append(run)
            else:
                found.append([run])
        return found

    def often(self, whole: Run, *, within: bool) -> list[Run]:
        """Finds where half of a minute's readings come to be beyond an extreme bound (R2).

        Args:
            whole: First and last place of the problem; what was beyond before it counts for nothing.
            within: Only minutes that begin with the problem or later.

        Returns:
            First place beyond in that minute, and the place that completes it, of each time.
        """
        size = max(FEWEST, round(MINUTE / self.cadence))
        start = whole.first if within else max(0, whole.first - size + 1)
        moments = self.t[start : whole.last + 1]
        if len(moments) < size:
            return []
        far = self.level[start : whole.last + 1] >= HIGH
        far[: whole.first - start] = False
        count = np.cumsum(far)
        count[size:] = count[size:] - count[:-size]
        half = 2 * count[size - 1 :] >= size
        found = []
        for first, _ in runs(half):
            last = first + size - 1
            # Lost readings stretch what counts as a minute, by 30 s at most.
            if moments[last] - moments[first] < size * self.cadence + LOST_MORE:
                beyond = first + int(np.argmax(far[first : last + 1]))
                found.append(Run(start + beyond, start + last))
        return found


def watch(bed: Bed, name: str, idle: Flags) -> Watch:
    """Gathers one problem's readings; `idle` (m,) are rounds in which no sign is due."""
    kind = KINDS[name]
    heard = np.where(bed.usable, bed.shown, np.nan)
    level = levels(kind, heard, bed.limits)
    there = (level != ABSENT) & ~idle
    return Watch(
        name=name,
        kind=kind,
        cuff=name.startswith("pressure") and not bed.line,
        cadence=bed.cadence,
        t=bed.t[there],
        values=worst_first(kind, heard)[there],
        level=level[there],
    )


def kept(bed: Bed, values: Floats, wait: int) -> Floats:
    """Returns (m, 8) values in which a cuff's pressures stand for so many milliseconds, or until its next."""
    if bed.line:
        return values
    full = values.copy()
    places = np.arange(len(bed.t))
    for column in range(SBP, MAP + 1):
        last = np.maximum.accumulate(np.where(np.isnan(values[:, column]), 0, places))
        full[:, column] = np.where(bed.t - bed.t[last] <= wait, values[last, column], np.nan)
    return full
