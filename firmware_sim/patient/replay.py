"""Recorded monitors as a source of readings: numerics played as they stand, zeros and gaps included.

Two forms are read: CSV with columns `t_s,HR,ABPSys,ABPDias,ABPMean,PULSE,RESP,SpO2,NBPSys,NBPDias,NBPMean` (bpm, mmHg,
/min, %), and WFDB numerics records (`.hea`), whose signals are known by the names that such records use. A row's cuff
pressures, where it has them, stand in for the arterial line's, as there is one pressure on the wire.
"""

import csv
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from firmware_sim.patient.patient_group import Sample
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
_NEEDED: Final = ("t_s", "HR", "ABPSys", "ABPDias", "ABPMean", "PULSE", "RESP", "SpO2", "NBPSys", "NBPDias", "NBPMean")
Row = tuple[float, tuple[float | None, ...]]


def read(path: Path) -> list[Row]:
    """Reads a recording: seconds since its start, and one value per sign, None where there is none.

    Raises:
        ValueError: The file is missing, is of neither form, or a cell is no number; the message says where.
    """
    if path.suffix == ".hea":
        # Only who plays such a record waits for the library, which brings all of SciPy and pandas with it.
        from firmware_sim.patient.wfdb_numerics import read_wfdb  # noqa: PLC0415

        rows = read_wfdb(path)
    else:
        rows = _read_csv(path)
    if not rows:
        raise ValueError(f"recording {path} has no rows")
    return [(t_s - rows[0][0], values) for t_s, values in rows]


def by_sign(cells: Mapping[str, float]) -> tuple[float | None, ...]:
    """Returns one value per sign from cells by name as in `NAMES`."""
    return tuple(next((cells[name] for name in NAMES.get(field, ()) if name in cells), None) for field in FIELDS)


def _read_csv(path: Path) -> list[Row]:
    try:
        with path.open(newline="") as lines:
            table = csv.DictReader(lines)
            missing = set(_NEEDED) - set(table.fieldnames or ())
            if missing:
                raise ValueError(f"recording {path} lacks the columns {', '.join(sorted(missing))}")
            return [_row(path, n, cells) for n, cells in enumerate(table, start=2)]
    except FileNotFoundError as error:
        raise ValueError(f"recording {path} does not exist") from error


def _row(path: Path, line: int, cells: Mapping[str, str]) -> Row:
    if None in cells.values():
        raise ValueError(f"recording {path}, line {line} is cut short")
    try:
        numbers = {name.upper(): float(text) for name, text in cells.items() if text}
        return numbers.pop("T_S"), by_sign(numbers)
    except (ValueError, KeyError) as error:
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
        gaps = tuple(field for field, value in zip(FIELDS, values, strict=True) if value is None)
        return [Sample(self._device, at_s, values, story=self._name, phase="recorded", truth=values, unmeasured=gaps)]
