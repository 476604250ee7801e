"""Alarm condition of one problem, of one vital sign or of two: pending, active, latched.

Sources: IEC 60601-1-8 (priorities, latching); R1 to R4 and R6.

**Problem.** Heart and pulse rate are one problem, systolic and mean pressure another; all other signs are one each. In
each reading one sign decides (`vitals.engine.evaluate_row.deciding_signs`). The alarm has the name of the sign that
started it. Diastolic pressure has limits only if an admission sets them (`vitals.limits.alarming`).

**Condition.** A value beyond its limit (`vitals.limits`); a value equal to the limit is within. Each side of the
limits is a condition of its own.

**Start.** The first value beyond the limit makes the condition pending. It becomes active with a later value that is
still beyond, at least the limit's `delay_s` after the first. So a delay shorter than the cadence is one confirming
reading, and time without a reading starts nothing. A value within limits or on the other side restarts the delay. So
does a value after a gap that is longer than the delay and than `INTERVALS` intervals. So the first value after a loss
or a silence starts nothing.

**Suspect values.** A suspect value neither starts nor ends an alarm, with two exceptions. A value beyond the same
limit counts, though suspect, if it follows a suspect value beyond the extreme limit (of a cuff: beyond the limit). A
suspect value beyond the extreme limit counts if it follows another one that is not yet high. A trusted value beyond
its limit confirms a suspect one beyond the same limit. Each counts from the time of the value before it. A zero of
`VANISHING` counts as such a value after two values beyond the extreme limit.

**Priority.** Medium. High if values have been beyond the extreme limit for the sign's `EXTREME_DELAY_MS`, two in a row
at least. Also high if half of the values in `OFTEN_MS`, the present one among them, are beyond an extreme limit; at
least `OFTEN_LEAST` and at most `OFTEN_MOST` values are compared, none of before a loss of `OFTEN_LOST_MS`.

**Cuff** (a pressure of a patient with a cuff interval). The first breach starts the alarm without delay: low, or medium
beyond the extreme limit, and requests a repeat. A repeat that is still beyond its limit, at least `CUFF_REPEAT_MS`
later, is medium, and so is a low one after `CUFF_WAIT_MS`. Values beyond the extreme limit for `CUFF_REPEAT_MS` are
high.

**Change.** A higher priority escalates: the acknowledgement ends and the first contact is notified again. A high alarm
without a value beyond its extreme limit for `SUNK_MS` becomes medium, unless it was not acknowledged. Such an alarm
stays high, and the next high value after that time escalates it again (R4). So does the next one after a value within
the extreme limit if only suspect values had made the alarm high, because these may have been early. A
value worse than the last reported one by a step of `STEPS` is an update.

**Other side.** While one side is active, a breach of the other side counts as within the first one's limit. When its
own delay is over, the first alarm ends and the second starts.

**End.** Values have been within the limit for `WITHIN_MS`, each of them for one interval (R3). Suspect values do not
end an alarm; but a breach after such a time of values within the limit, suspect or not, is a new alarm (R6). A high
alarm that was not acknowledged latches, and a later breach is an alarm of its own.

**History** changes the condition; of its events only the end is written (`vitals.engine.rules`).
"""

import math
from dataclasses import dataclass
from typing import Any

from vitals.alarm_events import AlarmState, Inactivation, Kind, Phase, Priority
from vitals.breach_codes import BREACH_EXTREME_HIGH, BREACH_EXTREME_LOW, BREACH_LOW, WITHIN
from vitals.engine.constants import (
    CONDITIONS,
    CUFF_REPEAT_MS,
    CUFF_WAIT_MS,
    EXTREME_DELAY_MS,
    INTERVALS,
    OFTEN_LEAST,
    OFTEN_MOST,
    OFTEN_MS,
    STEPS,
    SUNK_MS,
    TRUSTED,
    WITHIN_MS,
)
from vitals.engine.event_writer import EventWriter
from vitals.engine.reading_view import ReadingContext, label, show
from vitals.engine.state import Condition


