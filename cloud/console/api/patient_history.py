"""`/api/patients/{patient}/history`: a patient's history from the warehouse and the log, each row once."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, HTTPException, Request

from cloud.console.api.patients import bounds
from cloud.console.auth.accounts import Person
from cloud.console.http import auth
from cloud.console.http.dependencies import AppState
from cloud.console.warehouse_history import HistoryDownError

router: Final = APIRouter(prefix="/api/patients", tags=["patients"])
Who = Annotated[Person, Depends(auth.current_user)]
HOUR_MS: Final = 3_600_000
HISTORY: Final = ("trend", "limits", "alarms", "notifications", "actions")


@router.get("/{patient}/history")
def history(request: Request, patient: str, who: Who, hours: int = 8) -> dict[str, Any]:
    """Trends and slopes, limits in force, alarms, messages and actions of the last 1 to 72 hours.

    Rows that the warehouse does not have yet are read from the log. If the warehouse does not answer, `down` has the
    reason, and only the log's rows are returned.
    """
    own = auth.parts(request)
    found = auth.require_patient(request, who, patient)
    if not 1 <= hours <= 72:  # noqa: PLR2004 - as the docstring has it
        raise HTTPException(422, "hours is 1 to 72")
    end = own.clock()
    begin = end - hours * HOUR_MS
    auth.audit(request, who.name, "view-history", ward=found.ward, patient=patient, hours=hours)
    kept: dict[str, list[dict[str, Any]]] = {what: [] for what in HISTORY}
    down = None
    try:
        for what in kept:
            kept[what] = getattr(own.history, what)(patient, begin, end + HOUR_MS)
    except HistoryDownError as error:
        down = str(error)
    return {
        "begin": begin,
        "end": end,
        "down": down,
        "trend": _with_trail(own, patient, kept["trend"], begin),
        "slopes": _slopes(own, patient),
        "limits": kept["limits"] or [{"t": begin, "signs": bounds(found.limits)}],
        "alarms": _joined(kept["alarms"], _events(own, patient, begin), ("id", "n")),
        "notifications": _joined(
            kept["notifications"], _messages(own, patient, begin), ("alarm", "n", "contact", "accepted", "handover")
        ),
        "actions": _joined(kept["actions"], _actions(own, patient, begin), ("id",)),
    }


def _with_trail(own: AppState, patient: str, trend: list[dict[str, Any]], begin: int) -> list[dict[str, Any]]:
    """Adds points of the last half hour that the warehouse does not have yet."""
    newest = max((point["t"] for point in trend), default=begin)
    trail = own.feed.trails.get(patient)
    fresh = [] if trail is None else [(t, v) for t, v in trail.points() if t > newest]
    return trend + [{"t": t} | {f: [x, x, x] for f, x in values.items()} for t, values in fresh]


def _slopes(own: AppState, patient: str) -> dict[str, float]:
    """Returns the present slope of each field with a trend, unit per minute."""
    seen = own.feed.sight.patients.get(patient)
    return {field: sign.slope for field, sign in (seen.signs if seen else {}).items() if sign.slope is not None}


def _events(own: AppState, patient: str, begin: int) -> list[dict[str, Any]]:
    return [
        {
            "id": e.id, "n": e.n, "condition": e.condition, "kind": e.kind.value, "priority": int(e.priority),
            "phase": e.phase.value, "state": e.state.value, "inactivation": e.inactivation.value, "started": e.start,
            "t": e.t, "message": e.text, "acted_by": e.by, "handover": e.handover,
        }
        for e in list(own.topics.events)
        if e.patient == patient and e.t >= begin
    ]  # fmt: skip


def _messages(own: AppState, patient: str, begin: int) -> list[dict[str, Any]]:
    return [
        {
            "alarm": m.alarm, "n": m.n, "contact": m.contact, "handover": m.handover,
            "channels": ",".join(m.channels), "sns": m.sns, "t": m.t, "accepted": m.accepted, "error": m.error,
            "state": m.state.value,
        }
        for m in list(own.topics.notifications)
        if m.patient == patient and m.t >= begin
    ]  # fmt: skip


def _actions(own: AppState, patient: str, begin: int) -> list[dict[str, Any]]:
    return [
        {
            "id": a.id, "act": a.act.value, "t": a.t, "acted_by": a.by, "alarm": a.alarm, "pause_s": a.pause_s,
            "oxygen": a.oxygen, "consciousness": a.consciousness,
        }
        for a in list(own.topics.actions)
        if a.patient == patient and a.t >= begin
    ]  # fmt: skip


def _joined(kept: list[dict[str, Any]], fresh: list[dict[str, Any]], key: tuple[str, ...]) -> list[dict[str, Any]]:
    """Joins the warehouse's rows and the log's by identity, oldest first."""
    rows = {tuple(row[name] for name in key): row for row in (*kept, *fresh)}
    return sorted(rows.values(), key=lambda row: (row["t"], str(row.get("n", ""))))
