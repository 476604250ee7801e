"""What is declared, as the JSON that Metabase's API takes. Pure."""

import uuid
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from cloud.dashboards.board_files import Board, Filter, Question

Body = dict[str, Any]
NAME: Final = "Wardwatch"
"""Of database and collection."""
_SPACE: Final = uuid.uuid5(uuid.NAMESPACE_DNS, "wardwatch")
_PORTS: Final = {"postgresql": 5432, "redshift": 5439}


def database(url: str, schema: str = "public") -> Body:
    """Returns the warehouse as a Metabase database.

    Args:
        url: As Metabase reaches it: `postgresql://user:password@host:port/database` or `redshift://…`.
        schema: The schema that Metabase shows.

    Raises:
        ValueError: The URL is neither, or lacks user, host or database.
    """
    at = urlsplit(url)
    if at.scheme not in _PORTS or not (at.hostname and at.username and at.path.strip("/")):
        raise ValueError("the warehouse's URL must be postgresql:// or redshift://user:password@host:port/database")
    redshift = at.scheme == "redshift"
    details: Body = {
        "host": at.hostname,
        "port": at.port or _PORTS[at.scheme],
        "db" if redshift else "dbname": at.path.strip("/"),
        "user": unquote(at.username),
        "password": unquote(at.password or ""),
        "schema-filters-type": "inclusion",
        "schema-filters-patterns": schema,
    }
    if not redshift:
        details["ssl"] = "sslmode=disable" not in at.query and at.hostname not in {"localhost", "127.0.0.1"}
    engine = "redshift" if redshift else "postgres"
    more = {"is_full_sync": True, "is_on_demand": False, "connection_source": "admin"}
    return {"name": NAME, "engine": engine, "details": details} | more


def card(board: Board, question: Question, database_id: int, collection_id: int) -> Body:
    """Returns a question without its description."""
    used = [board.filter(slug) for slug in question.tags]
    return {
        "name": question.name,
        "type": "question",
        "display": question.display,
        "collection_id": collection_id,
        "dataset_query": {
            "lib/type": "mbql/query",
            "database": database_id,
            "stages": [
                {
                    "lib/type": "mbql.stage/native",
                    "native": question.query,
                    "template-tags": {one.slug: _tag(board, question, one) for one in used},
                }
            ],
        },
        "parameters": [_parameter(board, question, one) for one in used],
        "visualization_settings": _drawing(question),
    }


def dashboard(board: Board, cards: Mapping[str, int]) -> Body:
    """Returns what fills a dashboard.

    Args:
        board: What is declared.
        cards: Metabase's number of every question, by "board/question".
    """
    places = board.places()
    parameters = [_filter(board, one, cards) for one in board.filters]
    shown = [
        _dashcard(board, question, cards[f"{board.key}/{question.key}"], -1 - place, places[question.key])
        for place, question in enumerate(board.questions)
    ]
    return {"name": board.name, "parameters": parameters, "tabs": [], "dashcards": shown}


def _id(*words: str) -> str:
    return str(uuid.uuid5(_SPACE, "/".join(words)))


def _tag(board: Board, question: Question, one: Filter) -> Body:
    told: Body = {
        "id": _id(board.key, question.key, one.slug),
        "name": one.slug,
        "display-name": one.name,
        "type": one.kind,
    }
    return told | ({} if one.default is None else {"default": str(one.default)})


def _parameter(board: Board, question: Question, one: Filter) -> Body:
    told: Body = {
        "id": _id(board.key, question.key, one.slug),
        "type": "number/=" if one.kind == "number" else "category",
        "name": one.name,
        "slug": one.slug,
        "target": _target(one),
    }
    return told | ({} if one.default is None else {"default": [one.default]})


def _filter(board: Board, one: Filter, cards: Mapping[str, int]) -> Body:
    section = "number" if one.kind == "number" else "string"
    told: Body = {
        "id": _id(board.key, one.slug)[:8],
        "name": one.name,
        "slug": one.slug,
        "type": f"{section}/=",
        "sectionId": section,
    }
    if one.default is not None:
        told["default"] = [one.default]
    if one.values:
        told |= {
            "values_query_type": "list",
            "values_source_type": "card",
            "values_source_config": {
                "card_id": cards[one.values],
                "value_field": ["field", one.slug, {"base-type": "type/Text"}],
            },
        }
    return told


def _dashcard(board: Board, question: Question, card_id: int, number: int, place: tuple[int, int]) -> Body:
    return {
        "id": number,
        "card_id": card_id,
        "row": place[0],
        "col": place[1],
        "size_x": question.width,
        "size_y": question.height,
        "visualization_settings": {},
        "parameter_mappings": [
            {
                "parameter_id": _id(board.key, slug)[:8],
                "card_id": card_id,
                "target": _target(board.filter(slug)),
            }
            for slug in question.tags
        ],
    }


def _target(one: Filter) -> list[Any]:
    return ["variable", ["template-tag", one.slug]]


def _drawing(question: Question) -> Body:
    axes: Body = {}
    if question.x:
        axes = {"graph.dimensions": list(question.x), "graph.metrics": list(question.drawn)}
    return axes | question.settings
