"""Dashboards as they are declared: one TOML file each, with its filters and its questions."""

import re
from collections.abc import Mapping
from importlib.resources import files
from typing import Annotated, Any, Final

import msgspec

from cloud.warehouse.ddl import each_sign
from vitals.signs import FIELDS

GRID: Final = 24
"""Columns of a Metabase dashboard."""
DISPLAYS: Final = frozenset(("scalar", "table", "line", "bar", "row", "area", "gauge", "pie"))
_TAG: Final = re.compile(r"\{\{(\w+)\}\}")
_KEY: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_Text = Annotated[str, msgspec.Meta(min_length=1)]


class BoardError(ValueError):
    """A declaration is wrong; the message names file and place."""


class Filter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A filter of a dashboard, which its questions use as `{{slug}}`.

    Attributes:
        slug: Its name in SQL.
        name: Its label.
        kind: "text" or "number".
        values: Question whose column `slug` lists what can be chosen, as "board/question"; "" for free input.
        default: What holds until somebody chooses.
    """

    slug: _Text
    name: _Text
    kind: str = "text"
    values: str = ""
    default: str | int | None = None

    def __post_init__(self) -> None:
        if self.kind not in {"text", "number"}:
            raise ValueError(f"filter {self.slug}: kind {self.kind!r} is neither text nor number")


class Question(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A question and its place on the dashboard; questions fill rows of the grid from the left, in their order.

    Attributes:
        key: Unique on its dashboard; never changes, so that a new name is no new question.
        name: Its title.
        display: One of DISPLAYS.
        sql: In the SQL that Redshift and PostgreSQL share; `[[…{{slug}}…]]` is left out while the filter is empty, and
            `{each: …}` is repeated for every sign.
        width: Grid columns, 1 to 24.
        height: Grid rows.
        x: Columns on the horizontal axis: the first, and what tells series apart.
        y: Columns that are drawn; SIGN in one stands for every sign.
        settings: Further visualization settings, by Metabase's names.
        description: What a reader should know.
    """

    key: _Text
    name: _Text
    display: str
    sql: _Text
    width: Annotated[int, msgspec.Meta(ge=1, le=GRID)] = 12
    height: Annotated[int, msgspec.Meta(ge=1)] = 6
    x: tuple[str, ...] = ()
    y: tuple[str, ...] = ()
    settings: dict[str, Any] = {}
    description: str = ""

    def __post_init__(self) -> None:
        if self.display not in DISPLAYS or not _KEY.fullmatch(self.key):
            raise ValueError(f"question {self.key}: display {self.display!r} or its key is none that Metabase knows")

    @property
    def query(self) -> str:
        """Its SQL with every sign in it."""
        return each_sign(self.sql.strip())

    @property
    def tags(self) -> tuple[str, ...]:
        """Filters that its SQL uses, in order."""
        return tuple(dict.fromkeys(_TAG.findall(self.sql)))

    @property
    def drawn(self) -> tuple[str, ...]:
        """The columns that are drawn, with every sign."""
        return tuple(name for column in self.y for name in (_of_signs(column) if "SIGN" in column else (column,)))


class Board(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One dashboard.

    Attributes:
        key: Unique; never changes.
        name: Its title.
        description: What it is for.
        filters: Its filters, in their order.
        questions: Its questions, in their order.
    """

    key: _Text
    name: _Text
    description: _Text
    filters: tuple[Filter, ...]
    questions: tuple[Question, ...]

    def __post_init__(self) -> None:
        keys = [question.key for question in self.questions]
        if len(set(keys)) != len(keys) or not keys:
            raise ValueError(f"board {self.key}: it has no questions, or two with one key")
        known = {one.slug for one in self.filters}
        for question in self.questions:
            if unknown := set(question.tags) - known:
                raise ValueError(f"board {self.key}, question {question.key}: no filter {sorted(unknown)}")

    def filter(self, slug: str) -> Filter:
        """Returns a filter by its slug."""
        return next(one for one in self.filters if one.slug == slug)

    def places(self) -> dict[str, tuple[int, int]]:
        """Returns (row, column) of every question's upper left corner."""
        found: dict[str, tuple[int, int]] = {}
        row = column = tallest = 0
        for question in self.questions:
            if column + question.width > GRID:
                row, column, tallest = row + tallest, 0, 0
            found[question.key] = (row, column)
            column, tallest = column + question.width, max(tallest, question.height)
        return found


def boards() -> tuple[Board, ...]:
    """Reads all declarations that come with Wardwatch.

    Raises:
        BoardError: One is wrong.
    """
    folder = files(__package__) / "boards"
    texts = {entry.name: entry.read_bytes() for entry in folder.iterdir() if entry.name.endswith(".toml")}
    return read(texts)


def read(texts: Mapping[str, bytes]) -> tuple[Board, ...]:
    """Reads declarations by file name, and holds them together: a filter's list of values must be a question.

    Raises:
        BoardError: One is wrong.
    """
    found = []
    for name in sorted(texts):
        try:
            found.append(msgspec.toml.decode(texts[name], type=Board))
        except (msgspec.DecodeError, ValueError) as error:
            raise BoardError(f"{name}: {error}") from error
    there = {f"{board.key}/{question.key}" for board in found for question in board.questions}
    wanted = {one.values for board in found for one in board.filters if one.values}
    if missing := wanted - there:
        raise BoardError(f"filters take their values from questions that are not there: {sorted(missing)}")
    return tuple(found)


def _of_signs(text: str) -> tuple[str, ...]:
    return tuple(text.replace("SIGN", field) for field in FIELDS)
