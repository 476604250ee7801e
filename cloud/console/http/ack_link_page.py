"""`/a/{token}`: the page behind the link in a message. GET only asks, as mail scanners follow links; POST acts.

Whoever has the link needs no sign-in, so the page names no patient: ward, bed-free text and the alarm's number alone.
"""

from html import escape
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request
from starlette.responses import HTMLResponse

from cloud import ack_links
from cloud.console.api.alarms import find
from cloud.console.command_writer import LogDownError, action
from cloud.console.http import auth
from cloud.console.http.dependencies import AppState
from cloud.console.http.html_pages import form, page, problem
from cloud.console.http.rate_limit import Rate
from vitals.actions import Act
from vitals.alarm_events import AlarmEvent, Inactivation

router: Final = APIRouter(include_in_schema=False)
TRIES: Final = Rate(20, 3.0)


@router.get("/a/{token}")
def ask(request: Request, token: str) -> HTMLResponse:
    """Asks whether to acknowledge."""
    auth.throttle(request, TRIES, "link", auth.address(request))
    own = auth.parts(request)
    try:
        link = _verified(own, token)
    except ack_links.LinkError as error:
        return _refused(request, error)
    event = find(own, link.alarm)
    auth.audit(request, link.contact, "open-link", ward=event.ward if event else None, alarm=link.alarm)
    if event is None:
        return page(
            "Alarm is over", f"<p>Alarm {escape(ack_links.number(link.alarm))} is over. There is nothing to do.</p>"
        )
    return _question(event)


@router.post("/a/{token}")
def acknowledge(request: Request, token: str, fields: Annotated[dict[str, str], Depends(form)]) -> HTMLResponse:
    """Acknowledges."""
    del fields
    auth.throttle(request, TRIES, "link", auth.address(request))
    own = auth.parts(request)
    try:
        link = _verified(own, token)
    except ack_links.LinkError as error:
        return _refused(request, error)
    number = escape(ack_links.number(link.alarm))
    event = find(own, link.alarm)
    if event is None:
        return page("Alarm is over", f"<p>Alarm {number} is over. There is nothing to do.</p>")
    patient = event.patient or event.subject
    auth.audit(request, link.contact, "acknowledge", ward=event.ward, patient=event.patient, alarm=event.id, by="link")
    try:
        own.commands.act(action(Act.ACKNOWLEDGE, patient, link.contact, own.clock(), alarm=event.id))
    except LogDownError:
        return page("Not acknowledged", problem("It could not be saved. Try again, or go to the bed.") + _button(), 503)
    return page(
        "Acknowledged",
        f"<p>You, <strong>{escape(link.contact)}</strong>, have acknowledged alarm {number}. Go to the bed.</p>",
    )


def _verified(own: AppState, token: str) -> ack_links.AckToken:
    if own.settings.link_key is None:
        raise ack_links.LinkError("Links are switched off here")
    alarms = {e.id for e in own.feed.sight.alarms} | {e.id for e in list(own.topics.events)}
    contacts = {c.contact for duty in own.topics.duties.values() for c in duty.contacts}
    contacts |= {m.contact for m in list(own.topics.notifications)}
    return ack_links.verify_token(own.settings.link_key, token, alarms=alarms, contacts=contacts, now=own.clock())


def _refused(request: Request, error: ack_links.LinkError) -> HTMLResponse:
    auth.audit(request, "unknown", "refused-link", why=str(error))
    expired = isinstance(error, ack_links.LinkExpiredError)
    text = "This link is too old." if expired else "This link is not valid here."
    return page(
        "Link not valid", problem(f"{text} Find the alarm on the ward page, or go to the bed."), 410 if expired else 404
    )


def _question(event: AlarmEvent) -> HTMLResponse:
    ward = escape((event.ward or "whole site").upper())
    told = ""
    if event.inactivation is Inactivation.ACKNOWLEDGED:
        told = f'<p class="note">Already acknowledged by {escape(event.by or "somebody")}.</p>'
    body = f"""<p class="alarm p{int(event.priority)}"><span class="mark" aria-hidden="true"></span>
{escape(event.priority.label.upper())} priority, ward {ward}</p>
<p>Alarm {escape(ack_links.number(event.id))}</p>{told}
{_button()}"""
    return page("Acknowledge this alarm?", body)


def _button() -> str:
    return '<form method="post"><button class="primary">Acknowledge</button></form>'
