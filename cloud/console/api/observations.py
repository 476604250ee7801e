"""`/api/wards/{ward}/observations`: the next observation of each patient of a ward and its due time."""

from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Depends, Request

from cloud.console.auth.accounts import Person, Role
from cloud.console.http import auth
from cloud.console.http.dependencies import AppState
from cloud.console.live.observations import Observation, observations

router: Final = APIRouter(prefix="/api/wards/{ward}/observations", tags=["observations"])
Who = Annotated[Person, Depends(auth.current_user)]


@router.get("")
def rows(request: Request, ward: str, who: Who) -> dict[str, Any]:
    """Returns the ward's observations, the most overdue first; `down` has the reason if the engine does not answer."""
    auth.require_role(request, who, Role.VIEWER, ward)
    own = auth.parts(request)
    found = _found(own, ward)
    auth.audit(request, who.name, "view-observations", ward=ward, patients=[each.patient for each in found])
    return {
        "ward": ward,
        "now": own.clock(),
        "down": own.feed.down,
        "rows": [msgspec.to_builtins(each) for each in found],
    }


@router.get("/due")
def count(request: Request, ward: str, who: Who) -> dict[str, Any]:
    """Returns the number of due observations; without patients, so it is no view of one in the audit log."""
    auth.require_role(request, who, Role.VIEWER, ward)
    own, now = auth.parts(request), auth.parts(request).clock()
    found = _found(own, ward)
    return {"due": sum(each.due is not None and each.due <= now for each in found), "down": own.feed.down}


def _found(own: AppState, ward: str) -> list[Observation]:
    sight = own.feed.sight
    return observations(own.topics.on_ward(ward), sight.patients, list(own.topics.actions), sight.clock)
