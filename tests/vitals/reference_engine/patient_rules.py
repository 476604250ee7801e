"""The rules of more than one sign: vital signs lost, sensors off, NEWS2."""

from tests.vitals.reference_engine import standby
from tests.vitals.reference_engine.events import Teller
from tests.vitals.reference_engine.patient import HIGH, LOW, MEDIUM, Condition, Patient, Reading
from vitals.alarm_events import AlarmState, Kind, Phase, Priority
from vitals.engine import constants
from vitals.news2 import score
from vitals.signs import Suspect

PULSE = ("hr", "pr", "spo2")
INPUTS = ("rr", "spo2", "sbp", "pulse", "temp")


def judge_lost(teller: Teller, patient: Patient, r: Reading) -> None:
    """Evaluates *vital signs lost* (`vitals.engine.rules.signal_loss`)."""
    c = patient.condition("vital-signs-lost")
    lacking = {f for f in PULSE if patient.lacks(r, f)}
    gone = patient.gone & set(PULSE) | lacking
    showing = [f for f in PULSE if f in patient.had and f not in gone and f not in patient.off]
    kept = standby.holds(patient.spans) and not c.holds
    if not gone or showing or line_shows_pulse(patient, r) or kept:
        c.pending_since = None
        if c.holds:
            c.calm_since = r.t if c.calm_since is None else c.calm_since
            if r.t + patient.cadence_ms - c.calm_since >= constants.WITHIN_MS:
                teller.over(c, r, None)
        return
    c.calm_since = None
    if lacking or any(r.codes[f] == Suspect.DROPOUT for f in PULSE):
        begin = c.since if c.holds else c.pending_since or r.t
        sure = "hr" in patient.had or (patient.breached is not None and begin - patient.breached <= constants.NEAR_MS)
        level = lost_level(r.t - begin, sure=sure)
        if c.holds:
            c.level = max(c.level, level)
        else:
            c.pending_since = begin
            if level:
                teller.begin(patient, c, level)
    if c.holds:
        teller.tell_difference(c, r, Kind.PHYSIOLOGICAL, None, None)


def lost_level(lasted_ms: int, *, sure: bool) -> int:
    """Returns the priority of a loss: by the second reading if `sure`, else in three steps."""
    if sure:
        return HIGH if lasted_ms >= constants.LOST_DELAY_MS else 0
    steps = ((constants.OXIMETER_HIGH_MS, HIGH), (constants.OXIMETER_MEDIUM_MS, MEDIUM), (1, LOW))
    return next((level for after, level in steps if lasted_ms >= after), 0)


def line_shows_pulse(patient: Patient, r: Reading) -> bool:
    """Returns whether a line, not a cuff, shows a pulsatile pressure."""
    if patient.cuff_ms or not all(r.trusted(f) for f in ("sbp", "dbp", "map")):
        return False
    width = r.values["sbp"] - r.values["dbp"]
    return r.values["map"] >= constants.PULSATILE_MAP and width >= constants.PULSATILE_WIDTH


def judge_sensors(teller: Teller, patient: Patient, r: Reading) -> None:
    """Evaluates *sensor off* (`vitals.engine.rules.signal_loss`)."""
    c = patient.condition("sensor-off")
    if not patient.off:
        c.pending_since = None
        if c.holds:
            c.holds, c.mentioned = False, set()
            teller.tell(c, Phase.END, t=r.t, state=AlarmState.INACTIVE)
        return
    if not c.holds and r.off_word:
        c.pending_since = c.pending_since or r.t
        if r.t - c.pending_since >= constants.SENSOR_OFF_DELAY_MS:
            c.holds, c.level, c.since, c.pending_since = True, LOW, c.pending_since, None
    if c.holds and r.live:
        if c.alarm is None:
            teller.start(c, r, Kind.TECHNICAL, t=r.t)
        elif patient.off - c.mentioned:
            teller.tell(c, Phase.UPDATE, t=r.t)
        c.mentioned |= patient.off


def judge_news2(teller: Teller, patient: Patient, r: Reading, *, charted: bool) -> None:
    """Evaluates NEWS2 (`vitals.engine.rules.news2_condition`)."""
    for f in ("rr", "spo2", "sbp", "temp"):
        if r.trusted(f):
            patient.inputs[f] = r.values[f], r.t
    rate = next((f for f in ("pr", "hr") if r.trusted(f)), None)
    if rate is not None:
        patient.inputs["pulse"] = r.values[rate], r.t
    if not patient.scored:
        return
    total, fresh = risk(patient, r.t, aged=False)
    _, carried = risk(patient, r.t, aged=True)
    c = patient.condition("news2-risk")
    told = c.alarm.priority if c.alarm is not None else 0
    if r.live and c.holds and c.level > told and fresh < c.level:
        c.level, c.pending_since = max(told, fresh), None
        c.holds = c.level > 0
    level = c.level if c.holds else 0
    wanted = fresh if fresh > level else min(carried, level)
    if wanted == level:
        c.pending_since = None
    else:
        if r.blind or c.pending_since is None or (wanted > level) != (c.goal > level):
            c.pending_since, c.goal = r.t, wanted
        c.goal = min(c.goal, wanted) if wanted > level else max(c.goal, wanted)
        sinks = 0 < c.goal < level
        if charted or r.t - c.pending_since >= (constants.SUNK_MS if sinks else constants.NEWS2_DELAY_MS):
            turn(teller, patient, c, r)
    if c.holds:
        bound = {LOW: None, MEDIUM: 5.0, HIGH: 7.0}[Priority(c.level)]
        teller.tell_difference(c, r, Kind.PHYSIOLOGICAL, float(total), bound)


def turn(teller: Teller, patient: Patient, c: Condition, r: Reading) -> None:
    """Applies a NEWS2 priority that has lasted for its delay."""
    goal = c.goal
    if goal == 0:
        c.pending_since = None
        teller.over(c, r, None)
    elif c.holds:
        c.pending_since = None
        c.level = HIGH if c.held() else goal
    else:
        teller.begin(patient, c, goal)


def risk(patient: Patient, t: int, *, aged: bool) -> tuple[int, int]:
    """Returns total and priority (0 none) of NEWS2 from fresh inputs, or with `aged` from all."""
    long = max(constants.FRESH_MS, 2 * patient.cadence_ms)
    limits = dict.fromkeys(INPUTS, long) | {"temp": constants.FRESH_SPOT_MS}
    limits["sbp"] = max(long, 2 * patient.cuff_ms)
    values = {f: v for f, (v, at) in patient.inputs.items() if aged or (t // 1000 - at // 1000) * 1000 <= limits[f]}
    mind = (
        patient.mind[0]
        if patient.mind and (aged or (t // 1000 - patient.mind[1] // 1000) * 1000 <= constants.FRESH_SPOT_MS)
        else None
    )
    result = score(**values, scale2=patient.scale2, oxygen=patient.oxygen, consciousness=mind)
    single = any(part == 3 for part in result.parts.values())
    return result.total, {"high": HIGH, "medium": MEDIUM}.get(result.risk, LOW if single else 0)
