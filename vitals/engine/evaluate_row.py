"""Applies one reading to its patient: problems, then worsening, vital signs lost, NEWS2 and sensors, in this order."""

import math
from operator import or_

from vitals.breach_codes import ABSENT, BREACH_EXTREME_HIGH, BREACH_EXTREME_LOW, WITHIN
from vitals.engine.constants import (
    CONTINUOUS,
    COUNT,
    CUFF,
    DUE_SHARE,
    HR,
    INTERVALS,
    LOST,
    MEMBERS,
    NEAR_MS,
    NEWS2,
    OFTEN_LOST_MS,
    PARTS,
    PR,
    PULSE,
    SBP,
    SENSOR_OFF,
    TRUSTED,
    VANISHING,
)
from vitals.engine.event_writer import EventWriter
from vitals.engine.idle_marks import mark
from vitals.engine.reading_view import ReadingContext
from vitals.engine.rules import news2_condition, not_judged, sign_condition, signal_loss, standby, worsening
from vitals.engine.state import ALARMS, CADENCE, GONE, HAD, NEWEST, OFF, SCORED, SCORES, SEEN, Condition, State, seconds
from vitals.engine.state import CUFF as CUFF_INTERVAL
from vitals.news2 import NOT_SCORED, PART_INDEX
from vitals.signs import Suspect

_PART_COLUMNS = tuple(PART_INDEX["spo2_scale1" if name == "spo2" else name] for name in PARTS)
_EXTREME = (BREACH_EXTREME_LOW, BREACH_EXTREME_HIGH)
_CALM = (WITHIN, ABSENT)
_TWO = 0b11


class PatientRow:
    """One patient's row of the state as lists, updated by one reading."""

    def __init__(self, state: State, row: int) -> None:
        self.times: list[int] = state.times[row].tolist()
        self.marks: list[int] = state.marks[row].tolist()
        self.pace: list[int] = state.pace[row].tolist()
        self.cadence, self.cuff = self.pace[CADENCE], self.pace[CUFF_INTERVAL]
        self.newest, self.seen = self.times[NEWEST], self.times[SEEN]
        self.before: list[int] = list(self.newest)
        self.had, self.gone, self.off = self.marks[HAD], self.marks[GONE], self.marks[OFF]
        self.intervals = [self.cuff if self.cuff and is_cuff else self.cadence for is_cuff in CUFF]
        self.word_of_off = False

    def keep(self, state: State, row: int) -> None:
        """Writes the lists back to the state."""
        self.times[NEWEST], self.times[SEEN] = self.newest, self.seen
        self.marks[HAD], self.marks[GONE], self.marks[OFF] = self.had, self.gone, self.off
        not_judged.note(state, row, [a or b for a, b in zip(self.gone, self.off, strict=True)], self._since())
        state.times[row] = self.times
        state.pace[row] = self.pace
        state.marks[row] = mark(state, row, self.marks)

    def valued(self, state: State, row: int, first: int) -> int:
        """Returns the event time of a problem's newest value before this reading, ms."""
        lapses: dict[int, int] = state.lapses.get(row, {})
        return max(lapses.get(s, self.before[s]) for s in MEMBERS[first])

    def _since(self) -> list[int]:
        """Returns per sign the time of its newest report before this reading, or of this reading for its first."""
        return [before or self.seen for before in self.before]

    def hear(self, s: int, r: ReadingContext) -> None:
        """Records the reading's report of sign `s`: a value, a loss, a sensor off, or none.

        A monitor's zero (`DROPOUT`) is a loss. So is a continuous sign that had a value and then, without a report,
        none for more than `INTERVALS` intervals; a thermometer or cuff merely has no new value. A trusted value ends
        a loss.
        """
        present, code = r.digits[s] != ABSENT, r.codes[s]
        if present:
            self.had[s], self.off[s] = 1, 0
            if code in TRUSTED:
                self.gone[s] = 0
        elif code == Suspect.DROPOUT:
            self.gone[s], self.off[s] = 1, 0
        elif code == Suspect.SENSOR_OFF:
            self.gone[s], self.off[s], self.word_of_off = 0, 1, True
        else:
            overdue = r.t > self.seen and r.t - self.newest[s] > INTERVALS * self.intervals[s]
            if CONTINUOUS[s] and self.had[s] and not self.off[s] and overdue:
                self.gone[s] = 1
            return
        self.newest[s] = r.t

    def lacks(self, r: ReadingContext) -> list[bool]:
        """Returns per sign whether the reading lacks a value that is due, without a report of a sensor that is off."""
        due = [r.t - newest >= DUE_SHARE * self.cadence for newest in self.newest]
        return [bool(had and due and not off) for had, due, off in zip(self.had, due, self.off, strict=True)]


def deciding_signs(r: ReadingContext, words: PatientRow, lacks: list[bool]) -> dict[int, int]:
    """Returns the sign that decides on each problem in this reading, by the problem's first sign.

    Heart and pulse rate are one rate: the pulse rate decides only while there is no believed heart rate. Of several
    pressures the one that is furthest beyond its limits decides, a trusted one before a suspect one.
    """
    found: dict[int, int] = {}
    for first, members in MEMBERS.items():
        present = [s for s in members if r.digits[s] != ABSENT]
        if not present:
            continue
        if first != HR:
            found[first] = min(present, key=lambda s: (r.codes[s] not in TRUSTED, _severity(r.digits[s])))
        elif _believed(r):
            found[first] = HR
        elif not _still_known(r, words, lacks):
            found[first] = PR
    return found


def _severity(digit: int) -> int:
    return 0 if digit in _EXTREME else 2 if digit == WITHIN else 1


