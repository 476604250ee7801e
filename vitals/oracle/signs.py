"""The rules of one sign."""

from vitals.alarms import Kind
from vitals.engine import rules
from vitals.limits import Limit
from vitals.oracle.patient import HIGH, LOW, MEDIUM, Acknowledged, Condition, Patient, Reading
from vitals.oracle.telling import Teller
from vitals.signs import INDEX, Sign


def judge_sign(teller: Teller, patient: Patient, r: Reading, sign: Sign, gap: int) -> None:
    """A value of a sign against its limits; a value equal to its limit is within.

    *Pending.* A value beyond a limit makes the condition pending; it holds once a value still beyond it comes at
    least the sign's delay later. So a delay shorter than the cadence is one confirming reading, and time alone
    completes nothing. A value within its limits, or on the other side, begins anew; so does one after a gap of more
    than three intervals (and more than the delay).

    *Suspect.* A suspect value neither starts nor ends anything, but the one that follows it beyond the same extreme
    bound (a cuff's: beyond the same limit) counts though suspect, and from the first of the two.

    *Priority.* Medium; high once values have been beyond the extreme bound for the sign's extreme delay and at least
    two in a row, or when half of a minute's values are (of four at least). A cuff has no delay: its first breach is
    low, beyond an extreme bound medium, until a repeat, at least 20 s later, is beyond it too.

    *Other side.* It is another alarm: once its own delay is over, the one that held is over.

    *End.* When values have been within the limits (or beyond the other ones) for a minute, each holding for one
    interval. One that is held latches, and what comes back after it is an alarm of its own.
    """
    c, value, limit = patient.condition(sign.field), r.values[sign.field], r.limits[sign.field]
    side, extreme = beyond(value, limit)
    interval, cuff = patient.interval(sign.field), patient.cuff(sign.field)
    if gap > max(3 * interval, limit.delay_s * 1000):
        c.forget_pending()
    trusted = r.trusted(sign.field)
    second = side != 0 and c.doubt == side
    c.doubt = side if (extreme or cuff) and not trusted else 0
    if not trusted and not second:
        return
    among = min(60, max(4, round(rules.OFTEN_MS / interval)))
    c.extremes = [*c.extremes, extreme and not cuff][-among:]
    if side == 0:
        c.pending_since = c.extreme_since = None
        within(teller, c, r, value, gap, interval)
        return
    here = c.holds and side == c.side
    if not c.holds and side != c.side:
        c.pending_since = c.extreme_since = None
        c.side = side
    since = r.t - gap if second else r.t
    if here:
        c.pending_since = None
    else:
        c.worst = c.worse_of(value) if c.pending_since is not None and not c.holds else value
        c.pending_since = since if c.pending_since is None else c.pending_since
    c.extreme_since = (since if c.extreme_since is None else c.extreme_since) if extreme else None
    delay = rules.CUFF_REPEAT_MS if cuff else rules.EXTREME_DELAY_MS[INDEX[sign.field]]
    lasted = c.extreme_since is not None and r.t > c.extreme_since and r.t - c.extreme_since >= delay
    high = extreme and (lasted or 2 * sum(c.extremes) >= among)
    if here:
        go_on(teller, c, r, sign, gap, high=high, extreme=extreme, cuff=cuff)
        return
    high = high or (extreme and r.blind and not cuff)
    waited = r.t - (c.pending_since or 0)
    if c.holds:
        if high or r.blind or cuff or waited >= limit.delay_s * 1000:
            teller.over(c, r, value)
        else:
            within(teller, c, r, value, gap, interval)
        if c.holds:
            return
        c.extremes, c.side = [], side
    if cuff:
        level = HIGH if high else MEDIUM if extreme or waited >= rules.CUFF_REPEAT_MS else LOW
    elif high or r.blind or waited >= limit.delay_s * 1000:
        level = HIGH if high else MEDIUM
    else:
        return
    teller.begin(patient, c, level)
    if high:
        c.extreme_since, c.extremes = None, []
    tell(teller, c, r, value, limit, sign)


def beyond(value: float, limit: Limit) -> tuple[int, bool]:
    """Returns the side on which a value is beyond its limits (0 within), and whether beyond the extreme bound."""
    low, lowest = (bound is not None and value < bound for bound in (limit.low, limit.extreme_low))
    high, highest = (bound is not None and value > bound for bound in (limit.high, limit.extreme_high))
    return (1 if high or highest else -1 if low or lowest else 0), lowest or highest


