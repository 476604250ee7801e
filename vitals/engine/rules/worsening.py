"""Worsening of an acknowledged or paused alarm: it escalates, and the first contact is notified again. Source: R9.

**Condition.** An alarm condition of the problem is active, and at least one sign of the problem is beyond its limit.
A trusted value is worse than the known worst by a step of `WORSE_STEP` or more. Known is the worst value up to the
acknowledgement or pause, or up to the last escalation by this rule. Systolic and mean pressure are one problem
(`PROBLEM`), because a person who acknowledged one of them has seen the other.

**Delay.** Every reading is worse for the sign's `MEDIUM_DELAY_MS`, two readings at least. If the first of them is
beyond an extreme limit, the delay is `EXTREME_DELAY_MS`; for a cuff it is `CUFF_REPEAT_MS`. A gap of more than
`INTERVALS` intervals restarts it.

**Start.** `WORSE_AFTER_MS` after the acknowledgement at the soonest, because the person who acknowledged is at the bed.
The next step escalates `WORSE_AGAIN_MS` after the last at the soonest; two steps at once do not wait for that. Only
live readings escalate.

**Change.** The problem's alarm escalates, and its acknowledgement ends. It becomes high if any
of these readings was beyond an extreme limit, and keeps its priority otherwise.

**End.** The record of worst values ends with the condition of that side of the limits.
"""

from typing import Final

from vitals.alarm_events import Inactivation, Phase, Priority, Reason
from vitals.breach_codes import ABSENT, BREACH_EXTREME_HIGH, BREACH_EXTREME_LOW, WITHIN
from vitals.engine.constants import (
    CUFF,
    CUFF_REPEAT_MS,
    EXTREME_DELAY_MS,
    HAIR,
    HR,
    INTERVALS,
    MEDIUM_DELAY_MS,
    MEMBERS,
    PR,
    TRUSTED,
    WORSE_AFTER_MS,
    WORSE_AGAIN_MS,
    WORSE_STEP,
)
from vitals.engine.event_writer import EventWriter
from vitals.engine.reading_view import ReadingContext, label, show
from vitals.engine.rules.sign_condition import decider
from vitals.engine.state import Condition, Run, Track
from vitals.signs import INDEX

_EXTREME: Final = (BREACH_EXTREME_LOW, BREACH_EXTREME_HIGH)


def evaluate(
    writer: EventWriter, row: int, r: ReadingContext, intervals: list[int], sources: dict[int, int], *, cuff: bool
) -> None:
    """Evaluates every problem with an active condition, once each sign has been evaluated.

    Args:
        writer: Collects the events.
        row: The patient's row.
        r: The reading.
        intervals: Per sign, time between two values, ms.
        sources: The sign that decides on each problem in this reading, by the problem's first sign.
        cuff: Whether pressures come from a cuff.
    """
    tracks, conditions = writer.state.tracks, writer.state.conditions(row)
    for group, members in MEMBERS.items():
        c = conditions[group]
        track = tracks.get((row, group))
        if track is not None and (c is None or not c.on or c.side != track.side):
            del tracks[row, group]
            track = None
        signs = [sources[HR]] if group == HR and HR in sources else members if group != HR else ()
        present = [s for s in signs if r.digits[s] != ABSENT and r.codes[s] in TRUSTED]
        if c is None or not c.on or not present:
            continue
        if track is None:
            track = tracks[row, group] = Track(c.side)
        if r.t - track.seen > INTERVALS * intervals[group]:
            track.runs = (None, None)
        track.seen = r.t
        for s in present:
            track.note(_key(s), r.values[s])
        if r.live and track.bar and _grown(track, r, present, cuff=cuff and CUFF[group]):
            _call(writer, r, c, track, present)


def _key(s: int) -> int:
    """Returns the sign under which a worst value is kept: heart and pulse rate are one quantity, pressures are not."""
    return HR if s == PR else s


def _grown(track: Track, r: ReadingContext, present: list[int], *, cuff: bool) -> bool:
    """Returns whether values have been worse, by one step or by two, for long enough to escalate."""
    extreme = any(r.digits[s] in _EXTREME for s in present)
    delay = EXTREME_DELAY_MS if extreme else MEDIUM_DELAY_MS
    wait = CUFF_REPEAT_MS if cuff else delay[present[0]]
    steps = _steps(track, r, present)
    one, two = (_went_on(run, r, wait, extreme) if steps >= k else None for k, run in enumerate(track.runs, 1))
    track.runs = one, two
    soonest = track.at + WORSE_AFTER_MS
    return _lasted(one, r, max(soonest, track.again)) or _lasted(two, r, soonest)


def _steps(track: Track, r: ReadingContext, present: list[int]) -> float:
    """Returns by how many steps the reading is worse than the known worst; 0 if all values are within limits."""
    if all(r.digits[s] == WITHIN for s in present):
        return 0.0
    known = [s for s in present if _key(s) in track.bar]
    return max((((r.values[s] - track.bar[_key(s)]) * track.side + HAIR) / WORSE_STEP[s] for s in known), default=0.0)


def _went_on(run: Run | None, r: ReadingContext, wait_ms: int, extreme: bool) -> Run:
    if run is None:
        return Run(r.t, wait_ms, extreme)
    return Run(run.since, run.wait_ms, run.high or extreme)


def _lasted(run: Run | None, r: ReadingContext, soonest: int) -> bool:
    return run is not None and r.t > run.since and r.t - run.since >= run.wait_ms and r.t >= soonest


def _call(writer: EventWriter, r: ReadingContext, c: Condition, track: Track, present: list[int]) -> None:
    """Escalates the problem's alarm."""
    high = any(run is not None and run.high for run in track.runs)
    track.bar, track.again, track.runs = dict(track.worst), r.t + WORSE_AGAIN_MS, (None, None)
    if c.alarm is None:
        return
    c.level = max(c.level, Priority.HIGH if high else c.level)
    text = ", ".join(f"{label(s)} {show(s, r.values[s])}" for s in present)
    about = decider(r) | {"text": f"{text}: worse than acknowledged", "reason": Reason.WORSE}
    own = INDEX[c.alarm.condition]
    if own in present:
        c.told = r.values[own]
        about |= {"value": c.told}
    writer.step(
        c, Phase.ESCALATE, t=r.t, priority=Priority(c.level), inactivation=Inactivation.NONE, handover=0, **about
    )
