"""`/a/{token}`: the page of a message's link. GET only shows a form, as mail scanners follow links; POST acts.

A link needs no sign-in. *Coming*, *cannot* and *acknowledge* answer the call as the contact of the token. They are void
if the alarm has ended or the contact's duty is over; *acknowledge* also if the priority that was shown has changed or
an alarm of the incident has been raised since: the page is then shown again (409). *Standby* is not on a link.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request
from starlette.responses import HTMLResponse

from cloud import ack_links
from cloud.console.api.alarms import as_shown, newest, raised, with_its_incident
from cloud.console.command_writer import LogDownError, action
from cloud.console.http import auth
from cloud.console.http.dependencies import AppState
from cloud.console.pages import link_receipts
from cloud.console.pages.html_pages import form, page
from cloud.console.pages.link_view import view
from cloud.duty.handing_over import duty_over
from cloud.push_services import public_key
from vitals.actions import Act
from vitals.alarm_events import AlarmEvent
from vitals.contacts import DeliveryState

router: Final = APIRouter(include_in_schema=False)
ACTS: Final = {act.value: act for act in (Act.COMING, Act.CANNOT, Act.ACKNOWLEDGE)}
DIGITS: Final = 15
"""More than any time in ms has."""


@router.get("/a/{token}")
def ask(request: Request, token: str) -> HTMLResponse:
    """Returns the form that answers a call."""
    own = auth.parts(request)
    try:
        link = link_receipts.proven(request, partial(link_receipts.verified, own, token))
    except ack_links.LinkError as error:
        return link_receipts.refused(request, error, own.settings.wording("link.elsewhere"))
    events = with_its_incident(own, link.alarm)
    auth.audit(request, link.contact, "open-link", ward=events[0].ward if events else None, alarm=link.alarm)
    return _asked(own, link, events) if events else _over(own, link)


@router.post("/a/{token}")
def answer(request: Request, token: str, fields: Annotated[dict[str, str], Depends(form)]) -> HTMLResponse:
    """Answers a call; acknowledges its incident as it was shown."""
    own = auth.parts(request)
    try:
        link = link_receipts.proven(request, partial(link_receipts.verified, own, token))
    except ack_links.LinkError as error:
        return link_receipts.refused(request, error, own.settings.wording("link.elsewhere"))
    events = with_its_incident(own, link.alarm)
    if not events:
        return _over(own, link, 409)
    # A page of before this version has one button.
    act = ACTS.get(fields.get("act", Act.ACKNOWLEDGE.value))
    event = next((e for e in events if e.id == link.alarm), events[0])
    void = _void(own, link, act, events, fields)
    if act is None or void:
        auth.audit(request, link.contact, "void-answer", ward=event.ward, alarm=event.id, why=void)
        return _asked(own, link, events, void, 409)
    facts = {} if act is Act.CANNOT else as_shown(events, _shown(fields))
    patient = event.patient or event.subject
    auth.audit(
        request, link.contact, act.value, ward=event.ward, patient=event.patient, alarm=event.id, by="link", **facts
    )
    try:
        own.commands.act(action(act, patient, link.contact, own.clock(), alarm=event.id, **facts))
    except LogDownError:
        return _asked(own, link, events, own.settings.wording("link.not-saved"), 503)
    link_receipts.record(own, link, DeliveryState.ANSWERED)
    key = public_key(own.settings.push_key) if own.settings.push_key else ""
    wording = own.settings.wording
    text = wording(f"link.{act.value}-text", contact=link.contact, number=ack_links.number(link.alarm))
    title = wording(f"link.done-{act.value}")
    return page(title, "link_answered.html", wording=wording, text=text, back=act is Act.COMING, key=key)


def _void(
    own: AppState,
    link: ack_links.AckToken,
    act: Act | None,
    events: Sequence[AlarmEvent],
    fields: Mapping[str, str],
) -> str:
    """Returns the reason for which an answer has no effect; "" if it has."""
    wording, lead = own.settings.wording, events[0]
    if duty_over(own.topics.house, lead.ward, link.contact, own.clock()):
        return wording("link.void-duty")
    if act is Act.ACKNOWLEDGE:
        shown = _shown(fields)
        if shown is None or fields.get("priority") != lead.priority.label or any(raised(e) > shown for e in events):
            return wording("link.void-changed", priority=wording(f"priority.{lead.priority.label}"))
    return "" if act else wording("link.void-button")


def _asked(
    own: AppState, link: ack_links.AckToken, events: Sequence[AlarmEvent], problem: str = "", status: int = 200
) -> HTMLResponse:
    wording = own.settings.wording
    return page(
        wording("link.title"),
        "link.html",
        problem=problem,
        status=status,
        wording=wording,
        event=events[0],
        number=ack_links.number(link.alarm),
        alarms=len(events),
        shown=newest(events),
        over=duty_over(own.topics.house, events[0].ward, link.contact, own.clock()),
        view=view(own, link, events, wording),
    )


def _over(own: AppState, link: ack_links.AckToken, status: int = 200) -> HTMLResponse:
    wording, number = own.settings.wording, ack_links.number(link.alarm)
    return page(wording("link.over"), "alarm_over.html", status=status, wording=wording, number=number)


def _shown(fields: Mapping[str, str]) -> int | None:
    """Returns the log time that the form echoes, UTC epoch ms; None without a valid one."""
    text = fields.get("shown", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= DIGITS else None
