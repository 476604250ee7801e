"""What becomes due of a sign's problem: onsets, returns, rises, steps beyond what was acknowledged (R2 to R9)."""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np

from tests.truth.judging.breaches import CALM, Run, Watch, runs
from tests.truth.judging.due import BEFORE, IN_TIME, JUST_BEFORE, REPEAT, REPEAT_COUNTS, Due
from tests.truth.judging.life import DAY, HIGH, HOUR, MEDIUM, MINUTE, SECOND
from tests.truth.judging.points import Conceded, Point
from tests.truth.judging.worse import worsenings

CUFF_IN_TIME: Final = 40 * SECOND
# So long ago that nothing returns after it.
NEVER: Final = -DAY
SUNK: Final = 10 * MINUTE
SERIAL, SERIAL_WITHIN, SERIAL_AGAIN = 3, 30 * MINUTE, 10 * MINUTE


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
        self._ended = self._high_ended = NEVER
        self._returns: list[int] = []
        for problem in w.problems():
            self._follow(problem)

    def _follow(self, problem: list[Run]) -> None:
        until, ends = int(self._w.t[problem[-1].last]), self._end(problem[-1].last)
        reached, last_high = 0, 0
        breaches = ripe(self._w, problem, self._conceded)
        for one in breaches:
            if one.level > reached or (one.level == HIGH and self._is_high_anew(one, last_high)):
                self._note(one, reached, until, ends)
                reached = max(reached, one.level)
                last_high = one.due if one.level == HIGH else last_high
        if breaches:
            self._ended = ends
        if reached == HIGH:
            self._high_ended = ends

    def _end(self, last: int) -> int:
        """The moment at which 60 s within limits are complete after the problem's last place; a cuff's next reading."""
        after = last + 1
        if Point.RECOVERY in self._conceded:
            return int(self._w.t[last])
        if after == len(self._w.t):
            return int(self._w.t[last]) + CALM
        return int(self._w.t[after]) + (0 if self._w.cuff else CALM)

    def _is_high_anew(self, one: Ripe, last_high: int) -> bool:
        """Tells whether ten minutes passed without a reading beyond the extreme bound, since it was last high."""
        before = int(np.searchsorted(self._far, one.begins)) - 1
        if before < 0:
            return False
        last = int(self._far[before])
        return last_high <= last and one.begins - last > SUNK

    def _note(self, one: Ripe, reached: int, until: int, ends: int) -> None:
        why = "rises" if reached else "recurs" if one.begins - self._ended < HOUR else "begins"
        joins = HOUR if why == "recurs" and one.level == MEDIUM else 0
        if one.level == HIGH and self._is_serial(one, reached):
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
                since=max(one.begins - BEFORE, self._ended),
                ends=ends,
                joins=joins,
                acknowledged=max((a for a in self._acks if a <= one.due), default=None),
            )
        )

    def _is_serial(self, one: Ripe, reached: int) -> bool:
        """Tells whether a high problem returns for the third time within 30 min, or more often (R6)."""
        if Point.SERIAL in self._conceded:
            return sum(d.level == HIGH and one.due - d.due < SERIAL_WITHIN for d in self.found) >= SERIAL
        if reached == HIGH or one.begins - self._high_ended >= HOUR:
            return False
        self._returns.append(one.due)
        return sum(one.due - due < SERIAL_WITHIN for due in self._returns) >= SERIAL


def of_worsening(patient: str, w: Watch, acks: Sequence[int]) -> Iterator[Due]:
    """Yields what is due of each step beyond what was acknowledged (R9)."""
    for step in worsenings(w, acks):
        latest = step.due + time_allowed(w)
        since = step.begins - JUST_BEFORE
        yield Due(patient, w.name, step.level, "worse", step.begins, step.due, latest, step.until, since)
