"""The engine's state: arrays over patients for what every reading touches, objects for the few that need attention.

`times`, `marks`, `pace` and `told` have one row per patient, so that one gather brings all that a quiet reading needs.
Only a patient with something pending, active, latched, lost or off has a list of `Condition` in `watched`.
"""

import math
from typing import Final, NamedTuple, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from vitals.alarm_events import AlarmEvent, Priority
from vitals.engine.constants import (
    CONDITIONS,
    COUNT,
    GROWING,
    HANDOVER_MS,
    MEDIUM_HANDOVERS,
    MEMBERS,
    UNANSWERED_MS,
)
from vitals.engine.recovered_alarms import Recalled
from vitals.news2 import BANDS, CONSCIOUSNESS
from vitals.status import Status

Number = TypeVar("Number", bound=np.generic)

# Columns of `times`, ms: newest word on each sign, newest reading of the patient.
NEWEST: Final = slice(0, COUNT)
SEEN: Final = COUNT
TIMES: Final = COUNT + 1

# Columns of `pace`: cadence and cuff interval, ms; newest trusted NEWS2 inputs and charted consciousness, `seconds`.
CADENCE, CUFF = 0, 1
SCORED: Final = slice(2, 7)
CHARTED: Final = 7
PACE: Final = 8

# Columns of `marks`: newest NEWS2 digits (0 until there is one); per condition the digit that changes nothing; per sign
# whether a value was had, is lost, is off; then the patient's own.
PARTS: Final = slice(0, len(BANDS))
CALM: Final = slice(PARTS.stop, PARTS.stop + len(CONDITIONS))
HAD: Final = slice(CALM.stop, CALM.stop + COUNT)
GONE: Final = slice(HAD.stop, HAD.stop + COUNT)
OFF: Final = slice(GONE.stop, GONE.stop + COUNT)
SCORES, SCALE2, OXYGEN, PLACED_OXYGEN, MIND, BUSY = range(OFF.stop, OFF.stop + 6)
MARKS: Final = OFF.stop + 6

NOT_CHARTED: Final = -1
LEVELS: Final = tuple(CONSCIOUSNESS)
"""Consciousness is kept as its place here: all but the first, alert, score the same."""
RESTLESS: Final = -1
"""Calm digit of a condition that every reading may change."""
DEFAULT_CADENCE_MS: Final = 30_000
UNTIMED: Final = 2**62
SINCE_2020_S: Final = 1_577_836_800
MOST_S: Final = 2**31 - 1


