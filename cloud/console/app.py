"""The web application: routes, errors, static files."""

from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.staticfiles import StaticFiles

from cloud.console.api import (
    admin,
    admission,
    adt_questions,
    alarms,
    audit,
    beds,
    contacts,
    limit_advice,
    observations,
    patient_history,
    patients,
    roster_file,
    rota,
    system,
    ward_stream,
)
from cloud.console.fhir import routes, stay_routes
from cloud.console.handover import page as handover_page
from cloud.console.http import auth
from cloud.console.http.dependencies import AppState
from cloud.console.pages import ack_link_page, html_pages, link_receipts, printout, proof_page, push_devices
from cloud.console.static import FOLDER, VERSION

PARTS: Final = (
    html_pages,
    handover_page,
    ack_link_page,
    proof_page,
    link_receipts,
    printout,
    ward_stream,
    admission,
    adt_questions,
    patients,
    patient_history,
    limit_advice,
    alarms,
    beds,
    rota,
    contacts,
    roster_file,
    observations,
    admin,
    audit,
    system,
    push_devices,
    routes,
    stay_routes,
)
PATHS_OF_PEOPLE: Final = ("/signin", "/welcome/", "/a/", "/p/", "/handover/")


def create_app(parts: AppState) -> FastAPI:
    """Returns the application for the given state."""
    # The interactive documentation would load scripts from other hosts; openapi.json is enough.
    app = FastAPI(
        title="Wardwatch", version="1", openapi_url="/api/openapi.json", docs_url=None, redoc_url=None,
        description=html_pages.SECONDARY,
    )  # fmt: skip
    app.state.parts = parts
    for part in PARTS:
        app.include_router(part.router)
    app.include_router(push_devices.link_router)
    app.mount(f"/static/{VERSION}", StaticFiles(directory=FOLDER), name="page")
    app.mount("/static", StaticFiles(directory=FOLDER), name="static")
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _malformed)

    @app.get("/healthz", include_in_schema=False)
    def health() -> dict[str, Any]:
        """Health for a process supervisor; contains no names."""
        return {"state": parts.feed.down is None, "viewers": parts.feed.viewers()}

    app.add_middleware(auth.Headers, secure=parts.settings.secure)
    return app


async def _refused(request: Request, error: Exception) -> Response:
    """Renders an error in the format of the request: FHIR, HTML or JSON."""
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for it
    headers = dict(error.headers or {})
    if request.url.path.startswith("/fhir"):
        return routes.failed(error.status_code, str(error.detail), headers)
    if request.url.path.startswith(PATHS_OF_PEOPLE):
        answer = html_pages.page("That did not work", problem=str(error.detail), status=error.status_code)
        answer.headers.update(headers)
        return answer
    return JSONResponse({"detail": error.detail}, error.status_code, headers=headers)


async def _malformed(request: Request, error: Exception) -> Response:
    """Reports the invalid fields of a request and the reasons, without repeating its content."""
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for it
    found = [f"{'.'.join(str(part) for part in e['loc'][1:])}: {e['msg']}" for e in error.errors()]
    if request.url.path.startswith("/fhir"):
        return routes.failed(400, "; ".join(found))
    return JSONResponse({"detail": "; ".join(found)}, 422)
