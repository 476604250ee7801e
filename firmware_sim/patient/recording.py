"""Rows of a recording, and the names under which monitors record each sign."""

from collections.abc import Mapping
from typing import Final

from vitals.signs import FIELDS

NAMES: Final[dict[str, tuple[str, ...]]] = {
    "hr": ("HR",),
    "pr": ("PULSE",),
    "rr": ("RESP",),
    "spo2": ("SPO2",),
    "temp": ("TEMP", "T1", "TBLOOD"),
    "sbp": ("NBPSYS", "ABPSYS", "ARTSYS"),
    "dbp": ("NBPDIAS", "ABPDIAS", "ARTDIAS"),
    "map": ("NBPMEAN", "ABPMEAN", "ARTMEAN"),
}
"""Names of each sign in capitals without spaces and `%`; the first that has a value counts."""
Row = tuple[float, tuple[float | None, ...]]


def by_sign(cells: Mapping[str, float]) -> tuple[float | None, ...]:
    """Returns one value per sign from cells by name as in `NAMES`."""
    return tuple(next((cells[name] for name in NAMES.get(field, ()) if name in cells), None) for field in FIELDS)
