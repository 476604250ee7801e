"""The condition of one sign: pending, active, latched. The rules are told in `vitals.oracle.judge_sign`."""

import math
from typing import Any

from vitals.alarms import Inactivation, Kind, Phase, Priority
from vitals.alarms import State as AlarmState
from vitals.engine.bedside import Bedside, label, show
from vitals.engine.rules import CONDITIONS, CONFIRMED, CUFF_REPEAT_MS, INTERVALS, STEPS, TRUSTED
from vitals.engine.scribe import Scribe
from vitals.engine.state import Condition
from vitals.limits import Limit
from vitals.scoring import BREACH_EXTREME_HIGH, BREACH_EXTREME_LOW, BREACH_LOW, WITHIN
from vitals.signs import SIGNS


def judge(scribe: Scribe, r: Bedside, c: Condition, *, gap: int, interval: int, cuff: bool) -> None:
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
        c.pend = c.doubt = 0
    extreme = digit in (BREACH_EXTREME_LOW, BREACH_EXTREME_HIGH)
    side = 0 if digit == WITHIN else -1 if digit <= BREACH_LOW else 1
    trusted = r.codes[s] in TRUSTED
    confirmed = extreme and c.doubt == side
    c.doubt = side if extreme and (CONFIRMED[s] or not trusted) else 0
    if not confirmed and not trusted:
        return
    extreme = extreme and (confirmed or not CONFIRMED[s])
    if digit == WITHIN:
        _within(scribe, r, c, limit)
    elif c.on:
        _worse_or_better(scribe, r, c, extreme=extreme, side=side, cuff=cuff)
    else:
        _breach(scribe, r, c, extreme=extreme, side=side, cuff=cuff)


def _breach(scribe: Scribe, r: Bedside, c: Condition, *, extreme: bool, side: int, cuff: bool) -> None:
    if not c.pend or c.side != side:
        c.pend, c.side = r.t, side
    if not (extreme or r.blind or r.t - c.pend >= r.limits[c.index].delay_s * 1000):
        return
    c.on = True
    repeated = r.t - c.pend >= CUFF_REPEAT_MS
    wanted = Priority.HIGH if extreme else Priority.MEDIUM
    level = Priority.LOW if cuff and not repeated else wanted
    if c.alarm is None:
        c.since, c.level = c.pend, level
    else:
        # A latched alarm comes alive again; it was high. Where this breach began is kept for the case that somebody
        # acknowledges the latched alarm before anybody was told of this one.
        c.level = c.alarm.priority
        c.target = c.pend
    c.pend = 0
    _sync(scribe, r, c, extreme=extreme)


def _worse_or_better(scribe: Scribe, r: Bedside, c: Condition, *, extreme: bool, side: int, cuff: bool) -> None:
    wanted = Priority.HIGH if extreme else Priority.MEDIUM
    turned = side != c.side
    c.side = side
    if wanted > c.level:
        if not cuff or c.level > Priority.LOW or r.t - c.since >= CUFF_REPEAT_MS:
            c.level = wanted
    elif wanted < c.level and not held(c) and (turned or _inside_extreme(r.values[c.index], r.limits[c.index], side)):
        c.level = wanted
    _sync(scribe, r, c, extreme=extreme, turned=turned)


def held(c: Condition) -> bool:
    """Whether the alarm latches: told as high, and nobody has acknowledged it."""
    return (
        c.alarm is not None
        and c.alarm.priority is Priority.HIGH
        and c.alarm.inactivation is not Inactivation.ACKNOWLEDGED
    )


def _inside_extreme(value: float, limit: Limit, side: int) -> bool:
    bound = limit.extreme_low if side < 0 else limit.extreme_high
    if bound is None:
        return True
    return value >= bound + limit.hysteresis if side < 0 else value <= bound - limit.hysteresis


def _within(scribe: Scribe, r: Bedside, c: Condition, limit: Limit) -> None:
    c.pend = 0
    if not c.on or not _inside(r.values[c.index], limit, SIGNS[c.index].maximum):
        return
    c.on = False
    if c.alarm is None:
        return
    text = f"{label(c.index)} {show(c.index, r.values[c.index])} is back within its limits"
    finish(scribe, r, c, text, value=r.values[c.index])


def _inside(value: float, limit: Limit, maximum: float) -> bool:
    margin = limit.hysteresis
    if limit.low is not None and limit.high is not None:
        margin = min(margin, (limit.high - limit.low) / 2)
    low_ok = limit.low is None or value >= min(limit.low + margin, maximum)
    return low_ok and (limit.high is None or value <= limit.high - margin)


def finish(scribe: Scribe, r: Bedside, c: Condition, text: str, value: float | None) -> None:
    """Ends an alarm whose condition is over, or latches it when it is high and nobody has acknowledged it."""
    if c.alarm is None:
        return
    about = _decider(r) | {"text": text, "value": value}
    if held(c):
        if c.alarm.state is AlarmState.ACTIVE:
            scribe.step(c, Phase.UPDATE, t=r.t, state=AlarmState.LATCHED, inactivation=Inactivation.NONE, **about)
        return
    scribe.step(c, Phase.END, t=r.t, state=AlarmState.INACTIVE, **about)


def _decider(r: Bedside) -> dict[str, Any]:
    return {key: value for key, value in r.about.items() if key != "patient"}


def _sync(scribe: Scribe, r: Bedside, c: Condition, *, extreme: bool, turned: bool = False) -> None:
    """Tells what differs from what was told; history waits for the first live reading."""
    if not r.live:
        return
    value = r.values[c.index]
    text, bound = _text(r, c, extreme=extreme)
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
    move(scribe, r, c, told, news=_worse(c, value), turned=turned)


def move(
    scribe: Scribe, r: Bedside, c: Condition, told: dict[str, Any], *, news: bool = False, turned: bool = False
) -> None:
    """Tells an active alarm's new priority, its return from latched, or news worth an update."""
    if c.alarm is None:
        return
    before = c.alarm.priority
    changes: dict[str, Any] = {"priority": Priority(c.level), "state": AlarmState.ACTIVE, **told, **_decider(r)}
    if c.level > before or turned:
        # What is worse than what was acknowledged calls again, and the first contact first.
        changes |= {"inactivation": Inactivation.NONE, "handover": 0}
    if c.level > before:
        phase = Phase.ESCALATE
    elif c.level < before:
        phase = Phase.DEESCALATE
    elif news or turned or c.alarm.state is AlarmState.LATCHED:
        phase = Phase.UPDATE
    else:
        return
    c.told = math.nan if told["value"] is None else float(told["value"])
    scribe.step(c, phase, t=r.t, **changes)


def _worse(c: Condition, value: float) -> bool:
    return (c.told - value) * -c.side >= STEPS[c.index]


def _text(r: Bedside, c: Condition, *, extreme: bool) -> tuple[str, float | None]:
    value, limit = r.values[c.index], r.limits[c.index]
    if c.side < 0:
        bound = limit.extreme_low if extreme else limit.low
    else:
        bound = limit.extreme_high if extreme else limit.high
    where = "below" if c.side < 0 else "above"
    note = " (extreme)" if extreme else ""
    if c.level == Priority.LOW:
        note += ", not yet confirmed by a repeat"
    shown = "its limit" if bound is None else show(c.index, bound)
    return f"{label(c.index)} {show(c.index, value)} {where} {shown}{note}", bound
