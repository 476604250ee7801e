"""`/api/audit`: the audit log as sentences, filtered by person, ward, patient and time, and its export as CSV."""

import csv
import io
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Depends, Request
from pydantic import Field
from starlette.responses import StreamingResponse

from cloud.console.auth.accounts import Person, Role
from cloud.console.auth.audit_log import Entry, Wanted
from cloud.console.auth.audit_sentences import sentence
from cloud.console.http import auth
from vitals.bounds import MAX_INT

router: Final = APIRouter(prefix="/api", tags=["administration"])
Who = Annotated[Person, Depends(auth.current_user)]
Name = Annotated[str, Field(max_length=256)] | None
Time = Annotated[int, Field(ge=0, le=MAX_INT)] | None
EXPORTED: Final = 100_000
"""Lines of an export; a longer log is exported in spans of time."""
HEAD: Final = ("time", "who", "did", "ward", "patient", "address", "kind", "detail")
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def filtered(
    user: Name = None, ward: Name = None, patient: Name = None, since: Time = None, before: Time = None
) -> Wanted:
    """Returns the filter of a request; empty names do not filter."""
    return Wanted(who=user or None, ward=ward or None, patient=patient or None, since=since, before=before)


Chosen = Annotated[Wanted, Depends(filtered)]


@router.get("/audit")
def lines(request: Request, who: Who, wanted: Chosen) -> list[dict[str, Any]]:
    """Returns the newest 200 lines of the audit log that pass the filter; needs an admin of all wards."""
    found = _read(request, who, wanted, 200)
    return [msgspec.to_builtins(entry) | {"did": sentence(entry)} for entry in found]


@router.get("/audit.csv")
def export(request: Request, who: Who, wanted: Chosen) -> StreamingResponse:
    """Exports the newest 100,000 lines that pass the filter, times in UTC; needs an admin of all wards."""
    found = _read(request, who, wanted, EXPORTED, export=True)
    headers = {"content-disposition": 'attachment; filename="wardwatch-audit.csv"'}
    return StreamingResponse(table(found), media_type="text/csv; charset=utf-8", headers=headers)


def table(entries: Iterable[Entry]) -> Iterator[str]:
    """Yields the lines of a CSV file with header.

    A cell that a spreadsheet would take for a formula begins with an apostrophe: names and refused sign-ins are
    entered by anybody.
    """
    yield _row(HEAD)
    for entry in entries:
        at = datetime.fromtimestamp(entry.t / 1000, UTC).isoformat(timespec="milliseconds")
        cells = (entry.who, sentence(entry), entry.ward or "", entry.patient or "", entry.address, entry.what)
        yield _row((at, *map(_harmless, cells), entry.detail))


def _read(request: Request, who: Person, wanted: Wanted, limit: int, *, export: bool = False) -> list[Entry]:
    auth.require_role(request, who, Role.ADMIN, None)
    auth.audit(request, who.name, "view-audit", patient=wanted.patient, export=export)
    return auth.parts(request).audit.read(wanted, limit)


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell.startswith(FORMULA) else cell


def _row(cells: Iterable[str]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow(cells)
    return line.getvalue()
