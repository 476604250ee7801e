"""Strict CSV parser: every error has its line number, and no row is loaded from a file with errors."""

import csv
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Generic, TypeVar

from vitals.bounds import shown

T = TypeVar("T")
MAX_CELL: Final = 512


@dataclass(frozen=True, slots=True)
class Table(Generic[T]):
    """Rows and errors of a file.

    Attributes:
        rows: (line number, value) of every valid row.
        errors: One line of text for each invalid row.
    """

    rows: tuple[tuple[int, T], ...]
    errors: tuple[str, ...]


def read(
    lines: Iterable[str], build: Callable[[Mapping[str, str]], T], *, required: frozenset[str], optional: frozenset[str]
) -> Table[T]:
    """Parses rows of a CSV file with a header.

    Args:
        lines: Lines of the file.
        build: Builds a value from one row, cells stripped; raises ValueError for an invalid row.
        required: Columns that must exist, with a value in every row.
        optional: Columns that may be missing or empty.
    """
    reader = csv.DictReader(lines, restkey="", strict=True)
    try:
        header = {name.strip() for name in reader.fieldnames or ()}
    except csv.Error as error:
        return Table((), (f"line 1: {error}",))
    problems = _header(header, required, optional)
    if problems:
        return Table((), tuple(problems))
    rows, errors = [], []
    try:
        for row in reader:
            try:
                rows.append((reader.line_num, build(_cells(row, required))))
            except ValueError as error:
                errors.append(f"line {reader.line_num}: {error}")
    except csv.Error as error:
        errors.append(f"line {reader.line_num}: {error}")
    if not rows and not errors:
        errors.append("line 2: there is no row below the header")
    return Table(tuple(rows), tuple(errors))


def _header(header: set[str], required: frozenset[str], optional: frozenset[str]) -> list[str]:
    found = []
    if missing := required - header:
        found.append(f"line 1: missing columns {', '.join(sorted(missing))}")
    if unknown := header - required - optional:
        known = ", ".join(sorted(required | optional))
        found.append(f"line 1: unknown columns {', '.join(sorted(unknown))}; known are {known}")
    return found


def _cells(row: Mapping[str, object], required: frozenset[str]) -> dict[str, str]:
    if row.get(""):
        raise ValueError("more cells than the header has")
    cells = {}
    for name, cell in row.items():
        if name == "":
            continue
        if not isinstance(cell, str):
            raise ValueError(f"fewer cells than the header has: {name} is missing")
        text = cell.strip()
        if len(text) > MAX_CELL or any(ord(c) < ord(" ") for c in text):
            raise ValueError(f"{name} is longer than {MAX_CELL} characters or holds control characters")
        cells[name.strip()] = text
    if empty := sorted(name for name in required if not cells.get(name)):
        raise ValueError(f"{', '.join(empty)} must not be empty")
    return cells


def number(cells: Mapping[str, str], name: str, default: float) -> float:
    """Returns a finite number, `default` for an empty cell.

    Raises:
        ValueError: The cell is no number, or an infinite one.
    """
    raw = cells.get(name) or str(default)
    try:
        found = float(raw)
    except ValueError:
        raise ValueError(f"{name} {shown(raw)} is not a number") from None
    if not math.isfinite(found):
        raise ValueError(f"{name} {shown(raw)} is not a finite number")
    return found


def flag(cells: Mapping[str, str], name: str, usual: str = "no") -> bool:
    """Returns a yes/no cell as bool, `usual` for an empty cell.

    Raises:
        ValueError: The cell is neither.
    """
    raw = (cells.get(name) or usual).lower()
    if raw in {"yes", "true", "1"}:
        return True
    if raw in {"no", "false", "0"}:
        return False
    raise ValueError(f"{name} {raw!r} is neither yes nor no")


def moment(cells: Mapping[str, str], name: str) -> int:
    """Returns a time, UTC epoch ms.

    Raises:
        ValueError: The cell is not ISO 8601 with an offset: a local time is ambiguous twice a year.
    """
    raw = cells[name]
    try:
        parsed = datetime.fromisoformat(raw)
        if parsed.tzinfo is not None:
            return round(parsed.timestamp() * 1000)
    except (ValueError, OverflowError):
        raise ValueError(f"{name} {raw!r} is not an ISO 8601 time such as 2026-11-22T07:00:00+00:00") from None
    raise ValueError(f"{name} {raw!r} has no offset: write 2026-11-22T07:00:00+00:00 or …Z")
