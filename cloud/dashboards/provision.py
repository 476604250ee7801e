"""Brings the declared dashboards into a Metabase: what is there and unchanged stays, what a person changed is told.

Safe to run again at any moment, also after it was cut off in the middle.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from cloud.dashboards import fingerprints, metabase_payloads
from cloud.dashboards.board_files import Board
from cloud.dashboards.client import Metabase, MetabaseError
from cloud.dashboards.fingerprints import Mark

HIDDEN: Final = frozenset(("password",))
"""Metabase answers these with a placeholder."""


class Outcome(StrEnum):
    """What became of one thing that is declared."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    KEPT = "changed by hand, left as it is"


@dataclass(frozen=True, slots=True)
class Done:
    """One line of the report."""

    what: str
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class _Kind:
    """Questions or dashboards: where they live, and how a change to them shows."""

    name: str
    path: str
    digest: Callable[[dict[str, Any]], str]


_CARD: Final = _Kind("card", "/api/card", fingerprints.digest_of_card)
_BOARD: Final = _Kind("dashboard", "/api/dashboard", fingerprints.digest_of_board)


@dataclass(slots=True)
class Provisioner:
    """One run.

    Attributes:
        metabase: Signed in.
        overwrite: Whether what a person changed is put back.
    """

    metabase: Metabase
    overwrite: bool = False
    _held: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)

    def run(self, boards: Sequence[Board], database: dict[str, Any]) -> Iterator[Done]:
        """Does the work, telling of each thing as it is done.

        Args:
            boards: What is declared.
            database: The warehouse, as `bodies.database` returns it.

        Raises:
            MetabaseError: Metabase refused, or two things there bear one mark.
        """
        database_id, outcome = self._database(database)
        yield Done("database", outcome)
        collection_id, outcome = self._collection()
        yield Done("collection", outcome)
        self._look(collection_id)
        cards: dict[str, int] = {}
        for board in boards:
            for question in board.questions:
                key = f"{board.key}/{question.key}"
                body = metabase_payloads.card(board, question, database_id, collection_id)
                cards[key], outcome = self._card(key, question.description, body)
                yield Done(key, outcome)
        for board in boards:
            _, outcome = self._board(board, collection_id, metabase_payloads.dashboard(board, cards))
            yield Done(board.key, outcome)

    def _database(self, wanted: dict[str, Any]) -> tuple[int, Outcome]:
        answer = self.metabase.get("/api/database")
        listed = answer["data"] if isinstance(answer, dict) else answer
        same = [one for one in listed if one["name"] == wanted["name"]]
        if not same:
            number = int(self.metabase.post("/api/database", wanted)["id"])
            self.metabase.post(f"/api/database/{number}/sync_schema")
            return number, Outcome.CREATED
        number = int(same[0]["id"])
        held = self.metabase.get(f"/api/database/{number}")
        details = held.get("details") or {}
        told = {name: value for name, value in wanted["details"].items() if name not in HIDDEN}
        if held["engine"] == wanted["engine"] and all(details.get(name) == value for name, value in told.items()):
            return number, Outcome.UNCHANGED
        if not self.overwrite:
            return number, Outcome.KEPT
        changed = {name: wanted[name] for name in ("name", "engine", "details")}
        self.metabase.put(f"/api/database/{number}", changed)
        return number, Outcome.UPDATED

    def _collection(self) -> tuple[int, Outcome]:
        for one in self.metabase.get("/api/collection"):
            # The root has the id "root"; what lies in the trash is as good as gone.
            if one["name"] == metabase_payloads.NAME and not one.get("archived") and isinstance(one["id"], int):
                return one["id"], Outcome.UNCHANGED
        made = self.metabase.post("/api/collection", {"name": metabase_payloads.NAME, "parent_id": None})
        return int(made["id"]), Outcome.CREATED

    def _look(self, collection_id: int) -> None:
        """Finds what of ours is there already, by the marks in the descriptions."""
        for kind in (_CARD, _BOARD):
            items = self.metabase.get(f"/api/collection/{collection_id}/items", models=kind.name)["data"]
            for item in items:
                held = self.metabase.get(f"{kind.path}/{item['id']}")
                mark = fingerprints.mark_of(held)
                if mark is None:
                    continue
                if (kind.name, mark.key) in self._held:
                    raise MetabaseError(
                        f"two {kind.name}s in the collection {metabase_payloads.NAME} are marked as {mark.key}: "
                        "one is a copy. "
                        "Take the line that begins with [wardwatch from the copy's description, then run this again."
                    )
                self._held[kind.name, mark.key] = held

    def _card(self, key: str, text: str, body: dict[str, Any]) -> tuple[int, Outcome]:
        wanted = fingerprints.digest([text, body])
        outcome, held = self._compare(_CARD, key, wanted)
        if outcome in {Outcome.UNCHANGED, Outcome.KEPT}:
            return held["id"], outcome
        begun = body | {"description": fingerprints.described(text, Mark(key, wanted))}
        made = self.metabase.put(f"/api/card/{held['id']}", begun) if held else self.metabase.post("/api/card", begun)
        self._seal(_CARD, made["id"], text, Mark(key, wanted))
        return made["id"], outcome

    def _board(self, board: Board, collection_id: int, body: dict[str, Any]) -> tuple[int, Outcome]:
        wanted = fingerprints.digest([board.description, body])
        outcome, held = self._compare(_BOARD, board.key, wanted)
        if outcome in {Outcome.UNCHANGED, Outcome.KEPT}:
            return held["id"], outcome
        mark = Mark(board.key, wanted)
        text = fingerprints.described(board.description, mark)
        if not held:
            empty = {"name": board.name, "description": text, "collection_id": collection_id}
            held = self.metabase.post("/api/dashboard", empty)
        self.metabase.put(f"/api/dashboard/{held['id']}", body | {"description": text})
        self._seal(_BOARD, held["id"], board.description, mark)
        return held["id"], outcome

    def _compare(self, kind: _Kind, key: str, wanted: str) -> tuple[Outcome, dict[str, Any]]:
        held = self._held.get((kind.name, key))
        mark = fingerprints.mark_of(held) if held else None
        if held is None or mark is None:
            return Outcome.CREATED, {}
        # Without the second digest, the run that wrote it was cut off before it could read it.
        by_hand = mark.held is not None and mark.held != kind.digest(held)
        if by_hand and not self.overwrite:
            return Outcome.KEPT, held
        same = mark.held is not None and mark.declared == wanted and not by_hand
        return (Outcome.UNCHANGED if same else Outcome.UPDATED), held

    def _seal(self, kind: _Kind, number: int, text: str, mark: Mark) -> None:
        """Writes beside the mark what Metabase holds now: the last step, so that a run cut off before it shows."""
        held = self.metabase.get(f"{kind.path}/{number}")
        sealed = Mark(mark.key, mark.declared, kind.digest(held))
        self.metabase.put(f"{kind.path}/{number}", {"description": fingerprints.described(text, sealed)})


def summary(done: Iterable[Done]) -> str:
    """Returns one line with how many things had which outcome."""
    counted = [one.outcome for one in done]
    return ", ".join(f"{counted.count(outcome)} {outcome.value}" for outcome in Outcome if outcome in counted)
