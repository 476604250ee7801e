"""Steps by which a patient gets worse than what was acknowledged (R9)."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np

from tests.truth.judging.breaches import CALM, Run, Watch, runs
from tests.truth.judging.life import MEDIUM, MINUTE, SECOND, Flags

SETTLES: Final = 120 * SECOND
NEXT_STEP: Final = 10 * MINUTE
# Values have a decimal: 38.1 is one step of 1.0 above 37.1, whatever their binary fractions say.
ROUNDING: Final = 1e-3


class Step(NamedTuple):
    """One step: its first reading, when it is due (UTC epoch ms), its level, and when the problem was last seen."""

    begins: int
    due: int
    level: int
    until: int


class Span(NamedTuple):
    """Places of a problem that one acknowledgement covers.

    Attributes:
        first: First place of the problem.
        start: First place after the acknowledgement.
        end: The place after its last.
        settled: Moment from which a step counts, UTC epoch ms.
        renewed: Moment of the next acknowledgement, or just after the problem's last reading.
    """

    first: int
    start: int
    end: int
    settled: int
    renewed: int


def worsenings(w: Watch, acks: Sequence[int]) -> Iterator[Step]:
    """Yields the steps of one problem beyond what was acknowledged last.

    Args:
        w: The problem's readings.
        acks: Moments at which it was acknowledged, UTC epoch ms.
    """
    for problem in w.problems() if acks else ():
        whole = Run(problem[0].first, problem[-1].last)
        begins, until = int(w.t[whole.first]), int(w.t[whole.last])
        mine = sorted({ack for ack in acks if begins <= ack <= until + CALM})
        again = 0
        for ack, renewed in pairwise([*mine, until + 1]):
            start, end = (int(place) for place in np.searchsorted(w.t, [ack, renewed], side="right"))
            span = Span(whole.first, start, min(end, whole.last + 1), ack + SETTLES, renewed)
            for step in _steps(w, span, again, until):
                again = step.due + NEXT_STEP
                yield step


def _steps(w: Watch, span: Span, again: int, until: int) -> Iterator[Step]:
    known = start = span.start
    while start < span.end:
        one = _beyond(w, span, known, start, steps=1)
        two = _beyond(w, span, known, start, steps=2)
        due = [
            *_first_lasting(w, one, start, max(span.settled, again)),
            *_first_lasting(w, two, start, span.settled),
        ]
        moment, place = min(due, default=(span.renewed, 0))
        if moment >= span.renewed:  # what was shown by then was acknowledged anew
            return
        known = start = int(np.searchsorted(w.t, moment, side="right"))
        yield Step(int(w.t[place]), moment, int(w.level[place:known].max()), until)
        again = moment + NEXT_STEP


def _beyond(w: Watch, span: Span, known: int, start: int, *, steps: int) -> Flags:
    """Tells for each place from `start` on whether a sign is so many steps beyond its worst before `known`."""
    found = np.zeros(span.end - start, bool)
    later = slice(start, span.end)
    for values, step in zip(w.values.T, w.kind.steps, strict=True):
        seen = values[span.first : known]
        if not np.isnan(seen).all():
            found |= values[later] >= np.nanmax(seen) + steps * step - ROUNDING
    beyond: Flags = found & (w.level[later] >= MEDIUM)
    return beyond


def _first_lasting(w: Watch, flags: Flags, start: int, soonest: int) -> list[tuple[int, int]]:
    """Due moment and first place of the first run that lasts its delay and still holds at the soonest moment."""
    for first, last in runs(flags):
        run = Run(start + first, start + last)
        place = w.lasted(run, int(w.level[run.first]))
        if place is not None and w.t[run.last] >= soonest:
            return [(max(int(w.t[place]), soonest), run.first)]
    return []
