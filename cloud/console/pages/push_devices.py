"""Web Push on this device: the key for the browser, and the devices of a signed-in person or of a link's recipient."""

from functools import partial
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Depends, HTTPException, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from cloud import ack_links
from cloud.console.auth.accounts import Person
from cloud.console.command_writer import LogDownError
from cloud.console.http import auth
from cloud.console.pages.html_pages import form
from cloud.console.pages.link_receipts import proven, verified
from cloud.push_services import public_key, served
from vitals.contact_standing import PushDevice

router: Final = APIRouter(prefix="/api", tags=["push"])
link_router: Final = APIRouter(include_in_schema=False)
Who = Annotated[Person, Depends(auth.current_user)]
Text = Annotated[str, Field(max_length=2048)]
DAY_MS: Final = 86_400_000
SESSION_DAYS: Final = 30
LINK_DAYS: Final = 1
"""A link may be read by the finder of a phone: a device that was added by one is for one shift."""


class Device(BaseModel):
    """A browser's push subscription, as its `PushManager` returns it."""

    endpoint: Text
    p256dh: Text
    auth: Text


@router.get("/push")
def key(request: Request, who: Who) -> dict[str, str | None]:
    """Returns the key for `PushManager.subscribe`, null if push is not configured, and the contact id for the rota."""
    private = auth.parts(request).settings.push_key
    return {"key": public_key(private) if private else None, "contact": who.name}


@router.put("/push/device", status_code=204)
def add(request: Request, body: Device, who: Who) -> Response:
    """Adds this device to the contact of the user's name, for 30 days; the page renews it."""
    _store(request, who.name, body.model_dump(), SESSION_DAYS)
    return Response(status_code=204)


@link_router.post("/a/{token}/push")
def add_by_link(request: Request, token: str, fields: Annotated[dict[str, str], Depends(form)]) -> Response:
    """Adds this device to the link's recipient, for a day."""
    try:
        link = proven(request, partial(verified, auth.parts(request), token))
    except ack_links.LinkError as error:
        raise HTTPException(404, "This link is not valid here") from error
    _store(request, link.contact, dict(fields), LINK_DAYS)
    return Response(status_code=204)


def _store(request: Request, contact: str, fields: dict[str, Any], days: int) -> None:
    own = auth.parts(request)
    if own.settings.push_key is None:
        raise HTTPException(404, "Push is not configured here")
    now = own.clock()
    names = ("endpoint", "p256dh", "auth")
    given = {name: fields.get(name, "") for name in names}
    try:
        device = msgspec.convert({**given, "contact": contact, "since": now, "until": now + days * DAY_MS}, PushDevice)
    except msgspec.ValidationError as error:
        raise HTTPException(422, "This is no push subscription of a contact") from error
    if not served(device.endpoint, own.settings.push_services):
        raise HTTPException(422, "The push service of this browser is not among PUSH_SERVICES")
    auth.audit(request, contact, "add-push-device")
    try:
        own.commands.channel(device.key, device)
    except LogDownError as error:
        raise HTTPException(503, str(error)) from error
