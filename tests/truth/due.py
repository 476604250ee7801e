"""What people have to be told of one patient, and by when (R2 to R4, R6, R8 to R10)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np

from tests.truth.breaches import (
    CALM,
    KINDS,
    LOST_MORE,
    Run,
    Watch,
    runs,
    watch,
)
from tests.truth.life import (
    CIRCULATION,
    HIGH,
    HOUR,
    HR,
    MEDIUM,
    MINUTE,
    NOT_MONITORED,
    SECOND,
    Act,
    Bed,
    Flags,
)
from tests.truth.points import NONE, Conceded, Point
from tests.truth.worse import worsenings

BEFORE: Final = 120 * SECOND
JUST_BEFORE: Final = 5 * SECOND
IN_TIME: Final = 10 * SECOND
CUFF_IN_TIME: Final = 40 * SECOND
SILENCE_IN_TIME: Final = 30 * SECOND
REPEAT: Final = 15 * MINUTE
REPEAT_COUNTS: Final = 16 * MINUTE
SUNK: Final = 10 * MINUTE
SERIAL, SERIAL_WITHIN, SERIAL_AGAIN = 3, 30 * MINUTE, 10 * MINUTE
UNANSWERED: Final = 120 * SECOND


@dataclass(frozen=True, slots=True)
class Due:
    """One thing that has to be told; moments are UTC epoch ms.

    Attributes:
        patient: The patient's id.
        problem: What is told.
        level: The least priority of the message.
        why: begins, recurs (within an hour of its end), rises (in level), worse (than acknowledged).
        begins: Moment of its first reading.
        due: Moment at which it is due.
        latest: Last moment that is in time.
        until: Last moment at which the problem was seen.
        since: First moment of a message that counts.
        joins: Milliseconds before `due` in which naming it was enough, 0 for none (R6).
        acknowledged: Moment of its last acknowledgement until `due`, None for none.
    """

    patient: str
    problem: str
    level: int
    why: str
    begins: int
    due: int
    latest: int
    until: int
    since: int
    joins: int = 0
    acknowledged: int | None = None

    def __post_init__(self) -> None:
        if self.level not in (MEDIUM, HIGH) or not self.begins <= self.due <= self.latest:
            raise ValueError(f"no due thing of level {self.level} from {self.begins} to {self.due} to {self.latest}")


class Ripe(NamedTuple):
    """A breach that has lasted: when it is due, its level, its first reading."""

    due: int
    level: int
    begins: int


def time_allowed(w: Watch) -> int:
    """Milliseconds from due to the last moment in time (R3), lost readings aside."""
    if w.cuff:
        return CUFF_IN_TIME
    return IN_TIME + (w.cadence if w.cadence > SECOND else 0)


def ripe(w: Watch, problem: Sequence[Run], conceded: Conceded) -> list[Ripe]:
    """Finds each breach of one problem that has lasted, in order, the higher of two at once first."""
    found: list[Ripe] = []
    for run in problem:
        found += [_cuff_medium(w, run, conceded)] if w.cuff else _lasted(w, run, MEDIUM)
        for far in runs(w.level[run.first : run.last + 1] >= HIGH):
            found += _lasted(w, Run(run.first + far.first, run.first + far.last), HIGH)
    if not w.cuff:
        whole = Run(problem[0].first, problem[-1].last)
        often = w.often(whole, within=Point.MINUTE in conceded)
        found += [Ripe(int(w.t[last]), HIGH, int(w.t[first])) for first, last in often]
    return sorted((one for one in found if one.due >= 0), key=lambda one: (one.due, -one.level))


def _lasted(w: Watch, run: Run, level: int) -> list[Ripe]:
    place = w.lasted(run, level)
    return [] if place is None else [Ripe(int(w.t[place]), level, int(w.t[run.first]))]


def _cuff_medium(w: Watch, run: Run, conceded: Conceded) -> Ripe:
    """A cuff's value beyond a limit: at once when extreme, else with its repeat or for want of one."""
    begins = int(w.t[run.first])
    following = int(w.t[run.first + 1]) if run.first + 1 < len(w.t) else None
    confirmed = run.last > run.first
    waited = following is None or following > begins + REPEAT_COUNTS
    if w.level[run.first] >= HIGH:
        return Ripe(begins, MEDIUM, begins)
    if waited and not (confirmed and Point.CUFF_WAIT in conceded):
        return Ripe(begins + REPEAT, MEDIUM, begins)
    return Ripe(following if confirmed and following else -1, MEDIUM, begins)


