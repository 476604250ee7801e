"""The writing guide of CONTRIBUTING.md: paraphrases within a budget, docstrings that open with a noun or a verb."""

import ast

import pytest

from tests.docs.language import OPENING, count, docstrings, files_of, paraphrases

# Paraphrase words in a thousand. Lower a figure when a room is below it; never raise one. The goal is 5.
BUDGET = {
    "vitals": 2.0,
    "edge": 0.5,
    "bridge": 2.5,
    "cloud": 2.0,
    "firmware_sim": 1.5,
    "infra": 3.5,
    "docs": 7.0,
}
OPENINGS = {"vitals": 0, "edge": 0, "bridge": 0, "cloud": 0, "firmware_sim": 0, "infra": 0}
"""Docstrings that may still open with a question word."""


@pytest.mark.parametrize("room", BUDGET)
def test_a_room_has_no_more_paraphrases_than_its_budget(room: str) -> None:
    bad, words = count(files_of(room))
    assert words > 1_000, "the count reads nothing"
    assert 1_000 * bad / words <= BUDGET[room], f"{bad} of {words} words; python -m tests.docs.language {room}"


@pytest.mark.parametrize("room", OPENINGS)
def test_docstrings_open_with_a_noun_or_a_verb(room: str) -> None:
    opened = [
        f"{file.name}:{line}: {text[:60]}"
        for file in files_of(room)
        for line, text in docstrings(ast.parse(file.read_text(encoding="utf-8")))
        if OPENING.match(text)
    ]
    assert len(opened) <= OPENINGS[room], "\n".join(opened)


def test_paraphrases_are_found_and_code_is_not_read() -> None:
    assert paraphrases("Tells whoever asks what came.") == ["tells", "whoever", "asks", "what", "came"]
    assert paraphrases("It goes on with `what` it has.") == ["goes on"]
    assert paraphrases("Returns the newest batch.") == []
