"""Administration routes of `/api`: users."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, HTTPException, Request
from pydantic import BaseModel, Field

from cloud.console.auth.accounts import AccountError, Person, Role
from cloud.console.http import auth

router: Final = APIRouter(prefix="/api", tags=["administration"])
Who = Annotated[Person, Depends(auth.current_user)]


class Roles(BaseModel):
    """A user's roles by ward, `*` being all wards; a user without any role has no access."""

    roles: dict[Annotated[str, Field(min_length=1, max_length=256)], str]


@router.get("/users")
def users(request: Request, who: Who) -> list[dict[str, Any]]:
    """Returns every user; needs an admin of all wards."""
    auth.require_role(request, who, Role.ADMIN, None)
    found = auth.parts(request).accounts.users()
    return [{"name": n, "roles": {w: r.label for w, r in roles.items()}, "ready": ready} for n, roles, ready in found]


@router.put("/users/{name}")
def set_user(request: Request, name: str, body: Roles, who: Who) -> dict[str, Any]:
    """Creates a user or replaces their roles; a new one gets a one-time link to set a password."""
    auth.require_role(request, who, Role.ADMIN, None)
    own = auth.parts(request)
    try:
        roles = {ward: Role[role.upper()] for ward, role in body.roles.items()}
    except KeyError as error:
        raise HTTPException(422, f"{error.args[0].lower()} is none of viewer, nurse, admin") from error
    auth.audit(request, who.name, "set-roles", user=name, roles=body.roles)
    try:
        own.accounts.grant(name, roles)
    except AccountError as error:
        raise HTTPException(422, str(error)) from error
    ready = next(ready for known, _, ready in own.accounts.users() if known == name)
    link = (
        None
        if ready or not roles
        else f"{own.settings.console_url}/welcome/{own.accounts.create_invite(name, own.clock())}"
    )
    return {"name": name, "roles": body.roles, "ready": ready, "link": link}


@router.post("/users/{name}/link")
def link(request: Request, name: str, who: Who) -> dict[str, str]:
    """Creates a one-time link by which a user sets a new password; it is valid for a day."""
    auth.require_role(request, who, Role.ADMIN, None)
    own = auth.parts(request)
    if name not in {known for known, _, _ in own.accounts.users()}:
        raise HTTPException(404, f"There is no user {name}")
    auth.audit(request, who.name, "make-link", user=name)
    return {"link": f"{own.settings.console_url}/welcome/{own.accounts.create_invite(name, own.clock())}"}


@router.post("/users/{name}/key")
def key(request: Request, name: str, who: Who) -> dict[str, str]:
    """Creates a read-only API key of a user (`Authorization: Bearer …`); shown this once."""
    auth.require_role(request, who, Role.ADMIN, None)
    own = auth.parts(request)
    auth.audit(request, who.name, "make-key", user=name)
    try:
        return {"key": own.accounts.key(name, own.clock())}
    except AccountError as error:
        raise HTTPException(404, str(error)) from error
