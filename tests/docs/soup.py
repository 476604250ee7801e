"""Software of others (SOUP) with the versions in use: the generated table of `docs/soup.md`.

    python -m tests.docs.soup           # writes the table

Versions are those of the lock file; packages and reasons are those of docs/dependencies.md. IEC 62304 (5.3.3, 7.1.3)
asks for the list, and for the anomalies that are known of each.
"""

import re
import sys
import tomllib
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
PAGE: Final = ROOT / "docs" / "soup.md"
BEGIN: Final = "<!-- software: a test holds this table against the lock file -->\n"
END: Final = "<!-- end of software -->\n"


def normal(name: str) -> str:
    """Returns a package's name as the lock file has it."""
    return re.sub(r"[-_.]+", "-", name.strip()).lower()


def used(text: str) -> dict[str, str]:
    """Returns the deployables of each package by its normal name, from docs/dependencies.md."""
    rows = re.findall(r"^\| ([\w., \[\]-]+) \| ([^|]+) \|", text, re.MULTILINE)
    return {normal(name): extra.strip() for names, extra in rows if names != "Package" for name in names.split(",")}


def versions(lock: str) -> dict[str, str]:
    """Returns the locked version of each package."""
    return {package["name"]: package.get("version", "") for package in tomllib.loads(lock)["package"]}


def table(root: Path = ROOT) -> str:
    """Returns the table as the page must have it; development tools are left out, as no deployable has them."""
    locked = versions((root / "uv.lock").read_text(encoding="utf-8"))
    names = used((root / "docs" / "dependencies.md").read_text(encoding="utf-8"))
    lines = ["| Software | Version | Part |", "|---|---|---|"]
    for name, extra in sorted(names.items()):
        if extra != "dev" and not set(name) <= {"-"}:
            lines.append(f"| {name} | {locked[name]} | {extra} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Writes the table into the page."""
    head, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    PAGE.write_text(head + BEGIN + table() + END + rest.partition(END)[2], encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
