"""`/a/{token}`: the page of an acknowledge link. GET only shows a form, as mail scanners follow links; POST acts.

A link needs no sign-in, so the page contains no patient, bed or alarm text, only ward, priority, the alarm's number and
the number of its incident's alarms. It acknowledges these as they were shown, without any that has risen since.
"""

from collections.abc import Mapping
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request
from starlette.responses import HTMLResponse

from cloud import ack_links
from cloud.console.api.alarms import as_shown, newest, with_its_incident
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
DIGITS: Final = 15
"""More than any time in ms has."""


@router.get("/a/{token}")
def ask(request: Request, token: str) -> HTMLResponse:
    """Returns the form that acknowledges an alarm."""
    auth.throttle(request, TRIES, "link", auth.address(request))
    own = auth.parts(request)
    try:
        link = link_receipts.verified(own, token)
    except ack_links.LinkError as error:
        return _refused(request, error)
    number, events = ack_links.number(link.alarm), with_its_incident(own, link.alarm)
    auth.audit(request, link.contact, "open-link", ward=events[0].ward if events else None, alarm=link.alarm)
    if not events:
        return page("Alarm is over", "alarm_over.html", number=number)
    return page(
        "Acknowledge this alarm?",
        "acknowledge.html",
        event=events[0],
        number=number,
        alarms=len(events),
        shown=newest(events),
    )


@router.post("/a/{token}")
def acknowledge(request: Request, token: str, fields: Annotated[dict[str, str], Depends(form)]) -> HTMLResponse:
    """Acknowledges an alarm with its incident as it was shown."""
    auth.throttle(request, TRIES, "link", auth.address(request))
    own = auth.parts(request)
    try:
        link = link_receipts.verified(own, token)
    except ack_links.LinkError as error:
        return _refused(request, error)
    number, events = ack_links.number(link.alarm), with_its_incident(own, link.alarm)
    if not events:
        return page("Alarm is over", "alarm_over.html", number=number)
    shown = _shown(fields)
    # A form without its time is of a page of before this version: it meant one alarm.
    event = next((e for e in events if e.id == link.alarm), events[0])
    facts = as_shown(events, shown)
    patient = event.patient or event.subject
    auth.audit(
        request,
        link.contact,
        "acknowledge",
        ward=event.ward,
        patient=event.patient,
        alarm=event.id,
        by="link",
        **facts,
    )
    try:
        own.commands.act(action(Act.ACKNOWLEDGE, patient, link.contact, own.clock(), alarm=event.id, **facts))
    except LogDownError:
        text = "It could not be saved. Try again, or go to the bed."
        return page("Not acknowledged", "acknowledge.html", problem=text, status=503, event=None, shown=shown)
    link_receipts.record(own, link, DeliveryState.ANSWERED)
    key = public_key(own.settings.push_key) if own.settings.push_key else ""
    return page("Acknowledged", "acknowledged.html", contact=link.contact, number=number, key=key)


def _shown(fields: Mapping[str, str]) -> int | None:
    """Returns the log time that the form echoes, UTC epoch ms; None without a valid one."""
    text = fields.get("shown", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= DIGITS else None


def _refused(request: Request, error: ack_links.LinkError) -> HTMLResponse:
    auth.audit(request, "unknown", "refused-link", why=str(error))
    expired = isinstance(error, ack_links.LinkExpiredError)
    text = "This link is too old." if expired else "This link is not valid here."
    text += " Find the alarm on the ward page, or go to the bed."
    return page("Link not valid", problem=text, status=410 if expired else 404)
