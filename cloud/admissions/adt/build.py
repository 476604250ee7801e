"""Admissions from a movement and a spot of the location map."""

from datetime import UTC, date, datetime

import msgspec

from cloud.admissions.admission_rows import ADULT_YEARS
from cloud.admissions.adt.locations import LocationMap, Spot
from cloud.admissions.adt.records import Movement
from vitals.admissions import Admission


def built(
    known: Admission | None, patient: str, spot: Spot, named: Movement, *, now: int, places: LocationMap
) -> Admission | str:
    """Returns the admission of a patient to a spot, or the reason for which a person must admit.

    Limits, scale and oxygen of a known patient stay. Devices of the former bed stay behind; one that a person added
    comes along, if the gateway stays.
    """
    version = max(now, known.version + 1 if known is not None else now)
    if known is None or known.discharged is not None:
        profile = spot.profile or _usual(named.born, now)
        if profile is None:
            return f"The patient is under {ADULT_YEARS}, and the location map has no profile: admit at the page."
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


def _usual(born: str, now: int) -> str | None:
    """Returns the adult profile, also for an unknown age, as a delay would harm more; None for a child."""
    if not born:
        return "adult"
    then, today = date.fromisoformat(born), datetime.fromtimestamp(now / 1000, UTC).date()
    years = today.year - then.year - ((today.month, today.day) < (then.month, then.day))
    return None if years < ADULT_YEARS else "adult"