@dataclass(frozen=True, slots=True)
class _Value:
    """A value that is trusted, or counts though suspect.

    Attributes:
        side: -1 below its limits, 1 above, 0 within.
        extreme: Whether it is beyond the extreme limit.
        begun: Event time from which it counts as beyond its limit, ms.
        since: Event time from which it counts as beyond its extreme limit, ms.
        gap: Time since the newest report of the problem's signs (value, loss, sensor off), ms.
        interval: Time between two values, ms.
        cuff: Whether a repeat must confirm it.
        sign: Sign of the value.
        doubted: Whether it is suspect and follows a suspect one.
    """

    side: int
    extreme: bool
    begun: int
    since: int
    gap: int
    interval: int
    cuff: bool
    sign: int
    doubted: bool


def evaluate(
    writer: EventWriter, r: ReadingContext, c: Condition, s: int, *, gap: int, interval: int, cuff: bool
) -> None:
    """Evaluates a present value of a problem.

    Args:
        writer: Collects the events.
        r: The reading.
        c: The problem's condition, idle or not; changed in place.
        s: The sign that decides in this reading.
        gap: Time since the newest report of the problem's signs, ms; 0 without one.
        interval: Time between two values, ms.
        cuff: Whether the sign is a cuff's, so that a repeat must confirm it.
    """
    digit, limit = r.digits[s], r.limits[s]
    if gap > max(INTERVALS * interval, limit.delay_s * 1000):
        c.pend = c.peak = c.doubt = c.extremes = 0
    extreme = digit in (BREACH_EXTREME_LOW, BREACH_EXTREME_HIGH)
    side = 0 if digit == WITHIN else -1 if digit <= BREACH_LOW else 1
    trusted = r.codes[s] in TRUSTED
    # A suspect value beyond the extreme limit counts after another one, suspect or not.
    pending = extreme and c.peak != 0 and side == c.side
    second = side != 0 and (c.doubt == side or pending)
    # A trusted value confirms any suspect one before it.
    confirms = second or (side != 0 and trusted and c.doubt == 2 * side)
    doubted = not trusted and c.doubt == side
    c.doubt = 0 if trusted else side if extreme or cuff else 0 if c.on and side == c.side else 2 * side
    if not trusted and not second:
        if c.on:
            c.calm = 0 if side == c.side else c.calm or r.t
        return
    # The second of two suspect values counts from the first.
    begun, since = (r.t - gap if earlier else r.t for earlier in (confirms, second))
    v = _Value(side, extreme, begun, since, gap, interval, cuff, s, doubted)
    if c.on and side == c.side and c.calm and r.t - max(gap - interval, 0) - c.calm >= WITHIN_MS:
        # Suspect values end no alarm; but a breach after `WITHIN_MS` of them within the limit is a new one.
        finish(writer, r, c, f"{label(s)} is back after a minute within its limits", value=r.values[s])
    often = _often(c, v)
    if side == 0:
        c.pend = c.peak = 0
        _within(writer, r, c, v)
    elif c.on and side == c.side:
        c.pend = 0
        _go_on(writer, r, c, v, high=_high(r, c, v, often=often))
    else:
        _wait(writer, r, c, v, often=often)


def _wait(writer: EventWriter, r: ReadingContext, c: Condition, v: _Value, *, often: bool) -> None:
    """Runs the delay of a breach; while the other side's alarm is active, the value is within that one's limit."""
    if not c.on and v.side != c.side:
        c.pend = c.peak = 0
        c.side = v.side
    c.pend = c.pend or v.begun
    high = _high(r, c, v, often=often)
    if c.on and (high or v.cuff or _lasted(r, c, v)):
        _over(writer, r, c, v.sign)
    elif c.on:
        _within(writer, r, c, v)
    if not c.on:
        c.side = v.side
        _breach(writer, r, c, v, high=high)


def _high(r: ReadingContext, c: Condition, v: _Value, *, often: bool) -> bool:
    """Records since when values are beyond the extreme limit; returns whether they are so long or often enough."""
    c.peak = (c.peak or v.since) if v.extreme else 0
    delay = CUFF_REPEAT_MS if v.cuff else EXTREME_DELAY_MS[c.index]
    return v.extreme and (often or (r.t > c.peak and r.t - c.peak >= delay))


