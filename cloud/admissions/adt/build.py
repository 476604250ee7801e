"""Admissions from a movement and a spot of the location map."""

import msgspec

from cloud.admissions.admission_rows import usual_profile
from cloud.admissions.adt.locations import LocationMap, Spot
from cloud.admissions.adt.records import Movement
from vitals.admissions import Admission


def built(
    known: Admission | None, patient: str, spot: Spot, named: Movement, *, now: int, places: LocationMap
) -> Admission:
    """Returns the admission of a patient to a spot; its profile is the location map's, or follows the age.

    Limits, scale and oxygen of a known patient stay. Devices of the former bed stay behind; one that a person added
    comes along, if the gateway stays.
    """
    version = max(now, known.version + 1 if known is not None else now)
    if known is None or known.discharged is not None:
        # Of an unknown age the adult profile: a question would leave the patient unwatched until somebody answers it.
        profile = spot.profile or (usual_profile(named.born, now) if named.born else "adult")
        return Admission(
            patient=patient, version=version, name=named.name or patient, born=named.born, phone=named.phone,
            address=named.address, ward=spot.ward, bed=spot.bed, gateway=spot.gateway, devices=spot.devices, since=now,
            cadence_s=spot.cadence_s, cuff_s=spot.cuff_s, profile=profile, news2=spot.news2,
        )  # fmt: skip
    added = [d for d in known.devices if known.gateway == spot.gateway and not _fixed(known, d, places)]
    return msgspec.structs.replace(
        known, version=version, ward=spot.ward, bed=spot.bed, gateway=spot.gateway,
        devices=(*spot.devices, *(d for d in added if d not in spot.devices)), since=now, cadence_s=spot.cadence_s,
        cuff_s=spot.cuff_s, news2=spot.news2,
    )  # fmt: skip


def renamed(present: Admission, named: Movement, now: int) -> Admission:
    """Returns an admission with the name, birth date, phone and address of a message; empty ones change nothing."""
    wanted = {f: getattr(named, f) for f in ("name", "born", "phone", "address") if getattr(named, f)}
    if all(getattr(present, f) == value for f, value in wanted.items()):
        return present
    return msgspec.structs.replace(present, **wanted, version=max(now, present.version + 1))


def _fixed(known: Admission, device: str, places: LocationMap) -> bool:
    former = places.of_bed(known.bed)
    return former is None or device in former.devices
