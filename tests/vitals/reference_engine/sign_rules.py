"""The rule of one sign; `vitals.engine.rules.sign_condition` describes it."""

from tests.vitals.reference_engine.events import Teller
from tests.vitals.reference_engine.patient import HIGH, LOW, MEDIUM, Condition, Patient, Reading, problem
from vitals.alarm_events import Kind
from vitals.engine import constants
from vitals.limits import Limit
from vitals.signs import INDEX, Sign


def judge_sign(teller: Teller, patient: Patient, r: Reading, sign: Sign, gap: int) -> None:
    """Evaluates a value of a sign, `gap` ms after the newest report of that sign."""
    c, value, limit = patient.condition(problem(sign.field)), r.values[sign.field], r.limits[sign.field]
    side, extreme = beyond(value, limit)
    interval, cuff = patient.interval(sign.field), patient.cuff(sign.field)
    if gap > max(3 * interval, limit.delay_s * 1000):
        c.forget_pending()
    trusted = r.trusted(sign.field)
    second = side != 0 and (c.doubt == side or c.extreme_pending(side, extreme=extreme))
    paired = not trusted and c.doubt == side
    confirmed = second or (trusted and side != 0 and c.hinted == side)
    c.doubt = side if (extreme or cuff) and not trusted else 0
    c.hinted = 0 if trusted or c.doubt or (c.holds and c.side == side) else side
    if not trusted and not second:
        c.doubted(side, r.t)
        return
    if c.returns(side, min(r.t, r.t - gap + interval)):
        teller.over(c, r, value)
    among = min(60, max(4, round(constants.OFTEN_MS / interval)))
    c.extremes = [*c.extremes, extreme and not cuff][-among:]
    if side == 0:
        c.pending_since = c.extreme_since = None
        within(teller, c, r, sign, gap=gap, interval=interval)
        return
    if not c.holds and side != c.side:
        c.pending_since = c.extreme_since = None
        c.side = side
    since, begun = (r.t - gap if earlier else r.t for earlier in (second, confirmed))
    here = c.holds and side == c.side
    c.pending_since = None if here else begun if c.pending_since is None else c.pending_since
    c.extreme_since = (since if c.extreme_since is None else c.extreme_since) if extreme else None
    delay = constants.CUFF_REPEAT_MS if cuff else constants.EXTREME_DELAY_MS[INDEX[sign.field]]
    lasted = c.extreme_since is not None and r.t > c.extreme_since and r.t - c.extreme_since >= delay
    high = extreme and (lasted or 2 * sum(c.extremes) >= among)
    if here:
        go_on(teller, c, r, sign, gap, high=high, extreme=extreme, cuff=cuff, paired=paired)
        return
    level = begins_as(c, r, limit, high=high, extreme=extreme, cuff=cuff)
    if c.holds and level is None:
        within(teller, c, r, sign, gap=gap, interval=interval)
    elif c.holds:
        teller.over(c, r, value)
    if c.holds:
        return
    if side != c.side:
        c.extremes, c.side = [], side
    if level is not None:
        teller.begin(patient, c, level)
        if level == HIGH:
            c.extreme_since, c.extremes, c.unsure = None, [], paired
        tell(teller, c, r, sign)


def begins_as(c: Condition, r: Reading, limit: Limit, *, high: bool, extreme: bool, cuff: bool) -> int | None:
    """Returns the priority with which a pending condition becomes active with this reading, None while it waits."""
    begin = c.pending_since or 0
    waited = r.t - begin
    if cuff:
        return HIGH if high else MEDIUM if extreme or waited >= constants.CUFF_REPEAT_MS else LOW
    if high:
        return HIGH
    return MEDIUM if r.t > begin and waited >= limit.delay_s * 1000 else None


def judge_repeat(teller: Teller, patient: Patient, r: Reading) -> None:
    """Makes a cuff's unconfirmed alarm medium that has waited too long for its repeat."""
    c = patient.conditions.get("sbp")
    if c is None or not patient.cuff("sbp") or not c.holds or c.level != LOW:
        return
    if r.t - c.since > constants.CUFF_WAIT_MS:
        c.level = MEDIUM
        if c.alarm is not None:
            told = c.told
            teller.tell_difference(c, r, Kind.PHYSIOLOGICAL, c.alarm.value, c.alarm.limit)
            c.told = told if c.alarm.value is None else c.alarm.value


def beyond(value: float, limit: Limit) -> tuple[int, bool]:
    """Returns the side on which a value is beyond its limits (0 within), and whether beyond the extreme limit."""
    low, lowest = (bound is not None and value < bound for bound in (limit.low, limit.extreme_low))
    high, highest = (bound is not None and value > bound for bound in (limit.high, limit.extreme_high))
    return (1 if high or highest else -1 if low or lowest else 0), lowest or highest


def within(teller: Teller, c: Condition, r: Reading, sign: Sign, *, gap: int, interval: int) -> None:
    """Handles a value that is not beyond the breached limit."""
    if not c.holds:
        return
    if c.level == HIGH and c.sunk_since is None:
        c.sunk_since = r.t - gap
    c.calm_since = r.t if c.calm_since is None else c.calm_since
    if r.t + interval - c.calm_since >= constants.WITHIN_MS:
        c.extremes = []
        teller.over(c, r, r.values[sign.field])


def go_on(
    teller: Teller,
    c: Condition,
    r: Reading,
    sign: Sign,
    gap: int,
    *,
    high: bool,
    extreme: bool,
    cuff: bool,
    paired: bool,
) -> None:
    """Handles a further value beyond the limit of an active condition."""
    c.calm_since = None
    if c.unsure and paired:
        return
    if c.unsure and extreme and c.sunk_since is None:
        c.unsure = False
    long = c.sunk_since is not None and (c.unsure or r.t - c.sunk_since > constants.SUNK_MS)
    again = high and long and c.level == HIGH
    if high:
        c.level, c.sunk_since, c.extreme_since, c.extremes, c.unsure = HIGH, None, None, [], paired
    elif c.level == LOW:
        confirmed = extreme or not cuff or r.t - c.since >= constants.CUFF_REPEAT_MS
        c.level = MEDIUM if confirmed else LOW
    elif c.level == HIGH:
        if not long:
            c.extreme_since, c.extremes = None, []
        if extreme and not long:
            c.sunk_since = None
        elif not extreme:
            c.sunk_since = r.t - gap if c.sunk_since is None else c.sunk_since
            if r.t - c.sunk_since > constants.SUNK_MS and not c.held():
                c.level, c.sunk_since, c.unsure = MEDIUM, None, False
    tell(teller, c, r, sign, again=again)


def tell(teller: Teller, c: Condition, r: Reading, sign: Sign, *, again: bool = False) -> None:
    """Emits the change of a sign's condition; a value worse by a quarter of the sign's largest step is an update."""
    value, limit = r.values[sign.field], r.limits[sign.field]
    side, extreme = beyond(value, limit)
    if extreme:
        bound = limit.extreme_low if side < 0 else limit.extreme_high
    else:
        bound = limit.low if side < 0 else limit.high
    named = c.alarm is None or c.alarm.condition == sign.field
    before = c.told
    news = named and (c.told - value) * -c.side >= sign.max_step / 4
    teller.tell_difference(c, r, Kind.PHYSIOLOGICAL, value, bound, news=news, again=again, sign=sign.field)
    if not named:
        c.told = before
