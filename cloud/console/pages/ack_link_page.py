"""`/a/{token}`: the page of an acknowledge link. GET only shows a form, as mail scanners follow links; POST acts.

A link needs no sign-in, so the page contains no patient, bed or alarm text, only ward, priority and the alarm's number.
"""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request
from starlette.responses import HTMLResponse

from cloud import ack_links
from cloud.console.api.alarms import find
from cloud.console.command_writer import LogDownError, action
from cloud.console.http import auth
from cloud.console.http.rate_limit import Rate
from cloud.console.pages import link_receipts
from cloud.console.pages.html_pages import form, page
from cloud.push_services import public_key
from vitals.actions import Act
from vitals.contacts import DeliveryState

router: Final = APIRouter(include_in_schema=False)
TRIES: Final = Rate(20, 3.0)


@router.get("/a/{token}")
def ask(request: Request, token: str) -> HTMLResponse:
    """Returns the form that acknowledges an alarm."""
    auth.throttle(request, TRIES, "link", auth.address(request))
    own = auth.parts(request)
    try:
        link = link_receipts.verified(own, token)
    except ack_links.LinkError as error:
        return _refused(request, error)
    number, event = ack_links.number(link.alarm), find(own, link.alarm)
    auth.audit(request, link.contact, "open-link", ward=event.ward if event else None, alarm=link.alarm)
    if event is None:
        return page("Alarm is over", "alarm_over.html", number=number)
    return page("Acknowledge this alarm?", "acknowledge.html", event=event, number=number)


@router.post("/a/{token}")
def acknowledge(request: Request, token: str, fields: Annotated[dict[str, str], Depends(form)]) -> HTMLResponse:
    """Acknowledges an alarm."""
    del fields
    auth.throttle(request, TRIES, "link", auth.address(request))
    own = auth.parts(request)
    try:
        link = link_receipts.verified(own, token)
    except ack_links.LinkError as error:
        return _refused(request, error)
    number, event = ack_links.number(link.alarm), find(own, link.alarm)
    if event is None:
        return page("Alarm is over", "alarm_over.html", number=number)
    patient = event.patient or event.subject
    auth.audit(request, link.contact, "acknowledge", ward=event.ward, patient=event.patient, alarm=event.id, by="link")
    try:
        own.commands.act(action(Act.ACKNOWLEDGE, patient, link.contact, own.clock(), alarm=event.id))
    except LogDownError:
        text = "It could not be saved. Try again, or go to the bed."
        return page("Not acknowledged", "acknowledge.html", problem=text, status=503, event=None)
    link_receipts.record(own, link, DeliveryState.ANSWERED)
    key = public_key(own.settings.push_key) if own.settings.push_key else ""
    return page("Acknowledged", "acknowledged.html", contact=link.contact, number=number, key=key)


def _refused(request: Request, error: ack_links.LinkError) -> HTMLResponse:
    auth.audit(request, "unknown", "refused-link", why=str(error))
    expired = isinstance(error, ack_links.LinkExpiredError)
    text = "This link is too old." if expired else "This link is not valid here."
    text += " Find the alarm on the ward page, or go to the bed."
    return page("Link not valid", problem=text, status=410 if expired else 404)
