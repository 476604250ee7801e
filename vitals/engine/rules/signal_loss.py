"""*Vital signs lost* and *sensor off*.

**Vital signs lost** (R8; Q2 of `docs/clinical.md`). An arrest must not pass for a dropout, so this is a physiological
alarm of high priority.

- Condition: SpO2 is lost together with heart or pulse rate, without a fresh value of the other rate. Or a sign is lost
  while its own alarm condition is active, or while its values are beyond an extreme limit and not yet high.
- A sign is lost if the monitor sends zero or an impossible value, or if a continuous sign is missing for more than
  `INTERVALS` intervals. It is no longer lost with a trusted value. A sensor that is reported as off is not lost.
- Start: a reading that reports a loss, `LOST_DELAY_MS` or more after the first one. After a blind period (`BLIND_MS`)
  the first one starts it. A patient's standby keeps it from starting (`vitals.engine.rules.standby`).
- End: readings without the condition for `WITHIN_MS`. Not acknowledged, the alarm latches.

**Sensor off.** A technical alarm of the device, low priority.

- Condition: the device reports a sensor as off.
- Start: a reading that reports it, `SENSOR_OFF_DELAY_MS` or more after the first one. A further sensor is an update.
- End: no sensor is off, or the device is silent (`vitals.engine.rules.technical_alarms`).
"""

from vitals.alarm_events import AlarmState, Kind, Phase, Priority
from vitals.engine.constants import CONDITIONS, COUNT, LOST_DELAY_MS, PULSE, SENSOR_OFF_DELAY_MS, SPO2
from vitals.engine.event_writer import EventWriter
from vitals.engine.idle_marks import bits
from vitals.engine.reading_view import ReadingContext, label
from vitals.engine.rules.sign_condition import calmed, finish, move
from vitals.engine.state import Condition
from vitals.signs import SIGNS


def missing(gone: list[int], fresh: list[bool], conditions: list[Condition | None]) -> str:
    """Returns the text of *vital signs lost*, "" without its condition.

    Args:
        gone: Per sign, whether it is lost.
        fresh: Per sign, whether it had a report within `INTERVALS` intervals.
        conditions: The patient's conditions.
    """
    pulse = any(gone[s] for s in PULSE) and all(gone[s] or not fresh[s] for s in PULSE)
    if pulse and gone[SPO2]:
        return "heart or pulse rate and SpO2 are lost together"
    for s in range(COUNT):
        c = conditions[s]
        if gone[s] and c is not None and (c.on or c.peak):
            return f"{label(s)} is lost while its own alarm is active"
    return ""


def evaluate(writer: EventWriter, r: ReadingContext, c: Condition, what: str, *, word: bool, cadence: int) -> None:
    """Evaluates *vital signs lost*.

    Args:
        writer: Collects the events.
        r: The reading.
        c: The condition.
        what: Text of `missing`.
        word: Whether this reading reports a loss.
        cadence: Time between two readings, ms.
    """
    if not what:
        c.pend = 0
        if c.on and calmed(r, c, cadence):
            finish(writer, r, c, "vital signs are back", None)
        return
    c.calm = 0
    if not c.on and word:
        c.pend = c.pend or r.t
        if r.blind or r.t - c.pend >= LOST_DELAY_MS:
            writer.set_aside(c)
            c.begin(Priority.HIGH)
    if not c.on or not r.live:
        return
    text = f"vital signs lost: {what}"
    if c.alarm is None:
        _start(writer, r, c, text=text, kind=Kind.PHYSIOLOGICAL)
    else:
        move(writer, r, c, {"text": text, "value": None, "limit": None})


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
