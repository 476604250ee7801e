"""Times and trusted values of the warehouse, as the page's queries need them."""

from datetime import datetime, timedelta
from typing import Final

from vitals.signs import FIELDS, SUSPECT_BITS, Suspect

EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - warehouse columns are UTC without zone


def stamp(t: int) -> datetime:
    """Converts a time to the warehouse's form."""
    return EPOCH + timedelta(milliseconds=t)


def epoch(t: datetime | None) -> int | None:
    """Converts a warehouse time to UTC epoch ms."""
    return None if t is None else round((t - EPOCH) / timedelta(milliseconds=1))


def doubt(field: str) -> str:
    """Returns the SQL of a sign's suspect digit."""
    shift = 1 << (SUSPECT_BITS * FIELDS.index(field))
    return f"mod(coalesce(suspect, 0) / {shift}, {1 << SUSPECT_BITS})"


def trusted(field: str) -> str:
    """Returns the SQL of a sign's value, NULL if it is suspect; a doubted clock does not make a value suspect."""
    digits = f"({int(Suspect.NONE)}, {int(Suspect.CLOCK)})"
    # Most readings have no suspect value, and a comparison costs less than a division for each sign.
    return f"CASE WHEN suspect = 0 OR {doubt(field)} IN {digits} THEN {field} END"
