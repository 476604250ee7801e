"""`/fhir`: Patient and Observation as FHIR R4, for users with access to the patient. Errors are OperationOutcomes."""

from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Request
from starlette.responses import JSONResponse

from cloud.console.auth.accounts import Person, Role
from cloud.console.fhir import resource_builders, search_parameters
from cloud.console.http import auth
from cloud.console.warehouse_history import History, HistoryDownError
from vitals.admissions import Admission
from vitals.bounds import digits
from vitals.signs import FIELDS

router: Final = APIRouter(prefix="/fhir", tags=["FHIR R4"])
Who = Annotated[Person, Depends(auth.current_user)]
TYPE: Final = "application/fhir+json"
SUMMARY_WITHOUT: Final = frozenset(("category", "device", "note", "performer"))
"""Elements that are no part of an Observation's summary, or that no client of a list needs."""
ISSUES: Final = {
    401: "login",
    403: "forbidden",
    404: "not-found",
    405: "not-supported",
    429: "throttled",
    503: "transient",
}


def answer(resource: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None) -> JSONResponse:
    """Returns a response with FHIR's content type."""
    return JSONResponse(resource, status, headers=headers, media_type=TYPE)


def failed(status: int, text: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """Returns an error as an OperationOutcome."""
    return answer(resource_builders.outcome(ISSUES.get(status, "invalid"), text), status, headers)


@router.get("/metadata")
def metadata(request: Request) -> JSONResponse:
    """Returns this server's FHIR CapabilityStatement."""
    parameters = [("patient", "reference"), ("code", "token"), ("date", "date"), ("category", "token")]
    parameters.append(("_lastUpdated", "date"))
    of_a_patient = [{"name": "patient", "type": "reference"}]
    reading, search_ = {"code": "read"}, {"code": "search-type"}
    resources = [
        {"type": "Patient", "interaction": [{"code": "read"}]},
        {
            "type": "Observation",
            "interaction": [reading, search_],
            "searchParam": [{"name": name, "type": kind} for name, kind in parameters],
        },
        {"type": "Encounter", "interaction": [reading, search_], "searchParam": of_a_patient},
        {"type": "Device", "interaction": [reading, search_], "searchParam": of_a_patient},
        {"type": "Flag", "interaction": [search_], "searchParam": of_a_patient},
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
    """Returns one patient."""
    found = patient_of(request, who, patient)
    auth.audit(request, who.name, "fhir-patient", ward=found.ward, patient=found.patient)
    return answer(resource_builders.patient(found))


@router.get("/Observation/{observation}")
def read_observation(request: Request, observation: str, who: Who) -> JSONResponse:
    """Returns one Observation by its id, which has patient, time and reading."""
    own = auth.parts(request)
    who_part, _, rest = observation.partition("-")
    t = digits(rest.partition("-")[0], search_parameters.LAST)
    known = next((p for p in list(own.topics.admissions) if resource_builders.digest(p, 12) == who_part), None)
    found = auth.require_patient(request, who, known or observation, Role.VIEWER)
    auth.audit(request, who.name, "fhir-observation", ward=found.ward, patient=found.patient)
    try:
        rows = own.history.readings(found.patient, t or 0, (t or 0) + 1, limit=search_parameters.MOST, offset=0)
    except HistoryDownError as error:
        return failed(503, str(error))
    made = (o for row in rows for o in resource_builders.observations(row, found.patient, frozenset(FIELDS)))
    one = next((o for o in made if o["id"] == observation), None)
    return failed(404, "There is no such Observation") if one is None else answer(one)


@router.get("/Observation")
def search(request: Request, who: Who) -> JSONResponse:
    """Vital signs of one patient: `patient`, `code` (LOINC), `date` and `_lastUpdated` (with eq, ge, gt, le, lt).

    `_sort` is `date` or `-date`; `_count`, `_summary` and `_total` are FHIR's.
    """
    own = auth.parts(request)
    try:
        wanted = search_parameters.parse(request.query_params.multi_items())
    except search_parameters.SearchError as error:
        return answer(resource_builders.outcome(error.code, str(error)), 400)
    found = patient_of(request, who, wanted.patient)
    auth.audit(
        request, who.name, "fhir-observations", ward=found.ward, patient=found.patient, query=str(request.url.query)
    )
    base = f"{own.settings.console_url}/fhir"
    pairs = request.query_params.multi_items()
    link = f"{base}/Observation?{urlencode(pairs)}"
    try:
        total = _total(own.history, found.patient, wanted) if wanted.total or wanted.summary == "count" else None
        if wanted.summary == "count":
            return answer(resource_builders.bundle([], base, link, None) | {"total": total})
        # One row more than the page shows whether there is a next page.
        rows = (
            own.history.readings(
                found.patient,
                wanted.begin,
                wanted.end,
                limit=wanted.count + 1,
                offset=wanted.offset,
                oldest_first=wanted.oldest_first,
                stored=wanted.stored,
            )
            if wanted.signs
            else []
        )
    except HistoryDownError as error:
        return failed(503, str(error))
    entries = [
        o for row in rows[: wanted.count] for o in resource_builders.observations(row, found.patient, wanted.signs)
    ]
    if wanted.summary == "true":
        entries = [_summary(entry) for entry in entries]
    following = None
    if len(rows) > wanted.count:
        rest = [(k, v) for k, v in pairs if k not in {"_offset", "_count"}]
        page = [("_count", str(wanted.count)), ("_offset", str(wanted.offset + wanted.count))]
        following = f"{base}/Observation?{urlencode(rest + page)}"
    bundle = resource_builders.bundle(entries, base, link, following)
    return answer(bundle if total is None else bundle | {"total": total})


def _total(history: History, patient: str, wanted: search_parameters.Search) -> int:
    """Returns the number of all Observations of a search, one for each single sign and one for a panel."""
    groups: list[tuple[str, ...]] = [
        (field,) for field in FIELDS if field in wanted.signs and field not in resource_builders.COMPONENTS
    ]
    if wanted.signs & set(resource_builders.COMPONENTS):
        groups.append(resource_builders.COMPONENTS)
    return history.count(patient, wanted.begin, wanted.end, groups, wanted.stored) if groups else 0


def _summary(resource: dict[str, Any]) -> dict[str, Any]:
    """Returns the elements of FHIR's summary, marked as a part."""
    tag = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED"}
    kept = {key: value for key, value in resource.items() if key not in SUMMARY_WITHOUT}
    return kept | {"meta": {**resource.get("meta", {}), "tag": [tag]}}


def patient_of(request: Request, who: Person, identifier: str) -> Admission:
    """Returns the admission of a patient by FHIR id.

    Raises:
        HTTPException: As `auth.require_patient`.
    """
    people = auth.parts(request).topics
    known = next((p for p in list(people.admissions) if resource_builders.identifier(p) == identifier), None)
    # An unknown patient is handled like one of another ward, so that the responses are identical.
    return auth.require_patient(request, who, known or identifier, Role.VIEWER)
