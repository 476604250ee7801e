"""First starts with one tier behind the rest: `make faults ONLY=starts`, some 40 minutes.

Each of scoring, alarm tier, bridge and notifier 0, 90 and 300 s behind the others, on an empty stack; patients fall ill
throughout (`tests/faults/late_start.py`). Everybody who is ill must be on a nurse's phone within 30 s of the moment
when the last tier was ready (it serves, and Spark scores), or of their fall when that came later.

`STARTS_TIERS=watch,score` plays some tiers alone (`topics`: whoever makes the topics comes late), `STARTS_S=90` some
delays: `STARTS_S=90 make faults ONLY=starts` takes some 12 minutes. What was seen is kept in `var/faults-starts.json`,
the processes' logs beside it in `var/faults-starts/`.
"""

import dataclasses
import json
import os
import sys
import time
from pathlib import Path
from typing import Any, Final

from tests.faults.late_start import LATE, TOPICS, Start, play

TIERS: Final = tuple(filter(None, os.environ.get("STARTS_TIERS", ",".join(LATE)).split(",")))
DELAYS_S: Final = tuple(map(float, filter(None, os.environ.get("STARTS_S", "0,90,300").split(","))))
KEPT: Final = Path("var/faults-starts.json")
GOAL_S: Final = 30.0


def say(line: str) -> None:
    """Progress."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} faults starts: {line}\n")


def measure() -> list[Start]:
    """Plays every start.

    Raises:
        ValueError: STARTS_TIERS names what is none.
    """
    if unknown := set(TIERS) - {*LATE, TOPICS}:
        raise ValueError(f"STARTS_TIERS names {', '.join(sorted(unknown))}; there are {', '.join((*LATE, TOPICS))}")
    found: list[Start] = []
    KEPT.parent.mkdir(exist_ok=True)
    for tier in TIERS:
        for gap_s in DELAYS_S:
            say(f"{tier} {gap_s:g} s behind the rest")
            start = play(tier, gap_s, GOAL_S, say, KEPT.with_suffix("") / f"{tier}-{gap_s:g}")
            found.append(start)
            say(str(start))
            KEPT.write_text(json.dumps([dataclasses.asdict(one) for one in found], indent=1) + "\n")
    return found


def rows() -> list[dict[str, Any]]:
    """Returns the rows of `faults.json`."""
    found = measure()
    open_stalls = [one for one in found if one.stalled and one.stalled[-1] != "end"]
    again = [one for one in found if one.stalled.count("start") > 1]
    return [
        *(page(one) for one in found),
        _row("unpaged", sum(len(one.unpaged) for one in found), "patients", 0, f"of {_looked(found)} in all starts"),
        _row("told_twice", sum(one.twice for one in found), "records", 0, "of one message that are there again"),
        _row("stalls_left", len(open_stalls), "starts", 0, "in which pipeline-stalled did not end by itself"),
        _row("stalls_again", len(again), "starts", 0, "in which it was told more than once"),
        _row("messages", max(one.messages for one in found), "messages", None, "in the start that has most of them"),
        _row("events", max(one.most_events for one in found), "events", None, "of the alarm that has most of them"),
    ]


def page(one: Start) -> dict[str, Any]:
    """Returns the row of one start."""
    said = [
        f"slowest of {len(one.paged_s)} pages",
        f"its alarm after {max(one.alarmed_s.values(), default=0.0):g} s at most",
        f"ready {one.ready_s:g} s after it came",
        *([f"pipeline-stalled: {' '.join(one.stalled)}"] if one.stalled else []),
        f"load {one.load:g}",
    ]
    return _row(f"{one.late}_{one.gap_s:g}_s", one.worst_s, "s", GOAL_S, "; ".join(said))


def _looked(found: list[Start]) -> int:
    return sum(len(one.paged_s) + len(one.unpaged) for one in found)


def _row(name: str, value: float, unit: str, goal: float | None, note: str) -> dict[str, Any]:
    return {"name": f"starts.{name}", "value": value, "unit": unit, "goal": goal, "better": "lower", "note": note}
