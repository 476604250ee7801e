"""`docs/renames.tsv` leads from a name of an older document to one that exists."""

import csv
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROWS = list(csv.DictReader((ROOT / "docs" / "renames.tsv").read_text(encoding="utf-8").splitlines(), delimiter="\t"))


def source(module: str) -> str:
    """Returns the text of a module; empty if there is none."""
    path = ROOT / module.replace(".", "/")
    files = [file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()]
    return "\n".join(file.read_text(encoding="utf-8") for file in files)


def module_of(name: str) -> str:
    """Returns the longest part of a dotted name that is a module."""
    while name and not source(name):
        name = name.rpartition(".")[0]
    return name


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["old"])
def test_a_renamed_thing_exists_under_its_new_name(row: dict[str, str]) -> None:
    module = module_of(row["new"])
    rest = row["new"].removeprefix(module).strip(".")
    assert module
    assert (row["kind"] == "symbol") == bool(rest)
    assert all(re.search(rf"\b{name}\b", source(module)) for name in filter(None, rest.split(".")))


def test_every_name_stands_once() -> None:
    old = [row["old"] for row in ROWS]
    assert len(old) == len(set(old)) > 400
