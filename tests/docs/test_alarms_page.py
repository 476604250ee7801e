"""Default limits and delays: the page's tables are the code's, and what has a name never changes."""

import hashlib
import json
from pathlib import Path
from typing import Final

from cloud.alarm.equipment_alarms import HEARD
from edge.status.health import TEXTS
from vitals.conditions import CATALOGUE
from vitals.engine.rules import constants
from vitals.engine.rules.not_judged import WATCH
from vitals.engine.rules.technical_alarms import HIERARCHY
from vitals.limits import PROFILES, Limit
from vitals.signs import FIELDS, SIGNS

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "alarms.md"
LIMITS: Final = "<!-- limits: a test holds this table against the code -->", "<!-- end of limits -->"
NAMES: Final = "<!-- conditions: a test holds this table against the code -->", "<!-- end of conditions -->"
TIMES: Final = "<!-- times: a test holds this table against the code -->", "<!-- end of times -->"
FROZEN: Final = {
    "adult": "87c9ed32e199f733",
    "copd": "ca8fcea2b3410f00",
    "home": "9ee2a1b21115de29",
    "infant": "a850d93bb296af8b",
    "toddler": "1bf659ddfdd0bd6c",
    "child": "2d3bcd56fc29c5e2",
    "adolescent": "5bcfb3998fd39a67",
}
"""Digests of the built-in profiles. A reading says by its place in this list which limits judged it: lake, page and
replay read that years later. To change a profile, append one under its name with `@2` and give it a digest here."""


def limits_table() -> str:
    """Returns the table as the page must have it."""
    lines = [
        "| Profile | Sign | Unit | Extreme low | Low | High | Extreme high | Delay, s |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for profile in PROFILES:
        for sign, limit in zip(SIGNS, profile.limits, strict=True):
            cells = [limit.extreme_low, limit.low, limit.high, limit.extreme_high]
            shown = " | ".join("" if cell is None else f"{cell:g}" for cell in cells)
            lines.append(f"| {profile.profile} | {sign.field} | {sign.unit} | {shown} | {limit.delay_s:g} |")
    return "\n".join(lines)


def times_table() -> str:
    """Returns the table as the page must have it."""
    lines = ["| Sign | Beyond an extreme bound, s | Worse than acknowledged by | for, s |", "|---|---|---|---|"]
    for s, sign in enumerate(SIGNS):
        extreme, worse = constants.EXTREME_DELAY_MS[s] / 1000, constants.WORSE_STEP[s]
        lines.append(
            f"| {sign.field} | {extreme:g} | {worse:g} {sign.unit} | {constants.MEDIUM_DELAY_MS[s] / 1000:g} |"
        )
    return "\n".join(lines)


def conditions_table() -> str:
    """Returns the table as the page must have it."""
    lines = ["| Condition | Kind | Priority | Meaning |", "|---|---|---|---|"]
    for name, one in CATALOGUE.items():
        lines.append(f"| {name} | {one.kind.value} | {one.priority.label} | {one.meaning} |")
    return "\n".join(lines)


def between(marks: tuple[str, str]) -> str:
    return PAGE.read_text().partition(marks[0])[2].partition(marks[1])[0].strip()


def test_the_limits_on_the_page_are_those_in_force() -> None:
    assert between(LIMITS) == limits_table()


def test_the_times_on_the_page_are_those_in_force() -> None:
    assert between(TIMES) == times_table()


def test_the_conditions_on_the_page_are_those_of_the_catalogue() -> None:
    assert between(NAMES) == conditions_table()


def test_whatever_the_code_tells_of_is_in_the_catalogue() -> None:
    told = {*constants.CONDITIONS, *HIERARCHY, *WATCH, *HEARD, *TEXTS} - set(FIELDS)
    assert told == set(CATALOGUE)


def digest(limits: tuple[Limit, ...]) -> str:
    rows = [[x.extreme_low, x.low, x.high, x.extreme_high, x.delay_s] for x in limits]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:16]


def test_a_built_in_profile_stays_what_it_was_where_it_was() -> None:
    assert [(p.profile, digest(p.limits)) for p in PROFILES] == list(FROZEN.items())
