"""The rules of one sign."""

from vitals.alarms import Kind
from vitals.engine import rules
from vitals.limits import Limit
from vitals.oracle.patient import HIGH, LOW, MEDIUM, Condition, Patient, Reading
from vitals.oracle.telling import Teller
from vitals.signs import Sign


def judge_sign(teller: Teller, patient: Patient, r: Reading, sign: Sign, gap: int) -> None:
    """A value of a sign against its limits; a value equal to its limit is within.

    *Pending.* A value beyond a limit makes the condition pending; it holds once a value still beyond it comes at
    least the sign's delay later. So a delay shorter than the cadence is one confirming reading, and time alone
    completes nothing. A value within its limits, or on the other side, begins anew; so does one after a gap of more
    than three intervals (and more than the delay). A value beyond an extreme bound holds at once.

    *Suspect.* A suspect value neither starts nor ends anything, but the second of two consecutive values beyond the
    same extreme bound counts though suspect. Breaths counted by impedance are rough: a value beyond an extreme
    bound is a plain breach until the next reading is beyond it too.

    *Priority.* Extreme bounds high, others medium. A cuff's first breach is low until a repeat, at least 20 s later,
    is beyond a limit too; then it has that value's priority.

    *Steps.* Worse: it escalates, and calls again. Better than extreme, by the hysteresis: it sinks, unless it is
    held. On the other side: an update that calls again. Worse by a quarter of the sign's largest step since last
    told: an update. Nothing else is told.

    *End.* A value inside the limits by the hysteresis (half the width at most) ends it; one that is held latches.
    """
    c, value, limit = patient.condition(sign.field), r.values[sign.field], r.limits[sign.field]
    below = (limit.low is not None and value < limit.low) or (
        limit.extreme_low is not None and value < limit.extreme_low
    )
    above = limit.high is not None and value > limit.high
    above = above or (limit.extreme_high is not None and value > limit.extreme_high)
    extreme = limit.extreme_low is not None and value < limit.extreme_low
    extreme = extreme or (limit.extreme_high is not None and value > limit.extreme_high)
    side = 1 if above else -1 if below else 0
    if gap > max(3 * patient.interval(sign.field), limit.delay_s * 1000):
        c.pending_since, c.doubt = None, 0
    trusted, rough = r.trusted(sign.field), sign.sensor == "impedance"
    second = extreme and c.doubt == side
    c.doubt = side if extreme and (rough or not trusted) else 0
    if not trusted and not second:
        return
    if rough and not second:
        extreme = False
    if side == 0:
        c.pending_since = None
        if c.holds and inside(value, limit, sign):
            teller.over(c, r, value)
        return
    wanted = HIGH if extreme else MEDIUM
    turned = c.holds and side != c.side
    if c.holds:
        go_on(c, r, value, limit, wanted=wanted, side=side, cuff=patient.cuff(sign.field), turned=turned)
    else:
        if c.pending_since is None or side != c.side:
            c.pending_since = r.t
        lasted = r.t - c.pending_since
        c.side = side
        if not (extreme or r.blind or lasted >= limit.delay_s * 1000):
            return
        unconfirmed = patient.cuff(sign.field) and lasted < rules.CUFF_REPEAT_MS
        teller.begin(c, LOW if unconfirmed else wanted)
    bound = (limit.extreme_low if side < 0 else limit.extreme_high) if extreme else None
    if not extreme:
        bound = limit.low if side < 0 else limit.high
    worse = (c.told - value) * -side >= sign.max_step / 4
    teller.tell_difference(c, r, Kind.PHYSIOLOGICAL, value, bound, news=worse, turned=turned)


def go_on(
    c: Condition,
    r: Reading,
    value: float,
    limit: Limit,
    *,
    wanted: int,
    side: int,
    cuff: bool,
    turned: bool,
) -> None:
    """A condition that holds gets worse, or better."""
    bound = limit.extreme_low if side < 0 else limit.extreme_high
    inside_extreme = bound is None or (
        value >= bound + limit.hysteresis if side < 0 else value <= bound - limit.hysteresis
    )
    better = turned or inside_extreme
    confirmed = not cuff or c.level > LOW or r.t - c.since >= rules.CUFF_REPEAT_MS
    if (wanted > c.level and confirmed) or (wanted < c.level and better and not c.held()):
        c.level = wanted
    c.side = side


def inside(value: float, limit: Limit, sign: Sign) -> bool:
    """Whether a value lies within its limits by the hysteresis."""
    margin = limit.hysteresis
    if limit.low is not None and limit.high is not None:
        margin = min(margin, (limit.high - limit.low) / 2)
    low_ok = limit.low is None or value >= min(limit.low + margin, sign.maximum)
    return low_ok and (limit.high is None or value <= limit.high - margin)
