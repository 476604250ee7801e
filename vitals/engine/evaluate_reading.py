"""Evaluates one reading: unpacks it, drops late parts (`vitals.engine.rules.late_readings`), and applies the rest.

A reading is *live* if it is at most `LIVE_MS` older than log time, else history. It is *blind* if the patient had no
reading for `BLIND_MS` and for `INTERVALS` cadences before it: the delay of NEWS2 starts again with it.
"""

import math

from vitals.engine.constants import AHEAD_MS, BLIND_MS, COUNT, INTERVALS, LIVE_MS, TRUSTED
from vitals.engine.evaluate_row import PatientRow, apply
from vitals.engine.event_writer import EventWriter
from vitals.engine.reading_view import ReadingContext, breach
from vitals.engine.rules import late_readings, skipped_readings
from vitals.limits import Limit
from vitals.news2 import row_digits
from vitals.readings import Readings
from vitals.signs import SUSPECT_BITS, Suspect

_MASK = (1 << SUSPECT_BITS) - 1
_SHIFTS = tuple(range(0, COUNT * SUSPECT_BITS, SUSPECT_BITS))
_WORDS = (Suspect.DROPOUT, Suspect.SENSOR_OFF)


def evaluate(writer: EventWriter, readings: Readings, i: int, row: int, limits: tuple[Limit, ...]) -> None:
    """Evaluates reading `i` of a batch.

    Args:
        writer: Collects the events.
        readings: The batch.
        i: Index in the batch.
        row: Patient's row.
        limits: Limits in force, one per sign.
    """
    state = writer.state
    writer.place = i
    words = PatientRow(state, row)
    raw = int(readings.t[i])
    suspect = int(readings.suspect[i])
    values, codes = _unpacked(readings, i, suspect)
    if raw - writer.now > AHEAD_MS:
        t = max(writer.now, words.seen + 1)
        if late_readings.repeated(writer, row, str(readings.device[i]), raw):
            return
    else:
        t = raw
        if _too_late(words, t, values, codes):
            late_readings.record_late(writer, row)
            return
        late_readings.correct_clock(writer, row)
    live = writer.now - t <= LIVE_MS
    if live:
        late_readings.caught_up(writer, row)
    trusted = [v if code in TRUSTED else math.nan for v, code in zip(values, codes, strict=True)] if suspect else values
    reading = ReadingContext(
        t=t,
        values=values,
        codes=codes,
        digits=[breach(v, limit) for v, limit in zip(values, limits, strict=True)],
        limits=limits,
        parts=row_digits(trusted),
        live=live,
        blind=words.seen > 0 and t - words.seen > max(BLIND_MS, INTERVALS * words.cadence),
        source=(readings, i),
    )
    apply(writer, row, reading, words)
    # Last, because rollback does not restore it.
    if live and row in state.unjudged:
        skipped_readings.judged(writer, row, str(readings.patient[i]), t)


def _unpacked(readings: Readings, i: int, suspect: int) -> tuple[list[float], list[int]]:
    """Returns values and codes by sign; an impossible value (-999, 255) is a loss, like the monitor's zero."""
    values = [v if math.isfinite(v) else math.nan for v in readings.values[i].tolist()]
    if not suspect:
        return values, [0] * COUNT
    codes = [(suspect >> shift) & _MASK for shift in _SHIFTS]
    if Suspect.IMPLAUSIBLE in codes:
        values = [math.nan if c == Suspect.IMPLAUSIBLE else v for v, c in zip(values, codes, strict=True)]
        codes = [int(Suspect.DROPOUT) if c == Suspect.IMPLAUSIBLE else c for c in codes]
    return values, codes


def _too_late(words: PatientRow, t: int, values: list[float], codes: list[int]) -> bool:
    """Removes the late parts of a reading; returns whether nothing is left."""
    said = kept = False
    for s in range(COUNT):
        if values[s] == values[s] or codes[s] in _WORDS:
            said = True
            if t <= words.newest[s]:
                values[s], codes[s] = math.nan, 0
            else:
                kept = True
    return not kept and (said or t <= words.seen)
