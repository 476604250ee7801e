"""Beds of a ward with their gateway and devices, derived from the admissions so far."""

from collections import Counter
from collections.abc import Iterable

import msgspec

from vitals.admissions import Admission


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """One bed, as its newest admission left it.

    Attributes:
        bed: Bed.
        gateway: Gateway.
        devices: Devices of the bed; empty if another patient has them.
        cadence_s: Seconds between two readings.
        cuff_s: Seconds between two cuff pressures; 0 if pressures are continuous.
        news2: Whether NEWS2 starts alarms there.
        patient: Present patient; None for a free bed.
    """

    bed: str
    gateway: str
    devices: tuple[str, ...]
    cadence_s: float
    cuff_s: float
    news2: bool
    patient: str | None


def places(admissions: Iterable[Admission], ward: str) -> list[Place]:
    """Returns the known beds of a ward by name, without those of test patients.

    Args:
        admissions: Newest admission of each patient, discharged ones included.
        ward: Ward.
    """
    everyone = list(admissions)
    # A device on a patient elsewhere has left its former bed.
    elsewhere = {d: a.bed for a in everyone if a.discharged is None for d in a.devices}
    newest: dict[str, Admission] = {}
    for one in everyone:
        known = newest.get(one.bed)
        if one.ward == ward and not one.canary and (known is None or _newer(one, known)):
            newest[one.bed] = one
    return [
        Place(
            bed=bed,
            gateway=one.gateway,
            devices=tuple(d for d in one.devices if elsewhere.get(d, bed) == bed),
            cadence_s=one.cadence_s,
            cuff_s=one.cuff_s,
            news2=one.news2,
            patient=one.patient if one.discharged is None else None,
        )
        for bed, one in sorted(newest.items())
    ]


def usual_gateway(found: Iterable[Place]) -> str | None:
    """Returns the gateway of most beds; None without a bed."""
    counts = Counter(place.gateway for place in found).most_common(1)
    return counts[0][0] if counts else None


def _newer(one: Admission, known: Admission) -> bool:
    return (one.discharged is None, one.version) > (known.discharged is None, known.version)
