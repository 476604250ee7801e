"""Evidence that a person has a message: the link's page was opened, or answered, by a POST with the recipient's token.

Scanners of mail and SMS follow links, so a GET is no evidence. Browsers run the page's script, which posts. *Opened* is
evidence and holds nothing, since a scanner with a browser may post too.
"""

from collections.abc import Callable
from functools import partial
from typing import Annotated, Final

import msgspec
from fastapi import APIRouter, Depends, Request
from starlette.responses import HTMLResponse, Response

from cloud import ack_links
from cloud.console.command_writer import LogDownError
from cloud.console.http import auth
from cloud.console.http.dependencies import AppState
from cloud.console.http.rate_limit import Rate
from cloud.console.pages.html_pages import form, page
from vitals.contacts import DeliveryState, Notification

router: Final = APIRouter(include_in_schema=False)
TRIES: Final = Rate(20, 3.0)
"""Tokens that are not valid, from one address."""
USES: Final = Rate(40, 1.0)
"""Requests by one valid token."""


@router.post("/a/{token}/opened")
def opened(request: Request, token: str, fields: Annotated[dict[str, str], Depends(form)]) -> Response:
    """Records that the page of a link was opened."""
    del fields
    own = auth.parts(request)
    try:
        record(own, proven(request, partial(verified, own, token)), DeliveryState.OPENED)
    except ack_links.LinkError:
        return Response(status_code=404)
    return Response(status_code=204)


def proven(request: Request, verify: Callable[[], ack_links.AckToken]) -> ack_links.AckToken:
    """Returns the content of a link's token; the rate of tokens that fail is limited by address.

    The token is proven first: a hospital behind one address must not lose its links because a person guesses there. A
    proven one has a limit of its own, wherever it comes from.

    Raises:
        LinkError: The token is not valid.
        HTTPException: 429, over one of the limits.
    """
    try:
        link = verify()
    except ack_links.LinkError:
        auth.throttle(request, TRIES, "link", auth.address(request))
        raise
    auth.throttle(request, USES, "link-of", link.alarm, link.contact)
    return link


def refused(request: Request, error: ack_links.LinkError, hint: str = "") -> HTMLResponse:
    """Returns the page of a link that is not valid; `hint` follows the reason."""
    auth.audit(request, "unknown", "refused-link", why=str(error))
    wording = auth.parts(request).settings.wording
    expired = isinstance(error, ack_links.LinkExpiredError)
    text = wording("link.expired-text") if expired else wording("link.invalid-text")
    return page(
        wording("link.invalid"), problem=f"{text} {hint}".rstrip(), status=410 if expired else 404, wording=wording
    )


def verified(own: AppState, token: str) -> ack_links.AckToken:
    """Returns the content of a link's token.

    Raises:
        LinkError: It is not valid here.
    """
    if own.settings.link_key is None:
        raise ack_links.LinkError("Links are switched off here")
    alarms = {e.id for e in own.feed.sight.alarms} | {e.id for e in list(own.topics.events)}
    contacts = {c.contact for duty in own.topics.house.rotas.values() for c in duty.contacts}
    contacts |= {m.contact for m in list(own.topics.notifications)}
    return ack_links.verify_token(own.settings.link_key, token, alarms=alarms, contacts=contacts, now=own.clock())


def record(own: AppState, link: ack_links.AckToken, state: DeliveryState) -> None:
    """Records a state of the newest message about an alarm to a contact, once; a log that is away loses it."""
    sent: Notification | None = None
    for message in list(own.topics.notifications):
        if (message.alarm, message.contact) == (link.alarm, link.contact):
            if message.state is state:
                return
            if message.first and message.sns is not None:
                sent = message
    if sent is not None:
        try:
            own.commands.notification(msgspec.structs.replace(sent, state=state, accepted=own.clock(), error=None))
        except LogDownError:
            # The acknowledgement is a record of its own.
            return
