"""The engine's state: arrays over patients for data that every reading changes, objects for the few with conditions.

`times`, `marks`, `pace` and `told` have one row per patient, so that one gather reads all data for a reading that
changes no condition. Only a patient with a condition that is not idle has a list of `Condition` in `watched`.
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
from vitals.incidents import Incident
from vitals.news2 import BANDS, CONSCIOUSNESS
from vitals.status import Status

Number = TypeVar("Number", bound=np.generic)

# Columns of `times`, ms: newest report of each sign, newest reading of the patient.
NEWEST: Final = slice(0, COUNT)
SEEN: Final = COUNT
TIMES: Final = COUNT + 1

# Columns of `pace`: cadence and cuff interval, ms; newest trusted NEWS2 inputs and charted consciousness, `seconds`.
CADENCE, CUFF = 0, 1
SCORED: Final = slice(2, 7)
CHARTED: Final = 7
PACE: Final = 8

# Columns of `marks`: newest NEWS2 digits (0 until there is one); per condition the digit that changes nothing; per sign
# whether it has had a value, is lost, is off; then the patient's own.
PARTS: Final = slice(0, len(BANDS))
CALM: Final = slice(PARTS.stop, PARTS.stop + len(CONDITIONS))
HAD: Final = slice(CALM.stop, CALM.stop + COUNT)
GONE: Final = slice(HAD.stop, HAD.stop + COUNT)
OFF: Final = slice(GONE.stop, GONE.stop + COUNT)
SCORES, SCALE2, OXYGEN, PLACED_OXYGEN, MIND, BUSY = range(OFF.stop, OFF.stop + 6)
MARKS: Final = OFF.stop + 6

ALARMS, SHOWN = 1, 2
"""Values of `SCORES`: NEWS2 starts alarms, or is only shown; 0 if the patient is not scored."""
NOT_CHARTED: Final = -1
LEVELS: Final = tuple(CONSCIOUSNESS)
"""Consciousness is stored as its index here: all but the first, alert, score the same."""
RESTLESS: Final = -1
"""Calm digit of a condition that any reading may change."""
DEFAULT_CADENCE_MS: Final = 30_000
UNTIMED: Final = 2**62
SINCE_2020_S: Final = 1_577_836_800
MOST_S: Final = 2**31 - 1


def seconds(t: int) -> int:
    """Returns a time in whole seconds since 2020, for the ages of NEWS2 inputs; 32 bits reach to 2088.

    `vitals.bounds` rejects later times; a later one in an old record is clipped.
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
    """Consecutive values that are worse by a step than the known worst.

    Attributes:
        since: Event time of the first, ms.
        wait_ms: Delay before the alarm escalates.
        high: Whether any of them is beyond the extreme limit.
    """

    since: int
    wait_ms: int
    high: bool


class Track(msgspec.Struct, array_like=True):
    """Course of one problem of a patient while its condition is active, for `vitals.engine.rules.worsening`.

    Attributes:
        side: -1 below, 1 above.
        worst: Worst value so far, by sign.
        bar: Worst values at the last acknowledgement, pause or escalation for worsening; empty before.
        at: Log time of the acknowledgement, ms.
        again: Event time before which one further step does not escalate, ms; 0 none.
        seen: Event time of the newest value, ms.
        runs: Present runs of values worse than `bar` by one step and by two.
    """

    side: int
    worst: dict[int, float] = {}
    bar: dict[int, float] = {}
    at: int = 0
    again: int = 0
    seen: int = 0
    runs: tuple[Run | None, Run | None] = (None, None)

    def note(self, sign: int, value: float) -> None:
        """Updates the worst value of a sign."""
        worst = self.worst.get(sign, value)
        self.worst[sign] = min(worst, value) if self.side < 0 else max(worst, value)

    def acknowledge(self, now: int) -> None:
        """Records that a person has seen the problem in its present state, at log time `now`."""
        self.bar, self.at, self.runs = dict(self.worst), now, (None, None)


