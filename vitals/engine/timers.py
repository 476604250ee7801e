"""Log time, and the timers of alarms. Sources: R7 (handover), R10 (not monitored), IEC 60601-1-8 (audio pause).

**Log time** is the only clock, and never runs backwards. If it jumps by more than `STALL_MS`, the log stood still:
every due time moves by the jump. Timers act in the order of their due times. All concern active alarms only.

- *Audio pause*: when its time is over, the alarm signal is enabled again.
- *Handover*: an alarm that is neither paused nor acknowledged passes to the next contact after a time, and again after
  each further such time. The time is the state's `handover_ms` (default `HANDOVER_MS`) for a high alarm, and
  `MEDIUM_HANDOVERS` times as long for a medium one. A low alarm is not handed over.
- *Coming* moves the handover, and *cannot* performs it at once (`vitals.engine.answers`).
- *Escalation*: a technical alarm of `GROWING`, medium, becomes high if it is neither paused nor acknowledged for
  `UNANSWERED_MS`, because a patient may be in danger.

A start or an escalation starts the handover again with the first contact; an acknowledgement ends it
(`EventWriter.arm`). A handover is for all problems of a patient: it starts the wait of the other alarms again whose
priority is no higher.
"""

import heapq

from vitals.alarm_events import AlarmState, Inactivation, Kind, Phase, Priority, Reason
from vitals.engine.constants import FORGET_MS, GROWING, LOUD_MS, STALL_MS
from vitals.engine.event_writer import NOBODY_COMES, EventWriter
from vitals.engine.incident_calls import forget, goes_on, mark, remind
from vitals.engine.recovery import reconcile
from vitals.engine.rollback import Attempt
from vitals.engine.state import UNTIMED, Condition, State


def tick(state: State, now: int) -> EventWriter:
    """Advances log time to `now`, runs timers, and returns the writer of this call.

    The first log time is a jump, too: nothing was due before it.
    """
    now = max(now, state.now)
    before, state.now = state.now, now
    jump = now - before
    writer = EventWriter(state, now)
    if jump > STALL_MS:
        _freeze(state, jump)
    if state.recalled and jump:
        reconcile(writer, before)
    if state.next_due <= now:
        _run(writer)
    remind(writer)
    mark(writer)
    _forget(state)
    return writer


def _freeze(state: State, jump: int) -> None:
    # No patient or device counts as silent while the log stood still.
    state.resumed = state.now
    for c in state.alarms.values():
        c.due += jump if c.due else 0
        c.paused_until += jump if c.paused_until else 0
    if state.next_due != UNTIMED:
        state.next_due += jump


def _run(writer: EventWriter) -> None:
    state = writer.state
    pending = [(_next(c), key) for key, c in state.alarms.items()]
    heapq.heapify(pending)
    while pending and pending[0][0] <= writer.now:
        when, key = heapq.heappop(pending)
        c = state.alarms[key]
        if _next(c) != when:
            # A handover of the same patient was first: this one waits again.
            heapq.heappush(pending, (_next(c), key))
            continue
        failed = len(state.passed_over)
        with Attempt(writer, key):
            _act(writer, c, when)
        if len(state.passed_over) > failed:
            # An alarm whose timer raises stays active, without timers, and does not stop other alarms' timers.
            c.due = c.paused_until = 0
        if _next(c) < UNTIMED:
            heapq.heappush(pending, (_next(c), key))
    state.next_due = pending[0][0] if pending else UNTIMED


def _act(writer: EventWriter, c: Condition, when: int) -> None:
    if c.paused_until:
        writer.step(c, Phase.UPDATE, t=when, at=when, inactivation=Inactivation.NONE)
    elif c.alarm is not None and c.alarm.condition in GROWING and c.alarm.priority is Priority.MEDIUM:
        c.level, c.due = Priority.HIGH, 0
        writer.step(c, Phase.ESCALATE, t=when, at=when, priority=Priority.HIGH)
    elif c.alarm is not None:
        # Log time advances by `STALL_MS` at most without a jump, so no timer is longer overdue.
        c.due = max(when, writer.now - STALL_MS) + writer.state.calls_again_after_ms(c.alarm)
        reason = goes_on(writer.state, c)
        handover = c.alarm.handover + (reason is Reason.HANDED_OVER)
        if reason is not Reason.NONE:
            writer.step(c, Phase.CONTINUE, t=when, at=when, handover=handover, reason=reason, **NOBODY_COMES)
        if reason is Reason.HANDED_OVER:
            wait_again(writer.state, c, when)


def wait_again(state: State, handed: Condition, when: int) -> None:
    """Starts the wait of a patient's other alarms again: one handover is for all that are no more urgent."""
    for c in state.watched.get(handed.row, ()):
        if c is None or c is handed or not c.due or c.alarm is None or handed.alarm is None:
            continue
        if c.alarm.kind is Kind.PHYSIOLOGICAL and c.alarm.priority <= handed.alarm.priority:
            c.due = max(c.due, when + state.calls_again_after_ms(c.alarm))


def _next(c: Condition) -> int:
    active = c.alarm is not None and c.alarm.state is AlarmState.ACTIVE
    return (c.paused_until or c.due or UNTIMED) if active else UNTIMED


def _forget(state: State) -> None:
    """Drops records of discharges and of ended alarms that are older than `FORGET_MS`, 48 times in that time."""
    if state.now < state.next_forget:
        return
    state.next_forget = state.now + FORGET_MS // 48
    horizon = state.now - FORGET_MS
    forget(state)
    for patient in [p for p, t in state.left.items() if t < horizon]:
        del state.left[patient]
    state.hushed = {row: t for row, t in state.hushed.items() if t >= horizon}
    state.loud = {row: t for row, t in state.loud.items() if t >= state.now - LOUD_MS}
    for key in [k for k, (_, t, _) in state.known.items() if t < horizon and k not in state.alarms]:
        del state.known[key]
