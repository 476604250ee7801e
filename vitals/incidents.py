"""Incidents: one patient's alarms as one call to a person. Pure; bedside and cloud run the same functions.

Source: Q1, Q7 and R4 to R9 of the ward's requirements (`docs/alarms.md`). An incident bundles messages, never alarms:
each alarm keeps its own state, acknowledgement and history.

**Problem.** One side of one group of signs, such as "oxygen-low", or "circulation" or "score" (`problem`).

**Opened** by a patient's first alarm of medium or high priority. Its id is that alarm's. It is over `OVER_MS` after its
last alarm has ended; the next alarm opens another.

**Call.** An alarm event that would page by itself (start, escalation) calls a person with `Call.PAGE`, unless it joins:

- a high problem joins a page of the last `ON_THE_WAY_MS` that named it as high, after its last end;
- a high problem that returns for the fifth time or more within `SERIAL_MS` joins a page of the last `SERIAL_AGAIN_MS`
  that named it as high. R6 allows it from the third on, but two of them may have been artefacts;
- a medium problem joins any call of the last `ON_THE_WAY_MS`; and one that returns within `KNOWN_MS` of its end joins
  if it was named or acknowledged in that time, and has ended twice in it or lasted for `LONG_MS`: one short alarm may
  have been an artefact, and this is then the problem's first real breach;
- a score joins unless it is high and no call of the incident was: by itself it is never due (R1).

A worsening beyond the acknowledged value always calls. Of several events of one moment the most urgent one calls.

**Named.** A call names every problem that is active or pending at that moment, since the person will see them all. A
problem that began as medium, joined and stays unnamed for `UNNAMED_MS` is named by a reminder.

**Handover.** One for all of a patient's problems: the timers of the others that are no more urgent start again. A
medium problem that joined and was never named is first reminded of, to the first contact; a score that joined is never
handed over by itself.
"""

from collections.abc import Mapping, Sequence, Set
from typing import Final

import msgspec
from msgspec.structs import replace

from vitals.alarm_events import AlarmEvent, AlarmState, Call, Inactivation, Kind, Phase, Priority, Reason

GROUPS: Final[Mapping[str, str]] = {
    "hr": "rate",
    "pr": "rate",
    "rr": "breathing",
    "spo2": "oxygen",
    "temp": "temperature",
    "sbp": "pressure",
    "map": "pressure",
    "dbp": "diastolic",
}
SCORE: Final = "score"
WHOLE: Final[Mapping[str, str]] = {"vital-signs-lost": "circulation", "news2-risk": SCORE}
ON_THE_WAY_MS: Final = 118_000
"""A person called this lately is on the way to the bed (R5: 120 s, less the time of the message)."""
SERIAL, SERIAL_MS, SERIAL_AGAIN_MS = 5, 1_800_000, 590_000
KNOWN_MS: Final = 3_540_000
"""A medium problem that was named or acknowledged this lately may return without a call (R6: 60 min)."""
LONG_MS: Final = 600_000
"""An artefact of care or of a line seldom lasts this long: an alarm that did was of the patient."""
UNNAMED_MS: Final = 1_620_000
"""A joined problem is named after this time (R5: within 30 min)."""
OVER_MS: Final = 1_800_000
"""Problems less than this apart are one deterioration (R12)."""
FORGET_MS: Final = 3_600_000


class Problem(msgspec.Struct, array_like=True):
    """Memory of one problem of a patient; times are log times, ms, 0 for never.

    Attributes:
        named: Last call that named it.
        named_high: Last page of high priority that named it; a handover reaches another person.
        seen: Last acknowledgement.
        ended: Last time at which the last of its active alarms ended.
        joined: Time at which it began as medium and joined, without being named since; of a score, without calling.
        highs: First rise to high since each of its last ends, at most `SERIAL`: two signs of one problem count once.
        on: Ids of its active alarms of medium priority at least.
        begun: Time at which the first of these began.
        ended_before: The end before `ended`.
    """

    named: int = 0
    named_high: int = 0
    seen: int = 0
    ended: int = 0
    joined: int = 0
    highs: tuple[int, ...] = ()
    on: tuple[str, ...] = ()
    begun: int = 0
    ended_before: int = 0


