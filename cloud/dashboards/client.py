"""Metabase's REST API, as far as it is needed here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Self

import httpx2

ANSWER_WITHIN_S: Final = 60.0
_REFUSED: Final = frozenset((401, 403))


class MetabaseError(RuntimeError):
    """Metabase could not be reached or refused; the message says what was asked, the answer, and what to do."""


@dataclass(frozen=True, slots=True)
class Login:
    """How one signs in: by an API key, or by an administrator's e-mail and password.

    A Metabase that has not been set up gets that administrator as its first user.
    """

    api_key: str | None = field(default=None, repr=False)
    email: str | None = None
    password: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not self.api_key and not (self.email and self.password):
            raise ValueError("set METABASE_API_KEY, or METABASE_EMAIL and METABASE_PASSWORD")


class Metabase:
    """A Metabase, signed in.

    Args:
        url: Its address, such as https://metabase.example.org.
        login: Who we are.
        transport: How requests travel; None for the network.

    Raises:
        MetabaseError: It cannot be reached, or does not know us.
    """

    def __init__(self, url: str, login: Login, transport: httpx2.BaseTransport | None = None) -> None:
        self._url = url.rstrip("/")
        self._http = httpx2.Client(base_url=self._url, timeout=ANSWER_WITHIN_S, transport=transport)
        try:
            self._http.headers.update(self._sign_in(login))
        except BaseException:
            self._http.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def get(self, path: str, **query: str) -> Any:  # noqa: ANN401 - JSON
        """Returns what Metabase answers to GET.

        Raises:
            MetabaseError: It refused.
        """
        return self._ask("GET", path, params=query)

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> Any:  # noqa: ANN401 - JSON
        """Returns what Metabase answers to POST.

        Raises:
            MetabaseError: It refused.
        """
        return self._ask("POST", path, json=body or {})

    def put(self, path: str, body: Mapping[str, Any]) -> Any:  # noqa: ANN401 - JSON
        """Returns what Metabase answers to PUT.

        Raises:
            MetabaseError: It refused.
        """
        return self._ask("PUT", path, json=body)

    def _sign_in(self, login: Login) -> dict[str, str]:
        if login.api_key:
            return {"x-api-key": login.api_key}
        who = {"email": login.email, "password": login.password}
        told = self.get("/api/session/properties")
        token = told.get("setup-token")
        if token and not told.get("has-user-setup"):
            user = who | {"first_name": None, "last_name": None}
            session = self.post("/api/setup", {"token": token, "user": user, "prefs": {"site_name": "Wardwatch"}})
        else:
            session = self.post("/api/session", {"username": login.email, "password": login.password})
        return {"X-Metabase-Session": str(session["id"])}

    def _ask(self, method: str, path: str, **more: Any) -> Any:  # noqa: ANN401 - JSON
        asked = f"{method} {self._url}{path}"
        try:
            answer = self._http.request(method, path, **more)
        except httpx2.HTTPError as error:
            raise MetabaseError(
                f"{asked}: {error}. Is Metabase running at {self._url}? Then run this again."
            ) from error
        if answer.status_code in _REFUSED:
            hint = "Give an API key of the group Administrators, or an administrator's e-mail and password."
            raise MetabaseError(f"{asked}: Metabase refuses ({answer.status_code}): {answer.text[:200]}. {hint}")
        if not answer.is_success:
            hint = "What was done so far stays; run this again once it is mended."
            raise MetabaseError(f"{asked}: {answer.status_code}: {answer.text[:400]}. {hint}")
        try:
            return answer.json() if answer.content else {}
        except ValueError as error:
            raise MetabaseError(f"{asked}: the answer is no JSON. Is it Metabase that listens there?") from error
