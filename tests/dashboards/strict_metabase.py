"""A Metabase of our own for tests: strict about what it takes, and as free with what it stores as the real one.

It refuses unknown fields, template tags that do not fit their SQL, and targets that lead nowhere. It answers queries
with ids of its own in them, never the same twice, hides passwords, and forgets dashcards that a PUT leaves out.
"""

import json
import re
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Annotated, Any, Literal
from urllib.parse import parse_qs, urlsplit

import msgspec

API_KEY, EMAIL, PASSWORD, TOKEN = "mb_key", "admin@ward.example", "correct horse battery", "setup-token-1"
_Id = Annotated[int, msgspec.Meta(gt=0)]
_Text = Annotated[str, msgspec.Meta(min_length=1)]


class _Strict(msgspec.Struct, forbid_unknown_fields=True):
    pass


class User(_Strict):
    email: _Text
    password: Annotated[str, msgspec.Meta(min_length=8)]
    first_name: str | None = None
    last_name: str | None = None


class Prefs(_Strict):
    site_name: _Text


class Setup(_Strict):
    token: _Text
    user: User
    prefs: Prefs


class Session(_Strict):
    username: _Text
    password: _Text


class Database(_Strict):
    name: _Text
    engine: Literal["postgres", "redshift"]
    details: dict[str, Any]
    is_full_sync: bool = True
    is_on_demand: bool = False
    connection_source: Literal["admin", "setup"] = "admin"


class DatabaseChange(_Strict):
    name: _Text
    engine: Literal["postgres", "redshift"]
    details: dict[str, Any]


class Collection(_Strict):
    name: _Text
    parent_id: int | None = None


class Tag(_Strict):
    id: _Text
    name: _Text
    display_name: _Text = msgspec.field(name="display-name")
    type: Literal["text", "number"]
    default: str | None = None


class Stage(_Strict):
    kind: Literal["mbql.stage/native"] = msgspec.field(name="lib/type")
    native: _Text
    template_tags: dict[str, Tag] = msgspec.field(name="template-tags", default_factory=dict)

    def __post_init__(self) -> None:
        if set(re.findall(r"\{\{(\w+)\}\}", self.native)) != {tag.name for tag in self.template_tags.values()}:
            raise ValueError("template-tags are not those of the SQL")


class Query(_Strict):
    kind: Literal["mbql/query"] = msgspec.field(name="lib/type")
    database: _Id
    stages: Annotated[list[Stage], msgspec.Meta(min_length=1, max_length=1)]


class Parameter(_Strict):
    id: _Text
    type: Literal["category", "number/="]
    name: _Text
    slug: _Text
    target: tuple[Literal["variable"], tuple[Literal["template-tag"], str]]
    default: list[str | int] | None = None


class Card(_Strict):
    name: _Text
    type: Literal["question"]
    display: _Text
    collection_id: _Id
    description: _Text
    dataset_query: Query
    parameters: list[Parameter]
    visualization_settings: dict[str, Any]

    def __post_init__(self) -> None:
        tags = set(self.dataset_query.stages[0].template_tags)
        if {parameter.target[1][1] for parameter in self.parameters} != tags:
            raise ValueError("parameters lead to other tags than the query has")


class Description(_Strict):
    description: _Text


class Dashboard(_Strict):
    name: _Text
    collection_id: _Id
    description: str | None = None


class ValuesSource(_Strict):
    card_id: _Id
    value_field: tuple[Literal["field"], str, dict[str, str]]


class Filter(_Strict):
    id: _Text
    name: _Text
    slug: _Text
    type: Literal["string/=", "number/="]
    section: Literal["string", "number"] = msgspec.field(name="sectionId")
    default: list[str | int] | None = None
    values_query_type: Literal["list", "search", "none"] | None = None
    values_source_type: Literal["card", "static-list"] | None = None
    values_source_config: ValuesSource | None = None


class Mapping(_Strict):
    parameter_id: _Text
    card_id: _Id
    target: tuple[Literal["variable"], tuple[Literal["template-tag"], str]]


