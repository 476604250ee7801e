"""Restores a recovering shard's own alarms from the log, and reconciles them with those of the replay.

The emitted events count. An alarm that has ended stays ended; an active one continues from its number, priority and
inactivation. If the replay has a different result by then, the difference is emitted.
"""

from collections.abc import Iterable
from typing import Any

from vitals.alarm_events import AlarmEvent, AlarmState, Inactivation, Kind, Phase
from vitals.engine import incident_calls
from vitals.engine.constants import CONDITIONS, COUNT, GROWING, NOT_JUDGED, PROBLEM
from vitals.engine.event_writer import EventWriter
from vitals.engine.idle_marks import refresh_marks
from vitals.engine.recovered_alarms import unseen
from vitals.engine.rollback import Attempt
from vitals.engine.rules.not_judged import WATCH
from vitals.engine.rules.technical_alarms import fault_key
from vitals.engine.state import Condition, State, Track


def restore_reported(state: State, events: Iterable[AlarmEvent]) -> State:
    """Reads the events of before a crash, in order: no event at or below (id, n) is emitted again.

    The replay restores most alarms itself, with the same ids, and continues each from its last step. If log time passes
    an alarm's last step before the replay reaches it, the alarm is restored from its events.
    """
    for event in events:
        n, _, acted = state.known.get(event.id, (-1, 0, 0))
        c = state.alarms.get(event.id)
        kept = c.alarm.n if c is not None and c.alarm is not None else -1
        if event.n <= max(n, kept):
            continue
        state.known[event.id] = event.n, event.log_t, event.t if event.by is not None else acted
        state.recalled.take(event)
        incident_calls.recall(state, event)
    return state


def tell(writer: EventWriter) -> tuple[AlarmEvent, ...]:
    """Ends a call, when all readings of earlier log times have been applied; returns the events to emit."""
    reconcile(writer, writer.now - 1)
    incident_calls.mark(writer)
    return writer.events()


def reconcile(writer: EventWriter, passed: int) -> None:
    """Reconciles the recalled alarms up to a log time of which all readings have been applied."""
    state = writer.state
    for alarm in state.recalled.passed(passed):
        told, held = state.recalled.done(alarm)
        with Attempt(writer, alarm):
            _adopt(writer, told, held)
    for held, newest in state.recalled.freed():
        # An alarm that started and ended before the last event of its key is that event's alarm under another id; one
        # of before the snapshot, such as a latched one, is not.
        begun = held[0].phase is Phase.START
        if not begun or held[-1].state is not AlarmState.INACTIVE or held[0].t > newest:
            for event in held:
                writer.renumber(event, event.n)


def _adopt(writer: EventWriter, told: list[AlarmEvent], held: list[AlarmEvent]) -> None:
    state = writer.state
    last, c = told[-1], state.alarms.get(told[-1].id)
    if last.state is AlarmState.INACTIVE:
        if c is not None:
            _drop(state, c)
    elif c is not None:
        acknowledged = c.alarm is not None and c.alarm.inactivation is Inactivation.ACKNOWLEDGED
        _align(writer, c, last)
        # The acknowledging person has not seen the change that is emitted only now.
        if acknowledged and c.alarm is last:
            writer.acknowledge(c, unseen(told, held))
    elif held and held[-1].state is AlarmState.INACTIVE:
        writer.renumber(held[-1], last.n + 1)
    else:
        _take_over(writer, last)


def _drop(state: State, c: Condition) -> None:
    """Removes an alarm of the replay that has ended before the crash; if its condition persists, it starts again."""
    if c.alarm is None:
        return
    del state.alarms[c.alarm.id]
    c.alarm = None
    if c.row < 0:
        state.faults = {key: fault for key, fault in state.faults.items() if fault is not c}
        return
    if state.latched.get((c.row, c.index)) is c:
        del state.latched[c.row, c.index]
    _off(c)
    c.due = c.paused_until = 0
    refresh_marks(state, c.row)


def _align(writer: EventWriter, c: Condition, told: AlarmEvent) -> None:
    """Continues an alarm that the replay has as well from its events, and emits the difference."""
    mine = c.alarm
    if mine is None:
        return
    _stand(writer, c, told, fresh=mine.inactivation is Inactivation.NONE)
    about: dict[str, Any] = {"text": mine.text, "value": mine.value, "limit": mine.limit}
    about |= {"boot": mine.boot, "seq": mine.seq}
    if told.state is AlarmState.LATCHED and mine.state is AlarmState.ACTIVE:
        writer.set_aside(c)
        _off(c)
    elif mine.state is AlarmState.LATCHED and told.state is AlarmState.ACTIVE:
        if told.inactivation is Inactivation.ACKNOWLEDGED:
            writer.step(c, Phase.END, t=mine.t, state=AlarmState.INACTIVE, **about)
        else:
            about["inactivation"] = Inactivation.NONE
            writer.step(c, Phase.UPDATE, t=mine.t, state=AlarmState.LATCHED, **about)
    elif mine.priority > told.priority:
        about |= {"inactivation": Inactivation.NONE, "handover": 0}
        writer.step(c, Phase.ESCALATE, t=mine.t, priority=mine.priority, **about)
    elif told.condition in GROWING and mine.priority < told.priority:
        # A timer escalated it; the replay's timer runs later, because its batches are larger.
        c.level = told.priority
    elif mine.priority < told.priority:
        writer.step(c, Phase.DEESCALATE, t=mine.t, priority=mine.priority, **about)
    if c.row >= 0:
        refresh_marks(writer.state, c.row)


