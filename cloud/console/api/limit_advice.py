"""`/api/patients/{patient}/advice`: one patient's last day under other limits, for a person to decide."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, HTTPException, Request

from cloud.console.advice_process import AdviceError
from cloud.console.api.patients import bounds
from cloud.console.auth.accounts import Person, Role
from cloud.console.http import auth

router: Final = APIRouter(prefix="/api/patients", tags=["patients"])
Who = Annotated[Person, Depends(auth.current_user)]


@router.get("/{patient}/advice")
def advice(request: Request, patient: str, who: Who) -> dict[str, Any]:
    """Returns each tried limit with the calls that it spares and the alarms that it hides; needs a nurse of the ward.

    The alarms are those of the last 24 hours, as far as the lake has them. The computation takes up to a minute.
    """
    own = auth.parts(request)
    found = auth.require_patient(request, who, patient, Role.NURSE)
    until = own.clock()
    auth.audit(request, who.name, "view-advice", ward=found.ward, patient=patient)
    try:
        tried = own.advisor.advise(patient, until)
    except AdviceError as error:
        raise HTTPException(503, str(error)) from error
    # The limits in force may have changed since the last reading in the lake.
    limits = bounds(found.limits)
    place = {"low": 1, "high": 2}
    current = [one for one in tried if limits[one["sign"]][place[one["bound"]]] == one["present"]]
    return {
        "patient": patient, "name": found.name, "bed": found.bed, "version": found.version, "profile": found.profile,
        "scale2": found.scale2, "until": until, "limits": limits, "tried": current,
    }  # fmt: skip