def seconds(t: int) -> int:
    """Returns a time in whole seconds since 2020, 32 bits until 2088; the ages of NEWS2 inputs need no more.

    No door takes a later time; a record of before there were bounds counts as of then.
    """
    return max(-MOST_S, min(t // 1000 - SINCE_2020_S, MOST_S))


def all_seconds(t: NDArray[np.int64]) -> NDArray[np.int64]:
    """Returns `seconds` of many times."""
    at: NDArray[np.int64] = t // 1000
    at -= SINCE_2020_S
    # `np.clip` costs several times as much for the few readings of one round.
    np.minimum(at, MOST_S, out=at)
    return np.maximum(at, -MOST_S, out=at)


class Run(msgspec.Struct, array_like=True):
    """Values in a row that are worse by a step than what is known.

    Attributes:
        since: Event time of the first, ms.
        wait_ms: How long they go on before somebody is called.
        high: Whether any of them is beyond the extreme bound.
    """

    since: int
    wait_ms: int
    high: bool


class Track(msgspec.Struct, array_like=True):
    """Course of one problem of a patient while an alarm of it holds, and what is known of that.

    Attributes:
        side: -1 below, 1 above.
        worst: Worst value so far, by sign.
        bar: Worst values when somebody acknowledged (or paused) it, or when it last called again; empty before.
        at: Log time of the acknowledgement, ms.
        again: Event time before which one further step calls nobody, ms; 0 none.
        seen: Event time of the newest value, ms.
        runs: Values worse than the bar by one step and by two, while they go on.
    """

    side: int
    worst: dict[int, float] = {}
    bar: dict[int, float] = {}
    at: int = 0
    again: int = 0
    seen: int = 0
    runs: tuple[Run | None, Run | None] = (None, None)

    def note(self, sign: int, value: float) -> None:
        """Notes a value."""
        worst = self.worst.get(sign, value)
        self.worst[sign] = min(worst, value) if self.side < 0 else max(worst, value)

    def acknowledge(self, now: int) -> None:
        """Notes that a person has seen it as it is, at log time `now`."""
        self.bar, self.at, self.runs = dict(self.worst), now, (None, None)


class Condition(msgspec.Struct, array_like=True):
    """One condition of one patient (or of a piece of equipment) that is not at rest.

    Attributes:
        row: Patient's row; -1 for equipment.
        index: Place in `CONDITIONS`.
        on: Whether the condition holds, told or not.
        pend: Event time since which it is pending, ms; 0 when it is not.
        peak: Event time since which values are beyond the extreme bound and not yet high, ms; 0 when they are not.
        extremes: The last values, a bit each, the newest lowest: beyond an extreme bound and not yet high.
        calm: Event time since which values are within limits while it holds, ms; 0 when they are not.
        sunk: Event time since which a high one has had no value beyond its extreme bound, ms; 0 when it has.
        since: Event time at which it began, ms.
        level: Priority that it has, told or not.
        side: -1 below, 1 above.
        doubt: Side beyond whose extreme bound (a cuff's: limit) the sign's last value was, though suspect; 0 none.
        target: Level that a pending NEWS2 change leads to, or the signs that a sensor-off alarm has told of.
        alarm: Last event, while an alarm is told and not ended.
        told: Value last told.
        paused_until: Log time at which an audio pause ends, ms; 0 none.
        due: Log time of the next handover, ms; 0 none.
    """

    row: int
    index: int
    on: bool = False
    pend: int = 0
    since: int = 0
    level: int = 0
    side: int = 0
    doubt: int = 0
    target: int = 0
    alarm: AlarmEvent | None = None
    told: float = math.nan
    paused_until: int = 0
    due: int = 0
    peak: int = 0
    extremes: int = 0
    calm: int = 0
    sunk: int = 0

    def idle(self) -> bool:
        """Whether nothing is left to remember."""
        return not (self.on or self.pend or self.doubt or self.extremes) and self.alarm is None

    def begin(self, level: int) -> None:
        """Holds from where it was pending; nothing is known of it yet."""
        self.on, self.level, self.since, self.pend = True, level, self.pend, 0
        self.calm = self.sunk = 0


class PassedOver(NamedTuple):
    """What could not be applied.

    Attributes:
        place: Place of the reading in its batch; -1 for what is no reading.
        subject: Patient or equipment that it concerns, "" when that cannot be told.
        kind: Name of the exception.
        reason: Exception with its message.
        trace: Its traceback.
    """

    place: int
    subject: str
    kind: str
    reason: str
    trace: str


class State:
    """All that the engine knows; made by `vitals.engine.empty`, changed in place by the engine alone."""

    def __init__(self, handover_ms: int = HANDOVER_MS, capacity: int = 64) -> None:
        self.handover_ms = handover_ms
        self.now = 0
        self.next_due = UNTIMED
        self.next_forget = 0
        self.index: dict[str, int] = {}
        self.wards: list[str | None] = []
        self.free: list[int] = []
        self.watched: dict[int, list[Condition | None]] = {}
        self.alarms: dict[str, Condition] = {}
        self.latched: dict[tuple[int, int], Condition] = {}
        self.tracks: dict[tuple[int, int], Track] = {}
        # Of each alarm that was told before a crash: last number, its log time, time of the last action.
        self.known: dict[str, tuple[int, int, int]] = {}
        self.recalled = Recalled()
        self.left: dict[str, int] = {}
        self.ahead: dict[int, dict[str, int]] = {}
        self.behind: dict[int, int] = {}
        # Of whoever is admitted: id, gateway, and the log time of the admission until there was a usable value.
        self.patients: list[str | None] = []
        self.gateways: list[str | None] = []
        self.awaited: dict[int, int] = {}
        # Log time at which a patient's silence was last covered by what is down.
        self.covered: dict[int, int] = {}
        # Per patient, event time since which each sign that was had has no value.
        self.lapses: dict[int, dict[int, int]] = {}
        # Log time of the next look at who is judged, and of the last time that it had stood still.
        self.next_look = self.resumed = 0
        # Log time of the last reading of a patient that was passed over, until readings have been judged again.
        self.unjudged: dict[int, int] = {}
        self.passed_over: list[PassedOver] = []
        self.statuses: dict[str, Status] = {}
        self.faults: dict[str, Condition] = {}
        self.times: NDArray[np.int64] = np.zeros((capacity, TIMES), dtype=np.int64)
        self.marks: NDArray[np.int8] = np.zeros((capacity, MARKS), dtype=np.int8)
        self.pace: NDArray[np.int32] = np.zeros((capacity, PACE), dtype=np.int32)
        self.told: NDArray[np.float16] = np.zeros((capacity, COUNT), dtype=np.float16)
        self.last: NDArray[np.int32] = np.zeros(capacity, dtype=np.int32)
        self.placed: NDArray[np.bool_] = np.zeros(capacity, dtype=np.bool_)

    def row(self, patient: str) -> int:
        """Returns the patient's row, made when there is none yet."""
        row = self.index.get(patient)
        if row is not None:
            return row
        if self.free:
            row = self.free.pop()
            self.wards[row] = self.patients[row] = self.gateways[row] = None
        else:
            row = len(self.wards)
            for column in (self.wards, self.patients, self.gateways):
                column.append(None)
            if row == len(self.times):
                self._grow(max(64, row + row // 8))
        self.index[patient] = row
        self._clear(row)
        return row

    def _clear(self, row: int) -> None:
        self.times[row] = 0
        self.marks[row] = 0
        self.marks[row, MIND] = NOT_CHARTED
        self.pace[row] = 0
        self.pace[row, CADENCE] = DEFAULT_CADENCE_MS
        self.told[row] = math.nan
        self.placed[row] = False

    def _grow(self, capacity: int) -> None:
        self.times = _enlarge(self.times, capacity)
        self.marks = _enlarge(self.marks, capacity)
        self.pace = _enlarge(self.pace, capacity)
        self.told = _enlarge(self.told, capacity)
        self.last = np.zeros(capacity, dtype=np.int32)
        placed = np.zeros(capacity, dtype=np.bool_)
        placed[: len(self.placed)] = self.placed
        self.placed = placed

    def release(self, patient: str) -> None:
        """Frees a patient's row; what is told of it must have ended."""
        row = self.index.pop(patient)
        self.watched.pop(row, None)
        self.ahead.pop(row, None)
        self.behind.pop(row, None)
        self.unjudged.pop(row, None)
        self.awaited.pop(row, None)
        self.covered.pop(row, None)
        self.lapses.pop(row, None)
        self.placed[row] = False
        for problem in MEMBERS:
            self.tracks.pop((row, problem), None)
        self.free.append(row)

    def conditions(self, row: int) -> list[Condition | None]:
        """Returns the conditions of a row, for changing."""
        conditions = self.watched.get(row)
        if conditions is None:
            conditions = self.watched[row] = [None] * len(CONDITIONS)
        return conditions

    def calls_again_after_ms(self, event: AlarmEvent) -> int:
        """Returns after how long an alarm that nobody acknowledges calls again, ms; 0 for never."""
        priority = event.priority
        if priority is Priority.HIGH:
            return self.handover_ms
        if priority is Priority.MEDIUM and event.condition in GROWING:
            return UNANSWERED_MS
        return MEDIUM_HANDOVERS * self.handover_ms if priority is Priority.MEDIUM else 0

    def told_of(self, alarm: str, t: int) -> bool:
        """Whether the action of that time was told of before a crash, and the replay has passed that."""
        return alarm in self.known and alarm not in self.recalled.events and self.known[alarm][2] == t

    def nbytes(self) -> int:
        """Returns the bytes of the arrays."""
        return self.times.nbytes + self.marks.nbytes + self.pace.nbytes + self.told.nbytes + self.last.nbytes


def _enlarge(array: NDArray[Number], capacity: int) -> NDArray[Number]:
    larger = np.zeros((capacity, array.shape[1]), dtype=array.dtype)
    larger[: len(array)] = array
    return larger
