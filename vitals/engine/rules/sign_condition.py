"""The condition of one sign: pending, active, latched."""

import math
from dataclasses import dataclass
from typing import Any

from vitals.alarm_events import AlarmState, Inactivation, Kind, Phase, Priority
from vitals.breach_codes import BREACH_EXTREME_HIGH, BREACH_EXTREME_LOW, BREACH_LOW, WITHIN
from vitals.engine.event_writer import EventWriter
from vitals.engine.reading_view import ReadingContext, label, show
from vitals.engine.rules.constants import (
    CONDITIONS,
    CUFF_REPEAT_MS,
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
from vitals.engine.state import Condition


@dataclass(frozen=True, slots=True)
class _Value:
    """A value that counts.

    Attributes:
        side: -1 below its limits, 1 above, 0 within.
        extreme: Whether it is beyond the extreme bound.
        since: Event time from which it counts, ms.
        gap: Time since the newest word on the sign, ms.
        interval: Time between two values, ms.
        cuff: Whether a repeat must confirm it.
    """

    side: int
    extreme: bool
    since: int
    gap: int
    interval: int
    cuff: bool


def evaluate(scribe: EventWriter, r: ReadingContext, c: Condition, *, gap: int, interval: int, cuff: bool) -> None:
    """Judges a present value of the sign `c.index`.

    Args:
        scribe: Where events go.
        r: The reading.
        c: The sign's condition, idle or not; changed in place.
        gap: Time since the newest word on this sign, ms; 0 when there was none.
        interval: Time between two values, ms.
        cuff: Whether the sign is a cuff's, so that a repeat must confirm it.
    """
    s = c.index
    digit, limit = r.digits[s], r.limits[s]
    if gap > max(INTERVALS * interval, limit.delay_s * 1000):
        c.pend = c.peak = c.doubt = c.extremes = 0
    extreme = digit in (BREACH_EXTREME_LOW, BREACH_EXTREME_HIGH)
    side = 0 if digit == WITHIN else -1 if digit <= BREACH_LOW else 1
    trusted = r.codes[s] in TRUSTED
    # A doubtful extreme value is believed after another one, doubtful or not.
    pending = extreme and c.peak != 0 and side == c.side
    second = side != 0 and (c.doubt == side or pending)
    c.doubt = side if (extreme or cuff) and not trusted else 0
    if not trusted and not second:
        if c.on:
            c.calm = 0 if side == c.side else c.calm or r.t
        return
    # The second of two doubtful values counts from the first.
    v = _Value(side, extreme, r.t - gap if second else r.t, gap, interval, cuff)
    if c.on and side == c.side and c.calm and r.t - max(gap - interval, 0) - c.calm >= WITHIN_MS:
        # Doubtful values end nothing; but what comes back after a minute of them within limits has been away.
        finish(scribe, r, c, f"{label(s)} is back after a minute within its limits", value=r.values[s])
    often = _often(c, v)
    if side == 0:
        c.pend = c.peak = 0
        _within(scribe, r, c, v)
    elif c.on and side == c.side:
        c.pend = 0
        _go_on(scribe, r, c, v, high=_high(r, c, v, often=often))
    else:
        _wait(scribe, r, c, v, often=often)


def _wait(scribe: EventWriter, r: ReadingContext, c: Condition, v: _Value, *, often: bool) -> None:
    """Lets a breach wait for its delay; while the other side's alarm holds it is within that one's limit."""
    if not c.on and v.side != c.side:
        c.pend = c.peak = 0
        c.side = v.side
    c.pend = c.pend or v.since
    high = _high(r, c, v, often=often) or (v.extreme and r.blind and not v.cuff)
    if c.on and (high or v.cuff or r.blind or r.t - c.pend >= r.limits[c.index].delay_s * 1000):
        _over(scribe, r, c)
    elif c.on:
        _within(scribe, r, c, v)
    if not c.on:
        c.side = v.side
        _breach(scribe, r, c, v, high=high)


def _high(r: ReadingContext, c: Condition, v: _Value, *, often: bool) -> bool:
    """Notes since when values are beyond the extreme bound; returns whether that is long or often enough."""
    c.peak = (c.peak or v.since) if v.extreme else 0
    delay = CUFF_REPEAT_MS if v.cuff else EXTREME_DELAY_MS[c.index]
    return v.extreme and (often or (r.t > c.peak and r.t - c.peak >= delay))


def _often(c: Condition, v: _Value) -> bool:
    """Notes whether the value is beyond an extreme bound; returns whether half of a minute's values are."""
    extreme = v.extreme and not v.cuff
    if not extreme and not c.extremes:
        return False
    among = min(OFTEN_MOST, max(OFTEN_LEAST, round(OFTEN_MS / v.interval)))
    c.extremes = ((c.extremes << 1) | extreme) & ((1 << among) - 1)
    return 2 * c.extremes.bit_count() >= among


def _breach(scribe: EventWriter, r: ReadingContext, c: Condition, v: _Value, *, high: bool) -> None:
    lasted = r.t - c.pend >= (CUFF_REPEAT_MS if v.cuff else r.limits[c.index].delay_s * 1000)
    if not (high or lasted or v.cuff or r.blind):
        return
    level = Priority.HIGH if high else Priority.MEDIUM if lasted or v.extreme or not v.cuff else Priority.LOW
    scribe.set_aside(c)
    c.begin(level)
    if high:
        c.peak = c.extremes = 0
    _sync(scribe, r, c)


def _go_on(scribe: EventWriter, r: ReadingContext, c: Condition, v: _Value, *, high: bool) -> None:
    c.calm = 0
    sunk = bool(c.sunk) and r.t - c.sunk > SUNK_MS
    again = high and sunk and c.level == Priority.HIGH
    if high:
        c.level, c.sunk, c.peak, c.extremes = Priority.HIGH, 0, 0, 0
    elif c.level < Priority.MEDIUM and (v.extreme or not v.cuff or r.t - c.since >= CUFF_REPEAT_MS):
        c.level = Priority.MEDIUM
    elif c.level == Priority.HIGH:
        _sink(c, r, v, sunk=sunk)
    _sync(scribe, r, c, again=again)


def _sink(c: Condition, r: ReadingContext, v: _Value, *, sunk: bool) -> None:
    """Lets a high alarm become medium once its values have long been this side of the extreme bound."""
    if not sunk:
        c.peak = c.extremes = 0
    if v.extreme:
        # One that had long been without an extreme value stays so until the extreme has lasted its delay.
        c.sunk = c.sunk if sunk else 0
    else:
        c.sunk = c.sunk or r.t - v.gap
        if r.t - c.sunk > SUNK_MS and not held(c):
            c.level, c.sunk = Priority.MEDIUM, 0


def held(c: Condition) -> bool:
    """Whether the alarm latches: told as high, and nobody has acknowledged it."""
    return (
        c.alarm is not None
        and c.alarm.priority is Priority.HIGH
        and c.alarm.inactivation is not Inactivation.ACKNOWLEDGED
    )


def _within(scribe: EventWriter, r: ReadingContext, c: Condition, v: _Value) -> None:
    if not c.on:
        return
    if c.level == Priority.HIGH:
        c.sunk = c.sunk or r.t - v.gap
    if calmed(r, c, v.interval):
        _over(scribe, r, c)


def calmed(r: ReadingContext, c: Condition, interval: int) -> bool:
    """Notes a word that nothing is wrong; returns whether there have been such words for a minute."""
    c.calm = c.calm or r.t
    return r.t + interval - c.calm >= WITHIN_MS


def _over(scribe: EventWriter, r: ReadingContext, c: Condition) -> None:
    value = r.values[c.index]
    side = "below" if c.side < 0 else "above"
    text = f"{label(c.index)} {show(c.index, value)} is no longer {side} its limit"
    c.extremes = 0
    finish(scribe, r, c, text, value=value)


def finish(scribe: EventWriter, r: ReadingContext, c: Condition, text: str, value: float | None) -> None:
    """Ends a condition, and its alarm with it, which latches when it is high and nobody has acknowledged it."""
    c.on = False
    c.calm = c.sunk = 0
    if c.alarm is None:
        return
    about = decider(r) | {"text": text, "value": value}
    if held(c):
        if c.alarm.state is AlarmState.ACTIVE:
            scribe.step(c, Phase.UPDATE, t=r.t, state=AlarmState.LATCHED, inactivation=Inactivation.NONE, **about)
        return
    scribe.step(c, Phase.END, t=r.t, state=AlarmState.INACTIVE, **about)


def decider(r: ReadingContext) -> dict[str, Any]:
    """Returns what of the reading that decided goes into an event."""
    return {key: value for key, value in r.about.items() if key != "patient"}


def _sync(scribe: EventWriter, r: ReadingContext, c: Condition, *, again: bool = False) -> None:
    """Tells what differs from what was told; history waits for the first live reading."""
    if not r.live:
        return
    value = r.values[c.index]
    text, bound = _text(r, c, again=again)
    told: dict[str, Any] = {"text": text, "value": value, "limit": bound}
    if c.alarm is None:
        c.told = value
        patient = str(r.about["patient"])
        scribe.start(
            c,
            subject=patient,
            condition=CONDITIONS[c.index],
            kind=Kind.PHYSIOLOGICAL,
            t=r.t,
            **told,
            **r.about,
        )
        return
    move(scribe, r, c, told, news=_worse(c, value), again=again)


def move(
    scribe: EventWriter,
    r: ReadingContext,
    c: Condition,
    told: dict[str, Any],
    *,
    news: bool = False,
    again: bool = False,
) -> None:
    """Tells an active alarm's new priority, that it must call again, or news worth an update."""
    if c.alarm is None:
        return
    before = c.alarm.priority
    changes: dict[str, Any] = {"priority": Priority(c.level), **told, **decider(r)}
    if c.level > before or again:
        # What is worse than what was acknowledged calls again, and the first contact first.
        phase = Phase.ESCALATE
        changes |= {"inactivation": Inactivation.NONE, "handover": 0}
    elif c.level < before:
        phase = Phase.DEESCALATE
    elif news:
        phase = Phase.UPDATE
    else:
        return
    c.told = math.nan if told["value"] is None else float(told["value"])
    scribe.step(c, phase, t=r.t, **changes)


def _worse(c: Condition, value: float) -> bool:
    return (c.told - value) * -c.side >= STEPS[c.index]


def _text(r: ReadingContext, c: Condition, *, again: bool) -> tuple[str, float | None]:
    value, limit = r.values[c.index], r.limits[c.index]
    extreme = r.digits[c.index] in (BREACH_EXTREME_LOW, BREACH_EXTREME_HIGH)
    if c.side < 0:
        bound = limit.extreme_low if extreme else limit.low
    else:
        bound = limit.extreme_high if extreme else limit.high
    where = "below" if c.side < 0 else "above"
    note = " (extreme)" if extreme else ""
    if c.level == Priority.LOW:
        note += ", not yet confirmed by a repeat"
    if again:
        note += ", again"
    shown = "its limit" if bound is None else show(c.index, bound)
    return f"{label(c.index)} {show(c.index, value)} {where} {shown}{note}", bound
