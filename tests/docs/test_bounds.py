"""The table of bounds in docs/security.md is the code's."""

from pathlib import Path
from typing import get_args, get_type_hints

import pytest
from msgspec import Meta

from vitals import bounds
from vitals.admissions import Admission, DeviceAssignment
from vitals.alarm_events import AlarmEvent
from vitals.status import Status

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "security.md").read_text(encoding="utf-8")
SECTION = TEXT.split("## What a door takes")[1].split("\n## ")[0]
ROWS = {
    cells[1].strip(" `"): cells for row in SECTION.splitlines() if (cells := row.split("|"))[1:2] and "`" in cells[1]
}
TYPES = {
    name: meta
    for name in dir(bounds)
    if not name.startswith("_")
    for meta in getattr(getattr(bounds, name), "__metadata__", ())
    if isinstance(meta, Meta)
}
LISTS = (
    "MAX_SIGNS",
    "MAX_MESSAGE",
    "MAX_ASIDE",
    "MAX_REFUSED",
    "MAX_DEVICES",
    "MAX_CONTACTS",
    "MAX_SLOTS",
    "MAX_RECENT",
    "MAX_RANGES",
)


def test_the_table_has_every_bound_and_no_other() -> None:
    assert ROWS.keys() == TYPES.keys() | set(LISTS)


@pytest.mark.parametrize("name", TYPES)
def test_a_bound_is_as_the_table_says(name: str) -> None:
    meta, (_, _, least, most, *_) = TYPES[name], ROWS[name]
    if meta.max_length is not None:
        # A pattern of one character or more has no length of its own.
        lengths = (1 if meta.pattern else meta.min_length or 0, meta.max_length)
    else:
        lengths = (meta.ge, meta.lt - 1 if meta.lt is not None else meta.le)
    assert [float(cell) if "." in cell else int(cell) for cell in (least, most)] == list(lengths)


@pytest.mark.parametrize("name", LISTS)
def test_a_list_is_as_long_as_the_table_says(name: str) -> None:
    assert int(ROWS[name][3]) == getattr(bounds, name)


@pytest.mark.parametrize("kind", [Admission, DeviceAssignment, Status, AlarmEvent])
def test_no_number_or_text_that_crosses_is_without_bounds(kind: type) -> None:
    """A field of a bare `int`, `str` or list is one that nobody thought of; a measured value has its sign's."""
    bare = {name: hint for name, hint in get_type_hints(kind, include_extras=True).items() if hint in {int, str}}
    unions = {
        name
        for name, hint in get_type_hints(kind, include_extras=True).items()
        if {int, str} & {one for one in get_args(hint) if isinstance(one, type)}
        if not hasattr(hint, "__metadata__")
    }
    assert bare == {}
    assert unions == set()
