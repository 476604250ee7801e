"""Command line of a command that loads a CSV file."""

import argparse
import sys
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import TypeVar

from cloud.admissions.csv_reader import Table

T = TypeVar("T")


def parser(
    command: str, what: str, doc: str | None, *, required: Collection[str], optional: Collection[str]
) -> argparse.ArgumentParser:
    """Returns the parser of a command: `file`, and `skip_bad`.

    Args:
        command: Name of the command.
        what: Name of the file in its usage.
        doc: Description of the command.
        required: Columns that the file must have.
        optional: Columns that it may have.
    """
    columns = f"CSV: {', '.join(sorted(required))}; may: {', '.join(sorted(optional))}"
    made = argparse.ArgumentParser(prog=f"python -m cloud {command}", description=doc)
    made.add_argument("file", metavar=what, type=Path, help=columns)
    made.add_argument("--skip-bad", action="store_true", help="load the good rows even when others are bad")
    return made


def table(path: Path, parse: Callable[[Iterable[str]], Table[T]], *, skip_bad: bool) -> Table[T] | None:
    """Parses a file and prints its errors; None if a bad row keeps it from being loaded.

    Raises:
        OSError: The file cannot be read.
    """
    with path.open(encoding="utf-8-sig", newline="") as file:
        found = parse(file)
    sys.stderr.writelines(f"{path}: {error}\n" for error in found.errors)
    if found.errors and not skip_bad:
        sys.stderr.write(f"{path}: nothing was loaded; correct it, or use --skip-bad\n")
        return None
    return found
