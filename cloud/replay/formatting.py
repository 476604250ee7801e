"""Words and numbers of a report as a person reads them, the same on the terminal and on the page."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from cloud.replay.compare import Alarm
from vitals.signs import INDEX, SIGNS

KEYS: Final = {
    "extreme_low": "extreme low",
    "low": "low",
    "high": "high",
    "extreme_high": "extreme high",
    "delay_s": "delay (s)",
}
_UNITS: Final = {"Cel": "°C", "mm[Hg]": "mmHg"}


def condition(name: str) -> str:
    """Returns what a condition is called."""
    return SIGNS[INDEX[name]].name if name in INDEX else name.replace("-", " ").replace("news2", "NEWS2")


def number(value: float | None) -> str:
    """Returns a value or bound; None is no bound."""
    return "none" if value is None else f"{value:g}"


def change(before: float, after: float) -> str:
    """Returns by how much a rate changes."""
    if not before:
        return ""
    told = f"{(after - before) / before:+.0%}"
    return "0%" if told in {"+0%", "-0%"} else told.replace("-", "\N{MINUS SIGN}")


def moment(t: int, zone: ZoneInfo) -> str:
    """Returns a time, UTC epoch ms, on the ward's clock."""
    return f"{datetime.fromtimestamp(t / 1000, zone):%d %b %Y %H:%M}"


def crossed(alarm: Alarm) -> str:
    """Returns the farthest value of an alarm and the limit that it crossed."""
    if alarm.value is None or alarm.limit is None:
        return alarm.text
    unit = SIGNS[INDEX[alarm.condition]].unit if alarm.condition in INDEX else ""
    unit = _UNITS.get(unit, unit)
    return f"{alarm.value:g} (limit {alarm.limit:g}) {unit}".strip()


def lasted(alarm: Alarm) -> str:
    """Returns how long the condition went on."""
    if alarm.over is None:
        return "went on"
    seconds = max(0, alarm.over - alarm.start) // 1000
    return f"{seconds} s" if seconds < 120 else f"{round(seconds / 60)} min"  # noqa: PLR2004 - two minutes


def middle(delays: Sequence[float | None]) -> tuple[float | None, int]:
    """Returns the median of the delays of what was told of, s, and how many were missed."""
    told = sorted(d for d in delays if d is not None)
    return (told[len(told) // 2] if told else None), len(delays) - len(told)
