"""`/api/admissions/questions`: questions of ADT about patients and beds, and answers."""

from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Depends, HTTPException, Request
from pydantic import BaseModel

from cloud.admissions.adt.records import Answer, Question, Verdict
from cloud.console.auth.accounts import Person, Role
from cloud.console.command_writer import LogDownError
from cloud.console.http import auth

router: Final = APIRouter(prefix="/api/admissions/questions", tags=["admissions"])
Who = Annotated[Person, Depends(auth.current_user)]


class Answering(BaseModel):
    """Answer to a question."""

    verdict: Verdict


@router.get("")
def questions(request: Request, who: Who) -> dict[str, Any]:
    """Returns the open questions of the user's wards, oldest first; those without a ward for users of all wards."""
    own = auth.parts(request)
    seen = [q for q in _open(request) if who.may(Role.VIEWER, q.ward or None)]
    auth.audit(request, who.name, "view-questions", patients=sorted({q.patient for q in seen}))
    return {"questions": [_shown(q) for q in sorted(seen, key=lambda q: (q.asked, q.id))], "now": own.clock()}


@router.post("/{question}", status_code=202)
def answer(request: Request, question: str, body: Answering, who: Who) -> dict[str, Any]:
    """Answers a question; needs a nurse of its ward. The question disappears once ADT has applied the answer."""
    own = auth.parts(request)
    found = next((q for q in _open(request) if q.id == question and who.may(Role.VIEWER, q.ward or None)), None)
    if found is None:
        raise HTTPException(404, "There is no such open question on your wards")
    auth.require_role(request, who, Role.NURSE, found.ward or None)
    if body.verdict not in found.verdicts:
        raise HTTPException(422, f"The answers are {', '.join(found.verdicts)}")
    facts = {"doubt": found.doubt.value, "verdict": body.verdict.value}
    auth.audit(request, who.name, "answer-question", ward=found.ward or None, patient=found.patient, **facts)
    try:
        own.commands.answer(Answer(question=found.id, verdict=body.verdict, by=who.name, t=own.clock()))
    except LogDownError as error:
        raise HTTPException(503, str(error)) from error
    return {"question": found.id, "verdict": body.verdict.value}


def _open(request: Request) -> list[Question]:
    return [q for mine in list(auth.parts(request).topics.questions.values()) for q in mine]


def _shown(question: Question) -> dict[str, Any]:
    shown: dict[str, Any] = msgspec.to_builtins(question)
    return shown | {"verdicts": [v.value for v in question.verdicts]}
