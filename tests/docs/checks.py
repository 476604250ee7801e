"""Checks of the documents against the code, run by `make check`: what the docs name must exist."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

HAZARDS: Final = Path("docs/hazards.md")
TEST_ID: Final = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
CODE: Final = re.compile(r"`((?:vitals|edge|bridge|cloud|firmware_sim|infra|tests)/[\w/]+\.py)(?::([\w.]+))?")
LINK: Final = re.compile(r"\[[^\]]+\]\((?!https?:)([^)#\s]+)(?:#[^)]*)?\)")


def hazard_rows(text: str) -> Iterator[tuple[int, str]]:
    """Yields line number and line of each row of the hazards' tables."""
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("|") and not re.match(r"\|[\s\-|:]+$", line) and "Hazard" not in line.split("|")[1]:
            yield number, line


def hazards(root: Path) -> list[str]:
    """Returns what is wrong with the hazard table: a row without a test, or a test that does not exist."""
    found = []
    for number, line in hazard_rows((root / HAZARDS).read_text(encoding="utf-8")):
        tests = TEST_ID.findall(line)
        if not tests:
            found.append(f"{HAZARDS}:{number}: the row names no test as `tests/…/test_x.py::test_claim`")
        for file, name in tests:
            path = root / file
            if not path.is_file() or not re.search(rf"^\s*def {name}\(", path.read_text(encoding="utf-8"), re.M):
                found.append(f"{HAZARDS}:{number}: there is no test {file}::{name}")
    return found


def links(root: Path) -> list[str]:
    """Returns links between documents that lead nowhere."""
    found: list[str] = []
    for document in sorted([*root.glob("*.md"), *root.glob("docs/**/*.md")]):
        for number, line in enumerate(document.read_text(encoding="utf-8").splitlines(), 1):
            found.extend(
                f"{document.relative_to(root)}:{number}: {target} does not exist"
                for target in LINK.findall(line)
                if not (document.parent / target).exists()
            )
    return found


def code(root: Path) -> list[str]:
    """Returns modules and names that documents mention and that do not exist."""
    found: list[str] = []
    for document in sorted([*root.glob("*.md"), *root.glob("docs/*.md")]):
        if document.name == "CHANGELOG.md":
            continue
        for number, line in enumerate(document.read_text(encoding="utf-8").splitlines(), 1):
            for file, name in CODE.findall(line):
                path = root / file
                names = name.rstrip(".").split(".") if name and not name.startswith(".") else []
                text = path.read_text(encoding="utf-8") if path.is_file() else ""
                if not text or any(not re.search(rf"\b{each}\b", text) for each in names):
                    found.append(f"{document.relative_to(root)}:{number}: there is no {file} with {name or 'any name'}")
    return found


def main() -> int:
    """Prints what is wrong; the exit status says whether anything was."""
    root = Path(__file__).resolve().parents[2]
    found = [*hazards(root), *links(root), *code(root)]
    for line in found:
        sys.stderr.write(line + "\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
