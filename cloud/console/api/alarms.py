"""`/api/alarms`: acknowledges an alarm or an incident as it was shown, pauses, answers or marks an alarm."""

from collections.abc import Sequence
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, HTTPException, Request
from pydantic import BaseModel, Field

from cloud.console.auth.accounts import Person, Role
from cloud.console.command_writer import LogDownError, action
from cloud.console.http import auth
from cloud.console.http.dependencies import AppState
from cloud.console.live.ward_view import concerns
from vitals.actions import Act
from vitals.alarm_events import AlarmEvent, Inactivation, Phase

router: Final = APIRouter(prefix="/api/alarms", tags=["alarms"])
Who = Annotated[Person, Depends(auth.current_user)]


class Acknowledge(BaseModel):
    """Alarm to acknowledge, or to answer."""

    alarm: Annotated[str, Field(min_length=1, max_length=1024)]


class AcknowledgeAlarm(Acknowledge):
    """Alarm, and the log time of the newest event that the page showed, UTC epoch ms; null from a page without one."""

    shown: Annotated[int | None, Field(ge=0)] = None


class AcknowledgeIncident(BaseModel):
    """Incident to acknowledge, and the log time of the newest event that the page showed, UTC epoch ms."""

    incident: Annotated[str, Field(min_length=1, max_length=1024)]
    shown: Annotated[int, Field(ge=0)]


class Pause(Acknowledge):
    """Alarm to pause, and the length of the pause."""

    seconds: Annotated[int, Field(ge=1, le=600)] = 120


@router.post("/acknowledge")
def acknowledge(request: Request, body: AcknowledgeAlarm, who: Who) -> dict[str, Any]:
    """Acknowledges an active or latched alarm, unless it has been raised since the page showed it: 409."""
    event = find(auth.parts(request), body.alarm)
    return _do(request, who, Act.ACKNOWLEDGE, body.alarm, event, seen=body.shown)


@router.post("/acknowledge-incident")
def acknowledge_incident(request: Request, body: AcknowledgeIncident, who: Who) -> dict[str, Any]:
    """Acknowledges every alarm of an incident that had risen by then; 409 if each has been raised since."""
    found = members(auth.parts(request), body.incident)
    lead = found[0] if found else None
    if found and (first := min(found, key=raised)) and raised(first) > body.shown:
        return _do(request, who, Act.ACKNOWLEDGE, first.id, first, seen=body.shown)
    facts = as_shown(found, body.shown)
    return _do(request, who, Act.ACKNOWLEDGE, lead.id if lead else "", lead, **facts)


@router.post("/pause")
def pause(request: Request, body: Pause, who: Who) -> dict[str, Any]:
    """Pauses an alarm's audio signal for some seconds; the alarm remains on the screen."""
    event = find(auth.parts(request), body.alarm)
    return _do(request, who, Act.AUDIO_PAUSE, body.alarm, event, pause_s=body.seconds)


@router.post("/coming")
def coming(request: Request, body: AcknowledgeAlarm, who: Who) -> dict[str, Any]:
    """Holds the handover of an alarm, and of its incident as it was shown, as the person is on the way."""
    own = auth.parts(request)
    event = find(own, body.alarm)
    facts = as_shown(members(own, event.incident) if event else (), body.shown)
    return _do(request, who, Act.COMING, body.alarm, event, **facts)


@router.post("/cannot")
def cannot(request: Request, body: Acknowledge, who: Who) -> dict[str, Any]:
    """Passes an alarm on at once, as the person cannot come."""
    return _do(request, who, Act.CANNOT, body.alarm, find(auth.parts(request), body.alarm))


@router.post("/not-actionable")
def not_actionable(request: Request, body: Acknowledge, who: Who) -> dict[str, Any]:
    """Marks an alarm, with its incident, as one that needed no action. It may have ended; no alarm changes by it."""
    own = auth.parts(request)
    ended = (e for e in reversed(list(own.topics.events)) if e.id == body.alarm)
    return _do(request, who, Act.NOT_ACTIONABLE, body.alarm, find(own, body.alarm) or next(ended, None))