def _often(c: Condition, v: _Value) -> bool:
    """Records whether the value is beyond an extreme limit; returns whether half of those in `OFTEN_MS` are."""
    extreme = v.extreme and not v.cuff
    if not extreme and not c.extremes:
        return False
    among = min(OFTEN_MOST, max(OFTEN_LEAST, round(OFTEN_MS / v.interval)))
    c.extremes = ((c.extremes << 1) | extreme) & ((1 << among) - 1)
    return 2 * c.extremes.bit_count() >= among


def _lasted(r: ReadingContext, c: Condition, v: _Value) -> bool:
    """Returns whether a breach has lasted for its delay and for two values; the first one after a loss starts none."""
    delay = CUFF_REPEAT_MS if v.cuff else r.limits[v.sign].delay_s * 1000
    return r.t > c.pend and r.t - c.pend >= delay


def _breach(writer: EventWriter, r: ReadingContext, c: Condition, v: _Value, *, high: bool) -> None:
    lasted = _lasted(r, c, v)
    if not (high or lasted or v.cuff):
        return
    level = Priority.HIGH if high else Priority.MEDIUM if lasted or v.extreme or not v.cuff else Priority.LOW
    writer.set_aside(c)
    c.begin(level)
    if high:
        c.peak = c.extremes = 0
        c.doubted = v.doubted
    _sync(writer, r, c, v.sign, unconfirmed=v.cuff and not lasted)


def _go_on(writer: EventWriter, r: ReadingContext, c: Condition, v: _Value, *, high: bool) -> None:
    c.calm = 0
    if c.doubted and v.doubted:
        return
    c.doubted = c.doubted and (bool(c.sunk) or not v.extreme)
    sunk = bool(c.sunk) and (c.doubted or r.t - c.sunk > SUNK_MS)
    again = high and sunk and c.level == Priority.HIGH
    if high:
        c.level, c.sunk, c.peak, c.extremes = Priority.HIGH, 0, 0, 0
        c.doubted = v.doubted
    elif c.level < Priority.MEDIUM and (v.extreme or not v.cuff or r.t - c.since >= CUFF_REPEAT_MS):
        c.level = Priority.MEDIUM
    elif c.level == Priority.HIGH:
        _sink(c, r, v, sunk=sunk)
    _sync(writer, r, c, v.sign, again=again)


def unrepeated(writer: EventWriter, r: ReadingContext, c: Condition) -> None:
    """Makes a cuff's unconfirmed alarm medium after `CUFF_WAIT_MS` without a repeat."""
    if not c.on or c.level != Priority.LOW or r.t - c.since <= CUFF_WAIT_MS:
        return
    c.level = Priority.MEDIUM
    if r.live and c.alarm is not None:
        told = {
            "text": f"{c.alarm.text}, for 15 min: measure again now",
            "value": c.alarm.value,
            "limit": c.alarm.limit,
        }
        move(writer, r, c, told)


def _sink(c: Condition, r: ReadingContext, v: _Value, *, sunk: bool) -> None:
    """Lowers a high alarm to medium once no value has been beyond its extreme limit for `SUNK_MS`."""
    if not sunk:
        c.peak = c.extremes = 0
    if v.extreme:
        # After `SUNK_MS` without an extreme value, a new one counts only when it has lasted for its delay.
        c.sunk = c.sunk if sunk else 0
    else:
        c.sunk = c.sunk or r.t - v.gap
        if r.t - c.sunk > SUNK_MS and not held(c):
            c.level, c.sunk, c.doubted = Priority.MEDIUM, 0, False


def held(c: Condition) -> bool:
    """Returns whether the alarm latches: it was reported as high and is not acknowledged."""
    return (
        c.alarm is not None
        and c.alarm.priority is Priority.HIGH
        and c.alarm.inactivation is not Inactivation.ACKNOWLEDGED
    )


def _within(writer: EventWriter, r: ReadingContext, c: Condition, v: _Value) -> None:
    if not c.on:
        return
    if c.level == Priority.HIGH:
        c.sunk = c.sunk or r.t - v.gap
    if calmed(r, c, v.interval):
        _over(writer, r, c, v.sign)


def calmed(r: ReadingContext, c: Condition, interval: int) -> bool:
    """Records a reading without the condition; returns whether there have been such readings for `WITHIN_MS`."""
    c.calm = c.calm or r.t
    return r.t + interval - c.calm >= WITHIN_MS


