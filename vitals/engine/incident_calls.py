"""Marks alarm events with the incidents of their patients, and times reminders (`vitals.incidents`)."""

from collections.abc import Sequence

from vitals.alarm_events import AlarmEvent, AlarmState, Call, Phase, Priority, Reason
from vitals.engine.constants import CONDITIONS, COUNT
from vitals.engine.event_writer import EventWriter
from vitals.engine.state import SEEN, UNTIMED, Condition, State
from vitals.incidents import FORGET_MS, SCORE, apply, observe, problem, problem_of


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
        _keep(writer, row, marked)
    return events


def problems(state: State, row: int) -> tuple[set[str], set[str]]:
    """Returns a patient's problems with an active alarm of medium priority at least, and those pending for a while."""
    active: set[str] = set()
    pending: set[str] = set()
    seen = int(state.times[row, SEEN])
    for c in state.watched.get(row, ()):
        name = None if c is None else problem(CONDITIONS[c.index], low=c.side < 0)
        if c is None or name is None:
            continue
        if c.on and c.level >= Priority.MEDIUM:
            active.add(name)
        elif not c.on and c.pend and c.index < COUNT and c.pend < seen:
            pending.add(name)
    return active, pending


def goes_on(state: State, c: Condition) -> Reason:
    """Returns the reason for which an alarm that goes on unacknowledged calls now; `NONE` if it does not."""
    incident = state.incidents.get(c.row) if c.row >= 0 and c.alarm is not None and c.alarm.incident else None
    name = None if incident is None else problem(CONDITIONS[c.index], low=c.side < 0)
    return Reason.HANDED_OVER if incident is None or name is None else incident.goes_on(name)


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
        due = incident.remind_at()
        while due and due <= writer.now:
            _remind(writer, row)
            due = incident.remind_at()
        state.next_reminder = min(state.next_reminder, due or UNTIMED)


def _remind(writer: EventWriter, row: int) -> None:
    """Reminds of a patient's active joined problems, and drops the others' wait."""
    incident = writer.state.incidents[row]
    for name, p in incident.problems.items():
        c = _active(writer.state, row, name)
        if not p.joined or name == SCORE:
            continue
        if c is not None:
            writer.step(c, Phase.CONTINUE, t=writer.now, reason=Reason.REMINDED)
        p.joined = 0


def _active(state: State, row: int, name: str) -> Condition | None:
    """Returns the condition of a problem that has an active alarm."""
    for c in state.watched.get(row, ()):
        if c is not None and c.on and c.alarm is not None and problem(CONDITIONS[c.index], low=c.side < 0) == name:
            return c if c.alarm.state is AlarmState.ACTIVE else None
    return None


def forget(state: State) -> None:
    """Drops incidents that no alarm can join any more."""
    for row in [row for row, i in state.incidents.items() if state.now - i.seen > FORGET_MS]:
        if not any(c is not None and c.alarm is not None for c in state.watched.get(row, ())):
            del state.incidents[row]


def _keep(writer: EventWriter, row: int, marked: Sequence[AlarmEvent]) -> None:
    """Stores the marks with the alarms, and after a handover starts the timers of the patient's other alarms again."""
    state = writer.state
    for event in marked:
        c = state.alarms.get(event.id)
        if c is not None and c.alarm is not None and c.alarm.n == event.n:
            c.alarm = event
    handed = {event.id for event in marked if event.call is Call.HANDOVER}
    if not handed:
        return
    for c in state.watched.get(row, ()):
        if c is not None and c.due and c.alarm is not None and c.alarm.id not in handed:
            c.due = max(c.due, writer.now + state.calls_again_after_ms(c.alarm))
