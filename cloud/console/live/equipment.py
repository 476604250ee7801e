"""Test patients and equipment, for technicians: pure functions from admissions and the alarm engine's state."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cloud.console.live.alarm_state import AlarmStateSnapshot
from cloud.console.live.ward_view import alarm
from vitals.admissions import Admission
from vitals.alarm_events import Kind


def is_system(present: Sequence[Admission], ward: str, technical: str) -> bool:
    """Returns whether a ward has test patients only, or is the ward of equipment without patients."""
    return all(one.canary for one in present) if present else ward == technical


def canaries(present: Iterable[Admission], sight: AlarmStateSnapshot) -> list[dict[str, Any]]:
    """Returns each test patient with its gateway, its newest reading and the number of its open alarms."""
    own = [one for one in present if one.canary]
    alarms = [event.patient for event in sight.alarms]
    return [
        {
            "patient": one.patient,
            "ward": one.ward,
            "gateway": one.gateway,
            "t": sight.patients[one.patient].t if one.patient in sight.patients else None,
            "alarms": alarms.count(one.patient),
        }
        for one in own
    ]


def gateways(present: Iterable[Admission], sight: AlarmStateSnapshot) -> list[dict[str, Any]]:
    """Returns each gateway of a patient with its wards, patients and newest reading."""
    found: dict[str, list[Admission]] = defaultdict(list)
    for one in present:
        found[one.gateway].append(one)
    return [
        {
            "gateway": gateway,
            "wards": sorted({one.ward for one in own if not one.canary}),
            "patients": sum(not one.canary for one in own),
            "t": max((sight.patients[one.patient].t for one in own if one.patient in sight.patients), default=None),
        }
        for gateway, own in sorted(found.items())
    ]


def equipment_alarms(sight: AlarmStateSnapshot, pauses: Mapping[str, int]) -> list[dict[str, Any]]:
    """Returns the open alarms of equipment, the most urgent first, with ward and subject."""
    own = (event for event in sight.alarms if event.kind is Kind.TECHNICAL and event.patient is None)
    ordered = sorted(own, key=lambda event: (-event.priority, event.start))
    return [alarm(event, pauses) | {"ward": event.ward, "subject": event.subject} for event in ordered]
