"""The few pages that the server writes itself: sign-in, first password, acknowledge. They work without scripts."""

from html import escape
from typing import Annotated, Final
from urllib.parse import parse_qs

from fastapi import APIRouter, Depends, Request
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response

from cloud.console.auth.accounts import AccountError
from cloud.console.http import auth
from cloud.console.http.rate_limit import SIGN_IN, SIGN_IN_NAME
from cloud.console.static import FOLDER

router: Final = APIRouter(include_in_schema=False)
SECONDARY: Final = (
    "Wardwatch notifies in the second place and supports decisions. "
    "It does not replace the bedside monitor and its alarm."
)
_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="dark">
<title>{title} · Wardwatch</title>
<link rel="icon" href="/static/icon.svg">
<link rel="stylesheet" href="/static/base.css">
</head>
<body class="small">
<main class="card">
<p class="brand"><img src="/static/icon.svg" alt="" width="36" height="36">Wardwatch</p>
<h1>{title}</h1>
{body}
</main>
<p class="secondary">{secondary}</p>
</body>
</html>
"""


def page(title: str, body: str, status: int = 200) -> HTMLResponse:
    """Returns a small page; `body` is HTML whose foreign parts have been escaped."""
    return HTMLResponse(_PAGE.format(title=escape(title), body=body, secondary=SECONDARY), status)


def problem(text: str) -> str:
    """Returns a paragraph that says what went wrong."""
    return f'<p class="problem" role="alert">{escape(text)}</p>' if text else ""


async def form(request: Request) -> dict[str, str]:
    """Returns the fields of a form that a browser sent, after making sure that it is from a page of ours."""
    auth.same_origin(request)
    fields = parse_qs((await request.body()).decode(errors="replace"), keep_blank_values=True, max_num_fields=10)
    return {name: values[0] for name, values in fields.items()}


Form = Annotated[dict[str, str], Depends(form)]


@router.get("/")
def shell(request: Request) -> Response:
    """The app, for who is signed in."""
    own = auth.parts(request)
    token = auth.token(request)
    if not token or own.accounts.user_of_session(token, own.clock()) is None:
        return RedirectResponse("/signin", 303)
    return FileResponse(FOLDER / "app.html")


@router.get("/sw.js")
def service_worker() -> FileResponse:
    """The service worker; it must stand at the root to serve the whole page."""
    return FileResponse(FOLDER / "sw.js", media_type="text/javascript")


@router.get("/signin")
def ask(request: Request) -> HTMLResponse:
    """The sign-in page."""
    del request
    return _sign_in_page("")


@router.post("/signin")
def sign_in(request: Request, fields: Form) -> Response:
    """Opens a session."""
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
    # Whatever the browser kept of this page goes as well.
    answer.headers["clear-site-data"] = '"cache", "storage"'
    return answer


@router.get("/welcome/{token}")
def welcome(request: Request, token: str) -> HTMLResponse:
    """The page of a one-time link."""
    auth.throttle(request, SIGN_IN, "welcome", auth.address(request))
    own = auth.parts(request)
    holds, owner = own.accounts.holder(token, own.clock())
    if not holds:
        return page("Link not valid", problem("This link has been used or is too old. Ask for a new one."), 404)
    return _welcome_page(owner, "")


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
    return _sign_in_page("", note="Your password is set. Sign in with it.")


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


def _sign_in_page(wrong: str, status: int = 200, note: str = "") -> HTMLResponse:
    told = f'<p class="note" role="status">{escape(note)}</p>' if note else ""
    body = f"""{problem(wrong)}{told}
<form method="post" action="/signin">
<label for="name">User name</label>
<input id="name" name="name" autocomplete="username" autocapitalize="none" spellcheck="false" required autofocus>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required>
<button class="primary">Sign in</button>
</form>"""
    return page("Sign in", body, status)


def _welcome_page(owner: str | None, wrong: str, status: int = 200) -> HTMLResponse:
    who = (
        f"<p>For the user <strong>{escape(owner)}</strong>.</p>"
        if owner
        else """<p>Nobody can sign in yet. You become the first administrator.</p>
<label for="name">User name</label>
<input id="name" name="name" autocomplete="username" autocapitalize="none" spellcheck="false" required autofocus>"""
    )
    body = f"""{problem(wrong)}
<form method="post">
{who}
<label for="password">New password, 10 characters or more</label>
<input id="password" name="password" type="password" autocomplete="new-password" minlength="10" required>
<label for="again">The same again</label>
<input id="again" name="again" type="password" autocomplete="new-password" minlength="10" required>
<button class="primary">Set password</button>
</form>"""
    return page("Choose your password", body, status)