class Onsets:
    """Follows one problem through a life and notes what is due of it."""

    def __init__(self, patient: str, w: Watch, acks: Sequence[int], conceded: Conceded) -> None:
        self.found: list[Due] = []
        self._patient, self._w, self._acks, self._conceded = patient, w, acks, conceded
        self._far = w.t[w.level >= HIGH]
        self._ended: int | None = None
        self._recovered = 0
        for problem in w.problems():
            self._follow(problem)

    def _follow(self, problem: list[Run]) -> None:
        w = self._w
        until = int(w.t[problem[-1].last])
        reached, last_high = 0, 0
        breaches = ripe(w, problem, self._conceded)
        for one in breaches:
            if one.level > reached or (one.level == HIGH and self._is_high_anew(one, last_high)):
                self._note(one, until, rises=reached > 0)
                reached = max(reached, one.level)
                last_high = one.due if one.level == HIGH else last_high
        if breaches:
            self._ended = self._recovered = until
            after = problem[-1].last + 1
            if after < len(w.t) and Point.RECOVERY not in self._conceded:
                self._recovered = int(w.t[after]) + (0 if w.cuff else CALM)

    def _is_high_anew(self, one: Ripe, last_high: int) -> bool:
        """Tells whether ten minutes passed without a reading beyond the extreme bound, since it was last high."""
        before = int(np.searchsorted(self._far, one.begins)) - 1
        if before < 0:
            return False
        last = int(self._far[before])
        return last_high <= last and one.begins - last > SUNK

    def _note(self, one: Ripe, until: int, *, rises: bool) -> None:
        returns = self._ended is not None and one.begins - self._ended < HOUR
        why = "rises" if rises else "recurs" if returns else "begins"
        joins = HOUR if why == "recurs" and one.level == MEDIUM else 0
        lately = sum(due.level == HIGH and one.due - due.due < SERIAL_WITHIN for due in self.found)
        if one.level == HIGH and lately >= SERIAL:
            joins = SERIAL_AGAIN
        self.found.append(
            Due(
                patient=self._patient,
                problem=self._w.name,
                level=one.level,
                why=why,
                begins=one.begins,
                due=one.due,
                latest=one.due + time_allowed(self._w),
                until=until,
                since=max(one.begins - BEFORE, self._recovered),
                joins=joins,
                acknowledged=max((a for a in self._acks if a <= one.due), default=None),
            )
        )


def of_worsening(patient: str, w: Watch, acks: Sequence[int]) -> Iterator[Due]:
    """Yields what is due of each step beyond what was acknowledged (R9)."""
    for step in worsenings(w, acks):
        latest = step.due + time_allowed(w)
        since = step.begins - JUST_BEFORE
        yield Due(patient, w.name, step.level, "worse", step.begins, step.due, latest, step.until, since)


def one_onset(dues: Sequence[Due]) -> list[Due]:
    """Leaves out a medium onset that became high within its time (R3)."""
    highs = [due.due for due in dues if due.level == HIGH]
    return [d for d in dues if d.level == HIGH or not any(d.due <= high <= d.latest for high in highs)]


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
            late = IN_TIME if bed.cadence <= SECOND else 30 * SECOND
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
        since = begins - JUST_BEFORE if Point.EARLY in conceded else max(begins - BEFORE, recovered)
        for level, due in ((MEDIUM, begins + wait), (HIGH, begins + wait + UNANSWERED)):
            answered = level == HIGH and any(begins <= ack <= due for ack in acks)
            if until > due + SILENCE_IN_TIME and not answered:
                why = "rises" if level == HIGH else "begins"
                yield Due(bed.name, NOT_MONITORED, level, why, begins, due, due + SILENCE_IN_TIME, until, since)
                recovered = until + bed.cadence


def acknowledgements(acts: Sequence[Act], problem: str) -> list[int]:
    """Moments at which the problem was acknowledged."""
    return [act.t for act in acts if act.act == "acknowledge" and problem in act.problems]


def more_for_lost(bed: Bed, due: Due) -> Due:
    """Gives 30 s more where a reading was lost before it was due (R2)."""
    first, after = np.searchsorted(bed.t, [due.begins, due.due + 1])
    return due if bed.heard[first:after].all() else replace(due, latest=due.latest + LOST_MORE)


def of_bed(bed: Bed, acts: Sequence[Act], conceded: Conceded = NONE) -> list[Due]:
    """All that is due of one patient while it can still be seen whether it was told in time.

    Args:
        bed: The patient.
        acts: What people did about this patient.
        conceded: Points to decide as the reference judge does.
    """
    idle = ~bed.pulse
    if Point.SHORT_PULSE not in conceded:
        for loss in losses(bed):
            idle = idle | ((bed.t >= bed.t[loss[0].first]) & (bed.t <= bed.t[loss[-1].last]))
    found: list[Due] = []
    breached = np.zeros(len(bed.t), bool)
    for name in KINDS:
        w = watch(bed, name, idle)
        acks = acknowledgements(acts, name)
        breached[np.searchsorted(bed.t, w.t[w.level >= MEDIUM])] = True
        onsets = Onsets(bed.name, w, acks, conceded).found
        if Point.ITS_TIME in conceded:
            found += [more_for_lost(bed, due) for due in one_onset(onsets)]
        else:
            found += one_onset([more_for_lost(bed, due) for due in onsets])
        found += [more_for_lost(bed, due) for due in of_worsening(bed.name, w, acks)]
    found += of_circulation(bed, breached, conceded)
    found += of_silence(bed, acts, conceded)
    return [due for due in found if due.latest <= bed.t[-1]]
