"""The engine at work on archived readings, as `cloud watch` has it: same clock, same beds, same order."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cloud.alarm.bed_history import BedHistory
from cloud.replay.lake_source import ReadingBlock
from vitals import engine
from vitals.actions import Action
from vitals.admissions import Admission, roster
from vitals.alarm_events import AlarmEvent, Kind
from vitals.readings import empty

SPAN_MS: Final = 5000
"""Readings of at most this much log time are judged at one stroke; a timer that is due ends a stroke before it."""
TICK_MS: Final = 30_000
"""Heartbeats are not archived: in a gap between readings the engine is told the time this often."""
SLOT_MS: Final = 300_000
"""A patient counts as watched in each five minutes in which there was a reading."""
_NOTHING: Final = empty()
Control = tuple[int, Action | Admission]
"""Log time [ms], and what somebody did."""


@dataclass(slots=True)
class Simulation:
    """One partition's patients, under one or more sets of rules side by side.

    Attributes:
        controls: Admissions and actions, in order of log time.
        states: One engine for each set of rules.
        events: What each has told.
        readings: Readings judged.
        watched: Patient and five-minute slot of event time with a reading.
    """

    controls: deque[Control]
    states: list[engine.State]
    events: list[list[AlarmEvent]]
    readings: int = 0
    watched: set[tuple[str, int]] = field(default_factory=set)
    _beds: BedHistory = field(default_factory=BedHistory)
    _clock: int = 0

    def take(self, piece: ReadingBlock) -> None:
        """Judges readings, and whatever else happened up to the last of them."""
        first, n = 0, len(piece.log_t)
        while first < n:
            self._until(int(piece.log_t[first]))
            # Nobody moves between two admissions.
            ends = self.controls[0][0] if self.controls else None
            last = n if ends is None else max(first + 1, int(np.searchsorted(piece.log_t, ends, "right")))
            self._stretch(piece, first, last)
            first = last
        self._count(piece)

    def finish(self, until: int) -> None:
        """Lets time pass until the end of the replay."""
        self._until(until)

    def _until(self, t: int) -> None:
        # Of what has one time stamp, readings come first: what a person did at that moment was done upon them.
        while self.controls and self.controls[0][0] < t:
            at, what = self.controls.popleft()
            self._pass(at)
            self._control(what)
        self._pass(t)

    def _pass(self, t: int) -> None:
        """Tells the engines the time, in steps that are no standing still of the log."""
        self._clock = self._clock or t
        while t - self._clock > TICK_MS:
            self._clock += TICK_MS
            for k, state in enumerate(self.states):
                self.states[k], events = engine.advance(state, _NOTHING, self._clock)
                self._tell(k, events)
        self._clock = max(self._clock, t)

    def _control(self, what: Action | Admission) -> None:
        if isinstance(what, Admission):
            self._beds.admit(what)
        for k, state in enumerate(self.states):
            if isinstance(what, Action):
                self.states[k], events = engine.act(state, what, self._clock)
            elif what.discharged is not None:
                self.states[k], events = engine.discharge(state, what.patient, self._clock)
            else:
                self.states[k], events = engine.place(
                    state, roster(what.gateway, [what]).placements, self._clock, what.gateway
                )
            self._tell(k, events)

    def _stretch(self, piece: ReadingBlock, first: int, last: int) -> None:
        here = np.arange(first, last)
        theirs = ~self._misplaced(piece, first, last)
        kept = here if theirs.all() else here[theirs]
        begin = 0
        while begin < len(kept):
            now = int(piece.log_t[kept[begin]])
            self._pass(now)
            due = min((s.next_due for s in self.states if s.next_due > now), default=now + SPAN_MS)
            end = int(np.searchsorted(piece.log_t[kept], min(now + SPAN_MS, due)))
            end = max(end, begin + 1)
            self._judge(piece, kept[begin:end])
            begin = end
        self.readings += last - first

    def _judge(self, piece: ReadingBlock, index: NDArray[np.intp]) -> None:
        self._clock = int(piece.log_t[index[-1]])
        whole = slice(int(index[0]), int(index[-1]) + 1)
        chosen: slice | NDArray[np.intp] = whole if whole.stop - whole.start == len(index) else index
        for k, (state, readings) in enumerate(zip(self.states, piece.readings, strict=True)):
            self.states[k], events = engine.advance(state, readings.take(chosen), self._clock)
            self._tell(k, events)

    def _misplaced(self, piece: ReadingBlock, first: int, last: int) -> NDArray[np.bool_]:
        """(n,) whether each reading names a patient whose it cannot be, as `BedHistory.misplaced` has it.

        While nobody moves, a patient and bed that agree at the first and the last time agree in between.
        """
        pair, t = piece.pair[first:last], piece.readings[0].t[first:last]
        earliest, latest = np.full(len(piece.pairs), 2**62), np.full(len(piece.pairs), -1)
        np.minimum.at(earliest, pair, t)
        np.maximum.at(latest, pair, t)
        doubtful = np.zeros(len(piece.pairs), dtype=np.bool_)
        for k in np.flatnonzero(latest >= 0).tolist():
            patient, bed = piece.pairs[k]
            ends = (int(earliest[k]), int(latest[k]))
            doubtful[k] = patient is not None and not all(self._beds.belongs(patient, bed, at) for at in ends)
        wrong = np.zeros(last - first, dtype=np.bool_)
        some = np.flatnonzero(doubtful[pair])
        if len(some):
            wrong[some] = self._beds.misplaced(piece.readings[0].take(some + first))
        return wrong

    def _tell(self, k: int, events: Iterable[AlarmEvent]) -> None:
        self.events[k] += [event for event in events if event.kind is Kind.PHYSIOLOGICAL]

    def _count(self, piece: ReadingBlock) -> None:
        slots = piece.readings[0].t // SLOT_MS
        first = int(slots.min())
        width = int(slots.max()) - first + 1
        for code in np.unique(piece.pair * width + (slots - first)).tolist():
            patient = piece.pairs[code // width][0]
            if patient is not None:
                self.watched.add((patient, first + code % width))


def simulate(controls: Iterable[Control], rules: int) -> Simulation:
    """Returns a judge that has seen nothing yet, for so many sets of rules."""
    ordered = deque(sorted(controls, key=lambda control: control[0]))
    return Simulation(ordered, [engine.empty() for _ in range(rules)], [[] for _ in range(rules)])
