"""Which readings change nothing: the vectorised half of the engine.

It may only ever call a reading quiet when the step-by-step path would leave every condition as it is; when in doubt it
passes the reading on. A property test runs both over the same readings.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from vitals import news2
from vitals.engine import early
from vitals.engine.rules import (
    AHEAD_MS,
    CONTINUOUS,
    COUNT,
    INTERVALS,
    LATE,
    LOST,
    NEWS2,
    PULSE,
    SENSOR_OFF,
    SPO2,
    STEPS,
)
from vitals.engine.rules import PARTS as PART_NAMES
from vitals.engine.state import BUSY, CALM, GONE, HAD, NEWEST, OFF, PARTS, SCORED, SCORES, SEEN, State
from vitals.limits import HIGH, LOW, LimitSet
from vitals.news2 import NOT_SCORED, PART_INDEX
from vitals.readings import Readings
from vitals.scoring import BREACH_EXTREME_HIGH, BREACH_EXTREME_LOW, BREACH_LOW, breach
from vitals.signs import SUSPECT_BITS, Suspect

Bools = NDArray[np.bool_]
_CONTINUOUS = np.flatnonzero(CONTINUOUS)
_STEPS = np.array(STEPS) - 1e-3
"""`told` is kept in single precision; near the step, the exact path decides."""
_SHIFTS = np.arange(COUNT, dtype=np.int64) * SUSPECT_BITS
_PART_COLUMNS = np.array([PART_INDEX["spo2_scale1" if n == "spo2" else n] for n in PART_NAMES], dtype=np.intp)


@dataclass(slots=True, eq=False)
class Round:
    """Readings of different patients, with their patients' rows gathered.

    Attributes:
        state: The engine's state.
        index: (n,) places in the batch.
        rows: (n,) patients' rows.
        t: (n,) event time, ms; where the clock ran ahead, the log's.
        ahead: (n,) whether it ran ahead.
        values: (n, signs), NaN where absent or late.
        codes: (n, signs) `Suspect` codes, 0 where late.
        present: (n, signs) whether there is a value that is not late.
        limits: (n,) index into `limit_sets`.
        limit_sets: Limits in force.
        times: (n, TIMES) gathered, then brought up to the reading.
        marks: (n, MARKS) likewise.
        pace: (n, 2) cadence and cuff interval, ms.
        says: (n, signs) whether the reading has a word on the sign that is not late.
        coded: Whether any code is set.
        parts: (n, parts) NEWS2 digits of the trusted values.
        dropped: (n,) whether everything in it is late.
    """

    state: State
    index: NDArray[np.intp]
    rows: NDArray[np.int64]
    t: NDArray[np.int64]
    ahead: Bools
    values: NDArray[np.float64]
    codes: NDArray[np.int8]
    present: Bools
    limits: NDArray[np.int64]
    limit_sets: tuple[LimitSet, ...]
    times: NDArray[np.int64]
    marks: NDArray[np.int8]
    pace: NDArray[np.int32]
    says: Bools
    coded: bool
    dropped: Bools
    parts: NDArray[np.int8] = field(init=False)

    @classmethod
    def gather(
        cls,
        state: State,
        readings: Readings,
        rows: NDArray[np.int64],
        index: NDArray[np.intp],
        *,
        limit_sets: tuple[LimitSet, ...],
        now: int,
    ) -> "Round":
        """Gathers the readings at `index` (patients all different) and their patients' rows."""
        raw, mine = readings.t[index], rows[index]
        values, suspect = readings.values[index], readings.suspect[index]
        times = state.times[mine]
        ahead = raw > now + AHEAD_MS
        t = np.where(ahead, np.maximum(now, times[:, SEEN] + 1), raw)
        present = np.isfinite(values)
        coded = bool(suspect.any())
        if coded:
            codes = ((suspect[:, None] >> _SHIFTS) & ((1 << SUSPECT_BITS) - 1)).astype(np.int8)
            says = present | (codes == Suspect.DROPOUT) | (codes == Suspect.SENSOR_OFF)
        else:
            codes, says = np.zeros(values.shape, dtype=np.int8), present
        late = says & (t[:, None] <= times[:, NEWEST])
        said = says.any(axis=1)
        if late.any():
            says = says & ~late
            present = present & ~late
            codes[late] = 0
        values[~present] = np.nan
        dropped = ~says.any(axis=1) & (said | (t <= times[:, SEEN]))
        return cls(
            state, index, mine, t, ahead, values, codes, present, readings.limits[index], limit_sets,
            times, state.marks[mine], state.pace[mine], says, coded, dropped,
        )  # fmt: skip

    def bounds(self, column: int) -> NDArray[np.float64]:
        """Returns one bound of every sign, (n, signs) or, where all share their limits, (signs,)."""
        table = np.stack([s.array()[:, column] for s in self.limit_sets])
        same = len(self.limits) > 0 and bool((self.limits == self.limits[0]).all())
        bound: NDArray[np.float64] = table[self.limits[0]] if same else table[self.limits]
        return bound

    def digits(self, chosen: NDArray[np.intp]) -> NDArray[np.int8]:
        """Returns the breach digits of some readings."""
        table = np.stack([s.array() for s in self.limit_sets])
        return breach(self.values[chosen], table[self.limits[chosen]])


