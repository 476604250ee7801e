"""Marks alarm events with the incidents of their patients, and times reminders (`vitals.incidents`)."""

from collections.abc import Sequence

from vitals.alarm_events import AlarmEvent, AlarmState, Phase, Priority, Reason
from vitals.engine.constants import CONDITIONS, COUNT
from vitals.engine.event_writer import EventWriter
from vitals.engine.state import GONE, OFF, UNTIMED, Condition, State
from vitals.incidents import FORGET_MS, SCORE, Incident, apply, observe, problem, problem_of


def mark(writer: EventWriter) -> None:
    """Marks the events since the last call, of one reading or timer, with the incidents of their patients."""
    writer.mark(lambda events: _marked(writer, events))


def _marked(writer: EventWriter, events: list[AlarmEvent]) -> list[AlarmEvent]:
    state = writer.state
    of: dict[int, list[int]] = {}
    for k, event in enumerate(events):
        row = None if problem_of(event) is None else state.index.get(event.patient or "")
        if row is not None:
            of.setdefault(row, []).append(k)
    for row, places in of.items():
        active, pending = problems(state, row)
        incident, marked = apply(state.incidents.get(row), [events[k] for k in places], active, pending, writer.now)
        if incident is not None:
            state.incidents[row] = incident
            state.next_reminder = min(state.next_reminder, incident.remind_at() or UNTIMED)
        for k, event in zip(places, marked, strict=True):
            events[k] = event
        _keep(writer, marked)
    return events


def problems(state: State, row: int) -> tuple[set[str], set[str]]:
    """Returns a patient's problems with an active alarm of medium priority at least, and those pending for a while."""
    active: set[str] = set()
    pending: set[str] = set()
    for c in state.watched.get(row, ()):
        name = None if c is None else problem(CONDITIONS[c.index], low=c.side < 0)
        if c is None or name is None:
            continue
        if c.on and c.level >= Priority.MEDIUM:
            active.add(name)
        if c.index < COUNT and _reported_since(state, row, c):
            # While one side is active, the other one is pending.
            pending.add(problem(CONDITIONS[c.index], low=(c.side < 0) is not c.on) or name)
    return active, pending


def _reported_since(state: State, row: int, c: Condition) -> bool:
    """Returns whether a sign is pending and has been reported again since, and not as lost."""
    marks = state.marks[row]
    lost = marks[GONE.start + c.index] or marks[OFF.start + c.index]
    return bool(0 < c.pend < state.times[row, c.index] and not lost)


def goes_on(state: State, c: Condition) -> Reason:
    """Returns the reason for which an unacknowledged alarm calls now; `NONE` if it does not."""
    incident = state.incidents.get(c.row) if c.row >= 0 and c.alarm is not None and c.alarm.incident else None
    name = None if incident is None else problem(CONDITIONS[c.index], low=c.side < 0)
    if incident is None or name is None or c.alarm is None:
        return Reason.HANDED_OVER
    return incident.goes_on(name, c.alarm)


def recall(state: State, event: AlarmEvent) -> None:
    """Applies an event of before a crash to the patient's incident."""
    row = state.index.get(event.patient or "")
    incident = None if row is None else observe(state.incidents.get(row), event)
    if row is not None and incident is not None:
        state.incidents[row] = incident
        state.next_reminder = 0


def remind(writer: EventWriter) -> None:
    """Emits a reminder of each problem that joined a call and has gone on unnamed."""
    state = writer.state
    if state.next_reminder > writer.now:
        return
    state.next_reminder = UNTIMED
    for row, incident in state.incidents.items():
        if 0 < incident.remind_at() <= writer.now:
            _remind(writer, row, incident)
        state.next_reminder = min(state.next_reminder, incident.remind_at() or UNTIMED)


def _remind(writer: EventWriter, row: int, incident: Incident) -> None:
    """Reminds of the problem that joined first; the call names the patient's others."""
    waiting = [(p.joined, name) for name, p in incident.problems.items() if p.joined and name != SCORE]
    _, name = min(waiting)
    incident.problems[name].joined = 0
    c = _active(writer.state, row, name)
    if c is not None:
        writer.step(c, Phase.CONTINUE, t=writer.now, reason=Reason.REMINDED)


def _active(state: State, row: int, name: str) -> Condition | None:
    """Returns the first condition of a problem that has an active alarm of medium priority at least."""
    for c in state.watched.get(row, ()):
        alarm = None if c is None else c.alarm
        active = alarm is not None and alarm.state is AlarmState.ACTIVE and alarm.priority >= Priority.MEDIUM
        if alarm is not None and active and problem_of(alarm) == name:
            return c
    return None


def forget(state: State) -> None:
    """Drops incidents that no alarm can join any more."""
    for row in [row for row, i in state.incidents.items() if state.now - i.seen > FORGET_MS]:
        if not any(c is not None and c.alarm is not None for c in state.watched.get(row, ())):
            del state.incidents[row]


def _keep(writer: EventWriter, marked: Sequence[AlarmEvent]) -> None:
    """Stores the marks with the alarms."""
    state = writer.state
    for event in marked:
        c = state.alarms.get(event.id)
        if c is not None and c.alarm is not None and c.alarm.n == event.n:
            c.alarm = event
