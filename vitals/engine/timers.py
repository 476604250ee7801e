"""Log time and the timers that run by it. The rules are told in `tests.vitals.reference_engine.tick`."""

import heapq

from vitals.alarm_events import AlarmState, Inactivation, Phase, Priority
from vitals.engine.constants import FORGET_MS, GROWING, STALL_MS
from vitals.engine.event_writer import EventWriter
from vitals.engine.recovery import reconcile
from vitals.engine.rollback import Attempt
from vitals.engine.state import UNTIMED, Condition, State


def tick(state: State, now: int) -> EventWriter:
    """Brings log time up to `now`, lets timers act, and returns the scribe of this call.

    Log time never runs backwards. Where it jumps, the log stood still, and timers with it: so does the first log time,
    before which nothing was due.
    """
    now = max(now, state.now)
    before, state.now = state.now, now
    jump = now - before
    scribe = EventWriter(state, now)
    if jump > STALL_MS:
        _freeze(state, jump)
    if state.recalled and jump:
        reconcile(scribe, before)
    if state.next_due <= now:
        _run(scribe)
    _forget(state)
    return scribe


def _freeze(state: State, jump: int) -> None:
    # Nobody was silent while the log stood still.
    state.resumed = state.now
    for c in state.alarms.values():
        c.due += jump if c.due else 0
        c.paused_until += jump if c.paused_until else 0
    if state.next_due != UNTIMED:
        state.next_due += jump


def _run(scribe: EventWriter) -> None:
    state = scribe.state
    pending = [(_next(c), key) for key, c in state.alarms.items()]
    heapq.heapify(pending)
    while pending and pending[0][0] <= scribe.now:
        when, key = heapq.heappop(pending)
        c = state.alarms[key]
        failed = len(state.passed_over)
        with Attempt(scribe, key):
            _act(scribe, c, when)
        if len(state.passed_over) > failed:
            # An alarm that cannot be handed over stands all the same, and no other's timer waits for it.
            c.due = c.paused_until = 0
        if _next(c) < UNTIMED:
            heapq.heappush(pending, (_next(c), key))
    state.next_due = pending[0][0] if pending else UNTIMED


def _act(scribe: EventWriter, c: Condition, when: int) -> None:
    if c.paused_until:
        scribe.step(c, Phase.UPDATE, t=when, at=when, inactivation=Inactivation.NONE)
    elif c.alarm is not None and c.alarm.condition in GROWING and c.alarm.priority is Priority.MEDIUM:
        c.level, c.due = Priority.HIGH, 0
        scribe.step(c, Phase.ESCALATE, t=when, at=when, priority=Priority.HIGH)
    elif c.alarm is not None:
        # One that is long overdue, as no jump leaves it, has waited no longer than the longest step of log time.
        c.due = max(when, scribe.now - STALL_MS) + scribe.state.calls_again_after_ms(c.alarm)
        scribe.step(c, Phase.CONTINUE, t=when, at=when, handover=c.alarm.handover + 1)


def _next(c: Condition) -> int:
    active = c.alarm is not None and c.alarm.state is AlarmState.ACTIVE
    return (c.paused_until or c.due or UNTIMED) if active else UNTIMED


def _forget(state: State) -> None:
    """Drops what no reading can concern any more, now and then."""
    if state.now < state.next_forget:
        return
    state.next_forget = state.now + FORGET_MS // 48
    horizon = state.now - FORGET_MS
    for patient in [p for p, t in state.left.items() if t < horizon]:
        del state.left[patient]
    for key in [k for k, (_, t, _) in state.known.items() if t < horizon and k not in state.alarms]:
        del state.known[key]
