"""The rule of worsening; `vitals.engine.rules.worsening` describes it."""

from tests.vitals.reference_engine.events import Teller, decider
from tests.vitals.reference_engine.patient import HIGH, Condition, Patient, Reading, Track, problem
from tests.vitals.reference_engine.sign_rules import beyond
from vitals.alarm_events import Inactivation, Phase, Priority
from vitals.engine import constants
from vitals.signs import FIELDS, INDEX


def judge_worse(teller: Teller, patient: Patient, r: Reading, decides: dict[str, str]) -> None:
    """Evaluates every problem with an active condition."""
    for name in dict.fromkeys(map(problem, FIELDS)):
        members = [f for f in FIELDS if problem(f) == name]
        c = patient.conditions.get(name)
        holds = c is not None and c.holds
        track = patient.tracks.get(name)
        if track is not None and c is not None and not (holds and c.side == track.side):
            del patient.tracks[name]
        values = {f: r.values[f] for f in members if r.trusted(f)}
        if name == "hr":  # one rate, whichever sensor tells it
            values = {"hr": values[decides["hr"]]} if decides.get("hr") in values else {}
        if c is None or not holds or not values:
            continue
        track = patient.tracks.setdefault(name, Track(c.side))
        if r.t - track.seen > 3 * patient.interval(name):
            track.runs.clear()
        track.seen = r.t
        worse_of = min if track.side < 0 else max
        for f, value in values.items():
            track.worst[f] = worse_of(track.worst.get(f, value), value)
        if r.live and track.known and grown(track, r, values, cuff=patient.cuff(name)):
            call(teller, r, c, track, values, decides.get(name))


def grown(track: Track, r: Reading, values: dict[str, float], *, cuff: bool) -> bool:
    """Returns whether the problem has been worse for long enough to escalate."""
    judged = [beyond(value, r.limits[f]) for f, value in values.items()]
    extreme, breached = any(e for _, e in judged), any(side for side, _ in judged)
    s = INDEX[next(iter(values))]
    delay = (
        constants.CUFF_REPEAT_MS if cuff else (constants.EXTREME_DELAY_MS if extreme else constants.MEDIUM_DELAY_MS)[s]
    )
    soonest = track.at + constants.WORSE_AFTER_MS
    lasted = False
    for steps, earliest in ((1, max(soonest, track.again)), (2, soonest)):
        worse = [
            (value - track.known[f]) * track.side + constants.HAIR >= steps * constants.WORSE_STEP[INDEX[f]]
            for f, value in values.items()
            if f in track.known
        ]
        if not breached or not any(worse):
            track.runs.pop(steps, None)
            continue
        since, wait, high = track.runs.get(steps, (r.t, delay, False))
        track.runs[steps] = since, wait, high or extreme
        lasted = lasted or (r.t > since and r.t - since >= wait and r.t >= earliest)
    return lasted


def call(  # noqa: PLR0917 - all that the rule of one problem has
    teller: Teller, r: Reading, c: Condition, track: Track, values: dict[str, float], decider_sign: str | None
) -> None:
    """Escalates the problem's alarm."""
    high = any(run[2] for run in track.runs.values())
    track.known, track.again = dict(track.worst), r.t + constants.WORSE_AGAIN_MS
    track.runs.clear()
    if c.alarm is None:
        return
    c.level = HIGH if high else c.level
    changes = {"priority": Priority(c.level), "inactivation": Inactivation.NONE, "handover": 0, **decider(r)}
    named = c.alarm.condition
    mine = (
        values.get("hr") if c.name == "hr" and named == decider_sign else values.get(named) if c.name != "hr" else None
    )
    if mine is not None:
        c.told = mine
        changes["value"] = c.told
    teller.tell(c, Phase.ESCALATE, t=r.t, **changes)
    if c.alarm is not None:
        teller.worse.add((c.alarm.id, c.alarm.n))
