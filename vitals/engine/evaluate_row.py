"""Applies one reading to its patient: each sign, then worsening, vital signs lost, NEWS2 and sensors, in this order."""

from vitals.breach_codes import ABSENT
from vitals.engine.constants import CONTINUOUS, COUNT, CUFF, INTERVALS, LOST, NEWS2, PARTS, SENSOR_OFF, TRUSTED
from vitals.engine.event_writer import EventWriter
from vitals.engine.idle_marks import mark
from vitals.engine.reading_view import ReadingContext
from vitals.engine.rules import news2_condition, not_judged, sign_condition, signal_loss, standby, worsening
from vitals.engine.state import CADENCE, GONE, HAD, NEWEST, OFF, SCORED, SCORES, SEEN, Condition, State, seconds
from vitals.engine.state import CUFF as CUFF_INTERVAL
from vitals.news2 import NOT_SCORED, PART_INDEX
from vitals.signs import Suspect

_PART_COLUMNS = tuple(PART_INDEX["spo2_scale1" if name == "spo2" else name] for name in PARTS)


class PatientRow:
    """One patient's row of the state as lists, updated by one reading."""

    def __init__(self, state: State, row: int) -> None:
        self.times: list[int] = state.times[row].tolist()
        self.marks: list[int] = state.marks[row].tolist()
        self.pace: list[int] = state.pace[row].tolist()
        self.cadence, self.cuff = self.pace[CADENCE], self.pace[CUFF_INTERVAL]
        self.newest, self.seen = self.times[NEWEST], self.times[SEEN]
        self.had, self.gone, self.off = self.marks[HAD], self.marks[GONE], self.marks[OFF]
        self.intervals = [self.cuff if self.cuff and is_cuff else self.cadence for is_cuff in CUFF]
        self.word_of_loss = self.word_of_off = False

    def keep(self, state: State, row: int) -> None:
        """Writes the lists back to the state."""
        self.times[NEWEST], self.times[SEEN] = self.newest, self.seen
        self.marks[HAD], self.marks[GONE], self.marks[OFF] = self.had, self.gone, self.off
        not_judged.note(state, row, [a or b for a, b in zip(self.gone, self.off, strict=True)], self.seen)
        state.times[row] = self.times
        state.pace[row] = self.pace
        state.marks[row] = mark(state, row, self.marks)

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
            self.gone[s], self.off[s], self.word_of_loss = 1, 0, True
        elif code == Suspect.SENSOR_OFF:
            self.gone[s], self.had[s], self.off[s], self.word_of_off = 0, 0, 1, True
        else:
            overdue = r.t > self.seen and r.t - self.newest[s] > INTERVALS * self.intervals[s]
            if CONTINUOUS[s] and self.had[s] and overdue:
                self.gone[s], self.word_of_loss = 1, True
            return
        self.newest[s] = r.t


def apply(writer: EventWriter, row: int, r: ReadingContext, words: PatientRow) -> None:
    """Applies one reading, also one that the vectorised path could skip.

    Args:
        writer: Collects the events.
        row: Patient's row.
        r: The reading, without values that are late for their sign.
        words: The patient's row.
    """
    conditions = writer.state.conditions(row)
    for s in range(COUNT):
        gap = r.t - words.newest[s] if words.newest[s] else 0
        words.hear(s, r)
        if r.digits[s] != ABSENT and (r.digits[s] or conditions[s] is not None):
            c = conditions[s] or Condition(row, s)
            cuff = CUFF[s] and words.cuff > 0
            sign_condition.evaluate(writer, r, c, gap=gap, interval=words.intervals[s], cuff=cuff)
            conditions[s] = c
    worsening.evaluate(writer, row, r, words.intervals, cuff=words.cuff > 0)
    if row in writer.state.standbys:
        standby.hear(writer, row, r, words.cadence)
    if any(words.gone) or conditions[LOST] is not None:
        _judge_lost(writer, row, r, words)
    evaluate_news2(writer, row, r, words, charted=False)
    if any(words.off) or conditions[SENSOR_OFF] is not None:
        c = conditions[SENSOR_OFF] = conditions[SENSOR_OFF] or Condition(row, SENSOR_OFF)
        signal_loss.evaluate_sensors(writer, r, c, words.off, word=words.word_of_off)
    words.seen = max(words.seen, r.t)
    words.keep(writer.state, row)


def _judge_lost(writer: EventWriter, row: int, r: ReadingContext, words: PatientRow) -> None:
    conditions = writer.state.conditions(row)
    ages = [r.t - newest for newest in words.newest]
    fresh = [words.had[s] == 1 and ages[s] <= INTERVALS * words.intervals[s] for s in range(COUNT)]
    what = signal_loss.missing(words.gone, fresh, conditions)
    if standby.holds(writer.state, row) and not ((c := conditions[LOST]) is not None and c.on):
        what = ""
    if what or conditions[LOST] is not None:
        c = conditions[LOST] = conditions[LOST] or Condition(row, LOST)
        signal_loss.evaluate(writer, r, c, what, word=words.word_of_loss, cadence=words.cadence)


def evaluate_news2(writer: EventWriter, row: int, r: ReadingContext, words: PatientRow, *, charted: bool) -> None:
    """Updates the NEWS2 inputs by the reading and evaluates them."""
    for k, column in enumerate(_PART_COLUMNS):
        if r.parts[column] != NOT_SCORED:
            words.pace[SCORED.start + k] = seconds(r.t)
    for column, digit in enumerate(r.parts):
        if digit != NOT_SCORED:
            words.marks[column] = digit
    if not words.marks[SCORES]:
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
