"""FHIR R4 resources: plain functions from readings and admissions to JSON.

Codes and units are those of `vitals.signs`. Pressures of one cuff are one panel with components, as the profile *bp*
requires. Source: HL7 FHIR R4 (4.0.1), vital signs profiles.
"""

import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from vitals.admissions import Admission
from vitals.signs import FIELDS, INDEX, SIGNS, SUSPECT_BITS, Sign, Suspect

LOINC: Final = "http://loinc.org"
UCUM: Final = "http://unitsofmeasure.org"
ABSENT: Final = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
CATEGORY: Final = "http://terminology.hl7.org/CodeSystem/observation-category"
PROFILE: Final = "http://hl7.org/fhir/StructureDefinition/"
PANEL: Final = "85354-9"
COMPONENTS: Final = ("sbp", "dbp", "map")
PROFILES: Final = {"hr": "heartrate", "rr": "resprate", "spo2": "oxygensat", "temp": "bodytemp"}
"""R4's own profiles, by sign. Another sign has none: its code is not in the value set of *vitalsigns*."""
_ID: Final = re.compile(r"[A-Za-z0-9\-.]{1,64}")
REASONS: Final = {
    Suspect.DROPOUT: ("error", "The monitor had no value"),
    Suspect.SENSOR_OFF: ("not-performed", "The sensor is off"),
}


def identifier(name: str) -> str:
    """Returns a name as a FHIR id: unchanged, or a digest if it has characters that FHIR does not allow."""
    return name if _ID.fullmatch(name) else hashlib.sha256(name.encode()).hexdigest()[:40]


def digest(name: str, length: int) -> str:
    """Returns the first characters of a name's digest."""
    return hashlib.sha256(name.encode()).hexdigest()[:length]


def observation_id(reading: Mapping[str, Any], subject: str, what: str) -> str:
    """Returns patient, time, reading and sign in 64 characters, so that an Observation is found by its id."""
    source = f"{reading['device']}/{reading['boot']}/{reading['seq']}"
    return f"{digest(subject, 12)}-{int(reading['t'])}-{digest(source, 16)}-{what}"


