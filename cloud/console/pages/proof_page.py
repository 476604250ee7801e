"""`/p/{token}`: a contact confirms at the begin of a duty that messages arrive.

GET only shows a form, as mail scanners follow links; POST confirms. A link is valid during its duty. It needs no
sign-in, so the page has no patient.
"""

from functools import partial
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request
from starlette.responses import HTMLResponse

from cloud import ack_links
from cloud.console.command_writer import LogDownError
from cloud.console.http import auth
from cloud.console.http.dependencies import AppState
from cloud.console.pages.html_pages import form, page
from cloud.console.pages.link_receipts import proven, refused
from cloud.duty.proofs import ids
from vitals.duty import Proof

router: Final = APIRouter(include_in_schema=False)


@router.get("/p/{token}")
def ask(request: Request, token: str) -> HTMLResponse:
    """Returns the form that confirms."""
    try:
        proven(request, partial(_verified, auth.parts(request), token))
    except ack_links.LinkError as error:
        return refused(request, error)
    wording = auth.parts(request).settings.wording
    return page(wording("proof.title"), "proof.html", wording=wording, contact=None)


@router.post("/p/{token}")
def confirm(request: Request, token: str, fields: Annotated[dict[str, str], Depends(form)]) -> HTMLResponse:
    """Records that messages reach the contact."""
    del fields
    own = auth.parts(request)
    try:
        link = proven(request, partial(_verified, own, token))
    except ack_links.LinkError as error:
        return refused(request, error)
    auth.audit(request, link.contact, "prove-duty", duty=link.alarm)
    wording = own.settings.wording
    try:
        own.commands.enter(Proof(contact=link.contact, t=own.clock()))
    except LogDownError:
        text = wording("proof.not-saved")
        return page(
            wording("proof.not-confirmed"), "proof.html", problem=text, status=503, wording=wording, contact=None
        )
    return page(wording("proof.confirmed"), "proof.html", wording=wording, contact=link.contact)


def _verified(own: AppState, token: str) -> ack_links.AckToken:
    if own.settings.link_key is None:
        raise ack_links.LinkError("Links are switched off here")
    house, now = own.topics.house, own.clock()
    contacts = {person.contact for person in house.present()}
    return ack_links.verify_token(own.settings.link_key, token, alarms=ids(house, now), contacts=contacts, now=now)
