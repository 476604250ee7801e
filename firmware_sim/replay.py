"""Recorded monitors as a source of readings: a CSV of numerics, played as it stands, zeros and gaps included.

Columns: `t_s,HR,ABPSys,ABPDias,ABPMean,PULSE,RESP,SpO2,NBPSys,NBPDias,NBPMean`; bpm, mmHg, /min, %. A row's cuff
pressures, where it has them, stand in for the arterial line's, as there is one pressure on the wire.
"""

import csv
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from firmware_sim.cohort import Sample
from vitals.signs import FIELDS

_COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    "hr": ("HR",),
    "pr": ("PULSE",),
    "rr": ("RESP",),
    "spo2": ("SpO2",),
    "temp": (),
    "sbp": ("NBPSys", "ABPSys"),
    "dbp": ("NBPDias", "ABPDias"),
    "map": ("NBPMean", "ABPMean"),
}
"""Columns of each sign, the first that is not empty counts."""
Row = tuple[float, tuple[float | None, ...]]


def read(path: Path) -> list[Row]:
    """Reads a recording: seconds since its start, and one value per sign, None where the cell is empty.

    Raises:
        ValueError: The file is missing, has other columns, or a cell is no number; the message says where.
    """
    try:
        with path.open(newline="") as lines:
            table = csv.DictReader(lines)
            missing = {"t_s", *(c for columns in _COLUMNS.values() for c in columns)} - set(table.fieldnames or ())
            if missing:
                raise ValueError(f"recording {path} lacks the columns {', '.join(sorted(missing))}")
            rows = [_row(path, n, cells) for n, cells in enumerate(table, start=2)]
    except FileNotFoundError as error:
        raise ValueError(f"recording {path} does not exist") from error
    if not rows:
        raise ValueError(f"recording {path} has no rows")
    return [(t_s - rows[0][0], values) for t_s, values in rows]


def _row(path: Path, line: int, cells: Mapping[str, str]) -> Row:
    values: list[float | None] = []
    if None in cells.values():
        raise ValueError(f"recording {path}, line {line} is cut short")
    try:
        for field in FIELDS:
            text = next((cells[column] for column in _COLUMNS.get(field, ()) if cells[column]), "")
            values.append(float(text) if text else None)
        return float(cells["t_s"]), tuple(values)
    except ValueError as error:
        raise ValueError(f"recording {path}, line {line}: {error}") from error


class Replay:
    """One device that plays a recording once, `speed` times as fast as it was recorded."""

    def __init__(self, device: str, rows: list[Row], speed: float, name: str) -> None:
        self._device, self._rows, self._speed, self._name = device, rows, speed, name
        self._next = 0

    def start_s(self) -> float:
        """Returns the second of the next row; infinite after the last."""
        return self._rows[self._next][0] / self._speed if self._next < len(self._rows) else math.inf

    def next(self) -> list[Sample]:
        """Returns the next row; what a recording says is all the truth there is."""
        at_s = self.start_s()
        values = self._rows[self._next][1]
        self._next += 1
        return [Sample(self._device, at_s, values, story=self._name, phase="recorded", truth=values)]