class Dashcard(_Strict):
    id: int
    card_id: _Id
    row: Annotated[int, msgspec.Meta(ge=0)]
    col: Annotated[int, msgspec.Meta(ge=0, le=23)]
    size_x: Annotated[int, msgspec.Meta(ge=1, le=24)]
    size_y: Annotated[int, msgspec.Meta(ge=1)]
    visualization_settings: dict[str, Any]
    parameter_mappings: list[Mapping]

    def __post_init__(self) -> None:
        if self.col + self.size_x > 24:
            raise ValueError("a card sticks out of the grid")


class DashboardChange(_Strict):
    name: _Text
    description: _Text
    parameters: list[Filter]
    tabs: Annotated[list[Any], msgspec.Meta(max_length=0)]
    dashcards: list[Dashcard]

    def __post_init__(self) -> None:
        known = {one.id for one in self.parameters}
        if {mapping.parameter_id for card in self.dashcards for mapping in card.parameter_mappings} - known:
            raise ValueError("a mapping leads from a filter that is not there")


class StrictMetabase:
    """What it holds, and every request with a body that it took.

    Attributes:
        requests: (method, path, body).
        refuse_after: It answers 500 once it took so many such requests; None for never.
    """

    def __init__(self, *, is_set_up: bool = True) -> None:
        self.is_set_up = is_set_up
        self.requests: list[tuple[str, str, Any]] = []
        self.refuse_after: int | None = None
        self.held: dict[str, dict[int, dict[str, Any]]] = {
            "database": {1: {"id": 1, "name": "Sample Database", "engine": "h2", "details": {}}},
            "collection": {}, "card": {}, "dashboard": {},
        }  # fmt: skip
        self.sessions: set[str] = set()
        self.synced: list[int] = []
        self.url = ""

    def only(self, kind: str, name: str) -> dict[str, Any]:
        """Returns the one thing of a kind and name."""
        (found,) = (one for one in self.held[kind].values() if one["name"] == name)
        return found

    def _add(self, kind: str, body: dict[str, Any]) -> dict[str, Any]:
        number = len(self.held[kind]) + 2
        self.held[kind][number] = body | {"id": number, "archived": False}
        return self.held[kind][number]

    def answer(
        self, method: str, path: str, query: dict[str, list[str]], body: bytes, signed_in: bool
    ) -> tuple[int, object]:
        """Returns status and JSON."""
        words = path.removeprefix("/api/").split("/")
        if body and method != "GET":
            if self.refuse_after is not None and len(self.requests) >= self.refuse_after:
                return 500, "the application database is full"
            self.requests.append((method, path, json.loads(body)))
        try:
            if words[0] in {"session", "setup"}:
                return self._sign_in(method, words, body)
            if not signed_in:
                return 401, "Unauthenticated"
            return 200, self._of(method, words, query, body)
        except KeyError:
            return 404, "Not found."
        except (msgspec.ValidationError, ValueError) as error:
            return 400, {"errors": str(error)}

    def _sign_in(self, method: str, words: list[str], body: bytes) -> tuple[int, object]:
        if words == ["session", "properties"]:
            return 200, {"setup-token": TOKEN, "has-user-setup": self.is_set_up}
        if words == ["setup"] and method == "POST":
            wish = msgspec.json.decode(body, type=Setup)
            if self.is_set_up or wish.token != TOKEN:
                return 403, "The /api/setup route can only be used to create the first user"
            self.is_set_up = True
        elif msgspec.json.decode(body, type=Session) != Session(username=EMAIL, password=PASSWORD):
            return 401, {"errors": {"password": "did not match stored password"}}
        self.sessions.add(session := str(uuid.uuid4()))
        return 200, {"id": session}

    def _of(self, method: str, words: list[str], query: dict[str, list[str]], body: bytes) -> object:
        match (method, *words):
            case (_, "database", *_):
                return self._of_database(method, words[1:], body)
            case ("GET", "collection"):
                return [{"id": "root", "name": "Our analytics"}, *self.held["collection"].values()]
            case ("POST", "collection"):
                return self._add("collection", msgspec.to_builtins(msgspec.json.decode(body, type=Collection)))
            case ("GET", "collection", number, "items"):
                kind = query["models"][0]
                found = [one for one in self.held[kind].values() if one["collection_id"] == int(number)]
                return {"data": [{"id": one["id"], "model": kind} for one in found if not one["archived"]]}
            case ("GET", "card" | "dashboard" as kind, number):
                return _restless(self.held[kind][int(number)])
        return self._write(method, words, body)

    def _of_database(self, method: str, words: list[str], body: bytes) -> object:
        match (method, *words):
            case ("GET",):
                return {"data": list(self.held["database"].values()), "total": len(self.held["database"])}
            case ("POST",):
                return self._add("database", msgspec.to_builtins(msgspec.json.decode(body, type=Database)))
            case ("GET", number):
                return _without_password(self.held["database"][int(number)])
            case ("PUT", number):
                told = msgspec.to_builtins(msgspec.json.decode(body, type=DatabaseChange))
                return self.held["database"][int(number)].update(told) or {}
            case ("POST", number, "sync_schema"):
                return self.synced.append(int(number)) or {"status": "ok"}
        raise KeyError(words)

    def _write(self, method: str, words: list[str], body: bytes) -> object:
        kind = words[0]
        if method == "PUT" and set(json.loads(body)) == {"description"}:
            told = msgspec.to_builtins(msgspec.json.decode(body, type=Description))
            return self.held[kind][int(words[1])].update(told) or {"id": int(words[1])}
        match (method, *words):
            case ("POST", "card"):
                return self._add("card", msgspec.to_builtins(msgspec.json.decode(body, type=Card)))
            case ("PUT", "card", number):
                told = msgspec.to_builtins(msgspec.json.decode(body, type=Card))
                return self.held["card"][int(number)].update(told) or self.held["card"][int(number)]
            case ("POST", "dashboard"):
                told = msgspec.to_builtins(msgspec.json.decode(body, type=Dashboard))
                return self._add("dashboard", told | {"dashcards": [], "parameters": []})
            case ("PUT", "dashboard", number):
                change = msgspec.json.decode(body, type=DashboardChange)
                for one in change.dashcards:
                    self._check(one)
                return self.held["dashboard"][int(number)].update(msgspec.to_builtins(change)) or {}
        raise KeyError(words)

    def _check(self, shown: Dashcard) -> None:
        (stage,) = self.held["card"][shown.card_id]["dataset_query"]["stages"]
        if {mapping.target[1][1] for mapping in shown.parameter_mappings} - set(stage["template-tags"]):
            raise ValueError("a mapping leads to a tag that the card does not have")


