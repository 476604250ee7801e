"""Administration routes of `/api`: rota, users and audit log."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Depends, HTTPException, Request
from pydantic import BaseModel, Field

import vitals.contacts
from cloud.admissions.rota_rows import contact_row
from cloud.console.auth.accounts import AccountError, Person, Role
from cloud.console.command_writer import LogDownError
from cloud.console.http import auth
from cloud.console.http.dependencies import AppState
from vitals.bounds import MAX_CALENDAR, MAX_INT
from vitals.contact_standing import ContactStanding, addresses
from vitals.contacts import Contact

router: Final = APIRouter(prefix="/api", tags=["administration"])
Who = Annotated[Person, Depends(auth.current_user)]
Cell = Annotated[str, Field(max_length=256)]
Before = Annotated[int, Field(ge=0, le=MAX_INT)] | None
Moment = Annotated[int, Field(ge=1, le=MAX_CALENDAR)]


class DutyRow(BaseModel):
    """One person's duty, with the columns of a rota file; times are UTC epoch ms."""

    contact: Cell
    name: Cell
    start: Moment
    end: Moment
    phone: Cell | None = None
    email: Cell | None = None
    push: bool = False
    webhook: Cell | None = None
    priority: Annotated[int, Field(ge=1, le=3)] = 1
    step: Annotated[int, Field(ge=0, le=9)] = 0


class Rota(BaseModel):
    """A ward's whole rota, and the version that the person saw; 0 if there was none."""

    version: int
    contacts: Annotated[list[DutyRow], Field(max_length=200)]


class Roles(BaseModel):
    """A user's roles by ward, `*` being all wards; a user without any role has no access."""

    roles: dict[Annotated[str, Field(min_length=1, max_length=256)], str]


@router.get("/wards/{ward}/rota")
def rota(request: Request, ward: str, who: Who) -> dict[str, Any]:
    """Returns the rota of a ward, with the standing of each contact's channels (`{}` before its first check)."""
    auth.require_role(request, who, Role.VIEWER, ward)
    own = auth.parts(request)
    return _rota(own, ward, own.topics.duties.get(ward))


@router.put("/wards/{ward}/rota")
def set_rota(request: Request, ward: str, body: Rota, who: Who) -> dict[str, Any]:
    """Replaces a ward's rota; needs its admin."""
    auth.require_role(request, who, Role.ADMIN, ward)
    own = auth.parts(request)
    known = own.topics.duties.get(ward)
    if (known.version if known else 0) != body.version:
        raise HTTPException(409, "Somebody has changed the rota meanwhile: look again")
    try:
        contacts = tuple(contact_row(_cells(ward, row))[1] for row in body.contacts)
        auth.audit(request, who.name, "change-rota", ward=ward, contacts=[c.contact for c in contacts])
        made = own.commands.rota(ward, contacts, max(own.clock(), body.version + 1))
    except ValueError as error:
        raise HTTPException(422, str(error)) from error
    except LogDownError as error:
        raise HTTPException(503, str(error)) from error
    return _rota(own, ward, made)


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


@router.get("/audit")
def audit(
    request: Request,
    who: Who,
    patient: str | None = None,
    before: Before = None,
) -> list[dict[str, Any]]:
    """Returns the newest 200 lines of the audit log, or of one patient's; needs an admin of all wards."""
    auth.require_role(request, who, Role.ADMIN, None)
    auth.audit(request, who.name, "view-audit", patient=patient)
    lines = auth.parts(request).audit.read(patient=patient, before=before)
    return [msgspec.to_builtins(line) for line in lines]


def _cells(ward: str, row: DutyRow) -> dict[str, str]:
    def when(t: int) -> str:
        return datetime.fromtimestamp(t / 1000, UTC).isoformat(timespec="milliseconds")

    words = {1: "low", 2: "medium", 3: "high"}
    cells = {
        "contact": row.contact.strip(),
        "name": row.name.strip(),
        "phone": row.phone or "",
        "email": row.email or "",
        "push": str(int(row.push)),
        "webhook": row.webhook or "",
    }
    times = {"start": when(row.start), "end": when(row.end)}
    return {"ward": ward, **cells, **times, "priority": words[row.priority], "step": str(row.step)}


def _rota(own: AppState, ward: str, duty: vitals.contacts.Rota | None) -> dict[str, Any]:
    rows = [_row(contact, own.topics.standings) for contact in (duty.contacts if duty else ())]
    return {"ward": ward, "version": duty.version if duty else 0, "contacts": rows, "now": own.clock()}


def _row(contact: Contact, standings: Mapping[str, ContactStanding]) -> dict[str, Any]:
    names = ("contact", "name", "start", "end", "phone", "email", "push", "webhook", "step")
    standing = standings.get(contact.contact)
    known = standing is not None and standing.of == addresses(contact)
    channels = {c.value: s.value for c, s in standing.channels.items()} if standing is not None and known else {}
    return {name: getattr(contact, name) for name in names} | {"priority": int(contact.priority), "channels": channels}
