"""`/api/wards/{ward}/roster`: plan of a roster file, and its changes after a person has seen the plan."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Depends, HTTPException, Request
from msgspec.structs import replace
from pydantic import BaseModel, Field

from cloud.admissions.admission_rows import Stated, parse
from cloud.admissions.roster_plan import Effect, Step, plan
from cloud.console.auth.accounts import Person, Role
from cloud.console.command_writer import ConflictError, LogDownError
from cloud.console.http import auth
from vitals.admissions import Admission

router: Final = APIRouter(prefix="/api/wards/{ward}/roster", tags=["patients"])
Who = Annotated[Person, Depends(auth.current_user)]
Csv = Annotated[str, Field(max_length=auth.BIGGEST)]


class File(BaseModel):
    """Text of a roster file."""

    csv: Csv


class Apply(File):
    """The file again, and `seen`, the mark of the plan on the screen."""

    seen: str


@router.post("/preview")
def preview(request: Request, ward: str, body: File, who: Who) -> dict[str, Any]:
    """Returns the effect of each row, or the errors of the file; changes nothing."""
    auth.require_role(request, who, Role.NURSE, ward)
    own = auth.parts(request)
    table = parse(body.csv.removeprefix("\ufeff").splitlines(), own.clock())
    if table.errors:
        return {"errors": list(table.errors), "steps": [], "seen": ""}
    steps = _steps(table.rows, own.topics.admissions, ward, who)
    return {"errors": [], "steps": [_shown(step) for step in steps], "seen": _mark(steps)}


@router.post("")
def apply(request: Request, ward: str, body: Apply, who: Who) -> dict[str, Any]:
    """Writes the rows of a plan, if it still is the one on the screen."""
    auth.require_role(request, who, Role.NURSE, ward)
    own = auth.parts(request)
    table = parse(body.csv.removeprefix("\ufeff").splitlines(), own.clock())
    if table.errors:
        raise HTTPException(422, table.errors[0])

    def unchanged(known: Mapping[str, Admission]) -> list[Step]:
        steps = _steps(table.rows, known, ward, who)
        if _mark(steps) != body.seen:
            raise ConflictError("The ward has changed since the preview: look again")
        for step in steps:
            if step.admission is not None:
                facts = {"bed": step.admission.bed, "changes": {k: new for k, (_, new) in step.changes.items()}}
                auth.audit(request, who.name, f"roster-{step.effect}", ward=ward, patient=step.patient, **facts)
        return steps

    try:
        steps = own.commands.roster(unchanged)
    except ConflictError as error:
        raise HTTPException(409, str(error)) from error
    except LogDownError as error:
        raise HTTPException(503, str(error)) from error
    return {"written": sum(step.admission is not None for step in steps)}


def _steps(rows: Sequence[tuple[int, Stated]], known: Mapping[str, Admission], ward: str, who: Person) -> list[Step]:
    """Returns the plan; forbidden rows are refused first, because other rows may depend on them."""
    reasons = {line: _forbidden(row, known.get(row.patient), ward, who) for line, (row, _) in rows}
    refused = [
        Step(line=line, patient=row.patient, name=row.name, effect=Effect.REFUSED, reason=reasons[line])
        for line, (row, _) in rows
        if reasons[line]
    ]
    allowed = plan([(line, row) for line, row in rows if not reasons[line]], known)
    return sorted((*refused, *allowed), key=lambda step: step.line)


def _forbidden(row: Admission, known: Admission | None, ward: str, who: Person) -> str:
    if row.ward != ward:
        return f"the row is of ward {row.ward}: load it there"
    if known is not None and not who.may(Role.NURSE, known.ward):
        return "this patient id belongs to another ward"
    return ""


def _shown(step: Step) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.to_builtins(replace(step, admission=None))
    del fields["admission"]
    return fields | {"bed": step.admission.bed if step.admission else None}


def _mark(steps: Sequence[Step]) -> str:
    """Returns a mark of a plan; versions and begins are of the moment and do not count."""
    plain = [msgspec.json.encode(_shown(step)) for step in steps]
    return hashlib.sha256(b"\n".join(plain)).hexdigest()