def within(teller: Teller, c: Condition, r: Reading, value: float, gap: int, interval: int) -> None:
    """A value that is not beyond the limit that was breached."""
    c.end_runs()
    if not c.holds:
        return
    if c.level == HIGH and c.sunk_since is None:
        c.sunk_since = r.t - gap
    c.calm_since = r.t if c.calm_since is None else c.calm_since
    if r.t + interval - c.calm_since >= rules.WITHIN_MS:
        c.extremes = []
        teller.over(c, r, value)


def go_on(
    teller: Teller, c: Condition, r: Reading, sign: Sign, gap: int, *, high: bool, extreme: bool, cuff: bool
) -> None:
    """A condition that holds goes on.

    *Sinks.* A high one without a value beyond its extreme bound for ten minutes is medium, unless it is held. When it
    is held, the next that is high after so long calls again.

    *Worse.* Than the worst value that was acknowledged or paused, by a step, in every value for the sign's delay: it
    calls again, from two minutes after the acknowledgement on, the next step ten minutes after the last at the
    soonest; two steps at once do not wait. It is high when any of these values is beyond the extreme bound.
    """
    value, limit = r.values[sign.field], r.limits[sign.field]
    c.calm_since = None
    c.worst = c.worse_of(value)
    long = c.sunk_since is not None and r.t - c.sunk_since > rules.SUNK_MS
    again = high and long and c.level == HIGH
    if high:
        c.level, c.sunk_since, c.extreme_since, c.extremes = HIGH, None, None, []
    elif c.level == LOW:
        confirmed = extreme or not cuff or r.t - c.since >= rules.CUFF_REPEAT_MS
        c.level = MEDIUM if confirmed else LOW
    elif c.level == HIGH:
        if not long:
            c.extreme_since, c.extremes = None, []
        if extreme and not long:
            c.sunk_since = None
        elif not extreme:
            c.sunk_since = r.t - gap if c.sunk_since is None else c.sunk_since
            if r.t - c.sunk_since > rules.SUNK_MS and not c.held():
                c.level, c.sunk_since = MEDIUM, None
    if c.seen is not None and grown(c, c.seen, r, sign, extreme=extreme, cuff=cuff):
        again = True
    tell(teller, c, r, value, limit, sign, again=again)


def grown(c: Condition, seen: Acknowledged, r: Reading, sign: Sign, *, extreme: bool, cuff: bool) -> bool:
    """Whether it is worse than what was acknowledged; see `go_on`."""
    s, soonest = INDEX[sign.field], seen.at + rules.WORSE_AFTER_MS
    delay = rules.CUFF_REPEAT_MS if cuff else (rules.EXTREME_DELAY_MS if extreme else rules.MEDIUM_DELAY_MS)[s]
    more = (r.values[sign.field] - seen.worst) * c.side + rules.HAIR
    calls = False
    for steps in (1, 2):
        if more < steps * rules.WORSE_STEP[s]:
            seen.runs.pop(steps, None)
            continue
        since, wait, high = seen.runs.get(steps, (r.t, delay, False))
        seen.runs[steps] = since, wait, high or extreme
        earliest = soonest if steps > 1 else max(soonest, seen.again)
        if r.t >= earliest and r.t > since and r.t - since >= wait:
            calls = True
            c.level = HIGH if high or extreme else c.level
    if calls:
        seen.worst, seen.again = c.worst, r.t + rules.WORSE_AGAIN_MS
        seen.runs.clear()
    return calls


def tell(
    teller: Teller, c: Condition, r: Reading, value: float, limit: Limit, sign: Sign, *, again: bool = False
) -> None:
    """Tells what a sign's condition has become; a value worse by a quarter of its largest step is an update."""
    side, extreme = beyond(value, limit)
    if extreme:
        bound = limit.extreme_low if side < 0 else limit.extreme_high
    else:
        bound = limit.low if side < 0 else limit.high
    news = (c.told - value) * -c.side >= sign.max_step / 4
    teller.tell_difference(c, r, Kind.PHYSIOLOGICAL, value, bound, news=news, again=again)
