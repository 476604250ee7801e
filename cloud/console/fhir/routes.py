"""`/fhir`: Patient and Observation as FHIR R4, for who may see the patient. Errors are OperationOutcomes."""

from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Request
from starlette.responses import JSONResponse

from cloud.console.auth.accounts import Person, Role
from cloud.console.fhir import resource_builders, search_parameters
from cloud.console.http import auth
from cloud.console.warehouse_history import HistoryDownError
from vitals.admissions import Admission

router: Final = APIRouter(prefix="/fhir", tags=["FHIR R4"])
Who = Annotated[Person, Depends(auth.current_user)]
TYPE: Final = "application/fhir+json"
ISSUES: Final = {
    401: "login",
    403: "forbidden",
    404: "not-found",
    405: "not-supported",
    429: "throttled",
    503: "transient",
}


def answer(resource: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None) -> JSONResponse:
    """Returns a resource as FHIR's JSON."""
    return JSONResponse(resource, status, headers=headers, media_type=TYPE)


def failed(status: int, text: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """Returns an error as an OperationOutcome."""
    return answer(resource_builders.outcome(ISSUES.get(status, "invalid"), text), status, headers)


@router.get("/metadata")
def metadata(request: Request) -> JSONResponse:
    """What this server can do: FHIR's CapabilityStatement."""
    parameters = [("patient", "reference"), ("code", "token"), ("date", "date"), ("category", "token")]
    resources = [
        {"type": "Patient", "interaction": [{"code": "read"}]},
        {
            "type": "Observation",
            "interaction": [{"code": "search-type"}],
            "searchParam": [{"name": name, "type": kind} for name, kind in parameters],
        },
    ]
    statement = {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": resource_builders.instant(auth.parts(request).clock()),
        "kind": "instance",
        "fhirVersion": "4.0.1",
        "format": ["json"],
        "implementation": {"description": "Wardwatch", "url": f"{auth.parts(request).settings.console_url}/fhir"},
        "rest": [{"mode": "server", "resource": resources}],
    }
    return answer(statement)


@router.get("/Patient/{patient}")
def read_patient(request: Request, patient: str, who: Who) -> JSONResponse:
    """One patient."""
    found = _patient(request, who, patient)
    auth.audit(request, who.name, "fhir-patient", ward=found.ward, patient=found.patient)
    return answer(resource_builders.patient(found))


@router.get("/Observation")
def search(request: Request, who: Who) -> JSONResponse:
    """Vital signs of one patient: `patient`, `code` (LOINC), `date` (with eq, ge, gt, le, lt), `_count`."""
    own = auth.parts(request)
    try:
        wanted = search_parameters.parse(request.query_params.multi_items())
    except search_parameters.SearchError as error:
        return answer(resource_builders.outcome(error.code, str(error)), 400)
    found = _patient(request, who, wanted.patient)
    auth.audit(
        request, who.name, "fhir-observations", ward=found.ward, patient=found.patient, query=str(request.url.query)
    )
    try:
        # One more than asked for tells whether there is a next page.
        rows = (
            own.history.readings(found.patient, wanted.begin, wanted.end, limit=wanted.count + 1, offset=wanted.offset)
            if wanted.signs
            else []
        )
    except HistoryDownError as error:
        return failed(503, str(error))
    entries = [
        o for row in rows[: wanted.count] for o in resource_builders.observations(row, found.patient, wanted.signs)
    ]
    base = f"{own.settings.console_url}/fhir"
    pairs = request.query_params.multi_items()
    link = f"{base}/Observation?{urlencode(pairs)}"
    following = None
    if len(rows) > wanted.count:
        rest = [(k, v) for k, v in pairs if k not in {"_offset", "_count"}]
        page = [("_count", str(wanted.count)), ("_offset", str(wanted.offset + wanted.count))]
        following = f"{base}/Observation?{urlencode(rest + page)}"
    return answer(resource_builders.bundle(entries, base, link, following))


def _patient(request: Request, who: Person, identifier: str) -> Admission:
    people = auth.parts(request).topics
    known = next((p for p in list(people.admissions) if resource_builders.identifier(p) == identifier), None)
    # An unknown one goes the same way as one of another ward: the two must look alike.
    return auth.require_patient(request, who, known or identifier, Role.VIEWER)
