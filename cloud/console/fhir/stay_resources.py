"""FHIR R4 resources of a stay: Encounter, Device and Flag, from admission and active alarms."""

from collections.abc import Iterable
from typing import Any, Final

from cloud.console.fhir.resource_builders import digest, identifier, instant
from vitals.admissions import Admission
from vitals.alarm_events import AlarmEvent

ACT: Final = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
FLAG: Final = "http://terminology.hl7.org/CodeSystem/flag-category"


def encounter(admission: Admission) -> dict[str, Any]:
    """Returns the stay in the present or last bed as an inpatient Encounter, with the patient's id."""
    left = admission.discharged
    period = {"start": instant(admission.since)} | ({"end": instant(max(left, admission.since))} if left else {})
    return {
        "resourceType": "Encounter",
        "id": identifier(admission.patient),
        "status": "finished" if left else "in-progress",
        "class": {"system": ACT, "code": "IMP", "display": "inpatient encounter"},
        "subject": {"reference": f"Patient/{identifier(admission.patient)}"},
        "period": period,
        "location": [{"location": {"display": f"{admission.ward}, bed {admission.bed}"}}],
    }


def devices(admission: Admission) -> list[dict[str, Any]]:
    """Returns the devices on a patient; none after the discharge."""
    return [
        {
            "resourceType": "Device",
            "id": identifier(device),
            "identifier": [{"system": "urn:wardwatch:device", "value": device}],
            "status": "active",
            "patient": {"reference": f"Patient/{identifier(admission.patient)}"},
        }
        for device in (admission.devices if admission.discharged is None else ())
    ]


def flags(admission: Admission, alarms: Iterable[AlarmEvent]) -> list[dict[str, Any]]:
    """Returns a patient's active alarms as Flags."""
    return [
        {
            "resourceType": "Flag",
            "id": digest(alarm.id, 40),
            "identifier": [{"system": "urn:wardwatch:alarm", "value": alarm.id}],
            "status": "active",
            "category": [{"coding": [{"system": FLAG, "code": "clinical", "display": "Clinical"}]}],
            "code": {"text": f"{alarm.priority.label}: {alarm.text}"},
            "subject": {"reference": f"Patient/{identifier(admission.patient)}"},
            "period": {"start": instant(alarm.start)},
        }
        for alarm in alarms
        if alarm.patient == admission.patient
    ]