def find(own: AppState, alarm: str) -> AlarmEvent | None:
    """Returns the last event of an alarm that has not ended, None if there is no such alarm."""
    return next((e for e in own.feed.sight.alarms if e.id == alarm), None)


def members(own: AppState, incident: str) -> list[AlarmEvent]:
    """Returns the last event of each alarm of an incident that has not ended, those to acknowledge and urgent first."""
    found = (e for e in own.feed.sight.alarms if incident and e.incident == incident)
    return sorted(found, key=_to_acknowledge_first)


def _to_acknowledge_first(event: AlarmEvent) -> tuple[bool, int, int]:
    return event.inactivation is Inactivation.ACKNOWLEDGED, -event.priority, event.start


def with_its_incident(own: AppState, alarm: str) -> list[AlarmEvent]:
    """Returns an alarm with the others of its incident as `members` does, also if it has ended and they have not.

    The log's events count, too: the alarm engine is polled every few seconds only while no ward page is open.
    """
    logged = list(own.topics.events)
    known = find(own, alarm) or next((e for e in reversed(logged) if e.id == alarm), None)
    if known is None:
        return []
    newest_of: dict[str, AlarmEvent] = {}
    for event in (*own.feed.sight.alarms, *logged):
        if event.id == alarm or (known.incident and event.incident == known.incident):
            other = newest_of.get(event.id)
            if other is None or event.n > other.n:
                newest_of[event.id] = event
    return sorted((e for e in newest_of.values() if e.phase is not Phase.END), key=_to_acknowledge_first)


def as_shown(events: Sequence[AlarmEvent], shown: int | None) -> dict[str, Any]:
    """Returns the fields of an action that acknowledge the incident of `events` as a page showed it.

    Args:
        events: Alarms of one incident, or one alarm of none.
        shown: Log time of the newest event that the page showed, UTC epoch ms; None: unknown, and one alarm is meant.
    """
    if shown is None or not events or not events[0].incident:
        return {}
    # A page cannot have shown more than there is.
    return {"incident": events[0].incident, "shown": min(shown, newest(events))}


def raised(event: AlarmEvent) -> int:
    """Returns the log time of an alarm's last start or escalation, UTC epoch ms."""
    return event.raised or event.start


def newest(events: Sequence[AlarmEvent]) -> int:
    """Returns the log time of the newest event, UTC epoch ms."""
    return max(event.log_t for event in events)


def wards(own: AppState, event: AlarmEvent) -> set[str]:
    """Returns the wards of an alarm; none for one of the whole site, such as a stalled pipeline."""
    here = {a.ward for a in own.topics.present() if concerns(event, a)}
    return here or ({event.ward} if event.ward else set())


def _do(
    request: Request,
    who: Person,
    act: Act,
    alarm: str,
    event: AlarmEvent | None,
    *,
    seen: int | None = None,
    **facts: object,
) -> dict[str, Any]:
    own = auth.parts(request)
    where = wards(own, event) if event else set()
    if event is None or not (any(who.may(Role.VIEWER, w) for w in where) or (not where and who.roles)):
        raise HTTPException(404, "There is no such alarm on your wards; it may have ended")
    if not any(who.may(Role.NURSE, w) for w in where) and not (not where and max(who.roles.values()) >= Role.NURSE):
        auth.require_role(request, who, Role.NURSE, min(where, default=None))
    if seen is not None and raised(event) > seen:
        auth.audit(
            request, who.name, "void-acknowledge", ward=min(where, default=None), patient=event.patient, alarm=alarm
        )
        raise HTTPException(409, f"It has been raised to {event.priority.label} since then: look again")
    auth.audit(request, who.name, act.value, ward=min(where, default=None), patient=event.patient, alarm=alarm, **facts)
    try:
        own.commands.act(
            action(
                act,
                event.subject if event.patient is None else event.patient,
                who.name,
                own.clock(),
                alarm=alarm,
                **facts,
            )
        )
    except LogDownError as error:
        raise HTTPException(503, str(error)) from error
    return {"alarm": alarm, "act": act.value}
