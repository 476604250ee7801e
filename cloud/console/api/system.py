"""`/api/system`: test patients, gateways and alarms of equipment of the whole site, for technicians."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request

from cloud.console.auth.accounts import Person, Role
from cloud.console.http import auth
from cloud.console.live.equipment import canaries, equipment_alarms, gateways, is_system

router: Final = APIRouter(prefix="/api/system", tags=["administration"])
Who = Annotated[Person, Depends(auth.current_user)]


@router.get("")
def system(request: Request, who: Who) -> dict[str, Any]:
    """Returns wards of the system, test patients, gateways and equipment alarms; needs an admin of all wards."""
    auth.require_role(request, who, Role.ADMIN, None)
    auth.audit(request, who.name, "view-system")
    own = auth.parts(request)
    topics, sight = own.topics, own.feed.sight
    present, technical = topics.present(), own.settings.notify_technical_ward
    return {
        "now": own.clock(),
        "down": own.feed.down,
        "wards": [ward for ward in topics.wards() if is_system(topics.on_ward(ward), ward, technical)],
        "tests": canaries(present, sight),
        "gateways": gateways(present, sight),
        "alarms": equipment_alarms(sight, topics.pauses),
    }
