"""`/api/patients`: one patient's view, transfer, discharge, limits, charting and standby."""

from typing import Annotated, Any, Final, Literal

import msgspec
from fastapi import APIRouter, Depends, HTTPException, Request
from pydantic import BaseModel, Field, StringConstraints

from cloud.console.auth.accounts import Person, Role
from cloud.console.command_writer import ConflictError, LogDownError, action, overrides
from cloud.console.http import auth
from cloud.console.http.dependencies import AppState
from cloud.console.live.ward_view import tile
from vitals.actions import MAX_STANDBY_S, MIN_STANDBY_S, Act
from vitals.admissions import Admission
from vitals.alarm_events import Inactivation, Priority
from vitals.limits import LimitSet
from vitals.signs import FIELDS

router: Final = APIRouter(prefix="/api/patients", tags=["patients"])
Who = Annotated[Person, Depends(auth.current_user)]
# Stripped before lookup and writing: spaces at the ends would create a second patient of the same id.
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=256)]


class Versioned(BaseModel):
    """Change of a patient; `version` is the one that the person saw."""

    version: int


class Transfer(Versioned):
    """Another bed."""

    ward: Text
    bed: Text
    gateway: Text
    devices: Text


class Limits(Versioned):
    """Other limits: per sign extreme low, low, high, extreme high; signs that are not listed keep theirs."""

    profile: str
    scale2: bool
    bounds: dict[str, tuple[float | None, float | None, float | None, float | None]]


class Charting(BaseModel):
    """Observation at the bed."""

    oxygen: bool | None = None
    consciousness: Literal["A", "C", "V", "P", "U"] | None = None


