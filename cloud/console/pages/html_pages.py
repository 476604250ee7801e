"""Pages that the server renders itself: sign-in, first password, acknowledge. They work without scripts."""

from typing import Annotated, Final
from urllib.parse import parse_qs

from fastapi import APIRouter, Depends, Request
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response

from cloud.console.auth.accounts import AccountError
from cloud.console.http import auth
from cloud.console.http.rate_limit import SIGN_IN, SIGN_IN_NAME
from cloud.console.static import FOLDER, SHELL
from cloud.wording import Wording

router: Final = APIRouter(include_in_schema=False)
ENGLISH: Final = Wording()
SECONDARY: Final = ENGLISH("page.secondary")
_TEMPLATES: Final = Environment(
    loader=PackageLoader("cloud.console.pages", "."),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
)


def page(
    title: str,
    template: str = "small_page.html",
    *,
    problem: str = "",
    status: int = 200,
    wording: Wording = ENGLISH,
    **values: object,
) -> HTMLResponse:
    """Returns a small page.

    Args:
        title: Title and heading.
        template: A template of this folder; without one, the page has only the error text.
        problem: Error text.
        status: HTTP status.
        wording: Language and zone of a page without sign-in; the ward page is English.
        values: Values that the template shows; each is escaped.
    """
    text = _TEMPLATES.get_template(template).render(title=title, problem=problem, wording=wording, **values)
    return HTMLResponse(text, status)


async def form(request: Request) -> dict[str, str]:
    """Returns the fields of a submitted form, after checking that one of our pages sent it."""
    auth.same_origin(request)
    fields = parse_qs((await request.body()).decode(errors="replace"), keep_blank_values=True, max_num_fields=10)
    return {name: values[0] for name, values in fields.items()}


Form = Annotated[dict[str, str], Depends(form)]


@router.get("/")
def shell(request: Request) -> Response:
    """The application, for a signed-in user; otherwise redirects to the sign-in page."""
    own = auth.parts(request)
    token = auth.token(request)
    if not token or own.accounts.user_of_session(token, own.clock()) is None:
        return RedirectResponse("/signin", 303)
    return HTMLResponse(SHELL)


@router.get("/sw.js")
def service_worker() -> FileResponse:
    """The service worker; it must be served at the root to control the whole page."""
    return FileResponse(FOLDER / "sw.js", media_type="text/javascript")


@router.get("/signin")
def ask(request: Request) -> HTMLResponse:
    """The sign-in page."""
    del request
    return _sign_in_page()


@router.post("/signin")
def sign_in(request: Request, fields: Form) -> Response:
    """Opens a session, if name and password are right."""
    own, now = auth.parts(request), auth.parts(request).clock()
    name, here = fields.get("name", "").strip()[:64], auth.address(request)
    auth.throttle(request, SIGN_IN, "sign-in", name, here)
    auth.throttle(request, SIGN_IN_NAME, "sign-in", name)
    opened = own.accounts.sign_in(name, fields.get("password", ""), now)
    if opened is None:
        auth.audit(request, name, "sign-in-refused")
        return _sign_in_page("Name or password is wrong.", 401)
    token, _ = opened
    auth.audit(request, name, "sign-in")
    answer = RedirectResponse("/", 303)
    _set_cookie(request, answer, token)
    return answer


@router.post("/signout")
def sign_out(request: Request, fields: Form) -> Response:
    """Ends the session."""
    del fields
    own, token = auth.parts(request), auth.token(request)
    who = own.accounts.user_of_session(token, own.clock()) if token else None
    if who is not None:
        auth.audit(request, who.name, "sign-out")
        own.accounts.sign_out(token)
    answer = RedirectResponse("/signin", 303)
    answer.delete_cookie(auth.cookie_name(own.settings.secure), path="/")
    # Also clears the browser's caches and storage of this page.
    answer.headers["clear-site-data"] = '"cache", "storage"'
    return answer


@router.get("/welcome/{token}")
def welcome(request: Request, token: str) -> HTMLResponse:
    """The page of a one-time link."""
    auth.throttle(request, SIGN_IN, "welcome", auth.address(request))
    own = auth.parts(request)
    holds, owner = own.accounts.holder(token, own.clock())
    if not holds:
        text = "This link has been used or is too old. Ask for a new one."
        return page("Link not valid", problem=text, status=404)
    return _welcome_page(owner)


@router.post("/welcome/{token}")
def set_password(request: Request, token: str, fields: Form) -> Response:
    """Sets a password by a one-time link."""
    auth.throttle(request, SIGN_IN, "welcome", auth.address(request))
    own = auth.parts(request)
    _, owner = own.accounts.holder(token, own.clock())
    name = owner or fields.get("name", "").strip()
    if fields.get("password") != fields.get("again"):
        return _welcome_page(owner, "The two passwords differ.", 422)
    try:
        own.accounts.set_password(token, name, fields.get("password", ""), own.clock())
    except AccountError as error:
        return _welcome_page(owner, str(error), 422)
    auth.audit(request, name, "password-set")
    return _sign_in_page(note="Your password is set. Sign in with it.")


def _set_cookie(request: Request, answer: Response, token: str) -> None:
    settings = auth.parts(request).settings
    answer.set_cookie(
        auth.cookie_name(settings.secure),
        token,
        max_age=round(settings.console_session_h * 3600),
        path="/",
        secure=settings.secure,
        httponly=True,
        samesite="strict",
    )


def _sign_in_page(problem: str = "", status: int = 200, note: str = "") -> HTMLResponse:
    return page("Sign in", "sign_in.html", problem=problem, status=status, note=note)


def _welcome_page(owner: str | None, problem: str = "", status: int = 200) -> HTMLResponse:
    return page("Choose your password", "welcome.html", problem=problem, status=status, owner=owner)