class Incident(msgspec.Struct, array_like=True):
    """A patient's present incident, or the last one, and its problems.

    Attributes:
        id: Id of the alarm that opened it.
        seen: Log time of its last event, ms.
        told: Highest priority of its calls; 0 before the first.
        called: Log time of its last call, ms; 0 before the first.
        problems: By name.
    """

    id: str
    seen: int
    told: int = 0
    called: int = 0
    problems: dict[str, Problem] = {}

    def remind_at(self) -> int:
        """Returns the log time at which a joined problem must be named, ms; 0 for none."""
        joined = (p.joined for name, p in self.problems.items() if p.joined and name != SCORE)
        return min((t + UNNAMED_MS for t in joined), default=0)

    def goes_on(self, name: str, alarm: AlarmEvent) -> Reason:
        """Returns the reason for which an unacknowledged alarm calls now, `NONE` if it does not."""
        if not self.problems.get(name, Problem()).joined:
            return Reason.HANDED_OVER
        if name == SCORE:
            return Reason.NONE
        # A high alarm is handed over even if unnamed, since the first contact has been called for it (R7).
        first = alarm.priority is Priority.MEDIUM and alarm.handover == 0
        return Reason.REMINDED if first else Reason.HANDED_OVER


def problem(condition: str, *, low: bool) -> str | None:
    """Returns the problem of a condition, None for one that is no patient's problem."""
    group = GROUPS.get(condition)
    return WHOLE.get(condition) if group is None else f"{group}-{'low' if low else 'high'}"


def problem_of(event: AlarmEvent) -> str | None:
    """Returns the problem of a physiological alarm, None for another."""
    if event.kind is not Kind.PHYSIOLOGICAL:
        return None
    side = event.side
    if not side and event.value is not None and event.limit is not None:  # an event of before version 0.2
        side = -1 if event.value < event.limit else 1
    return problem(event.condition, low=side < 0)


def apply(
    incident: Incident | None, events: Sequence[AlarmEvent], active: Set[str], pending: Set[str], now: int
) -> tuple[Incident | None, tuple[AlarmEvent, ...]]:
    """Marks one patient's alarm events of one moment with incident, call, reason and the problems named.

    Args:
        incident: The patient's incident, None without one; changed in place.
        events: The patient's events, in order; technical ones are left as they are.
        active: Problems with an active alarm after these events.
        pending: Problems beyond their limits that are no alarm yet.
        now: Log time, ms.

    Returns:
        The incident, and the events.
    """
    marked = list(events)
    wanting: dict[Call, dict[int, str]] = {Call.PAGE: {}, Call.HANDOVER: {}, Call.REMINDER: {}}
    for k, event in enumerate(events):
        name = problem_of(event)
        if name is None:
            continue
        incident = _incident_of(incident, name, event, now)
        if incident is None:
            continue
        reason = _reason(incident, name, event, now)
        marked[k] = replace(event, incident=incident.id, reason=reason)
        _note(incident, name, event, now)
        if reason not in (Reason.NONE, Reason.JOINED):
            wanting[_CALLS.get(reason, Call.PAGE)][k] = name
    for call, of in wanting.items():
        if incident is None or not of:
            continue
        lead = max(of, key=lambda k: marked[k].priority)
        for k in of:
            if k != lead:
                marked[k] = replace(marked[k], reason=Reason.JOINED)
        marked[lead] = replace(marked[lead], call=call, problems=tuple(sorted(active | pending | set(of.values()))))
        _called(incident, marked[lead])
    for event in marked:
        _note_score(incident, event)
    return incident, tuple(marked)


_CALLS: Final = {Reason.HANDED_OVER: Call.HANDOVER, Reason.REMINDED: Call.REMINDER}


def observe(incident: Incident | None, event: AlarmEvent) -> Incident | None:
    """Applies an event that was marked already, such as one of before a crash; returns the incident after it."""
    name = problem_of(event)
    if name is None or not event.incident:
        return incident
    if incident is None or incident.id != event.incident:
        incident = Incident(event.incident, event.log_t, problems={} if incident is None else incident.problems)
    incident.seen = max(incident.seen, event.log_t)
    _note(incident, name, event, event.log_t)
    if event.call is not Call.NONE:
        _called(incident, event)
    _note_score(incident, event)
    return incident