class StandingBy(BaseModel):
    """Standby of a patient; 0 minutes end it."""

    minutes: Annotated[int, Field(ge=0, le=MAX_STANDBY_S // 60)]
    bed: Text


@router.get("/{patient}")
def view(request: Request, patient: str, who: Who) -> dict[str, Any]:
    """Returns one patient's admission, present values and limits in force."""
    own = auth.parts(request)
    found = auth.require_patient(request, who, patient)
    auth.audit(request, who.name, "view-patient", ward=found.ward, patient=patient)
    return {"admission": shown(found), "limits": bounds(found.limits), "bed": _bed(own, found), "now": own.clock()}


@router.post("/{patient}/transfer")
def transfer(request: Request, patient: str, body: Transfer, who: Who) -> dict[str, Any]:
    """Moves a patient to another bed; needs a nurse of both wards."""
    auth.require_patient(request, who, patient, Role.NURSE)
    auth.require_role(request, who, Role.NURSE, body.ward)
    devices = tuple(body.devices.replace(";", " ").replace(",", " ").split())
    changes = {"ward": body.ward, "bed": body.bed, "gateway": body.gateway, "devices": devices}
    return change(request, who, patient, "transfer", body.version, since=auth.parts(request).clock(), **changes)


@router.post("/{patient}/discharge")
def discharge(request: Request, patient: str, body: Versioned, who: Who) -> dict[str, Any]:
    """Discharges a patient: bed and devices become free, alarms end."""
    auth.require_patient(request, who, patient, Role.NURSE)
    return change(request, who, patient, "discharge", body.version, discharged=auth.parts(request).clock())


@router.post("/{patient}/limits")
def limits(request: Request, patient: str, body: Limits, who: Who) -> dict[str, Any]:
    """Changes limits, profile or SpO2 scale."""
    auth.require_patient(request, who, patient, Role.NURSE)
    try:
        differing = overrides(body.profile, body.bounds)
    except ValueError as error:
        raise HTTPException(422, str(error)) from error
    changes = {"profile": body.profile, "scale2": body.scale2, "overrides": differing}
    return change(request, who, patient, "change-limits", body.version, **changes)


@router.post("/{patient}/chart")
def chart(request: Request, patient: str, body: Charting, who: Who) -> dict[str, Any]:
    """Charts supplemental oxygen and consciousness."""
    own = auth.parts(request)
    found = auth.require_patient(request, who, patient, Role.NURSE)
    facts = body.model_dump(exclude_none=True)
    if not facts:
        raise HTTPException(422, "Chart oxygen, consciousness or both")
    auth.audit(request, who.name, "chart", ward=found.ward, patient=patient, **facts)
    try:
        own.commands.act(action(Act.CHART, patient, who.name, own.clock(), **facts))
    except LogDownError as error:
        raise HTTPException(503, str(error)) from error
    return facts


@router.post("/{patient}/standby")
def standby(request: Request, patient: str, body: StandingBy, who: Who) -> dict[str, Any]:
    """Sets or ends a standby in the bed that the person saw; the alarm engine decides, and the page shows which."""
    own = auth.parts(request)
    found = auth.require_patient(request, who, patient, Role.NURSE)
    if 0 < body.minutes < MIN_STANDBY_S // 60:
        raise HTTPException(422, f"A standby lasts {MIN_STANDBY_S // 60} to {MAX_STANDBY_S // 60} minutes")
    if found.discharged is not None or found.bed != body.bed:
        raise HTTPException(409, "The patient has meanwhile left this bed")
    mine = [e for e in own.feed.sight.alarms if e.patient == patient and e.priority is Priority.HIGH]
    if body.minutes and any(e.inactivation is not Inactivation.ACKNOWLEDGED for e in mine):
        raise HTTPException(
            409, "A high alarm of this patient is not acknowledged: no standby until five minutes after"
        )
    act = Act.STANDBY if body.minutes else Act.STANDBY_END
    facts = {"bed": body.bed} | ({"pause_s": 60 * body.minutes} if body.minutes else {})
    auth.audit(request, who.name, act.value, ward=found.ward, patient=patient, **facts)
    try:
        own.commands.act(action(act, patient, who.name, own.clock(), **facts))
    except LogDownError as error:
        raise HTTPException(503, str(error)) from error
    return {"act": act.value, "minutes": body.minutes}


def change(request: Request, who: Person, patient: str, what: str, version: int, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - fields of an admission
    """Writes a present patient's changed admission and its line of the audit log; `version` is the one that was seen.

    Raises:
        HTTPException: 409 after another change, 422 for invalid values, 503 if Kafka did not acknowledge.
    """
    own = auth.parts(request)
    ward = own.topics.admissions[patient].ward
    auth.audit(request, who.name, what, ward=ward, patient=patient, changes={k: str(v) for k, v in changes.items()})
    changes["version"] = max(own.clock(), version + 1)
    try:
        return shown(own.commands.change(patient, version, **changes))
    except ValueError as error:
        raise refused(error) from error
    except LogDownError as error:
        raise HTTPException(503, str(error)) from error


def refused(error: ValueError) -> HTTPException:
    """Returns the error of a change that cannot be: 409 for a conflict, 422 otherwise."""
    return HTTPException(409 if isinstance(error, ConflictError) else 422, str(error))


def shown(admission: Admission) -> dict[str, Any]:
    """Returns an admission for the browser, without its limits."""
    fields: dict[str, Any] = msgspec.to_builtins(admission)
    fields.pop("overrides", None)
    usual = {"profile": admission.profile, "scale2": admission.scale2, "cadence_s": admission.cadence_s}
    return fields | usual


def bounds(limit_set: LimitSet) -> dict[str, list[float | None]]:
    """Returns extreme low, low, high and extreme high of each sign."""
    rows = zip(FIELDS, limit_set.limits, strict=True)
    return {field: [x.extreme_low, x.low, x.high, x.extreme_high] for field, x in rows}


def _bed(own: AppState, admission: Admission) -> dict[str, Any]:
    beds = own.feed.ward(admission.ward)
    gone = tile(admission, None, (), {}, own.clock())
    return beds.get(admission.patient, gone)
