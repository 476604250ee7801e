"""Measures: `make bench`, `make peers` and `make faults`, each with `[ONLY=part]`.

- `bench`: the speed, memory and size of our own parts, from `tests/bench`;
- `peers`: the same work through another program and through ours, interleaved, from `tests/peers`;
- `faults`: storms of kills, cuts and bad input under load, with what was lost, from `tests/faults`.

Each file `{kind}_{part}.py` in such a folder has `rows()`, which measures and returns dictionaries of name, value,
unit, goal (or None), better ("lower" or "higher") and note. They are printed as a table and written to `{kind}.json`.
A goal that is missed is printed and fails nothing, but a storm's: `make faults` fails for a row that does not hold.
Storms are drawn from the hash of the commit that is judged, unless `FAULTS_SEED` names another one.
"""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

ROOT: Final = Path(__file__).resolve().parents[2]
KINDS: Final = ("bench", "peers", "faults")


def parts(kind: str) -> list[str]:
    """Returns the parts that have measurements of a kind."""
    return sorted(path.stem.removeprefix(f"{kind}_") for path in (ROOT / "tests" / kind).glob(f"{kind}_*.py"))


def measure(kind: str, part: str) -> list[dict[str, Any]]:
    """Runs one part's measurements.

    Returns:
        Its rows, each with `held`: whether the goal was met.
    """
    path = ROOT / "tests" / kind / f"{kind}_{part}.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return [held(row) for row in module.rows()]


def held(row: dict[str, Any]) -> dict[str, Any]:
    """Returns a row with the verdict on its goal; a row without a goal is only reported, unless it has a verdict."""
    if row.get("void"):
        return row | {"held": False}
    if "held" in row:
        return row
    if row.get("goal") is None:
        return row | {"held": True}
    met = row["value"] <= row["goal"] if row["better"] == "lower" else row["value"] >= row["goal"]
    return row | {"held": bool(met)}


def table(rows: list[dict[str, Any]]) -> Table:
    """Returns the rows as a table."""
    shown = Table()
    for title in ("row", "value", "unit", "goal", "held", "note"):
        shown.add_column(title, justify="right" if title in {"value", "goal"} else "left")
    for row in rows:
        goal = "" if row.get("goal") is None else f"{row['goal']:,g}"
        told = "void" if row.get("void") else "yes" if row["held"] else "no"
        shown.add_row(row["name"], f"{row['value']:,.4g}", row["unit"], goal, told, row.get("note", ""))
    return shown


def commit_seed() -> int:
    """Returns a seed drawn from the hash of the judged commit, so that no code was tuned on it."""
    argv = ("git", "rev-parse", "--short=7", "HEAD")
    head = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - own words
    return int(head.stdout.strip() or "0", 16)


def main(arguments: list[str]) -> int:
    """Measures the parts that `ONLY` names, or all, of the kind that the argument names."""
    kind, only = (arguments or ["bench"])[0], os.environ.get("ONLY", "")
    chosen = [part for part in parts(kind) if not only or part == only]
    if kind not in KINDS or not chosen:
        sys.stderr.write(f"ONLY={only} names nothing for make {kind}; there are {', '.join(parts(kind))}\n")
        return 2
    os.environ.setdefault("FAULTS_SEED", str(commit_seed()))
    rows = [row for part in chosen for row in measure(kind, part)]
    Path(f"{kind}.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    Console(width=None if sys.stdout.isatty() else 160).print(table(rows))
    return int(kind == "faults" and not all(row["held"] for row in rows))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
