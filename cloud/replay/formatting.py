"""Formats a report's texts and numbers, the same for the terminal and the page."""

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
    """Returns the name of a condition."""
    return SIGNS[INDEX[name]].name if name in INDEX else name.replace("-", " ").replace("news2", "NEWS2")


def number(value: float | None) -> str:
    """Returns a value or limit as text; None is no limit."""
    return "none" if value is None else f"{value:g}"


def change(before: float, after: float) -> str:
    """Returns the relative change of a rate, in percent."""
    if not before:
        return ""
    told = f"{(after - before) / before:+.0%}"
    return "0%" if told in {"+0%", "-0%"} else told.replace("-", "\N{MINUS SIGN}")


def moment(t: int, zone: ZoneInfo) -> str:
    """Returns a time, UTC epoch ms, in the ward's time zone."""
    return f"{datetime.fromtimestamp(t / 1000, zone):%d %b %Y %H:%M}"


def crossed(alarm: Alarm) -> str:
    """Returns the farthest value of an alarm and its limit."""
    if alarm.value is None or alarm.limit is None:
        return alarm.text
    unit = SIGNS[INDEX[alarm.condition]].unit if alarm.condition in INDEX else ""
    unit = _UNITS.get(unit, unit)
    return f"{alarm.value:g} (limit {alarm.limit:g}) {unit}".strip()


def lasted(alarm: Alarm) -> str:
    """Returns the duration of a condition."""
    if alarm.over is None:
        return "went on"
    seconds = max(0, alarm.over - alarm.start) // 1000
    return f"{seconds} s" if seconds < 120 else f"{round(seconds / 60)} min"  # noqa: PLR2004 - two minutes


def middle(delays: Sequence[float | None]) -> tuple[float | None, int]:
    """Returns the median of the delays of detected events, s, and the number of missed events."""
    told = sorted(d for d in delays if d is not None)
    return (told[len(told) // 2] if told else None), len(delays) - len(told)
