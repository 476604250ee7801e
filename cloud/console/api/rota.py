"""Routes of `/api` for rotas."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, HTTPException, Request
from msgspec.structs import asdict
from pydantic import BaseModel, Field

from cloud.admissions.rota_rows import contact_row
from cloud.console.auth.accounts import Person, Role
from cloud.console.command_writer import ConflictError, LogDownError
from cloud.console.http import auth
from cloud.duty.assigning import view
from cloud.duty.directory import DirectoryError
from vitals.bounds import MAX_CALENDAR
from vitals.contact_standing import ContactStanding, addresses
from vitals.contacts import Contact, Detail, DutyRole, Messages

router: Final = APIRouter(prefix="/api", tags=["rota"])
Who = Annotated[Person, Depends(auth.current_user)]
Cell = Annotated[str, Field(max_length=256)]
Moment = Annotated[int, Field(ge=1, le=MAX_CALENDAR)]


class DutyRow(BaseModel):
    """One person's duty, with the columns of a rota file; times are UTC epoch ms.

    A row without phone and e-mail refers to the directory.
    """

    contact: Cell
    name: Cell = ""
    start: Moment
    end: Moment
    phone: Cell | None = None
    email: Cell | None = None
    push: bool = False
    webhook: Cell | None = None
    priority: Annotated[int, Field(ge=1, le=3)] = 1
    step: Annotated[int, Field(ge=0, le=9)] = 0
    role: DutyRole = DutyRole.STAFF


class MessageSettings(BaseModel):
    """Setting of a ward's messages; see `vitals.contacts.Messages`."""

    text: Detail
    link: Detail
    email_patient: bool


class Rota(BaseModel):
    """A ward's whole rota, and the version that the person saw; 0 if there was none.

    `proof`: a duty begins with a proof; `messages`: content of messages; null does not change one.
    """

    version: int
    contacts: Annotated[list[DutyRow], Field(max_length=200)]
    proof: bool | None = None
    messages: MessageSettings | None = None


@router.get("/wards/{ward}/rota")
def rota(request: Request, ward: str, who: Who) -> dict[str, Any]:
    """Returns the rota of a ward, with the directory's addresses and the standing of each (`{}` before a check)."""
    auth.require_role(request, who, Role.VIEWER, ward)
    return _shown(request, ward)


@router.put("/wards/{ward}/rota")
def set_rota(request: Request, ward: str, body: Rota, who: Who) -> dict[str, Any]:
    """Replaces a ward's rota; needs its admin. Only an admin of all wards changes another ward's contact."""
    auth.require_role(request, who, Role.ADMIN, ward)
    own = auth.parts(request)
    if body.proof and own.settings.link_key is None:
        raise HTTPException(422, "A proof needs links: set LINK_KEY")
    try:
        rows = [contact_row(_cells(ward, row))[1] for row in body.contacts]
        told = None if body.messages is None else Messages(**body.messages.model_dump())
        names = [c.contact for c in rows]
        audited = None if told is None else asdict(told)
        auth.audit(request, who.name, "change-rota", ward=ward, contacts=names, proof=body.proof, messages=audited)
        whole = who.may(Role.ADMIN, None)
        own.commands.rota(ward, rows, body.version, own.clock(), whole=whole, proof=body.proof, messages=told)
    except DirectoryError as error:
        auth.audit(request, who.name, "refused-contact", ward=ward, why=str(error))
        raise HTTPException(403, str(error)) from error
    except ConflictError as error:
        raise HTTPException(409, str(error)) from error
    except ValueError as error:
        raise HTTPException(422, str(error)) from error
    except LogDownError as error:
        raise HTTPException(503, str(error)) from error
    return _shown(request, ward)


def _shown(request: Request, ward: str) -> dict[str, Any]:
    own = auth.parts(request)
    house, now = own.topics.house, own.clock()
    known = house.rotas.get(ward)
    rows = [_row(c, own.topics.standings) | {"proven": house.proven(ward, c)} for c in house.duties(ward)]
    version, proof = (known.version, known.proof) if known else (0, False)
    beds = view(house, ward, [admission.bed for admission in own.topics.on_ward(ward)], now)
    free = [each.bed for each in beds if each.everybodys]
    settings = {"proof": proof, "messages": asdict(house.messages(ward))}
    return {"ward": ward, "version": version, **settings, "contacts": rows, "everybodys": free, "now": now}


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
        "role": row.role.value,
    }
    times = {"start": when(row.start), "end": when(row.end)}
    return {"ward": ward, **cells, **times, "priority": words[row.priority], "step": str(row.step)}


def _row(contact: Contact, standings: Mapping[str, ContactStanding]) -> dict[str, Any]:
    names = ("contact", "name", "start", "end", "phone", "email", "push", "webhook", "step")
    standing = standings.get(contact.contact)
    known = standing is not None and standing.of == addresses(contact)
    channels = {c.value: s.value for c, s in standing.channels.items()} if standing is not None and known else {}
    shown = {name: getattr(contact, name) for name in names}
    return shown | {"priority": int(contact.priority), "role": contact.role.value, "channels": channels}