def quiet(r: Round) -> Bools:
    """Finds the readings that change no condition, and brings their gathered rows up to date.

    Returns:
        (n,) whether a reading is quiet.
    """
    beyond = ((r.values < r.bounds(LOW)) | (r.values > r.bounds(HIGH))).any(axis=1)
    overdue = _overdue(r)
    restless = beyond | r.ahead | (r.marks[:, BUSY] != 0) | overdue
    if r.coded:
        restless |= (r.codes != 0).any(axis=1)
    _bring_up(r)
    scores = _scores_at_rest(r)
    unsure = np.flatnonzero(restless & scores & ~r.ahead & ~r.dropped & ~overdue)
    if len(unsure):
        restless[unsure] = ~_steady(r, unsure)
    at_rest: Bools = ~restless & scores & ~r.dropped
    return at_rest


def _overdue(r: Round) -> Bools:
    """Whether a continuous sign has been missing for longer than its intervals allow."""
    absent = ~r.present[:, _CONTINUOUS]
    if not absent.any():
        return np.zeros(len(r.t), dtype=np.bool_)
    newest = r.times[:, NEWEST][:, _CONTINUOUS]
    waited = r.t[:, None] - newest > INTERVALS * r.pace[:, :1].astype(np.int64)
    known = (r.marks[:, HAD][:, _CONTINUOUS] == 1) & (r.marks[:, GONE][:, _CONTINUOUS] == 0)
    overdue: Bools = (absent & waited & known & (r.t > r.times[:, SEEN])[:, None]).any(axis=1)
    return overdue


def _bring_up(r: Round) -> None:
    """Writes the reading into the gathered rows as a quiet reading does."""
    trusted = r.values
    if r.coded:
        trusted = np.where((r.codes == 0) | (r.codes == Suspect.CLOCK), r.values, np.nan)
    r.parts = news2.digits(trusted)
    t = r.t[:, None]
    np.copyto(r.times[:, NEWEST], t, where=r.says)
    np.copyto(r.marks[:, PARTS], r.parts, where=r.parts != NOT_SCORED)
    np.copyto(r.times[:, SCORED], t, where=r.parts[:, _PART_COLUMNS] != NOT_SCORED)
    r.times[:, SEEN] = np.maximum(r.times[:, SEEN], r.t)
    np.copyto(r.marks[:, HAD], np.int8(1), where=r.present)


def _scores_at_rest(r: Round) -> Bools:
    """Whether NEWS2 stays at its level; where it is not scored it does."""
    unscored: Bools = r.marks[:, SCORES] == 0
    if unscored.all():
        return np.ones(len(r.t), dtype=np.bool_)
    fresh, carried = early.totals(r.t, r.times, r.marks, r.pace)
    calm = r.marks[:, CALM.start + NEWS2]
    stays: Bools = unscored | ((calm == 0) & (fresh == 0)) | ((calm > 0) & (fresh <= calm) & (carried >= calm))
    return stays


def _steady(r: Round, chosen: NDArray[np.intp]) -> Bools:
    """Whether a reading that is not plainly within limits still changes nothing: its alarm goes on as it is."""
    marks, values, present = r.marks[chosen], r.values[chosen], r.present[chosen]
    calm = marks[:, CALM]
    digits, mine = r.digits(chosen), calm[:, :COUNT]
    trusted = present
    told = r.state.told[r.rows[chosen]]
    side = np.where(digits <= BREACH_LOW, 1.0, -1.0)
    news = (mine > 0) & ((told - values) * side >= _STEPS)
    gone, off = marks[:, GONE] != 0, marks[:, OFF] != 0
    fine = ~present | ((digits == mine) & ~news)
    loud = calm[:, LOST] == 1
    if r.coded:
        codes = r.codes[chosen]
        trusted = present & ((codes == 0) | (codes == Suspect.CLOCK))
        extreme = (digits == BREACH_EXTREME_LOW) | (digits == BREACH_EXTREME_HIGH)
        fine = np.where(present & ~trusted, (mine >= 0) & ~extreme, fine)
        dropout = ~present & (codes == Suspect.DROPOUT)
        sensor_off = ~present & (codes == Suspect.SENSOR_OFF)
        fine &= ~dropout | (gone & ~off & ((mine == 0) | loud[:, None]))
        fine &= ~sensor_off | (off & (calm[:, SENSOR_OFF] == 1)[:, None])
    fine &= ~(present & (gone | off))
    steady = fine.all(axis=1) & (calm[:, [LOST, SENSOR_OFF, LATE]] >= 0).all(axis=1)
    alive = np.zeros(len(chosen), dtype=np.bool_)
    pulse_gone = np.zeros(len(chosen), dtype=np.bool_)
    for s in PULSE:
        alive |= trusted[:, s]
        pulse_gone |= gone[:, s]
    together = gone[:, SPO2] & pulse_gone & ~alive
    alone = (gone & (mine != 0)).any(axis=1)
    goes_on: Bools = steady & (loud | ~(together | alone))
    return goes_on
