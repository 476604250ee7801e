"""What becomes due where nothing is to be seen: circulation lost (R8), and not monitored (R10)."""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from tests.truth.judging.breaches import CALM, Run, runs
from tests.truth.judging.due import BEFORE, IN_TIME, JUST_BEFORE, Due, acknowledgements
from tests.truth.judging.life import CIRCULATION, HIGH, HR, MEDIUM, MINUTE, NOT_MONITORED, SECOND, Act, Bed, Flags
from tests.truth.judging.points import Conceded, Point

SILENCE_IN_TIME: Final = 30 * SECOND
LOSS_IN_TIME: Final = 30 * SECOND
UNANSWERED: Final = 120 * SECOND


def losses(bed: Bed) -> list[list[Run]]:
    """Gathers the places at which a loss of circulation arrived; a pulse of less than 60 s ends none (R8)."""
    places = np.flatnonzero(bed.arrived)
    t = bed.t[places]
    found: list[list[Run]] = []
    last = -1
    for run in runs(~bed.pulse[places]):
        if found and min(int(t[run.first]), int(t[run.first - 1]) + bed.cadence) - int(t[last + 1]) < CALM:
            found[-1].append(Run(int(places[run.first]), int(places[run.last])))
        else:
            found.append([Run(int(places[run.first]), int(places[run.last]))])
        last = run.last
    return found


def of_circulation(bed: Bed, breached: Flags, conceded: Conceded) -> Iterator[Due]:
    """Yields what is due of each loss of circulation; `breached` (m,): a sign was beyond its limits."""
    recovered = 0
    for loss in losses(bed):
        told = 0
        for part in [[run] for run in loss] if Point.SHORT_PULSE in conceded else [loss]:
            begins, until = int(bed.t[part[0].first]), int(bed.t[part[-1].last])
            since = begins - JUST_BEFORE if Point.EARLY in conceded else max(begins - BEFORE, recovered)
            late = IN_TIME if bed.cadence <= SECOND else LOSS_IN_TIME
            for level, wanted in _wanted(bed, part, breached):
                due = _still_lost(bed, part, wanted)
                if level > told and due is not None:
                    why = "rises" if told else "begins"
                    yield Due(bed.name, CIRCULATION, level, why, begins, due, due + late, until, since)
                    told = level
        recovered = int(bed.t[loss[-1].last]) + bed.cadence + CALM


def _wanted(bed: Bed, loss: list[Run], breached: Flags) -> list[tuple[int, int]]:
    """Levels and moments at which a loss is due, by what had been seen of the patient before."""
    first = loss[0].first
    begins = int(bed.t[first])
    shown = np.concatenate([np.flatnonzero(bed.arrived[run.first : run.last + 1]) + run.first for run in loss])
    later = [int(t) for t in bed.t[first + 1 :][bed.arrived[first + 1 :]][:1]]
    second = int(bed.t[shown[1]]) if len(shown) > 1 else next(iter(later), begins + bed.cadence)
    by_ecg = (bed.shown[: first + 1, HR] > 0) & bed.usable[: first + 1, HR] & bed.arrived[: first + 1]
    lately = breached & bed.arrived & (bed.t >= begins - 5 * MINUTE) & (bed.t < begins)
    if by_ecg.any() or lately.any():
        return [(HIGH, max(begins + 10 * SECOND, second))]
    return [(MEDIUM, max(begins + 30 * SECOND, second)), (HIGH, begins + 120 * SECOND)]


def _still_lost(bed: Bed, loss: list[Run], wanted: int) -> int | None:
    """The first moment from `wanted` on at which the loss is shown, None where it is over by then."""
    return next((max(wanted, int(bed.t[run.first])) for run in loss if bed.t[run.last] >= wanted), None)


def on_standby(bed: Bed, acts: Sequence[Act]) -> Flags:
    """Tells for each round whether a standby covers it, (m,)."""
    covered = np.zeros(len(bed.t), bool)
    for act in acts:
        if act.act == "standby":
            covered |= (bed.t >= act.t) & (bed.t < act.until)
    return covered


def of_silence(bed: Bed, acts: Sequence[Act], conceded: Conceded) -> Iterator[Due]:
    """Yields what is due of each silence (R10): a standby covers it, and its end begins it anew."""
    wait = max(3 * bed.cadence, 30 * SECOND) + 40 * SECOND
    acks = acknowledgements(acts, NOT_MONITORED)
    recovered = 0
    for first, last in runs(~bed.heard & ~on_standby(bed, acts)):
        begins, until = int(bed.t[max(first - 1, 0)]), int(bed.t[last])
        ends = int(bed.t[last + 1]) if last + 1 < len(bed.t) else until + bed.cadence
        since = begins - JUST_BEFORE if Point.EARLY in conceded else max(begins - BEFORE, recovered)
        lasts = until - SILENCE_IN_TIME if Point.SILENCE in conceded else ends
        for level, more in ((MEDIUM, 0), (HIGH, UNANSWERED)):
            due = begins + wait + more
            answered = level == HIGH and any(begins <= ack <= due for ack in acks)
            if lasts > due and not answered:
                why = "rises" if level == HIGH else "begins"
                yield Due(bed.name, NOT_MONITORED, level, why, begins, due, due + SILENCE_IN_TIME, until, since)
                recovered = ends
