"""Assigned beds: rows of a file to checked values."""

from collections.abc import Iterable, Mapping
from typing import Final

from cloud.admissions.csv_reader import Table, moment, read
from vitals.bounds import name
from vitals.duty import BedDuty

REQUIRED: Final = frozenset(("ward", "bed", "nurse", "start", "end"))
OPTIONAL: Final = frozenset(("buddy",))


def parse(lines: Iterable[str]) -> Table[tuple[str, BedDuty]]:
    """Parses assignments as (ward, assignment) rows."""
    return read(lines, bed_row, required=REQUIRED, optional=OPTIONAL)


def bed_row(cells: Mapping[str, str]) -> tuple[str, BedDuty]:
    """Parses one row as ward and assignment.

    Raises:
        ValueError: A cell is invalid.
    """
    return name(cells["ward"], "ward"), BedDuty(
        bed=name(cells["bed"], "bed"),
        nurse=cells["nurse"],
        buddy=cells.get("buddy") or None,
        start=moment(cells, "start"),
        end=moment(cells, "end"),
    )
