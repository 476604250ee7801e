"""Real hosts and bad lines: `make faults ONLY=network`, some thirteen minutes; see `tests.faults.network_path`.

`NETWORK_OUTAGE_S` (360) and `NETWORK_PHASE_S` (60) shorten it.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from tests.faults.hosts import alone
from tests.faults.network_path import OVER_UNTIL
from vitals.engine.rules.constants import LIVE_MS

ROOT: Final = Path(__file__).resolve().parents[2]
OUTAGE_S: Final = float(os.environ.get("NETWORK_OUTAGE_S", "360"))
PHASE_S: Final = float(os.environ.get("NETWORK_PHASE_S", "60"))
STARTUP_S: Final = 900.0
DRAIN_GOAL_S: Final = 60.0
PAGE_GOAL_S: Final = 60.0


def play(outage_s: float, phase_s: float, how: str) -> dict[str, Any]:
    """Plays the story in namespaces of its own.

    Returns:
        What was seen.

    Raises:
        RuntimeError: It could not be played.
    """
    words = ("-m", "tests.faults.network_path", str(outage_s), str(phase_s), how)
    done = subprocess.run(  # noqa: S603 - this module's own words
        alone([sys.executable, *words]),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        timeout=STARTUP_S + outage_s + 6 * phase_s,
    )
    if done.returncode != 0:
        raise RuntimeError("the hosts did not come up; what they said stands above")
    seen: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return seen


def rows() -> list[dict[str, Any]]:
    """Returns the rows of `faults.json`."""
    seen = play(OUTAGE_S, PHASE_S, "whole")
    sys.stderr.write(f"{json.dumps(seen)}\n")
    weather = f"2 s latency, 10 % loss, {OUTAGE_S:g} s without uplink, {PHASE_S:g} s parted"
    note = f"{seen['accepted']:,} readings; {weather}"
    page_s = seen["page_after_heal_s"]
    # What ended so shortly before that it is judged as live may be told.
    over = 0 if OUTAGE_S * (1 - OVER_UNTIL) * 1000 > LIVE_MS else None
    return [
        _row("network.lost", seen["lost"], "readings", 0, note),
        _row("network.lost_scored", seen["lost_scored"], "readings", 0, "between gateway and vitals.scored"),
        _row("network.stale_pages", seen["stale_pages"], "pages", 0, "for what is too old to be judged live"),
        _row(
            "network.pages_of_what_was_over",
            seen["pages_of_what_was_over"],
            "pages",
            over,
            "ended before the line healed",
        ),
        _row("network.drain_s", seen["drain_s"], "s", DRAIN_GOAL_S, f"{seen['waiting_batches']} batches after healing"),
        _row("network.backlog_left", seen["backlog_left"], "batches", 0, "at the end"),
        _row(
            "network.page_after_heal_s", page_s if page_s is not None else 1e9, "s", PAGE_GOAL_S, "for who is still ill"
        ),
        _row("network.twice_in_kafka", seen["twice_in_kafka"], "readings", None, "sent again; stores drop them"),
    ]


def _row(name: str, value: float, unit: str, goal: float | None, note: str) -> dict[str, Any]:
    return {"name": name, "value": value, "unit": unit, "goal": goal, "better": "lower", "note": note}