def _off(c: Condition) -> None:
    c.on = False
    c.pend = c.doubt = c.peak = c.extremes = c.calm = c.sunk = 0


def _stand(writer: EventWriter, c: Condition, told: AlarmEvent, *, fresh: bool) -> None:
    """Sets number, timers and inactivation by the last event; `fresh` if the replay has no acknowledgement."""
    state = writer.state
    c.alarm = told
    state.alarms[told.id] = c
    if told.inactivation is not Inactivation.NONE:
        c.due = 0
        if fresh and 0 <= c.index < COUNT and (track := state.tracks.get((c.row, PROBLEM[c.index]))) is not None:
            track.acknowledge(told.log_t)
    elif told.phase in (Phase.START, Phase.ESCALATE):
        c.due = told.log_t + state.calls_again_after_ms(told)
    elif told.phase is Phase.CONTINUE:
        c.due = told.t + state.calls_again_after_ms(told)
    # An event of an earlier version has no end of the pause: the pause is over then, and the handover continues.
    paused = told.inactivation is Inactivation.AUDIO_PAUSED
    c.paused_until = (told.paused_until or writer.now) if paused else 0
    writer.arm(c, told, writer.now)


def _take_over(writer: EventWriter, event: AlarmEvent) -> None:
    """Restores an active or latched alarm that the replay does not have."""
    state = writer.state
    index = CONDITIONS.index(event.condition) if event.condition in CONDITIONS else -1
    index = PROBLEM[index] if 0 <= index < COUNT else index
    patient = event.patient
    on = event.state is AlarmState.ACTIVE
    c = Condition(-1, index, on=on, since=event.start, level=int(event.priority), alarm=event)
    if index < 0:
        key = fault_key(event.subject, event.condition, event.start, event.ward)
        if _renamed(writer, state.faults.get(key), event):
            return
        if event.condition in WATCH:
            if patient is None or patient in state.left:
                _close(writer, c, "the patient has left")
                return
            if event.condition == NOT_JUDGED:
                row = state.row(patient)
                state.unjudged[row] = event.log_t
                refresh_marks(state, row)
        state.faults[key] = c
    elif patient is None or patient in state.left:
        _close(writer, c, "the patient has left")
        return
    else:
        c.row = state.row(patient)
        conditions = state.conditions(c.row)
        present = conditions[index]
        if _renamed(writer, present, event):
            return
        if present is None or present.alarm is None:
            conditions[index] = c
        elif on and present.alarm.state is AlarmState.LATCHED:
            writer.set_aside(present)
            conditions[index] = c
        elif not on and (c.row, index) not in state.latched:
            state.latched[c.row, index] = c
        else:
            _close(writer, c, "overtaken by a later alarm")
            return
        _place(state, c, event)
    _stand(writer, c, event, fresh=False)


def _renamed(writer: EventWriter, present: Condition | None, event: AlarmEvent) -> bool:
    """Renames an alarm that the replay started under another id, without an event, to the announced id.

    While one alarm of a condition is active no other starts, so both are one, unless the announced one is latched.
    """
    state = writer.state
    if present is None or present.alarm is None:
        return False
    held = state.recalled.held.get(present.alarm.id)
    if held is None or present.alarm.id in state.recalled.events:
        return False
    if event.state is AlarmState.LATCHED and present.alarm.state is AlarmState.ACTIVE:
        return False
    del state.recalled.held[present.alarm.id], state.alarms[present.alarm.id]
    present.since = event.start
    _align(writer, present, event)
    return True


def _place(state: State, c: Condition, event: AlarmEvent) -> None:
    if c.index < COUNT and event.kind is Kind.PHYSIOLOGICAL:
        c.told = event.value if event.value is not None else c.told
        below = event.limit is not None and event.value is not None and event.value < event.limit
        c.side = event.side or (-1 if below else 1)
        if c.on:
            track = state.tracks.setdefault((c.row, PROBLEM[c.index]), Track(c.side))
            track.note(c.index, c.told)
            if event.inactivation is not Inactivation.NONE:
                track.acknowledge(event.log_t)
    refresh_marks(state, c.row)


def _close(writer: EventWriter, c: Condition, why: str) -> None:
    writer.step(c, Phase.END, t=writer.now, state=AlarmState.INACTIVE, text=f"ended: {why}")