def _believed(r: ReadingContext) -> bool:
    """Returns whether the reading has a heart rate that decides: a trusted one, or one without a better pulse rate."""
    if r.digits[HR] == ABSENT:
        return False
    trusted = r.codes[HR] in TRUSTED or r.digits[HR] in _EXTREME
    return trusted or r.digits[PR] == ABSENT or r.codes[PR] not in TRUSTED


def _still_known(r: ReadingContext, words: PatientRow, lacks: list[bool]) -> bool:
    """Returns whether the heart rate of a moment ago counts: devices of one patient send by turns."""
    known = bool(words.had[HR]) and not words.gone[HR] and not words.off[HR]
    return r.digits[HR] == ABSENT and known and not lacks[HR]


def apply(writer: EventWriter, row: int, r: ReadingContext, words: PatientRow) -> None:
    """Applies one reading, also one that the vectorised path could skip.

    Args:
        writer: Collects the events.
        row: Patient's row.
        r: The reading, without values that are late for their sign.
        words: The patient's row.
    """
    state = writer.state
    conditions = state.conditions(row)
    for s in range(COUNT):
        words.hear(s, r)
    zeros = _zeros_that_count(r, conditions)
    sources = deciding_signs(r, words, words.lacks(r))
    for first, s in sources.items():
        if r.digits[s] or conditions[first] is not None:
            newest = max(words.before[member] for member in MEMBERS[first])
            own = conditions[first] or Condition(row, first)
            if own.extremes and r.t - words.valued(state, row, first) > words.intervals[first] + OFTEN_LOST_MS:
                own.extremes = 0
            gap, cuff = r.t - newest if newest else 0, CUFF[first] and words.cuff > 0
            sign_condition.evaluate(writer, r, own, s, gap=gap, interval=words.intervals[first], cuff=cuff)
            conditions[first] = own
    for s in zeros:
        r.values[s], r.digits[s] = math.nan, ABSENT
    if words.cuff and (c := conditions[SBP]) is not None:
        sign_condition.unrepeated(writer, r, c)
    worsening.evaluate(writer, row, r, words.intervals, sources, cuff=words.cuff > 0)
    if not words.had[HR] and (any(d not in _CALM for d in r.digits) or any(c and c.on for c in conditions[:COUNT])):
        state.breached[row] = r.t
    if row in state.standbys:
        standby.hear(writer, row, r, words.cadence)
    _judge_lost(writer, row, r, words)
    evaluate_news2(writer, row, r, words, charted=False)
    if any(words.off) or conditions[SENSOR_OFF] is not None:
        c = conditions[SENSOR_OFF] = conditions[SENSOR_OFF] or Condition(row, SENSOR_OFF)
        signal_loss.evaluate_sensors(writer, r, c, words.off, word=words.word_of_off)
    words.seen = max(words.seen, r.t)
    words.keep(state, row)


def _zeros_that_count(r: ReadingContext, conditions: list[Condition | None]) -> list[int]:
    """Sets a zero after two values below the extreme limit to the value 0, as for a breath count; returns the signs.

    While circulation is lost no other sign is due.
    """
    lost = conditions[LOST]
    if lost is not None and lost.on:
        return []
    found = []
    for s in VANISHING:
        c = conditions[s]
        if r.codes[s] == Suspect.DROPOUT and c is not None and c.peak and c.side < 0 and c.extremes & _TWO == _TWO:
            r.values[s], r.digits[s] = 0.0, BREACH_EXTREME_LOW
            found.append(s)
    return found


def _judge_lost(writer: EventWriter, row: int, r: ReadingContext, words: PatientRow) -> None:
    conditions = writer.state.conditions(row)
    lacks = words.lacks(r)
    gone = [words.gone[s] == 1 or lacks[s] for s in PULSE]
    none = [words.off[s] == 1 or not words.had[s] for s in PULSE]
    lost = any(gone) and all(map(or_, gone, none)) and not (words.cuff == 0 and signal_loss.pulsatile(r))
    if standby.holds(writer.state, row) and not ((known := conditions[LOST]) is not None and known.on):
        lost = False
    if not lost and conditions[LOST] is None:
        return
    word = any(lacks[s] or r.codes[s] == Suspect.DROPOUT for s in PULSE)
    c = conditions[LOST] = conditions[LOST] or Condition(row, LOST)
    begin = (c.since if c.on else c.pend) or r.t
    sure = bool(words.had[HR]) or begin - writer.state.breached.get(row, -NEAR_MS - 1) <= NEAR_MS
    signal_loss.evaluate(writer, r, c, lost=lost, word=word, sure=sure, cadence=words.cadence)


def evaluate_news2(writer: EventWriter, row: int, r: ReadingContext, words: PatientRow, *, charted: bool) -> None:
    """Updates the NEWS2 inputs by the reading and evaluates them."""
    for k, column in enumerate(_PART_COLUMNS):
        if r.parts[column] != NOT_SCORED:
            words.pace[SCORED.start + k] = seconds(r.t)
    for column, digit in enumerate(r.parts):
        if digit != NOT_SCORED:
            words.marks[column] = digit
    if words.marks[SCORES] != ALARMS:
        return
    conditions = writer.state.conditions(row)
    c = conditions[NEWS2]
    if c is None and news2_condition.calm(words.marks):
        return
    score = news2_condition.total(r.t, words.marks, words.pace)
    if c is None:
        if not score.fresh:
            return
        c = conditions[NEWS2] = Condition(row, NEWS2)
    news2_condition.evaluate(writer, r, c, score, charted=charted)
