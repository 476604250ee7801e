"""Readings into the engine: what changes nothing is seen by NumPy at once, the rest goes step by step.

Readings of one patient are judged one after another: a batch is cut into rounds that hold each patient once.
"""

from collections.abc import Iterator
from itertools import repeat
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vitals.engine import single
from vitals.engine.quiet import Round, quiet
from vitals.engine.scribe import Scribe
from vitals.engine.state import State
from vitals.engine.stretch import take_quiet
from vitals.limits import PROFILES, LimitSet
from vitals.readings import Readings

FEW: Final = 8
"""Fewer readings than this are sooner judged one by one than by NumPy."""
MANY: Final = 32
"""From so many readings on, a batch is searched for stretches that are quiet as a whole."""
CHUNK: Final = 16_384
"""Readings judged at once: their temporaries stay in the processor's cache."""


_PROFILES: Final = np.stack([p.array() for p in PROFILES])


class _Limits:
    """Limits in force in a batch: negative indices reach its own sets from the end."""

    def __init__(self, readings: Readings) -> None:
        own = tuple(reversed(readings.limit_sets))
        self.sets: tuple[LimitSet, ...] = (*PROFILES, *own)
        self.table = np.concatenate([_PROFILES, [s.array() for s in own]]) if own else _PROFILES


def judge_all(scribe: Scribe, readings: Readings) -> None:
    """Applies readings in arrival order."""
    rows = _rows(scribe.state, readings)
    limits = _Limits(readings)
    if len(rows) >= MANY and _repeated(scribe.state, rows):
        rows = take_quiet(scribe.state, readings, rows, limits.table, scribe.now)
    for index in _rounds(scribe.state, rows):
        for first in range(0, len(index), CHUNK):
            _chunk(scribe, readings, rows, index[first : first + CHUNK], limits)


def _rows(state: State, readings: Readings) -> NDArray[np.int64]:
    """Returns the patients' rows, -1 for readings that concern nobody; a patient never heard of gets a row."""
    patients = readings.patient.tolist()
    rows = np.fromiter(map(state.index.get, patients, repeat(-1)), dtype=np.int64, count=len(patients))
    for i in np.flatnonzero(rows < 0).tolist():
        patient = patients[i]
        if patient is not None and patient not in state.left:
            rows[i] = state.row(patient)
            state.wards[rows[i]] = readings.ward[i]
    return rows


def _repeated(state: State, rows: NDArray[np.int64]) -> bool:
    """Whether any patient has several readings in the batch."""
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
    scribe: Scribe,
    readings: Readings,
    rows: NDArray[np.int64],
    index: NDArray[np.intp],
    limits: "_Limits",
) -> None:
    state = scribe.state
    if len(index) < FEW:
        restless = index
    else:
        round_ = Round.gather(state, readings, rows, index, table=limits.table, now=scribe.now)
        at_rest = quiet(round_)
        kept = slice(None) if at_rest.all() else np.flatnonzero(at_rest)
        rows_kept = round_.rows[kept]
        state.times[rows_kept] = round_.times[kept]
        state.marks[rows_kept] = round_.marks[kept]
        state.pace[rows_kept] = round_.pace[kept]
        restless = index[~at_rest]
    for i in restless.tolist():
        single.judge(scribe, readings, i, int(rows[i]), limits.sets[int(readings.limits[i])].limits)
