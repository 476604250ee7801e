"""A recovering shard's own alarms, read back from the log."""

from collections.abc import Iterable

from vitals.alarms import AlarmEvent, Inactivation, Kind, Phase
from vitals.alarms import State as AlarmState
from vitals.engine.rules import CONDITIONS, COUNT, PROBLEM
from vitals.engine.scribe import Scribe
from vitals.engine.settle import settle
from vitals.engine.state import Condition, State, Track
from vitals.engine.tree import OWN


def resume(state: State, events: Iterable[AlarmEvent]) -> State:
    """Takes in what was told before: nothing at or below (id, n) is told again.

    Replay brings most alarms back by itself, with the same ids. One that is still open when log time has passed its
    last event, and that replay did not bring back, is taken over as it was told: an open alarm never loses its end.
    """
    for event in events:
        told, _ = state.known.get(event.id, (-1, 0))
        if event.n <= told:
            continue
        state.known[event.id] = (event.n, event.log_t)
        state.recalled[event.id] = event
    return state


def adopt(scribe: Scribe, passed: int) -> None:
    """Takes over the recalled alarms up to a log time of which all readings have been applied."""
    state = scribe.state
    for event in [e for e in state.recalled.values() if e.log_t <= passed]:
        del state.recalled[event.id]
        if event.state is AlarmState.INACTIVE or event.id in state.alarms:
            continue
        _take_over(scribe, event)


def _take_over(scribe: Scribe, event: AlarmEvent) -> None:
    state = scribe.state
    index = CONDITIONS.index(event.condition) if event.condition in CONDITIONS else -1
    patient = event.patient
    on = event.state is AlarmState.ACTIVE
    c = Condition(-1, index, on=on, since=event.start, level=int(event.priority), alarm=event)
    if index < 0:
        state.faults[event.id if event.condition in OWN else f"{event.subject}.{event.condition}"] = c
    elif patient is None or patient in state.left:
        _close(scribe, c, "the patient has left")
        return
    else:
        c.row = state.row(patient)
        conditions = state.conditions(c.row)
        present = conditions[index]
        if present is None or present.alarm is None:
            conditions[index] = c
        elif on and present.alarm.state is AlarmState.LATCHED:
            scribe.set_aside(present)
            conditions[index] = c
        elif not on and (c.row, index) not in state.latched:
            state.latched[c.row, index] = c
        else:
            _close(scribe, c, "overtaken by a later alarm")
            return
        _place(state, c, event)
    state.alarms[event.id] = c
    if event.inactivation is Inactivation.AUDIO_PAUSED:
        # An event of an earlier version does not say how long: it is over then, and the alarm calls again.
        c.paused_until = event.paused_until or scribe.now
    scribe.arm(c, event, scribe.now)


def _place(state: State, c: Condition, event: AlarmEvent) -> None:
    if c.index < COUNT and event.kind is Kind.PHYSIOLOGICAL:
        c.told = event.value if event.value is not None else c.told
        below = event.limit is not None and event.value is not None and event.value < event.limit
        c.side = -1 if below else 1
        if c.on:
            track = state.tracks.setdefault((c.row, PROBLEM[c.index]), Track(c.side))
            track.note(c.index, c.told)
            if event.inactivation is not Inactivation.NONE:
                track.acknowledge(event.log_t)
    settle(state, c.row)


def _close(scribe: Scribe, c: Condition, why: str) -> None:
    scribe.step(c, Phase.END, t=scribe.now, state=AlarmState.INACTIVE, text=f"ended: {why}")
