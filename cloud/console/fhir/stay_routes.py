"""`/fhir`: Encounter, Device and Flag of one patient, by `patient`; each also by its id with the patient."""

from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse

from cloud.console.fhir import resource_builders, stay_resources
from cloud.console.fhir.routes import Who, answer, failed, patient_of
from cloud.console.http import auth

router: Final = APIRouter(prefix="/fhir", tags=["FHIR R4"])
KNOWN: Final = frozenset(("patient", "subject", "_format"))


def _search(request: Request, who: Who, kind: str) -> JSONResponse:
    given = request.query_params.multi_items()
    named = {value.removeprefix("Patient/") for name, value in given if name in {"patient", "subject"}}
    if unknown := {name for name, _ in given} - KNOWN:
        text = f"search parameter {min(unknown)!r} is not supported; there are {', '.join(sorted(KNOWN))}"
        return answer(resource_builders.outcome("not-supported", text), 400)
    if len(named) != 1:
        return answer(resource_builders.outcome("required", "patient=… must name one patient"), 400)
    found = _resources(request, who, named.pop(), kind)
    base = f"{auth.parts(request).settings.console_url}/fhir"
    return answer(resource_builders.bundle(found, base, f"{base}/{kind}?{request.url.query}", None))


def _resources(request: Request, who: Who, patient: str, kind: str) -> list[dict[str, Any]]:
    admission = patient_of(request, who, patient)
    auth.audit(request, who.name, f"fhir-{kind.lower()}", ward=admission.ward, patient=admission.patient)
    if kind == "Encounter":
        return [stay_resources.encounter(admission)]
    if kind == "Device":
        return stay_resources.devices(admission)
    return stay_resources.flags(admission, auth.parts(request).feed.sight.alarms)


@router.get("/Encounter")
def encounters(request: Request, who: Who) -> JSONResponse:
    """Returns a patient's stay."""
    return _search(request, who, "Encounter")


@router.get("/Encounter/{encounter}")
def read_encounter(request: Request, encounter: str, who: Who) -> JSONResponse:
    """Returns the stay of the patient with this id."""
    return answer(_resources(request, who, encounter, "Encounter")[0])


@router.get("/Device")
def devices(request: Request, who: Who) -> JSONResponse:
    """Returns a patient's devices."""
    return _search(request, who, "Device")


@router.get("/Device/{device}")
def read_device(request: Request, device: str, who: Who) -> JSONResponse:
    """Returns a device on a patient of the user's wards."""
    for admission in auth.parts(request).topics.present():
        if device in map(resource_builders.identifier, admission.devices):
            found = _resources(request, who, resource_builders.identifier(admission.patient), "Device")
            return answer(next(each for each in found if each["id"] == device))
    return failed(404, "There is no such patient on your wards")


@router.get("/Flag")
def flags(request: Request, who: Who) -> JSONResponse:
    """Returns a patient's active alarms."""
    return _search(request, who, "Flag")
