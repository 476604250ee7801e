"""`/api/contacts`: the directory of contacts, which belongs to the house."""

from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Depends, HTTPException, Request
from pydantic import BaseModel, Field, StringConstraints

from cloud.admissions.rota_rows import email_of, phone_of
from cloud.console.auth.accounts import Person, Role
from cloud.console.command_writer import LogDownError
from cloud.console.http import auth
from cloud.duty.directory import DirectoryError, gone
from cloud.duty.house import addresses_of
from vitals.bounds import MAX_CONTACTS, clean
from vitals.contact_standing import addresses
from vitals.duty import Person as Entry

router: Final = APIRouter(prefix="/api/contacts", tags=["contacts"])
Who = Annotated[Person, Depends(auth.current_user)]
Line = Annotated[str, StringConstraints(strip_whitespace=True, max_length=256)]


class Addresses(BaseModel):
    """Name and addresses of a contact; `version` is the one on the screen, 0 for a new contact."""

    version: int
    name: Annotated[Line, Field(min_length=1)]
    phone: Line | None = None
    email: Line | None = None
    push: bool = False
    webhook: Line | None = None


@router.get("")
def contacts(request: Request, who: Who) -> list[dict[str, Any]]:
    """Returns the contacts of the house: ids and names for every admin, addresses for admins of all wards."""
    own = auth.parts(request)
    if not any(role >= Role.ADMIN for role in who.roles.values()):
        auth.require_role(request, who, Role.ADMIN, None)
    every = who.may(Role.ADMIN, None)
    return [_shown(request, one, every=every) for one in own.topics.house.present()[:MAX_CONTACTS]]


@router.put("/{contact}")
def enter(request: Request, contact: str, body: Addresses, who: Who) -> dict[str, Any]:
    """Enters a contact or changes name and addresses; needs an admin of all wards."""
    auth.require_role(request, who, Role.ADMIN, None)
    own = auth.parts(request)
    known = own.topics.house.person(contact)
    seen = known.version if known is not None and not known.left else 0
    if seen != body.version:
        raise HTTPException(409, "This contact has been changed: look again")
    cells = {"phone": body.phone or "", "email": body.email or ""}
    try:
        made = msgspec.convert(
            {
                "contact": contact,
                "version": max(own.clock(), (known.version if known else 0) + 1),
                "name": clean(body.name),
                "phone": phone_of(cells),
                "email": email_of(cells),
                "push": body.push,
                "webhook": body.webhook or None,
                "ward": known.ward if known else "",
            },
            Entry,
        )
        auth.audit(request, who.name, "enter-contact", contact=contact)
        own.commands.enter(made)
    except ValueError as error:
        raise HTTPException(422, str(error)) from error
    except LogDownError as error:
        raise HTTPException(503, str(error)) from error
    return _shown(request, made, every=True)


@router.delete("/{contact}")
def leave(request: Request, contact: str, who: Who) -> dict[str, Any]:
    """Removes a contact from the house: no ward notifies it any more, and its addresses are unsubscribed."""
    auth.require_role(request, who, Role.ADMIN, None)
    own = auth.parts(request)
    house = own.topics.house
    try:
        entry = gone(house, contact, own.clock())
        auth.audit(request, who.name, "remove-contact", contact=contact)
        own.commands.enter(entry)
    except DirectoryError as error:
        raise HTTPException(404, str(error)) from error
    except LogDownError as error:
        raise HTTPException(503, str(error)) from error
    return {"contact": contact, "wards": sorted(house.wards_of(contact))}


def _shown(request: Request, one: Entry, *, every: bool) -> dict[str, Any]:
    topics = auth.parts(request).topics
    wards = sorted(topics.house.wards_of(one.contact))
    entry = {"contact": one.contact, "name": one.name, "ward": one.ward, "wards": wards}
    if not every:
        return entry
    standing = topics.standings.get(one.contact)
    known = standing is not None and standing.of == addresses(one)
    channels = {c.value: s.value for c, s in standing.channels.items()} if standing is not None and known else {}
    return {**entry, **addresses_of(one), "version": one.version, "channels": channels}