def _without_password(database: dict[str, Any]) -> dict[str, Any]:
    details = {key: "**MetabasePass**" if key == "password" else value for key, value in database["details"].items()}
    return database | {"details": details}


def _restless(held: dict[str, Any]) -> dict[str, Any]:
    """As it is held, with ids in its query and on its dashcards that are others at each answer."""
    told: dict[str, Any] = json.loads(json.dumps(held))
    if "dataset_query" in told:
        told["dataset_query"]["stages"][0]["lib/uuid"] = str(uuid.uuid4())
        told["updated_at"] = str(uuid.uuid4())
    for place, shown in enumerate(told.get("dashcards", [])):
        shown |= {"id": 1000 + place, "created_at": str(uuid.uuid4())}
    return told


@contextmanager
def serving(metabase: StrictMetabase) -> Iterator[StrictMetabase]:
    """Serves on a free port of loopback while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            at = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            known = self.headers.get("X-Metabase-Session") in metabase.sessions
            status, told = metabase.answer(
                self.command, at.path, parse_qs(at.query), body, known or self.headers.get("x-api-key") == API_KEY
            )
            text = told if isinstance(told, str) else json.dumps(told)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text.encode())

        do_GET = do_POST = do_PUT = _serve  # noqa: N815 - the base class's names

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        metabase.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield metabase
        finally:
            server.shutdown()
            thread.join()
