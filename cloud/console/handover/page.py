"""`/handover/{ward}`: the hand-over report of a ward's patients, a page to print. Needs a nurse of the ward."""

import logging
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from starlette.responses import RedirectResponse, Response

from cloud.console.auth.accounts import Role
from cloud.console.handover.contents import Present
from cloud.console.handover.measured import HOUR_MS
from cloud.console.handover.report import LAG_MS, known_until, patient_report
from cloud.console.http import auth
from cloud.console.http.dependencies import AppState
from cloud.console.live.ward_view import age_years, ward_alarms
from cloud.console.pages.html_pages import page
from cloud.console.ward_rows import WardRows
from cloud.console.warehouse_history import HistoryDownError
from cloud.duty.assigning import view
from vitals.admissions import Admission
from vitals.engine.constants import FRESH_SPOT_MS

router: Final = APIRouter(include_in_schema=False)
logger = logging.getLogger("console")
Hours = Annotated[int, Query(ge=1, le=24)]


@router.get("/handover/{ward}")
def handover(request: Request, ward: str, hours: Hours = 12) -> Response:
    """The report of the last hours; without the warehouse it has the present state and a notice."""
    own = auth.parts(request)
    if not auth.token(request) or own.accounts.user_of_session(auth.token(request), own.clock()) is None:
        return RedirectResponse("/signin", 303)
    who = auth.current_user(request)
    auth.require_role(request, who, Role.NURSE, ward)
    people = [a for a in own.topics.on_ward(ward) if not a.canary]
    names = [a.patient for a in people]
    auth.audit(request, who.name, "view-handover", ward=ward, patients=names, hours=hours)
    now = own.clock()
    begin = now - hours * HOUR_MS
    present = _present(own, now)
    # A message about a monitor has its device id in place of the patient's.
    rows = _history(own, [*names, *(device for a in people for device in a.devices)], begin, now)
    until = now if rows is None else known_until(rows, people, present)
    nurses = _nurses(own, ward, people, now)
    wording = own.settings.wording
    return page(
        wording("handover.title", ward=ward.upper()),
        "handover.html",
        wording=wording,
        ward=ward,
        who=who.name,
        begin=begin,
        now=now,
        hours=hours,
        down=rows is None,
        late=until if rows is not None and now - until > LAG_MS else None,
        unreadable=rows.unreadable if rows else 0,
        engine_down=own.feed.down is not None,
        equipment=ward_alarms(ward, {a.gateway for a in people}, own.feed.sight, {}),
        left=_left(own, ward, begin),
        ages={a.patient: age_years(a.born, now) for a in people},
        reports=[patient_report(a, nurses[a.bed], rows, present, begin=begin, until=until) for a in people],
    )


def _present(own: AppState, now: int) -> Present:
    sight, log = own.feed.sight, own.topics
    return Present(
        now=now,
        patients=sight.patients,
        alarms=sight.alarms,
        standbys=sight.standbys,
        down=own.feed.down is not None,
        events=list(log.events),
        messages=list(log.notifications),
        acts=list(log.actions),
    )


def _history(own: AppState, patients: list[str], begin: int, now: int) -> WardRows | None:
    """Returns the history; None if the warehouse does not answer."""
    if not patients:
        return WardRows()
    try:
        return own.history.ward(patients, begin, now, FRESH_SPOT_MS)
    except HistoryDownError as error:
        logger.warning("hand-over report without history: %s", error)
        return None


def _nurses(own: AppState, ward: str, people: list[Admission], now: int) -> dict[str, str]:
    """Returns the name of each bed's nurse; "" for a bed that is everybody's."""
    house = own.topics.house
    found = {}
    for bed in view(house, ward, [a.bed for a in people], now):
        entry = house.person(bed.nurse) if bed.nurse else None
        found[bed.bed] = entry.name if entry is not None and entry.name else bed.nurse or ""
    return found


def _left(own: AppState, ward: str, begin: int) -> list[Admission]:
    """Returns the patients discharged from the ward since `begin`, in that order."""
    known = list(own.topics.admissions.values())
    gone = [(a.discharged, a) for a in known if a.ward == ward and a.discharged is not None and not a.canary]
    return [a for t, a in sorted(gone, key=lambda each: each[0]) if t >= begin]
