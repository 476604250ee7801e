"""Incidents of a patient with their answers and messages, as lines of the report. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from vitals.actions import Act, Action
from vitals.alarm_events import AlarmEvent, Inactivation, Phase, Priority
from vitals.contacts import REACHED, MessageKind, Notification


@dataclass(frozen=True, slots=True)
class Answer:
    """One person's answer.

    Attributes:
        act: acknowledge, audio-pause, coming or cannot.
        by: Name of the person or contact.
        t: UTC epoch ms.
    """

    act: str
    by: str
    t: int


@dataclass(frozen=True, slots=True)
class IncidentLine:
    """One incident, or one alarm of none.

    Attributes:
        begin: Begin of its first alarm, UTC epoch ms.
        end: End of its last alarm, UTC epoch ms; None while one has not ended.
        priority: Highest priority.
        conditions: Conditions of its alarms, in order of their begin.
        called: First call of a person, UTC epoch ms; None without one.
        answers: Answers, oldest first, one of each kind and person.
        messages: Messages to people.
        people: Recipients.
        reached: Recipients of whom it is known that a person has opened or answered a message.
        marked_by: Person who has marked it as not actionable; "" without a mark.
    """

    begin: int
    end: int | None
    priority: Priority
    conditions: tuple[str, ...]
    called: int | None
    answers: tuple[Answer, ...]
    messages: int
    people: int
    reached: int
    marked_by: str


def incident_lines(
    events: Iterable[AlarmEvent],
    messages: Sequence[Notification],
    acts: Sequence[Action],
    active: Sequence[AlarmEvent] | None,
) -> list[IncidentLine]:
    """Returns the incidents of one patient, the oldest first; those with alarms of low priority only are left out.

    Args:
        events: Alarm events of the patient, in any order; a repeated one counts once.
        messages: Messages about any alarms.
        acts: Actions on any alarms.
        active: Last event of each of the patient's alarms that has not ended; None if unknown.
    """
    known = {(e.id, e.n): e for e in (*events, *(active or ()))}
    steps = sorted(known.values(), key=lambda e: (e.log_t, e.id, e.n))
    incident_of = {e.id: e.incident for e in steps if e.incident}
    groups: dict[str, list[AlarmEvent]] = defaultdict(list)
    for event in steps:
        groups[incident_of.get(event.id, event.id)].append(event)
    on = None if active is None else {e.id for e in active}
    lines = [_line(own, messages, acts, on) for own in groups.values() if max(e.priority for e in own) > Priority.LOW]
    return sorted(lines, key=lambda line: line.begin)


def _line(
    own: Sequence[AlarmEvent], messages: Sequence[Notification], acts: Sequence[Action], on: set[str] | None
) -> IncidentLine:
    last = {e.id: e for e in own}
    goes_on = any(e.phase is not Phase.END for e in last.values()) if on is None else bool(on & last.keys())
    first = min(last.values(), key=lambda e: e.start)
    about = [m for m in messages if m.alarm in last and m.sns is not None and m.kind is MessageKind.ALARM]
    marks = [a for a in acts if a.act is Act.NOT_ACTIONABLE and a.alarm in last]
    told = [m for m in about if m.first]
    return IncidentLine(
        begin=first.start,
        end=None if goes_on else max(e.t for e in own),
        priority=max(e.priority for e in own),
        conditions=tuple(e.condition for e in sorted(last.values(), key=lambda e: e.start)),
        called=min((m.accepted for m in told), default=None),
        answers=_answers(own),
        messages=len({(m.contact, m.sns) for m in told}),
        people=len({m.contact for m in told}),
        reached=len({m.contact for m in about if m.state in REACHED}),
        marked_by=marks[0].by if marks else "",
    )


def _answers(own: Sequence[AlarmEvent]) -> tuple[Answer, ...]:
    found: dict[tuple[str, str], Answer] = {}
    for event in own:
        act = _act(event)
        if act and event.by:
            found.setdefault((act, event.by), Answer(act, event.by, event.t))
    return tuple(sorted(found.values(), key=lambda answer: answer.t))


def _act(event: AlarmEvent) -> str:
    """Returns the action that an event carries, "" if it is of no person."""
    if event.inactivation is Inactivation.ACKNOWLEDGED:
        return Act.ACKNOWLEDGE.value
    if event.inactivation is Inactivation.AUDIO_PAUSED:
        return Act.AUDIO_PAUSE.value
    if event.coming == event.by:
        return Act.COMING.value
    return Act.CANNOT.value if event.by in event.declined else ""


def by_patient(events: Iterable[AlarmEvent]) -> Mapping[str, list[AlarmEvent]]:
    """Returns alarm events by the patient whom they concern."""
    found = defaultdict(list)
    for event in events:
        if event.patient is not None:
            found[event.patient].append(event)
    return found
