"""Each requirement has tests, each mark names a requirement, and the page says so."""

import pytest

from tests.docs.trace import PAGE, REQUIREMENTS, found, marks, page, requirements

KNOWN = requirements(REQUIREMENTS.read_text(encoding="utf-8"))


def test_the_requirements_of_the_ward_are_all_read() -> None:
    assert list(KNOWN) == [*(f"R{k}" for k in range(1, 13)), *(f"Q{k}" for k in range(1, 11))]
    assert (KNOWN["R6"], KNOWN["Q3"]) == ("Recurrence", "Standby")


def test_each_requirement_has_a_test_and_each_mark_a_requirement() -> None:
    assert set(found()) == set(KNOWN)


def test_the_page_is_what_the_marks_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(KNOWN, found()), "run python -m tests.docs.trace"


def test_a_mark_that_is_no_literal_is_refused() -> None:
    with pytest.raises(ValueError, match="literal id"):
        list(marks("@pytest.mark.requirement(x)\ndef test_a(): ...\n"))