def instant(t: int) -> str:
    """Returns UTC epoch ms as a FHIR dateTime."""
    return datetime.fromtimestamp(t / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def codes() -> dict[str, tuple[str, ...]]:
    """Maps each LOINC code to signs; the codes of the panel and of its components map to all pressures."""
    found = {code: (sign.field,) for sign in SIGNS for code in sign.loinc if sign.field not in COMPONENTS}
    return found | dict.fromkeys((PANEL, *(SIGNS[INDEX[f]].loinc[0] for f in COMPONENTS)), COMPONENTS)


def patient(admission: Admission) -> dict[str, Any]:
    """Returns an admitted person as a Patient."""
    *given, family = admission.name.split() or [admission.name]
    name: dict[str, Any] = {"text": admission.name, "family": family}
    resource: dict[str, Any] = {
        "resourceType": "Patient",
        "id": identifier(admission.patient),
        "identifier": [{"system": "urn:wardwatch:patient", "value": admission.patient}],
        "active": admission.discharged is None,
        "name": [name | ({"given": given} if given else {})],
    }
    if admission.born:
        resource["birthDate"] = admission.born
    if admission.phone.strip():
        resource["telecom"] = [{"system": "phone", "value": admission.phone.strip()}]
    if admission.address.strip():
        resource["address"] = [{"text": admission.address.strip()}]
    return resource


def observations(reading: Mapping[str, Any], subject: str, wanted: frozenset[str]) -> list[dict[str, Any]]:
    """Returns a reading as Observations, one per sign and one per panel of pressures.

    Args:
        reading: A row of `History.readings`.
        subject: Patient id.
        wanted: Requested signs; the panel is included if any of its components is.
    """
    found = []
    for sign in SIGNS:
        if sign.field in wanted and sign.field not in COMPONENTS:
            content = _content(sign, reading)
            if content:
                codings = [_coding(code, sign.name) for code in sign.loinc]
                found.append(_observation(reading, subject, sign.field, codings, PROFILES.get(sign.field)) | content)
    if wanted & set(COMPONENTS):
        parts = [(SIGNS[INDEX[f]], _content(SIGNS[INDEX[f]], reading)) for f in COMPONENTS]
        if any(content for _, content in parts):
            unknown = {"dataAbsentReason": _absent("unknown", "Not measured")}
            components = [
                {"code": {"coding": [_coding(sign.loinc[0], sign.name)], "text": sign.name}}
                # A component has no note of its own; the panel has the notes of its components.
                | {k: v for k, v in (content or unknown).items() if k != "note"}
                for sign, content in parts
            ]
            notes = [note for _, content in parts for note in content.get("note", ())]
            panel = _observation(reading, subject, "bp", [_coding(PANEL, "Blood pressure panel")], "bp")
            found.append(panel | {"component": components} | ({"note": notes} if notes else {}))
    return found


def _observation(
    reading: Mapping[str, Any], subject: str, what: str, codings: list[dict[str, str]], profile: str | None
) -> dict[str, Any]:
    meta: dict[str, Any] = {"profile": [PROFILE + profile]} if profile else {}
    if reading.get("log_t") is not None:
        meta["lastUpdated"] = instant(int(reading["log_t"]))
    return {
        "resourceType": "Observation",
        "id": observation_id(reading, subject, what),
        **({"meta": meta} if meta else {}),
        "status": "final",
        "category": [{"coding": [{"system": CATEGORY, "code": "vital-signs", "display": "Vital Signs"}]}],
        "code": {"coding": codings, "text": codings[0]["display"]},
        "subject": {"reference": f"Patient/{identifier(subject)}"},
        "effectiveDateTime": instant(int(reading["t"])),
        # Nobody measured by hand: the profile asks for a performer, which is an organization here.
        "performer": [{"type": "Organization", "display": "Wardwatch"}],
        "device": {"display": str(reading["device"])},
    }


def _content(sign: Sign, reading: Mapping[str, Any]) -> dict[str, Any]:
    """Returns value or reason of absence; empty if the sign was not part of the reading."""
    digit = int(reading["suspect"] or 0) >> (SUSPECT_BITS * FIELDS.index(sign.field)) & ((1 << SUSPECT_BITS) - 1)
    value = reading.get(sign.field)
    if value is None:
        reason = REASONS.get(Suspect(digit)) if digit in set(Suspect) else None
        return {"dataAbsentReason": _absent(*reason)} if reason else {}
    shown = round(float(value), sign.decimals + 1)
    content: dict[str, Any] = {"valueQuantity": {"value": shown, "unit": sign.unit, "system": UCUM, "code": sign.unit}}
    if digit not in {Suspect.NONE, Suspect.CLOCK}:
        words = Suspect(digit).name.lower().replace("_", " ") if digit in set(Suspect) else f"code {digit}"
        content["note"] = [{"text": f"{sign.name}: not to be trusted, {words}"}]
    return content


def _coding(code: str, display: str) -> dict[str, str]:
    return {"system": LOINC, "code": code, "display": display}


def _absent(code: str, text: str) -> dict[str, Any]:
    return {"coding": [{"system": ABSENT, "code": code}], "text": text}


def bundle(entries: list[dict[str, Any]], base: str, link: str, following: str | None) -> dict[str, Any]:
    """Returns the searchset Bundle of a search.

    Args:
        entries: The resources.
        base: URL of this server's FHIR root.
        link: URL of this search.
        following: URL of its next page, None on the last one.
    """
    links = [{"relation": "self", "url": link}]
    if following:
        links.append({"relation": "next", "url": following})
    found = [
        {"fullUrl": f"{base}/{r['resourceType']}/{r['id']}", "resource": r, "search": {"mode": "match"}}
        for r in entries
    ]
    result: dict[str, Any] = {"resourceType": "Bundle", "type": "searchset", "link": links}
    return result | ({"entry": found} if found else {})


def outcome(code: str, text: str) -> dict[str, Any]:
    """Returns an error as an OperationOutcome."""
    return {
        "resourceType": "OperationOutcome",
        "issue": [{"severity": "error", "code": code, "diagnostics": text}],
    }
