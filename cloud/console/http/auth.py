"""Checks of every request: size, security headers, user, permission, rate."""

import logging
import math
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from fastapi import HTTPException, Request
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cloud.console.auth.accounts import Person, Role
from cloud.console.auth.audit_log import Entry, detail
from cloud.console.http.dependencies import AppState
from cloud.console.http.rate_limit import ADDRESS, SESSION, Rate
from cloud.console.static import VERSION
from vitals.admissions import Admission

logger = logging.getLogger("console")
BIGGEST: Final = 64 << 10
"""Maximum bytes of a request's body: a rota of a hundred people fits."""
SAFE: Final = frozenset(("GET", "HEAD", "OPTIONS"))
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS: Final = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    # The URL of an acknowledge page is a secret. With `no-referrer` browsers send forms without their origin.
    "referrer-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


def kept(path: str) -> str:
    """Returns the cache rule of a path: only the page's own files may be kept, those of one version for good."""
    if path.startswith(f"/static/{VERSION}/"):
        return "public, max-age=31536000, immutable"
    return "no-cache" if path.startswith("/static/") else "no-store"


@dataclass(slots=True)
class Headers:
    """Adds the security headers, prevents caching, and refuses bodies that are too large.

    Attributes:
        app: Wrapped application.
        secure: Whether the page is served by TLS.
    """

    app: ASGIApp
    secure: bool

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        seen = 0

        async def bounded() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > BIGGEST:
                raise HTTPException(413, f"A request holds at most {BIGGEST} bytes")
            return message

        async def dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                # Static files are revalidated by ETag each time; everything else is never stored.
                headers["cache-control"] = kept(scope["path"])
                if self.secure:
                    headers["strict-transport-security"] = "max-age=31536000"
            await send(message)

        await self.app(scope, bounded, dressed)


def parts(request: Request) -> AppState:
    """Returns the application's state."""
    made: AppState = request.app.state.parts
    return made


def address(request: Request) -> str:
    """Returns the client's address, behind the number of proxies that the settings trust."""
    direct = request.client.host if request.client else "unknown"
    hops = parts(request).settings.console_proxies
    told = [hop.strip() for hop in request.headers.get("x-forwarded-for", "").split(",") if hop.strip()]
    if told and hops == 0 and not parts(request).proxy_seen:
        parts(request).proxy_seen = True
        text = (
            "a request has X-Forwarded-For while CONSOLE_PROXIES is 0: behind a proxy all people share its rate limits"
        )
        logger.warning(text)
    return told[-hops] if 0 < hops <= len(told) else direct


def cookie_name(secure: bool) -> str:
    """Returns the name of the session's cookie; with the prefix browsers bind it to this host and to TLS."""
    return "__Host-wardwatch" if secure else "wardwatch"


def token(request: Request) -> str:
    """Returns the session's secret of a request, or an empty text."""
    return request.cookies.get(cookie_name(parts(request).settings.secure), "")


def throttle(request: Request, rate: Rate, *key: str) -> None:
    """Refuses requests over the rate limit.

    Raises:
        HTTPException: 429, with the seconds to wait.
    """
    wait = parts(request).rate_limiter.wait_s(rate, parts(request).clock(), *key)
    if wait > 0:
        seconds = math.ceil(wait)
        raise HTTPException(429, f"Too often. Try again in {seconds} s.", headers={"Retry-After": str(seconds)})


def same_origin(request: Request) -> None:
    """Refuses a change that another site's page has sent.

    Raises:
        HTTPException: 403.
    """
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host", ""):
        raise HTTPException(403, "This came from another site's page")
    if request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        raise HTTPException(403, "This came from another site's page")


def current_user(request: Request) -> Person:
    """Returns the user of a request. A change needs the session's cookie and its CSRF secret; an API key can only read.

    Raises:
        HTTPException: 401 without a session, 403 for a change that may be forged, 429 over the rate limit.
    """
    own, now = parts(request), parts(request).clock()
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    bearer = key if scheme.lower() == "bearer" else ""
    who = own.accounts.user_of_session(bearer or token(request), now) if bearer or token(request) else None
    if who is None:
        throttle(request, ADDRESS, "address", address(request))
        raise HTTPException(401, "Sign in first", headers={"WWW-Authenticate": "Bearer"})
    throttle(request, SESSION, "user", who.name)
    if request.method not in SAFE:
        same_origin(request)
        if not who.csrf or request.headers.get("x-csrf", "") != who.csrf:
            own.audit.add(
                Entry(now, who.name, address(request), "refused-forged", detail=detail(path=request.url.path))
            )
            raise HTTPException(403, "This request does not come from a page of this session: reload the page")
    return who


def require_role(request: Request, who: Person, role: Role, ward: str | None) -> None:
    """Refuses a request without the required role.

    Raises:
        HTTPException: 403, and it is in the audit log.
    """
    if not who.may(role, ward):
        audit(request, who.name, "refused", ward=ward, path=request.url.path, needed=role.label)
        where = f"on ward {ward}" if ward else "on all wards"
        raise HTTPException(403, f"This needs the role {role.label} {where}")


def require_patient(request: Request, who: Person, patient: str, role: Role = Role.VIEWER) -> Admission:
    """Returns a patient's admission.

    Raises:
        HTTPException: 404 for an unknown patient and for one of another ward: the responses are identical, so that no
            user learns the patients of other wards. 403 if the user may view the patient but not do this.
    """
    found = parts(request).topics.admissions.get(patient)
    if found is None or not who.may(Role.VIEWER, found.ward):
        if found is not None:
            audit(request, who.name, "refused", ward=found.ward, patient=patient, path=request.url.path)
        raise HTTPException(404, "There is no such patient on your wards")
    require_role(request, who, role, found.ward)
    return found


def audit(
    request: Request, who: str, what: str, *, ward: str | None = None, patient: str | None = None, **facts: object
) -> None:
    """Writes a line of the audit log."""
    own = parts(request)
    own.audit.add(Entry(own.clock(), who, address(request), what, ward, patient, detail(**facts)))
