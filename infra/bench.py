"""`make bench [ONLY=part]`: runs the benchmarks in `tests/bench`, writes `bench.json` and prints a table.

Each `tests/bench/bench_{part}.py` has `rows()`, which measures and returns dictionaries of name, value, unit, goal,
better ("lower" or "higher") and note. A goal that is missed is printed and fails nothing.
"""

import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

ROOT: Final = Path(__file__).resolve().parents[1]
FOLDER: Final = ROOT / "tests" / "bench"
RESULT: Final = Path("bench.json")


def parts() -> list[str]:
    """Returns the parts that have benchmarks."""
    return sorted(path.stem.removeprefix("bench_") for path in FOLDER.glob("bench_*.py"))


def measure(part: str) -> list[dict[str, Any]]:
    """Runs one part's benchmarks.

    Returns:
        Its rows, each with `held`: whether the goal was met.
    """
    path = FOLDER / f"bench_{part}.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return [held(row) for row in module.rows()]


def held(row: dict[str, Any]) -> dict[str, Any]:
    """Returns a row with the verdict on its goal; a row without a goal is only reported."""
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
        told = "yes" if row["held"] else "no"
        shown.add_row(row["name"], f"{row['value']:,.4g}", row["unit"], goal, told, row.get("note", ""))
    return shown


def main() -> int:
    """Measures the parts that `ONLY` names, or all."""
    only = os.environ.get("ONLY", "")
    chosen = [part for part in parts() if not only or part == only]
    if not chosen:
        sys.stderr.write(f"ONLY={only} names no benchmark; there are {', '.join(parts())}\n")
        return 1
    rows = [row for part in chosen for row in measure(part)]
    RESULT.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    Console(width=None if sys.stdout.isatty() else 160).print(table(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
