"""Admission in four fields, or of an unknown patient in one tap: the bed implies gateway, devices and their pace."""

from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Depends, HTTPException, Request
from pydantic import BaseModel, Field, StringConstraints

from cloud.admissions.admission_rows import admission_row
from cloud.admissions.places import Place, places, usual_gateway
from cloud.console.api.patients import Text, Versioned, change, refused, shown
from cloud.console.auth.accounts import Person, Role
from cloud.console.command_writer import LogDownError
from cloud.console.http import auth
from vitals.limits import PROFILE_INDEX

router: Final = APIRouter(prefix="/api", tags=["patients"])
Who = Annotated[Person, Depends(auth.current_user)]
Blank = Annotated[str, StringConstraints(strip_whitespace=True, max_length=256)]
UNKNOWN: Final = "Unknown patient"


class NewPatient(BaseModel):
    """An admission, with the columns of a roster file; empty fields are implied by the bed or are not known."""

    patient: Text
    name: Text
    ward: Text
    bed: Text
    born: Blank = ""
    phone: Blank = ""
    address: Blank = ""
    gateway: Blank = ""
    devices: Blank = ""
    cadence_s: float | None = None
    profile: Blank = ""
    scale2: bool = False
    oxygen: bool = False


class UnknownPatient(BaseModel):
    """A patient without a name, in a known bed."""

    ward: Text
    bed: Text
    profile: Blank = "adult"


class Identity(Versioned):
    """Name and further facts of a patient; `version` is the one seen."""

    name: Text
    born: Blank = ""
    phone: Blank = ""
    address: Blank = ""
    profile: Annotated[str, Field(max_length=256)] = ""


@router.get("/wards/{ward}/places")
def known_places(request: Request, ward: str, who: Who) -> dict[str, Any]:
    """Returns the known beds of a ward with their devices, and the limit profiles; needs a nurse of the ward."""
    auth.require_role(request, who, Role.NURSE, ward)
    found = _places(request, ward)
    gateway = usual_gateway(found.values())
    return {
        "ward": ward,
        "gateway": gateway,
        "places": [msgspec.to_builtins(place) for place in found.values()],
        "profiles": list(PROFILE_INDEX),
    }


@router.post("/patients", status_code=201)
def admit(request: Request, body: NewPatient, who: Who) -> dict[str, Any]:
    """Admits a patient."""
    auth.require_role(request, who, Role.NURSE, body.ward)
    return _admitted(request, who, body)


@router.post("/patients/unknown", status_code=201)
def admit_unknown(request: Request, body: UnknownPatient, who: Who) -> dict[str, Any]:
    """Admits an unknown patient under a made id; `identity` gives the name later."""
    auth.require_role(request, who, Role.NURSE, body.ward)
    patient = f"unknown-{auth.parts(request).clock()}"
    return _admitted(
        request,
        who,
        NewPatient(patient=patient, name=UNKNOWN, ward=body.ward, bed=body.bed, profile=body.profile),
    )


@router.post("/patients/{patient}/identity")
def identify(request: Request, patient: str, body: Identity, who: Who) -> dict[str, Any]:
    """Changes name, date of birth and contact of a patient; the id stays."""
    found = auth.require_patient(request, who, patient, Role.NURSE)
    cells = {"patient": patient, "ward": found.ward, "bed": found.bed, "gateway": found.gateway}
    cells |= {"devices": " ".join(found.devices), "profile": body.profile or found.profile}
    cells |= {"name": body.name, "born": body.born, "phone": body.phone, "address": body.address}
    try:
        made = admission_row(cells, auth.parts(request).clock())
    except ValueError as error:
        raise refused(error) from error
    facts = {"name": made.name, "born": made.born, "phone": made.phone, "address": made.address}
    profile = {"profile": made.profile} if made.profile != found.profile else {}
    return change(request, who, patient, "identify", body.version, **facts, **profile)


def _admitted(request: Request, who: Person, body: NewPatient) -> dict[str, Any]:
    own = auth.parts(request)
    known = own.topics.admissions.get(body.patient)
    if known is not None and not who.may(Role.NURSE, known.ward):
        raise HTTPException(409, "This patient id belongs to another ward")
    try:
        made = admission_row(_cells(body, _places(request, body.ward)), own.clock())
        if known is not None:
            made = msgspec.structs.replace(made, version=max(made.version, known.version + 1))
        auth.audit(request, who.name, "admit", ward=made.ward, patient=made.patient, bed=made.bed)
        own.commands.admit(made)
    except ValueError as error:
        raise refused(error) from error
    except LogDownError as error:
        raise HTTPException(503, str(error)) from error
    return shown(made)


def _cells(body: NewPatient, known: dict[str, Place]) -> dict[str, str]:
    """Returns the cells of a roster's row, completed by the bed.

    Raises:
        ValueError: Gateway or devices are neither given nor known at the bed.
    """
    place = known.get(body.bed)
    cells = {key: _cell(value) for key, value in body.model_dump(exclude={"cadence_s"}).items()}
    cells["gateway"] = body.gateway or (place.gateway if place else usual_gateway(known.values())) or ""
    cells["devices"] = body.devices or " ".join(place.devices if place else ())
    if not cells["gateway"] or not cells["devices"]:
        raise ValueError(f"bed {body.bed} has no known gateway and monitor: name both")
    if body.cadence_s is not None or place is not None:
        cells["cadence_s"] = str(body.cadence_s if body.cadence_s is not None or place is None else place.cadence_s)
    if place is not None:
        cells |= {"cuff_s": str(place.cuff_s), "news2": _cell(place.news2)}
    return cells


def _cell(value: object) -> str:
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


def _places(request: Request, ward: str) -> dict[str, Place]:
    admissions = list(auth.parts(request).topics.admissions.values())
    return {place.bed: place for place in places(admissions, ward)}
