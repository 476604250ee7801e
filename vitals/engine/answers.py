"""Answers to a call: *coming* and *cannot*. Source: Q8 of the ward's requirements.

**Coming** holds the handover of an active alarm that is neither paused nor acknowledged, for `HOLD_MS` from the answer;
then the alarm is handed over, unless it was acknowledged. Until then a further *coming* has no effect, so that an alarm
cannot be held for ever. The escalation of a patient without monitoring is not held.

**Cannot** hands such an alarm over at once and names the person in `AlarmEvent.declined`, so that no handover
returns to them before the next start or escalation. A second one of the same person has no effect.
"""

from collections.abc import Iterator, Mapping
from operator import itemgetter
from typing import Final

from vitals.actions import Act, Action
from vitals.alarm_events import AlarmState, Inactivation, Phase, Priority, Reason
from vitals.bounds import MAX_RECENT
from vitals.engine.constants import GROWING
from vitals.engine.event_writer import NOBODY_COMES, EventWriter
from vitals.engine.state import Condition, State
from vitals.engine.timers import wait_again

HOLD_MS: Final[Mapping[Priority, int]] = {Priority.HIGH: 180_000, Priority.MEDIUM: 600_000}
"""Wait of the handover after *coming*; a low alarm is never handed over."""


def shown(state: State, action: Action) -> Iterator[Condition]:
    """Yields the conditions of an incident with alarms that the person saw, at the priority that was shown (Q7)."""
    row = state.index.get(action.patient)
    if row is None:
        return
    aside = [(index, c) for (of, index), c in state.latched.items() if of == row]
    mine = [*state.watched.get(row, ()), *(c for _, c in sorted(aside, key=itemgetter(0)))]
    for c in mine:
        alarm = None if c is None else c.alarm
        if c is not None and alarm is not None and action.incident == alarm.incident and alarm.raised <= action.shown:
            yield c


def answer(writer: EventWriter, action: Action) -> None:
    """Applies *coming* or *cannot*."""
    state = writer.state
    c = state.alarms.get(action.alarm or "")
    named = [] if c is None or c.alarm is None or action.patient not in (c.alarm.subject, c.alarm.patient) else [c]
    if action.act is Act.CANNOT:
        for c in named:
            _cannot(writer, c, action)
        return
    others = shown(state, action) if action.incident and action.shown else ()
    for c in [*named, *(c for c in others if c not in named)]:
        _coming(writer, c, action)


def _coming(writer: EventWriter, c: Condition, action: Action) -> None:
    alarm = c.alarm
    if alarm is None or alarm.coming or not _asks(writer.state, c, action):
        return
    held = writer.now + HOLD_MS[alarm.priority] if _handed_over(c) else 0
    writer.step(c, Phase.UPDATE, t=action.t, by=action.by, coming=action.by, held_until=held)


def _cannot(writer: EventWriter, c: Condition, action: Action) -> None:
    alarm = c.alarm
    if alarm is None or action.by in alarm.declined or not _asks(writer.state, c, action):
        return
    if _handed_over(c):
        c.due = writer.now + writer.state.calls_again_after_ms(alarm)
        wait_again(writer.state, c, writer.now)
    writer.step(
        c,
        Phase.CONTINUE,
        t=action.t,
        by=action.by,
        handover=alarm.handover + 1,
        declined=(*alarm.declined, action.by)[-MAX_RECENT:],
        reason=Reason.HANDED_OVER,
        **NOBODY_COMES,
    )


def _asks(state: State, c: Condition, action: Action) -> bool:
    """Returns whether an alarm waits for a person, and the action was not applied before a crash."""
    alarm = c.alarm
    waits = alarm is not None and alarm.state is AlarmState.ACTIVE and alarm.inactivation is Inactivation.NONE
    return alarm is not None and waits and alarm.priority in HOLD_MS and not state.told_of(alarm.id, action.t)


def _handed_over(c: Condition) -> bool:
    """Returns whether the alarm's timer is a handover, and not the escalation of a patient without monitoring."""
    return c.alarm is not None and not (c.alarm.condition in GROWING and c.alarm.priority is Priority.MEDIUM)