def _called(incident: Incident, event: AlarmEvent) -> None:
    """Records a call."""
    incident.told = max(incident.told, int(event.priority))
    if event.call is not Call.REMINDER:
        incident.called = event.log_t
    for name in event.problems:
        p = incident.problems.setdefault(name, Problem())
        p.named = event.log_t
        p.joined = p.joined if name == SCORE else 0
        if event.priority is Priority.HIGH and event.call is Call.PAGE:
            p.named_high = event.log_t


def _incident_of(incident: Incident | None, name: str, event: AlarmEvent, now: int) -> Incident | None:
    """Returns the incident of an event: the present one, a new one, or None for an alarm of only low priority."""
    if incident is not None:
        goes_on = now - incident.seen <= OVER_MS or event.incident == incident.id
        if goes_on or any(p.on for other, p in incident.problems.items() if other != name):
            incident.seen = now
            return incident
    if event.phase not in (Phase.START, Phase.ESCALATE) or event.priority < Priority.MEDIUM:
        return None
    return Incident(event.id, now, problems={} if incident is None else incident.problems)


def _reason(incident: Incident, name: str, event: AlarmEvent, now: int) -> Reason:
    """Returns the reason for which an event calls, `JOINED` or `NONE`."""
    if event.phase is Phase.CONTINUE or event.reason is Reason.WORSE:
        return event.reason
    if event.phase not in (Phase.START, Phase.ESCALATE) or event.priority < Priority.MEDIUM:
        return Reason.NONE
    p = incident.problems.get(name, Problem())
    if name == SCORE:
        covered = event.priority < Priority.HIGH or event.priority <= incident.told
    else:
        covered = _joins(incident, p, event.priority, now)
    if covered:
        return Reason.JOINED
    if event.phase is Phase.ESCALATE:
        return Reason.RAISED
    return Reason.RETURNED if p.ended and now - p.ended <= KNOWN_MS else Reason.BEGUN


def _joins(incident: Incident, p: Problem, priority: Priority, now: int) -> bool:
    if priority is Priority.HIGH:
        told = p.named_high > p.ended and now - p.named_high <= ON_THE_WAY_MS
        serial = sum(now - t < SERIAL_MS for t in p.highs) >= SERIAL
        return told or (serial and now - p.named_high <= SERIAL_AGAIN_MS)
    if incident.called and now - incident.called <= ON_THE_WAY_MS:
        return True
    told = now - p.ended <= KNOWN_MS and now - max(p.named, p.seen) <= KNOWN_MS
    return bool(p.ended) and told and (now - p.ended_before <= KNOWN_MS or p.ended - p.begun >= LONG_MS)


def _note(incident: Incident, name: str, event: AlarmEvent, now: int) -> None:
    """Records an event of a problem."""
    p = incident.problems.setdefault(name, Problem())
    before = p.on
    heard = event.priority >= Priority.MEDIUM
    p.on = tuple(alarm for alarm in before if alarm != event.id)
    if heard and event.state is AlarmState.ACTIVE:
        p.on = (*p.on, event.id)
    if event.phase in (Phase.START, Phase.ESCALATE):
        if event.priority is Priority.HIGH and (not p.highs or p.highs[-1] <= p.ended):
            p.highs = (*p.highs, now)[-SERIAL:]
        if event.priority is Priority.MEDIUM and not before:
            p.joined = now
    if heard and event.by is not None and event.inactivation is Inactivation.ACKNOWLEDGED:
        p.seen = now
    if p.on and not before:
        p.begun = now
    if before and not p.on:
        p.ended_before, p.ended, p.joined = p.ended, now, 0


def _note_score(incident: Incident | None, event: AlarmEvent) -> None:
    """Records whether a score's rise joined: it is then never handed over by itself."""
    rises = event.phase in (Phase.START, Phase.ESCALATE) and event.priority >= Priority.MEDIUM
    if incident is not None and rises and problem_of(event) == SCORE:
        incident.problems[SCORE].joined = event.log_t if event.reason is Reason.JOINED else 0
