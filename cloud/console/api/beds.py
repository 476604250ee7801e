"""Routes of `/api` for assigned beds: nurse, buddy, and a takeover for 20 minutes."""

from collections.abc import Callable
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Depends, HTTPException, Request
from pydantic import BaseModel, Field

from cloud.console.auth.accounts import Person, Role
from cloud.console.command_writer import ConflictError, LogDownError
from cloud.console.http import auth
from cloud.duty.assigning import assign, free, take_over, view
from cloud.duty.house import House
from vitals.bounds import MAX_CALENDAR, name
from vitals.contacts import DutyRole
from vitals.duty import Assignments, BedDuty

router: Final = APIRouter(prefix="/api/wards/{ward}/beds", tags=["beds"])
Who = Annotated[Person, Depends(auth.current_user)]
Cell = Annotated[str, Field(min_length=1, max_length=128)]


class Assign(BaseModel):
    """Beds of one nurse until the end of the duty; without a nurse the beds are everybody's.

    `version` is the one that the person saw, 0 if there was none.
    """

    version: int
    beds: Annotated[list[Cell], Field(min_length=1, max_length=200)]
    nurse: Cell | None = None
    buddy: Cell | None = None
    end: Annotated[int, Field(ge=1, le=MAX_CALENDAR)] | None = None


class TakeOver(BaseModel):
    """Takeover of all beds of one contact by another."""

    of: Cell
    by: Cell
    minutes: Annotated[int, Field(ge=1, le=20)] = 20


@router.get("")
def beds(request: Request, ward: str, who: Who) -> dict[str, Any]:
    """Returns each bed's nurse and buddy now, the contacts to choose from, and the beds that are everybody's."""
    auth.require_role(request, who, Role.VIEWER, ward)
    return _shown(request, ward)


@router.put("")
def set_beds(request: Request, ward: str, body: Assign, who: Who) -> dict[str, Any]:
    """Assigns beds from now on; needs a nurse of the ward."""

    def wanted(house: House, now: int) -> Assignments:
        named = [name(bed, "bed") for bed in body.beds]
        if body.nurse is None:
            return free(house, ward, named, now)
        end = body.end or max((d.end for d in house.on_duty(ward, now) if d.contact == body.nurse), default=0)
        duty = [BedDuty(bed=bed, nurse=body.nurse, buddy=body.buddy, start=now, end=end) for bed in named]
        return assign(house, ward, duty, now)

    auth.require_role(request, who, Role.NURSE, ward)
    auth.audit(request, who.name, "assign-beds", ward=ward, beds=body.beds, nurse=body.nurse, buddy=body.buddy)
    return _changed(request, ward, wanted, body.version)


@router.post("/take")
def take(request: Request, ward: str, body: TakeOver, who: Who) -> dict[str, Any]:
    """Takes over all beds of a contact; it ends by itself."""
    auth.require_role(request, who, Role.NURSE, ward)
    auth.audit(request, who.name, "take-beds", ward=ward, of=body.of, by=body.by, minutes=body.minutes)
    lasts = body.minutes * 60_000
    return _changed(
        request, ward, lambda house, now: take_over(house, ward, body.of, body.by, now, lasts_ms=lasts), None
    )


def _changed(
    request: Request, ward: str, wanted: Callable[[House, int], Assignments], seen: int | None
) -> dict[str, Any]:
    own = auth.parts(request)
    try:
        own.commands.beds(ward, lambda house: wanted(house, own.clock()), seen)
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
    known = house.beds.get(ward)
    seen = view(house, ward, [admission.bed for admission in own.topics.on_ward(ward)], now)
    on_duty = {duty.contact: duty for duty in house.on_duty(ward, now)}
    return {
        "ward": ward,
        "version": known.version if known else 0,
        "now": now,
        "beds": [msgspec.to_builtins(each) for each in seen],
        "everybodys": [each.bed for each in seen if each.everybodys],
        "charge": [c for c, duty in on_duty.items() if duty.role is DutyRole.CHARGE],
        "contacts": [{"contact": c, "name": duty.name, "end": duty.end} for c, duty in sorted(on_duty.items())],
    }
