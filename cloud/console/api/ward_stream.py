"""Live routes of `/api`: the signed-in user, a ward's present state, and its stream of changes."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, HTTPException, Request
from starlette.responses import StreamingResponse

from cloud.console.auth.accounts import ANY, Person, Role
from cloud.console.http import auth
from cloud.console.live.equipment import is_system
from cloud.console.live.feed import Subscriber, farewell, pulse
from vitals.limits import PROFILES
from vitals.signs import FIELDS, SIGNS, Suspect

router: Final = APIRouter(prefix="/api", tags=["live"])
Who = Annotated[Person, Depends(auth.current_user)]
PULSE_S: Final = 1.0
STILL_SIGNED_IN_S: Final = 15.0


@router.get("/me")
def me(request: Request, who: Who) -> dict[str, Any]:
    """Returns the signed-in user, their wards, and the CSRF secret that their pages send with a change.

    Wards on which the user has a role come first. `system` marks a ward of test patients or of equipment.
    """
    parts = auth.parts(request)
    topics, technical = parts.topics, parts.settings.notify_technical_ward
    wards = sorted({*topics.wards(), *(w for w in who.roles if w != ANY)}, key=lambda w: (w not in who.roles, w))
    own = [
        {"ward": w, "role": _role(who, w), "system": is_system(topics.on_ward(w), w, technical)}
        for w in wards
        if who.may(Role.VIEWER, w)
    ]
    return {"name": who.name, "csrf": who.csrf, "wards": own, "admin": who.may(Role.ADMIN, None)}


@router.get("/signs")
def signs(who: Who) -> dict[str, Any]:
    """Returns the vital signs in the order of the wire, the suspect reasons, and the built-in limit profiles."""
    del who
    described = [
        {"field": s.field, "name": s.name, "unit": s.unit, "loinc": s.loinc[0], "decimals": s.decimals} for s in SIGNS
    ]
    profiles = {
        p.profile: {f: [x.extreme_low, x.low, x.high, x.extreme_high] for f, x in zip(FIELDS, p.limits, strict=True)}
        for p in PROFILES
    }
    doubts = {int(s): s.name.lower().replace("_", " ") for s in Suspect if s}
    return {"signs": described, "profiles": profiles, "doubts": doubts}


@router.get("/wards/{ward}")
def ward_now(request: Request, ward: str, who: Who) -> dict[str, Any]:
    """Returns a ward's present state: one entry per bed."""
    auth.require_role(request, who, Role.VIEWER, ward)
    hub = auth.parts(request).feed
    beds = hub.ward(ward)
    auth.audit(request, who.name, "view-ward", ward=ward, patients=sorted(beds))
    return {"ward": ward, "beds": list(beds.values()), "clock": hub.sight.clock, "down": hub.down, "since": hub.since}


@router.get("/wards/{ward}/stream")
async def stream(request: Request, ward: str, who: Who) -> StreamingResponse:
    """A ward's changes as server-sent events: `ward` (everything), `tiles` (changed beds), `pulse`, `bye`."""
    auth.require_role(request, who, Role.VIEWER, ward)
    hub = auth.parts(request).feed
    feed = hub.open(ward)
    shown = _shown_first(request, who, ward, frozenset())
    # Proxies must not buffer the stream.
    headers = {"x-accel-buffering": "no"}
    return StreamingResponse(_frames(request, feed, shown), media_type="text/event-stream", headers=headers)


def _shown_first(request: Request, who: Person, ward: str, shown: frozenset[str]) -> frozenset[str]:
    """Logs the patients whom a stream shows for the first time; returns all whom it has shown."""
    present = {a.patient for a in auth.parts(request).topics.on_ward(ward)}
    if not shown or present - shown:
        auth.audit(request, who.name, "view-ward", ward=ward, patients=sorted(present - shown))
    return shown | present


async def _frames(request: Request, feed: Subscriber, shown: frozenset[str]) -> AsyncIterator[bytes]:
    own = auth.parts(request)
    token = auth.token(request) or request.headers.get("authorization", "").partition(" ")[2]
    loop = asyncio.get_running_loop()
    checked = loop.time()
    try:
        while True:
            try:
                frame = await asyncio.wait_for(feed.frames.get(), PULSE_S)
            except TimeoutError:
                frame = pulse(own.clock())
            if frame is None:
                return
            yield frame
            if loop.time() - checked >= STILL_SIGNED_IN_S:
                checked = loop.time()
                who = await asyncio.to_thread(own.accounts.user_of_session, token, own.clock())
                if who is None or not who.may(Role.VIEWER, feed.ward):
                    yield farewell("Your session has ended.")
                    return
                shown = await asyncio.to_thread(_shown_first, request, who, feed.ward, shown)
    finally:
        own.feed.leave(feed)


def _role(who: Person, ward: str) -> str:
    role = max(who.roles.get(ward, 0), who.roles.get(ANY, 0))
    if not role:
        raise HTTPException(403, f"You have no role on ward {ward}")
    return Role(role).label
