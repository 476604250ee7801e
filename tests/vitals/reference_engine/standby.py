"""Standby in the reference engine (Q3 of `docs/clinical.md`): a list of spans for each patient."""

from dataclasses import dataclass, field

from tests.vitals.reference_engine.patient import HIGH, Reading
from vitals.actions import Act, Action
from vitals.alarm_events import AlarmEvent, AlarmState, Inactivation

MINUTE = 60_000
WHY_PERSON, WHY_BACK = "person", "back"


@dataclass
class Span:
    """One standby: from a person's action to its planned end, and the end that it had, if another."""

    by: str
    begun: int
    planned: int
    turn: int
    over: str = ""
    values: list[int] = field(default_factory=list)


def loud(event: AlarmEvent | None) -> bool:
    """Returns whether an alarm is high and nobody has acknowledged it; latched ones count."""
    if event is None or event.state is AlarmState.INACTIVE:
        return False
    return event.priority is HIGH and event.inactivation is not Inactivation.ACKNOWLEDGED


def lately_loud(watch: list[AlarmEvent], name: str, now: int) -> bool:
    """Returns whether a technical alarm of the patient is loud, or was within five minutes."""
    last: dict[str, AlarmEvent] = {}
    for event in watch:
        if event.patient != name or event.log_t > now:
            continue
        if loud(last.get(event.id)) and not loud(event) and now - event.log_t < 5 * MINUTE:
            return True
        last[event.id] = event
    return any(loud(event) and event.start <= now for event in last.values())


def act(spans: list[Span], action: Action, now: int, *, refused: bool) -> None:
    """Applies a standby, or its end."""
    last = spans[-1] if spans else None
    if action.act is Act.STANDBY_END:
        if last is not None and not last.over and last.begun <= action.t:
            last.over = WHY_PERSON
        return
    planned = action.t + 1000 * action.pause_s
    if refused or planned <= now or (last is not None and action.t <= last.begun):
        return
    goes_on = last is not None and (not last.over or (last.over == WHY_PERSON and action.t < last.planned))
    turn = last.turn + 1 if last is not None and goes_on else 0
    if last is not None and turn and (turn == 3 or last.by == action.by):
        return
    spans.append(Span(action.by, action.t, planned, turn))


def holds(spans: list[Span]) -> bool:
    """Returns whether lost signs wait: a standby was begun, and nothing has ended it but its time."""
    return bool(spans) and not spans[-1].over


def hear(spans: list[Span], r: Reading, cadence_ms: int, now: int) -> None:
    """Notes a plausible value of a patient who was off the monitor for a minute or more."""
    if not holds(spans) or r.t < spans[-1].begun + MINUTE or not any(r.trusted(f) for f in r.values):
        return
    span = spans[-1]
    follows = bool(span.values) and r.t - span.values[-1] <= 3 * cadence_ms
    span.values.append(r.t)
    if follows or now >= span.planned:
        span.over = WHY_BACK
