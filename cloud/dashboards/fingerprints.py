"""Fingerprints in Metabase: identify our questions and dashboards, and detect a person's changes.

The last line of a description is ours: key, digest of the declaration, and digest of the object in Metabase right after
it was written. While the second digest matches, the object is unchanged. It is computed from Metabase's response, never
from the request, because Metabase rewrites queries.
"""

import hashlib
import json
import re
from typing import Any, Final

import msgspec

_LINE: Final = re.compile(r"\n*\[wardwatch ([a-z0-9/-]+) ([0-9a-f]{16})(?: ([0-9a-f]{16}))?\]\s*$")
_CARD: Final = ("name", "display", "collection_id", "dataset_query", "parameters", "visualization_settings", "archived")
_BOARD: Final = ("name", "collection_id", "parameters", "archived")
_PLACED: Final = ("card_id", "row", "col", "size_x", "size_y", "visualization_settings", "parameter_mappings")
_VOLATILE: Final = frozenset(("lib/uuid", "lib/metadata", "id"))


class Mark(msgspec.Struct, frozen=True):
    """Content of a description's last line.

    Attributes:
        key: Of the question, as "board/question", or of the board.
        declared: Digest of the declaration.
        held: Digest of the object in Metabase afterwards; None if the run was interrupted before it read the object.
    """

    key: str
    declared: str
    held: str | None = None

    def line(self) -> str:
        """Returns the mark as the last line of a description."""
        words = [self.key, self.declared, *([self.held] if self.held else [])]
        return f"[wardwatch {' '.join(words)}]"


def described(text: str, mark: Mark) -> str:
    """Returns a description that ends with a mark."""
    return f"{text}\n\n{mark.line()}".strip()


def mark_of(held: dict[str, Any]) -> Mark | None:
    """Returns the mark of a question or dashboard in Metabase; None if it is not ours."""
    found = _LINE.search(held.get("description") or "")
    return Mark(found[1], found[2], found[3]) if found else None


def digest(value: object) -> str:
    """Returns a digest of JSON-like data, independent of the order of keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def digest_of_card(held: dict[str, Any]) -> str:
    """Returns the digest of a question in Metabase's response."""
    return digest([_text(held), *(_lasting(held.get(name)) for name in _CARD)])


def digest_of_board(held: dict[str, Any]) -> str:
    """Returns the digest of a dashboard in Metabase's response."""
    placed = [[_lasting(card.get(name)) for name in _PLACED] for card in held.get("dashcards") or ()]
    placed.sort(key=lambda card: json.dumps(card, sort_keys=True))
    return digest([_text(held), *(_lasting(held.get(name)) for name in _BOARD), placed])


def _text(held: dict[str, Any]) -> str:
    return _LINE.sub("", held.get("description") or "")


def _lasting(value: object) -> object:
    """Returns a value without the fields that change with every response."""
    if isinstance(value, dict):
        return {key: _lasting(one) for key, one in value.items() if key not in _VOLATILE}
    if isinstance(value, list):
        return [_lasting(one) for one in value]
    return value
