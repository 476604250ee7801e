"""*Vital signs lost* and *sensor off*.

**Vital signs lost** (R8; Q2 of `docs/clinical.md`). An arrest must not pass for a dropout, so this is a physiological
alarm.

- Condition: no heart rate, pulse rate or saturation is left of those that the patient has had, and at least one of them
  went without a report of the device: it is a zero or an impossible value, or the reading lacks it. A sensor that is
  reported as off is not lost. A line in the same reading that shows a pulse (`PULSATILE_MAP`, `PULSATILE_WIDTH`) rules
  the condition out; a cuff does not, because its pressure is of before. Only a trusted value ends a loss.
- Start: a reading that shows the loss, the second one at least, `LOST_DELAY_MS` after the first. Priority high. A
  patient's standby keeps it from starting (`vitals.engine.rules.standby`).
- One sensor: of a patient who never had a heart rate by ECG the second such reading is low, and it is medium after
  `OXIMETER_MEDIUM_MS` and high after `OXIMETER_HIGH_MS`. A breach in the `NEAR_MS` before makes it high as above.
- End: readings without the condition for `WITHIN_MS`. High and not acknowledged, the alarm latches.

**Sensor off.** A technical alarm of the device, low priority.

- Condition: the device reports a sensor as off.
- Start: a reading that reports it, `SENSOR_OFF_DELAY_MS` or more after the first one. A further sensor is an update.
- End: no sensor is off, or the device is silent (`vitals.engine.rules.technical_alarms`).
"""

from vitals.alarm_events import AlarmState, Kind, Phase, Priority
from vitals.breach_codes import ABSENT
from vitals.engine.constants import (
    CONDITIONS,
    COUNT,
    DBP,
    LOST_DELAY_MS,
    MAP,
    OXIMETER_HIGH_MS,
    OXIMETER_MEDIUM_MS,
    PULSATILE_MAP,
    PULSATILE_WIDTH,
    SBP,
    SENSOR_OFF_DELAY_MS,
    TRUSTED,
)
from vitals.engine.event_writer import EventWriter
from vitals.engine.idle_marks import bits
from vitals.engine.reading_view import ReadingContext
from vitals.engine.rules.sign_condition import calmed, finish, move
from vitals.engine.state import Condition
from vitals.signs import SIGNS


def pulsatile(r: ReadingContext) -> bool:
    """Returns whether trusted pressures of a line in the reading show a circulation."""
    if any(r.digits[s] == ABSENT or r.codes[s] not in TRUSTED for s in (SBP, DBP, MAP)):
        return False
    return r.values[MAP] >= PULSATILE_MAP and r.values[SBP] - r.values[DBP] >= PULSATILE_WIDTH


def evaluate(
    writer: EventWriter, r: ReadingContext, c: Condition, *, lost: bool, word: bool, sure: bool, cadence: int
) -> None:
    """Evaluates *vital signs lost*.

    Args:
        writer: Collects the events.
        r: The reading.
        c: The condition.
        lost: Whether nothing shows a pulse any more.
        word: Whether this reading shows the loss.
        sure: Whether more than one sensor, or a breach just before, rules a probe that slipped out.
        cadence: Time between two readings, ms.
    """
    if not lost:
        c.pend = 0
        if c.on and calmed(r, c, cadence):
            finish(writer, r, c, "vital signs are back", None)
        return
    c.calm = 0
    if word:
        begin = c.since if c.on else c.pend or r.t
        level = _level(r.t - begin, sure=sure)
        if not c.on:
            c.pend = begin
        if level and not c.on:
            writer.set_aside(c)
            c.begin(level)
        elif c.on:
            c.level = max(level, c.level)
    if not c.on or not r.live:
        return
    text = "vital signs lost: no heart rate, pulse or saturation is left"
    if c.alarm is None:
        _start(writer, r, c, text=text, kind=Kind.PHYSIOLOGICAL)
    else:
        move(writer, r, c, {"text": text, "value": None, "limit": None})


def _level(lasted_ms: int, *, sure: bool) -> int:
    """Returns the priority of a loss that has lasted so long, 0 before the second reading."""
    if lasted_ms >= (LOST_DELAY_MS if sure else OXIMETER_HIGH_MS):
        return Priority.HIGH
    if sure or not lasted_ms:
        return 0
    return Priority.MEDIUM if lasted_ms >= OXIMETER_MEDIUM_MS else Priority.LOW


def evaluate_sensors(writer: EventWriter, r: ReadingContext, c: Condition, off: list[int], *, word: bool) -> None:
    """Evaluates *sensor off*.

    Args:
        writer: Collects the events.
        r: The reading.
        c: The condition.
        off: Per sign, whether its newest report is that its sensor is off.
        word: Whether this reading reports a sensor as off.
    """
    mask = bits(off)
    if not mask:
        c.pend = 0
        if c.on:
            c.on = False
            if c.alarm is not None:
                writer.step(c, Phase.END, t=r.t, state=AlarmState.INACTIVE, text="all sensors are on")
        return
    if not c.on and word:
        c.pend = c.pend or r.t
        if r.t - c.pend >= SENSOR_OFF_DELAY_MS:
            c.on, c.level, c.since, c.pend = True, Priority.LOW, c.pend, 0
    if not c.on or not r.live:
        return
    sensors = sorted({SIGNS[s].sensor for s in range(COUNT) if off[s]})
    text = f"sensor off: {', '.join(sensors)}"
    if c.alarm is None:
        _start(writer, r, c, text=text, kind=Kind.TECHNICAL)
    elif mask & ~c.target:
        writer.step(c, Phase.UPDATE, t=r.t, text=text)
    c.target |= mask


def _start(writer: EventWriter, r: ReadingContext, c: Condition, *, text: str, kind: Kind) -> None:
    subject = str(r.about["device" if kind is Kind.TECHNICAL else "patient"])
    writer.start(c, subject=subject, condition=CONDITIONS[c.index], kind=kind, t=r.t, text=text, **r.about)
