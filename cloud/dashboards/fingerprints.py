"""How a question or dashboard in Metabase is known again, and how a person's change to it shows.

The last line of its description is ours: its key, a digest of what was declared, and a digest of what Metabase held
right after it was written. While the second still fits, nobody has touched it. What Metabase holds is compared with
what it held, never with what was sent: it writes queries in forms of its own.
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
    """What a description's last line says.

    Attributes:
        key: Of the question, as "board/question", or of the board.
        declared: Digest of what was declared.
        held: Digest of what Metabase held afterwards; None when the writer never came to read it.
    """

    key: str
    declared: str
    held: str | None = None

    def line(self) -> str:
        """Returns the line."""
        words = [self.key, self.declared, *([self.held] if self.held else [])]
        return f"[wardwatch {' '.join(words)}]"


def described(text: str, mark: Mark) -> str:
    """Returns a description that ends with a mark."""
    return f"{text}\n\n{mark.line()}".strip()


def mark_of(held: dict[str, Any]) -> Mark | None:
    """Returns the mark of a question or dashboard that Metabase holds; None when it is nobody's of ours."""
    found = _LINE.search(held.get("description") or "")
    return Mark(found[1], found[2], found[3]) if found else None


def digest(value: object) -> str:
    """Returns a digest of JSON-like data, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def digest_of_card(held: dict[str, Any]) -> str:
    """Returns the digest of a question, as Metabase answers it."""
    return digest([_text(held), *(_lasting(held.get(name)) for name in _CARD)])


def digest_of_board(held: dict[str, Any]) -> str:
    """Returns the digest of a dashboard, as Metabase answers it."""
    placed = [[_lasting(card.get(name)) for name in _PLACED] for card in held.get("dashcards") or ()]
    placed.sort(key=lambda card: json.dumps(card, sort_keys=True))
    return digest([_text(held), *(_lasting(held.get(name)) for name in _BOARD), placed])


def _text(held: dict[str, Any]) -> str:
    return _LINE.sub("", held.get("description") or "")


def _lasting(value: object) -> object:
    """What stays the same from one answer to the next."""
    if isinstance(value, dict):
        return {key: _lasting(one) for key, one in value.items() if key not in _VOLATILE}
    if isinstance(value, list):
        return [_lasting(one) for one in value]
    return value