class Condition(msgspec.Struct, array_like=True):
    """One alarm condition of one patient (or of equipment) that is not idle.

    `told` is the value of its last event.

    Attributes:
        row: Patient's row; -1 for equipment.
        index: Index in `CONDITIONS`; -1 for equipment.
        on: Whether the condition is active, announced or not.
        pend: Event time since which it is pending, ms; 0 otherwise.
        peak: Event time since which values are beyond the extreme limit and not yet high, ms; 0 otherwise.
        extremes: The last values, a bit each, the newest lowest: beyond an extreme limit and not yet high.
        calm: Event time since which values are within limits while it is active, ms; 0 otherwise.
        sunk: Event time since which a high one has had no value beyond its extreme limit, ms; 0 otherwise.
        since: Event time of its start, ms.
        level: Its priority, announced or not.
        doubted: Whether only suspect values have made it high.
        side: -1 below, 1 above.
        doubt: Side of the sign's last value if that is suspect and beyond its extreme limit (a cuff's: limit);
            twice the side if it is beyond the limit alone; 0 none.
        target: Priority of a pending NEWS2 change, or the signs in a sensor-off alarm, a bit each.
        alarm: Last event of an alarm that has not ended.
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
    doubted: bool = False

    def idle(self) -> bool:
        """Returns whether the condition holds no information and can be dropped."""
        return not (self.on or self.pend or self.doubt or self.extremes) and self.alarm is None

    def begin(self, level: int) -> None:
        """Makes a pending condition active, from the time since which it was pending."""
        self.on, self.level, self.since, self.pend = True, level, self.pend, 0
        self.calm = self.sunk = 0
        self.doubted = False


class Standby(msgspec.Struct, array_like=True, frozen=True):
    """Standby of a patient (Q3), the newest one; `vitals.engine.rules.standby` has the rules.

    Attributes:
        id: Id of the action that began or renewed it.
        by: Name of the person.
        t: Time of that action, ms.
        until: Its planned end, ms.
        renewals: Number of renewals in a row; -1 after an end that was not a person's.
        value: Event time of the newest reading with a plausible value, ms; 0 none.
        ended: Log time at which it ended before its time, or with the patient's return, ms; 0 not yet.
    """

    id: str
    by: str
    t: int
    until: int
    renewals: int = 0
    value: int = 0
    ended: int = 0


class Flaps(msgspec.Struct, array_like=True, frozen=True):
    """Failures of one device, gateway or bridge, for `vitals.engine.rules.flapping`.

    Attributes:
        begun: Log times at which its last failures began, ms.
        since: Log time since which it fails, ms; 0 if it does not.
        newest: Log time of the newest report of a failure, ms.
        unstable: Whether it is unstable.
    """

    begun: tuple[int, ...] = ()
    since: int = 0
    newest: int = 0
    unstable: bool = False


class PassedOver(NamedTuple):
    """An input that was skipped because it raised.

    Attributes:
        place: Index of the reading in its batch; -1 for other inputs.
        subject: Patient or equipment that it concerns, "" if unknown.
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
    """The engine's whole state. `vitals.engine.empty` creates it, and only the engine changes it, in place."""

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
        # Of each alarm that was announced before a crash: last number, its log time, time of the last action.
        self.known: dict[str, tuple[int, int, int]] = {}
        self.recalled = Recalled()
        self.left: dict[str, int] = {}
        self.ahead: dict[int, dict[str, int]] = {}
        self.behind: dict[int, int] = {}
        # Of admitted patients: id, gateway, and until the first usable value the log time of the admission.
        self.patients: list[str | None] = []
        self.gateways: list[str | None] = []
        self.awaited: dict[int, int] = {}
        # Log time at which a technical alarm last inhibited *not judged* of a patient.
        self.covered: dict[int, int] = {}
        # Per patient, event time since which each sign that had a value has none.
        self.lapses: dict[int, dict[int, int]] = {}
        # Of patients without a heart rate by ECG so far, event time of the newest breach.
        self.breached: dict[int, int] = {}
        # Of a patient: newest standby; planned end up to which *not judged* replaces *device silent*; log time at which
        # a high alarm was last without acknowledgement.
        self.standbys: dict[int, Standby] = {}
        self.hushed: dict[int, int] = {}
        self.loud: dict[int, int] = {}
        # Log time of the next check for *not judged*, and at which the log last resumed after standing still.
        self.next_look = self.resumed = 0
        # Event time of a patient's last skipped reading, until readings have been evaluated again.
        self.unjudged: dict[int, int] = {}
        self.passed_over: list[PassedOver] = []
        # Of the few patients with an incident of late.
        self.incidents: dict[int, Incident] = {}
        # Log time before which no joined problem must be named; derived from `incidents`.
        self.next_reminder = UNTIMED
        self.statuses: dict[str, Status] = {}
        self.faults: dict[str, Condition] = {}
        # Technical alarms that a parent inhibits, by key: their last event, with the number of their end.
        self.inhibited: dict[str, AlarmEvent] = {}
        # Failures of equipment of late, by the key of their alarm without a ward; log time of the next check.
        self.flaps: dict[str, Flaps] = {}
        self.next_flap_look = 0
        self.times: NDArray[np.int64] = np.zeros((capacity, TIMES), dtype=np.int64)
        self.marks: NDArray[np.int8] = np.zeros((capacity, MARKS), dtype=np.int8)
        self.pace: NDArray[np.int32] = np.zeros((capacity, PACE), dtype=np.int32)
        self.told: NDArray[np.float16] = np.zeros((capacity, COUNT), dtype=np.float16)
        self.last: NDArray[np.int32] = np.zeros(capacity, dtype=np.int32)
        self.placed: NDArray[np.bool_] = np.zeros(capacity, dtype=np.bool_)
        # Ward and bed of an admitted patient, as `vitals.engine.rules.standby.bed_code`; 0 is unknown.
        self.beds: NDArray[np.uint32] = np.zeros(capacity, dtype=np.uint32)

    def row(self, patient: str) -> int:
        """Returns the patient's row, and creates a missing one."""
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
        self.beds[row] = 0

    def _grow(self, capacity: int) -> None:
        self.times = _enlarge(self.times, capacity)
        self.marks = _enlarge(self.marks, capacity)
        self.pace = _enlarge(self.pace, capacity)
        self.told = _enlarge(self.told, capacity)
        self.last = np.zeros(capacity, dtype=np.int32)
        placed, beds = np.zeros(capacity, dtype=np.bool_), np.zeros(capacity, dtype=np.uint32)
        placed[: len(self.placed)], beds[: len(self.beds)] = self.placed, self.beds
        self.placed, self.beds = placed, beds

    def release(self, patient: str) -> None:
        """Frees a patient's row; its alarms must have ended."""
        row = self.index.pop(patient)
        self.watched.pop(row, None)
        self.ahead.pop(row, None)
        self.behind.pop(row, None)
        self.unjudged.pop(row, None)
        self.awaited.pop(row, None)
        self.covered.pop(row, None)
        self.lapses.pop(row, None)
        self.standbys.pop(row, None)
        self.hushed.pop(row, None)
        self.loud.pop(row, None)
        self.incidents.pop(row, None)
        self.breached.pop(row, None)
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
        """Returns the time to the next handover or escalation of an unacknowledged alarm, ms; 0 for none."""
        priority = event.priority
        if priority is Priority.HIGH:
            return self.handover_ms
        if priority is Priority.MEDIUM and event.condition in GROWING:
            return UNANSWERED_MS
        return MEDIUM_HANDOVERS * self.handover_ms if priority is Priority.MEDIUM else 0

    def told_of(self, alarm: str, t: int) -> bool:
        """Returns whether an event of the action at `t` was emitted before a crash, and the replay has passed it."""
        return alarm in self.known and alarm not in self.recalled.events and self.known[alarm][2] == t

    def nbytes(self) -> int:
        """Returns the bytes of the arrays."""
        return self.times.nbytes + self.marks.nbytes + self.pace.nbytes + self.told.nbytes + self.last.nbytes


def _enlarge(array: NDArray[Number], capacity: int) -> NDArray[Number]:
    larger = np.zeros((capacity, array.shape[1]), dtype=array.dtype)
    larger[: len(array)] = array
    return larger
