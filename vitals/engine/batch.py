"""Evaluates a batch of readings: NumPy skips readings that change nothing, the others are evaluated one by one.

A batch is divided into rounds with one reading of each patient, so that a patient's readings are evaluated in order.
"""

import logging
from collections.abc import Collection, Iterator
from itertools import repeat
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vitals.engine import evaluate_reading, incident_calls
from vitals.engine.event_writer import EventWriter
from vitals.engine.fast_path.backlog import skip_unchanged_runs
from vitals.engine.fast_path.screen import Round, needs_no_evaluation
from vitals.engine.reading_view import about
from vitals.engine.rollback import SavedRow, describe
from vitals.engine.rules import skipped_readings
from vitals.engine.state import State
from vitals.limits import PROFILES, LimitSet, alarming
from vitals.readings import Readings
from vitals.runtime.exceptions import NOT_CAUSED_BY_INPUT

log = logging.getLogger(__name__)
FEW: Final = 8
"""Fewer readings than this are evaluated faster one by one than by NumPy."""
MANY: Final = 32
"""Smallest batch that is searched for runs of readings that change nothing."""
CHUNK: Final = 16_384
"""Readings evaluated at once: their temporary arrays stay in the processor's cache."""


_SETS: Final = tuple(map(alarming, PROFILES))
_TABLE: Final = np.stack([p.array() for p in _SETS])


class _Limits:
    """Limits in force in a batch: negative indices reach its own sets from the end."""

    def __init__(self, readings: Readings) -> None:
        own = tuple(map(alarming, reversed(readings.limit_sets)))
        self.sets: tuple[LimitSet, ...] = (*_SETS, *own)
        self.table = np.concatenate([_TABLE, [s.array() for s in own]]) if own else _TABLE


def evaluate_batch(writer: EventWriter, readings: Readings, skip: Collection[int] = ()) -> None:
    """Applies readings in arrival order; one that raises is skipped, and no other with it.

    Args:
        writer: Collects the events.
        readings: The batch.
        skip: Indices of readings that were skipped before; they are skipped again, even if they no longer raise.
    """
    if not skip and _judge(writer, readings) is None:
        return
    for i in range(len(readings)):
        one = readings.alone(i)
        writer.offset = i
        error = None if i in skip else _judge(writer, one)
        if i in skip or error is not None:
            _pass_over(writer, one, 0, error)
    writer.offset = 0


def _judge(writer: EventWriter, readings: Readings) -> Exception | None:
    """Applies readings; if the batch as a whole raises, nothing is applied and the error is returned."""
    try:
        rows = _rows(writer.state, readings)
        limits = _Limits(readings)
        if len(rows) >= MANY and _repeated(writer.state, rows):
            rows = skip_unchanged_runs(writer.state, readings, rows, limits.table, writer.now)
    except NOT_CAUSED_BY_INPUT:
        raise
    except Exception as error:
        log.exception("a batch of %d readings raised as a whole: each is evaluated by itself", len(readings))
        return error
    for index in _rounds(writer.state, rows):
        for first in range(0, len(index), CHUNK):
            _chunk(writer, readings, rows, index[first : first + CHUNK], limits)
    return None


def _rows(state: State, readings: Readings) -> NDArray[np.int64]:
    """Returns the patients' rows, -1 for readings without a patient; an unknown patient gets a row."""
    patients = readings.patient.tolist()
    rows = np.fromiter(map(state.index.get, patients, repeat(-1)), dtype=np.int64, count=len(patients))
    for i in np.flatnonzero(rows < 0).tolist():
        patient = patients[i]
        if patient is not None and patient not in state.left:
            rows[i] = state.row(patient)
            state.wards[rows[i]] = readings.ward[i]
    return rows


def _repeated(state: State, rows: NDArray[np.int64]) -> bool:
    """Returns whether any patient has several readings in the batch."""
    mine = rows[rows >= 0]
    place = np.arange(len(mine), dtype=np.int32)
    state.last[mine] = place
    return not bool((state.last[mine] == place).all())


def _rounds(state: State, rows: NDArray[np.int64]) -> Iterator[NDArray[np.intp]]:
    index = np.flatnonzero(rows >= 0)
    if len(index) <= 1 or not _repeated(state, rows):
        if len(index):
            yield index
        return
    mine = rows[index]
    order = np.argsort(mine, kind="stable")
    in_order = mine[order]
    begins = np.flatnonzero(np.r_[True, in_order[1:] != in_order[:-1]])
    turn = np.arange(len(order)) - np.repeat(begins, np.diff(np.r_[begins, len(order)]))
    by_turn = order[np.argsort(turn, kind="stable")]
    for part in np.split(by_turn, np.cumsum(np.bincount(turn))[:-1]):
        yield index[np.sort(part)]


def _chunk(
    writer: EventWriter,
    readings: Readings,
    rows: NDArray[np.int64],
    index: NDArray[np.intp],
    limits: "_Limits",
) -> None:
    restless = index if len(index) < FEW else _needs_evaluation(writer, readings, rows, index, limits)
    for i in restless.tolist():
        _one(writer, readings, i, int(rows[i]), limits)


def _needs_evaluation(
    writer: EventWriter,
    readings: Readings,
    rows: NDArray[np.int64],
    index: NDArray[np.intp],
    limits: "_Limits",
) -> NDArray[np.intp]:
    """Applies the readings that change nothing; returns the indices of the others."""
    state = writer.state
    try:
        round_ = Round.gather(state, readings, rows, index, table=limits.table, now=writer.now)
        at_rest = needs_no_evaluation(round_)
    except NOT_CAUSED_BY_INPUT:
        raise
    except Exception:
        log.exception("the vectorised path raised for %d readings: each is evaluated by itself", len(index))
        return index
    kept = slice(None) if at_rest.all() else np.flatnonzero(at_rest)
    rows_kept = round_.rows[kept]
    state.times[rows_kept] = round_.times[kept]
    state.marks[rows_kept] = round_.marks[kept]
    state.pace[rows_kept] = round_.pace[kept]
    return index[~at_rest]


def _one(writer: EventWriter, readings: Readings, i: int, row: int, limits: "_Limits") -> None:
    """Evaluates one reading by itself; if that raises, the patient's state is restored and the reading skipped."""
    state, told = writer.state, writer.told()
    before = SavedRow(state, row)
    try:
        evaluate_reading.evaluate(writer, readings, i, row, limits.sets[int(readings.limits[i])].limits)
        incident_calls.mark(writer)
    except NOT_CAUSED_BY_INPUT:
        raise
    except Exception as error:
        log.exception("evaluation of reading %d of %d raised: it is skipped", i, len(readings))
        before.restore(state)
        writer.take_back(told)
        _pass_over(writer, readings, i, error)


def _pass_over(writer: EventWriter, readings: Readings, i: int, error: Exception | None) -> None:
    """Skips a reading and starts *not judged* of its patient; `error` is None if it was skipped before."""
    state = writer.state
    writer.place = i
    patient = readings.patient[i]
    if error is not None:
        state.passed_over.append(describe(i + writer.offset, str(patient or readings.device[i]), error))
    if patient is not None and patient not in state.left:
        row = int(_rows(state, readings.take(slice(i, i + 1)))[0])
        skipped_readings.note(writer, row, about(readings, i), int(readings.t[i]))
