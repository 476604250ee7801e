"""Rolls back a step of the engine that raises: the changed state is restored, and the input is skipped.

No content of a reading or record may end the engine, because the next process would read it again. Skipped inputs are
reported by an alarm (`vitals.engine.rules.skipped_readings`) and listed for the technician.
"""

import logging
import traceback
from collections.abc import Callable, Iterable
from copy import copy
from types import TracebackType
from typing import Any, TypeVar

import msgspec

from vitals.engine.constants import CONDITIONS, MEMBERS
from vitals.engine.event_writer import EventWriter
from vitals.engine.state import Condition, PassedOver, State, Track
from vitals.runtime.exceptions import NOT_CAUSED_BY_INPUT, describe_exception

log = logging.getLogger(__name__)
K = TypeVar("K")
V = TypeVar("V")


def describe(place: int, subject: str, error: BaseException) -> PassedOver:
    """Describes an input whose evaluation raised."""
    trace = "".join(traceback.format_exception(error, limit=-8))
    return PassedOver(place, subject, type(error).__name__, describe_exception(error), trace)


class SavedRow:
    """A copy of one patient's part of the state, for rollback.

    Recalled alarms of before a crash are not copied: a reading that raises in the replay raised then as well.
    """

    __slots__ = ("_about", "_admitted", "_arrays", "_conditions", "_latched", "_row", "_sparse", "_tracks")

    def __init__(self, state: State, row: int) -> None:
        self._row, self._admitted = row, (bool(state.placed[row]), int(state.beds[row]))
        self._about = state.wards[row], state.patients[row], state.gateways[row]
        self._arrays = state.times[row].copy(), state.marks[row].copy(), state.pace[row].copy(), state.told[row].copy()
        conditions = state.watched.get(row)
        self._conditions = None if conditions is None else [c and copy(c) for c in conditions]
        self._latched: list[Condition] = []
        if state.latched:
            found = (state.latched.get((row, index)) for index in range(len(CONDITIONS)))
            self._latched = [copy(c) for c in found if c is not None]
        self._tracks: dict[int, Track] = {}
        if state.tracks:
            tracks = ((problem, state.tracks.get((row, problem))) for problem in MEMBERS)
            self._tracks = {problem: _copy_track(track) for problem, track in tracks if track is not None}
        self._sparse = [_copied(table.get(row)) for table in _sparse(state)]

    def restore(self, state: State) -> None:
        """Restores the patient's row."""
        row = self._row
        state.placed[row], state.beds[row] = self._admitted
        state.wards[row], state.patients[row], state.gateways[row] = self._about
        state.times[row], state.marks[row], state.pace[row], state.told[row] = self._arrays
        _put(state.watched, row, self._conditions)
        for index in range(len(CONDITIONS)):
            state.latched.pop((row, index), None)
        state.latched |= {(row, c.index): c for c in self._latched}
        for problem in MEMBERS:
            _put(state.tracks, (row, problem), self._tracks.get(problem))
        for table, value in zip(_sparse(state), self._sparse, strict=True):
            _put(table, row, value)
        kept = [*self._latched, *(c for c in self._conditions or () if c is not None)]
        _relink(state, lambda c: c.row == row, kept)


class Attempt:
    """Context manager of a step other than a reading: if the step raises, its changes are rolled back.

    Args:
        writer: Writer of this call; events of timers, which have run already, stay.
        subject: Patient or equipment that the step concerns.
        patients: Every patient that the step may change.
        faults: Filter for the technical alarms that the step may change; None for none.
        status: Key of the status that the step may change.
    """

    def __init__(
        self,
        writer: EventWriter,
        subject: str,
        patients: Iterable[str] = (),
        *,
        faults: Callable[[Condition], bool] | None = None,
        status: str | None = None,
    ) -> None:
        state = writer.state
        self._scribe, self._subject, self._told = writer, subject, writer.told()
        index = state.index
        self._rows = {p: (index.get(p), state.left.get(p)) for p in patients}
        self._before = {p: SavedRow(state, row) for p, (row, _) in self._rows.items() if row is not None}
        self._chosen, self._keys = faults, tuple(state.faults)
        self._faults = {k: copy(c) for k, c in state.faults.items() if faults(c)} if faults is not None else {}
        self._equipment = dict(state.inhibited), dict(state.flaps)
        self._status = None if status is None else (status, state.statuses.get(status))

    def __enter__(self) -> None:
        """Begins the step."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        """Rolls back if the step has raised."""
        if not isinstance(error, Exception) or isinstance(error, NOT_CAUSED_BY_INPUT):
            return False
        state = self._scribe.state
        for patient, (row, left) in self._rows.items():
            self._put_patient_back(state, patient, row)
            _put(state.left, patient, left)
        chosen = self._chosen
        if chosen is not None:
            # In the former order, because events follow it.
            state.faults = {k: self._faults[k] if k in self._faults else state.faults[k] for k in self._keys}
            _relink(state, lambda c: c.row < 0 and chosen(c), self._faults.values())
            state.inhibited, state.flaps = self._equipment
        if self._status is not None:
            _put(state.statuses, *self._status)
        self._scribe.take_back(self._told)
        log.exception("%s: applying a record raised: it is skipped", self._subject)
        state.passed_over.append(describe(-1, self._subject, error))
        return True

    def _put_patient_back(self, state: State, patient: str, row: int | None) -> None:
        now = state.index.get(patient)
        if row is None:
            if now is not None:
                _relink(state, lambda c: c.row == now, ())
                state.release(patient)
            return
        if now is None:
            state.free.remove(row)
            state.index[patient] = row
        self._before[patient].restore(state)


def _sparse(state: State) -> tuple[dict[int, Any], ...]:
    """Returns the tables in which only few patients have an entry."""
    times = state.behind, state.unjudged, state.awaited, state.covered, state.hushed, state.loud, state.breached
    return (state.ahead, state.lapses, state.incidents, state.standbys, *times)


def _copied(value: Any) -> Any:  # noqa: ANN401 - a number, or a table of numbers
    return dict(value) if isinstance(value, dict) else value


def _put(table: dict[K, V], key: K, value: V | None) -> None:
    if value is None:
        table.pop(key, None)
    else:
        table[key] = value


def _relink(state: State, chosen: Callable[[Condition], bool], kept: Iterable[Condition]) -> None:
    """Replaces the chosen conditions in `state.alarms` by the restored ones."""
    for alarm in [alarm for alarm, c in state.alarms.items() if chosen(c)]:
        del state.alarms[alarm]
    for c in kept:
        if c.alarm is not None:
            state.alarms[c.alarm.id] = c


def _copy_track(track: Track) -> Track:
    return msgspec.structs.replace(track, worst=dict(track.worst), bar=dict(track.bar))
