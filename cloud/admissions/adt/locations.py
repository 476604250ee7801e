"""Location map: a hospital's location to ward, bed, gateway and devices."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from cloud.admissions.csv_reader import Table, flag, number, read
from vitals.bounds import MAX_CADENCE_S, MAX_CUFF_S, MIN_CADENCE_S, clean, name
from vitals.limits import PROFILE_INDEX

REQUIRED: Final = frozenset(("location",))
OF_A_BED: Final = ("ward", "bed", "gateway", "devices")
OPTIONAL: Final = frozenset((*OF_A_BED, "watched", "cadence_s", "cuff_s", "profile", "news2"))


@dataclass(frozen=True, slots=True)
class Spot:
    """One watched bed.

    Attributes:
        location: Point of care, room, bed and facility, joined by `^`.
        ward: Ward.
        bed: Bed.
        gateway: Gateway.
        devices: Devices of the bed.
        cadence_s: Seconds between two readings.
        cuff_s: Seconds between two cuff pressures, 0 for continuous ones.
        profile: Limit profile of patients who are admitted to it; None for the adult one.
        news2: Whether NEWS2 starts alarms there.
    """

    location: str
    ward: str
    bed: str
    gateway: str
    devices: tuple[str, ...]
    cadence_s: float = 30.0
    cuff_s: float = 0.0
    profile: str | None = None
    news2: bool = True


class LocationMap:
    """Spots by location.

    Args:
        rows: Spots, and locations that are not watched: a point of care, or one with more parts.
    """

    def __init__(self, rows: Iterable[Spot | str] = ()) -> None:
        rows = list(rows)
        self._by_location = {row.location: row for row in rows if isinstance(row, Spot)}
        self._by_bed = {spot.bed: spot for spot in self._by_location.values()}
        self._unwatched = frozenset(row for row in rows if isinstance(row, str))
        self._wards = frozenset(location.partition("^")[0] for location in self._by_location)

    def get(self, location: str) -> Spot | None:
        """Returns the spot of a location; a row without a facility is of any facility."""
        found = self._by_location.get(location)
        if found is None and location.count("^") == 3:  # noqa: PLR2004 - the facility is the fourth
            found = self._by_location.get(location.rpartition("^")[0].rstrip("^"))
        return found

    def is_unwatched(self, location: str) -> bool:
        """Returns whether a location has no monitor by the map."""
        parts = location.split("^")
        return any("^".join(parts[:n]) in self._unwatched for n in range(1, len(parts) + 1))

    def has_ward_of(self, location: str) -> bool:
        """Returns whether the map has a bed of the location's point of care."""
        return location.partition("^")[0] in self._wards

    def of_bed(self, bed: str) -> Spot | None:
        """Returns the spot of a bed."""
        return self._by_bed.get(bed)


def parse(lines: Iterable[str]) -> Table[Spot | str]:
    """Parses a location map; a location, bed or device that is named twice is an error."""
    table = read(lines, _row, required=REQUIRED, optional=OPTIONAL)
    taken: dict[tuple[str, str], int] = {}
    errors = list(table.errors)
    for line, spot in table.rows:
        if isinstance(spot, str):
            continue
        claims = [("location", spot.location), ("bed", spot.bed), *(("device", device) for device in spot.devices)]
        errors += [f"line {line}: {what} {one} is already in line {taken[what, one]}" for what, one in claims
                   if (what, one) in taken]  # fmt: skip
        taken |= dict.fromkeys(claims, line)
    return Table(table.rows, tuple(errors))


def _row(cells: Mapping[str, str]) -> Spot | str:
    location = clean(cells["location"]).rstrip("^")
    if not flag(cells, "watched", "yes"):
        return location
    if empty := [column for column in OF_A_BED if not cells.get(column)]:
        raise ValueError(f"{', '.join(empty)} must not be empty, but for watched=no")
    devices = tuple(name(device, "device") for device in cells["devices"].replace(";", " ").split())
    cadence_s, cuff_s = number(cells, "cadence_s", 30.0), number(cells, "cuff_s", 0.0)
    if not MIN_CADENCE_S <= cadence_s <= MAX_CADENCE_S or not 0 <= cuff_s <= MAX_CUFF_S:
        raise ValueError(f"cadence_s {cadence_s:g} or cuff_s {cuff_s:g} is not that of a monitor")
    profile = cells.get("profile") or None
    if profile is not None and profile not in PROFILE_INDEX:
        raise ValueError(f"profile {profile!r} is none of {', '.join(PROFILE_INDEX)}")
    return Spot(
        location,
        name(cells["ward"], "ward"),
        name(cells["bed"], "bed"),
        name(cells["gateway"], "gateway"),
        devices,
        cadence_s,
        cuff_s,
        profile,
        flag(cells, "news2", "yes"),
    )
