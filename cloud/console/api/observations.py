"""`/api/wards/{ward}/observations`: the next observation of each patient of a ward and its due time."""

from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Depends, Request

from cloud.console.auth.accounts import Person, Role
from cloud.console.http import auth
from cloud.console.live.observations import observations

router: Final = APIRouter(prefix="/api/wards/{ward}/observations", tags=["observations"])
Who = Annotated[Person, Depends(auth.current_user)]


@router.get("")
def due(request: Request, ward: str, who: Who) -> dict[str, Any]:
    """Returns the ward's observations, the most overdue first; `down` has the reason if the engine does not answer."""
    auth.require_role(request, who, Role.VIEWER, ward)
    own = auth.parts(request)
    sight, here = own.feed.sight, own.topics.on_ward(ward)
    auth.audit(request, who.name, "view-observations", ward=ward, patients=[one.patient for one in here])
    found = observations(here, sight.patients, list(own.topics.actions), sight.clock)
    return {
        "ward": ward,
        "now": own.clock(),
        "down": own.feed.down,
        "rows": [msgspec.to_builtins(each) for each in found],
    }