def _over(writer: EventWriter, r: ReadingContext, c: Condition, s: int) -> None:
    value = r.values[s]
    side = "below" if c.side < 0 else "above"
    text = f"{label(s)} {show(s, value)} is no longer {side} its limit"
    c.extremes = 0
    finish(writer, r, c, text, value=value)


def finish(writer: EventWriter, r: ReadingContext, c: Condition, text: str, value: float | None) -> None:
    """Ends a condition and its alarm; a high alarm that was not acknowledged latches."""
    c.on = False
    c.calm = c.sunk = 0
    if c.alarm is None:
        return
    about = decider(r) | {"text": text, "value": value}
    if held(c):
        if c.alarm.state is AlarmState.ACTIVE:
            writer.step(c, Phase.UPDATE, t=r.t, state=AlarmState.LATCHED, inactivation=Inactivation.NONE, **about)
        return
    writer.step(c, Phase.END, t=r.t, state=AlarmState.INACTIVE, **about)


def decider(r: ReadingContext) -> dict[str, Any]:
    """Returns the fields of an event that come from the deciding reading, without the patient."""
    return {key: value for key, value in r.about.items() if key != "patient"}


def _sync(
    writer: EventWriter, r: ReadingContext, c: Condition, s: int, *, again: bool = False, unconfirmed: bool = False
) -> None:
    """Emits the difference to the last event; history waits for the first live reading.

    The alarm has the name of the sign that started it, also when another sign of the problem decides later.
    """
    if not r.live:
        return
    value = r.values[s]
    text, bound = _text(r, c, s, again=again, unconfirmed=unconfirmed)
    told: dict[str, Any] = {"text": text, "value": value, "limit": bound}
    if c.alarm is None:
        c.told = value
        patient = str(r.about["patient"])
        writer.start(
            c,
            subject=patient,
            condition=CONDITIONS[s],
            kind=Kind.PHYSIOLOGICAL,
            t=r.t,
            **told,
            **r.about,
        )
        return
    own, before = c.alarm.condition == CONDITIONS[s], c.told
    move(writer, r, c, told, news=own and _worse(c, value), again=again)
    if not own:
        c.told = before


def move(
    writer: EventWriter,
    r: ReadingContext,
    c: Condition,
    told: dict[str, Any],
    *,
    news: bool = False,
    again: bool = False,
) -> None:
    """Emits an active alarm's new priority, a repeated escalation (`again`) or an update (`news`)."""
    if c.alarm is None:
        return
    before = c.alarm.priority
    changes: dict[str, Any] = {"priority": Priority(c.level), **told, **decider(r)}
    if c.level > before or again:
        # The acknowledgement was of a lower priority, so the first contact is notified again.
        phase = Phase.ESCALATE
        changes |= {"inactivation": Inactivation.NONE, "handover": 0}
    elif c.level < before:
        phase = Phase.DEESCALATE
    elif news:
        phase = Phase.UPDATE
    else:
        return
    c.told = math.nan if told["value"] is None else float(told["value"])
    writer.step(c, phase, t=r.t, **changes)


def _worse(c: Condition, value: float) -> bool:
    return (c.told - value) * -c.side >= STEPS[c.index]


def _text(r: ReadingContext, c: Condition, s: int, *, again: bool, unconfirmed: bool) -> tuple[str, float | None]:
    value, limit = r.values[s], r.limits[s]
    extreme = r.digits[s] in (BREACH_EXTREME_LOW, BREACH_EXTREME_HIGH)
    if c.side < 0:
        bound = limit.extreme_low if extreme else limit.low
    else:
        bound = limit.extreme_high if extreme else limit.high
    where = "below" if c.side < 0 else "above"
    note = " (extreme)" if extreme else ""
    if c.level == Priority.LOW:
        note += ", not yet confirmed by a repeat"
    elif c.level == Priority.MEDIUM and unconfirmed:
        note += ": measure again now"
    if again:
        note += ", again"
    shown = "its limit" if bound is None else show(s, bound)
    return f"{label(s)} {show(s, value)} {where} {shown}{note}", bound
