"""Well-formed messages with one thing wrong in them, as text, so that numbers are as long as somebody writes them."""

import json
import random
from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

EDGES = [0, 1, -1, 2**31, 2**32, 2**53, 2**53 + 1, 2**63, -(2**63) - 1, 2**64, 3_723_753_600_001, 253_402_300_799_001]
WORDS = [
    "NaN", "Infinity", "-Infinity", "null", "true", "[]", "{}", '""', "1.0", "-0.0", "0.05", "1e5", "3e6", "1e308",
    "-1e308", "1e309", "5e-324", '"²"', '"١٢٣"', '"72"', r'"\ud800"', r'"\u0000"', r'"a\u200b"', '"a/b"', '" a"',
    '"é"', '"NaN"', '"' + "x" * 600 + '"', "[" * 60 + "]" * 60, "[" * 2000, '{"a":' * 1200,
]  # fmt: skip
TOKENS = st.one_of(
    st.sampled_from(WORDS),
    st.sampled_from(EDGES).map(str),
    st.tuples(st.sampled_from(("", "-")), st.integers(0, 400)).map(lambda p: f"{p[0]}1{'0' * p[1]}"),
    st.integers(-(10**400), 10**400).map(str),
    st.floats().map(json.dumps),
    st.text(st.characters(), max_size=40).map(json.dumps),
)


class Raw(str):
    """Text that stands in the message as it is."""

    __slots__ = ()


def text(value: object) -> str:
    """JSON with raw pieces in it."""
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{json.dumps(key)}:{text(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(text, value)) + "]"
    return json.dumps(value)


def places(value: object, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a message."""
    found = [at] if at else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in items:
        found += places(one, (*at, key))
    return found


def put(value: object, at: tuple[Any, ...], piece: Raw) -> object:
    """The message with a piece in a place."""
    if not at:
        return piece
    changed: Any = dict(value) if isinstance(value, dict) else list(value)  # type: ignore[call-overload] # else a list
    changed[at[0]] = put(changed[at[0]], at[1:], piece)
    return changed


@st.composite
def messages(draw: st.DrawFn, good: object) -> bytes:
    """A good message with up to three wrong values, a key that is there twice, or an end that is missing."""
    made = good
    for _ in range(draw(st.integers(0, 3))):
        # Each time among the places of the good one, so that no piece is looked into.
        at = draw(st.sampled_from(places(good)))
        try:
            made = put(made, at, Raw(draw(TOKENS)))
        except (TypeError, KeyError, IndexError, ValueError):
            continue
    written = text(made)
    if isinstance(good, dict) and draw(st.integers(0, 5)) == 0:
        key = draw(st.sampled_from(list(good)))
        written = written[:-1] + f",{json.dumps(key)}:{draw(TOKENS)}" + "}"
    raw = written.encode(errors="surrogatepass")
    if draw(st.integers(0, 15)) == 0:
        raw = raw[: draw(st.integers(0, len(raw)))]
    return raw


def wrong(good: object, chance: random.Random) -> bytes:
    """As `messages`, for a storm of a million: drawn by a generator of one's own, and now and then no text at all."""
    made = good
    for _ in range(chance.randint(1, 3)):
        try:
            made = put(made, chance.choice(places(good)), Raw(_token(chance)))
        except (TypeError, KeyError, IndexError, ValueError):
            continue
    written = text(made)
    if isinstance(good, dict) and chance.random() < 0.1:
        written = written[:-1] + f",{json.dumps(chance.choice(list(good)))}:{_token(chance)}" + "}"
    raw = written.encode(errors="surrogatepass")
    kind = chance.random()
    if kind < 0.05:
        return raw[: chance.randint(0, len(raw))]
    if kind < 0.1:
        flipped = bytearray(raw)
        for _ in range(chance.randint(1, 8)):
            flipped[chance.randrange(len(flipped))] = chance.randrange(256)
        return bytes(flipped)
    return chance.randbytes(chance.randint(1, 300)) if kind < 0.12 else raw


def _token(chance: random.Random) -> str:
    if chance.random() < 0.7:
        return chance.choice(WORDS)
    sign = chance.choice(("", "-"))
    return str(chance.choice(EDGES)) if chance.random() < 0.5 else f"{sign}1{'0' * chance.randint(0, 400)}"
