"""The HTML report by which a ward chooses its limits: one file, without external resources."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import Final
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader, StrictUndefined

from cloud.replay import plots
from cloud.replay.compare import Alarm, per_day
from cloud.replay.formatting import KEYS, change, condition, crossed, lasted, middle, moment, number
from cloud.replay.report import Report
from vitals.alarm_events import Priority

SHOWN: Final = 200
"""Maximum number of alarms in one table; the JSON has them all."""
NIGHT: Final = frozenset((22, 23, 0, 1, 2, 3, 4, 5))
Table = tuple[Sequence[str], Sequence[Sequence[str]]]
"""Head and rows."""
_TEMPLATES: Final = Environment(
    loader=PackageLoader("cloud.replay", "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True
)
_TEMPLATES.filters["thousands"] = "{:,}".format


def page(report: Report, zone: ZoneInfo) -> str:
    """Returns the page.

    Args:
        report: Result of the replay.
        zone: The ward's time zone.
    """
    where = ", ".join(report.wards) or "no ward"
    missed = [middle(side.delays)[1] for side in report.sides]
    vanish = report.difference.vanish if report.difference else ()
    return _TEMPLATES.get_template("page.html").render(
        title=f"Alarm limits: what a change would mean ({where})" if report.difference else f"Alarms ({where})",
        report=report,
        zone=zone,
        plots=plots,
        moment=partial(moment, zone=zone),
        change=change,
        shown=SHOWN,
        tiles=list(_tiles(report, zone)),
        counts=[len(side.alarms) for side in report.sides],
        missed=missed[-1] - missed[0],
        high=sum(a.priority is Priority.HIGH for a in vanish),
        tried=list(_tried(report)),
        rates=_rates(report),
        delays=list(_delays(report)),
        events=_events(report, zone),
        rows=partial(_rows, zone=zone),
    )


def _tiles(report: Report, zone: ZoneInfo) -> Iterator[tuple[str, str]]:
    """Yields label and text of each tile."""
    yield _tile("alarms per patient and day", [report.rate(side) for side in report.sides])
    high = [report.rate(side, Priority.HIGH) for side in report.sides]
    yield _tile("of high priority, per patient and day", high)
    if report.patient_days:
        nights = [
            side.count(lambda a: datetime.fromtimestamp(a.told / 1000, zone).hour in NIGHT) / report.patient_days
            for side in report.sides
        ]
        yield _tile("at night (22 to 6), per patient", nights)


def _tile(label: str, values: Sequence[float]) -> tuple[str, str]:
    more = f" ({change(*values)})" if len(values) > 1 and change(*values) else ""
    return label + more, " → ".join(f"{value:.1f}" for value in values)


def _tried(report: Report) -> Iterator[Sequence[str]]:
    for who, sign, pairs in report.changes:
        for key, (before, after) in pairs.items():
            usual = number(before) if who.startswith("profile") else "as it was"
            yield who, condition(sign), KEYS[key], usual, number(after)


def _rates(report: Report) -> Table:
    head = ["", *(f"{p.label}, {side.name}" for side in report.sides for p in reversed(Priority))]
    rates = [per_day(side.alarms, report.patient_days) for side in report.sides]
    return head, [
        (condition(name), *(f"{rate.get(name, {}).get(p.label, 0):.2f}" for rate in rates for p in reversed(Priority)))
        for name in dict.fromkeys(name for rate in rates for name in rate)
    ]


def _delays(report: Report) -> Iterator[str]:
    for side in report.sides:
        median, missed = middle(side.delays)
        told = "none told of" if median is None else f"told of after {median:.0f} s (median)"
        yield f"{side.name}: {told}, {missed} of {len(report.marked)} missed"


def _events(report: Report, zone: ZoneInfo) -> Table:
    head = ("patient", "event", "began", *(f"told after, {side.name}" for side in report.sides))
    return head, [
        (event.patient, event.event, moment(event.begins, zone), *(_delay(side.delays[k]) for side in report.sides))
        for k, event in enumerate(report.marked[:SHOWN])
    ]


def _delay(delay: float | None) -> str:
    return "missed" if delay is None else f"{delay:.0f} s"


def _rows(found: Sequence[Alarm], zone: ZoneInfo) -> Sequence[Sequence[str]]:
    ordered = sorted(found, key=lambda a: (-a.priority, -((a.over or 2**62) - a.start)))
    return [
        (a.priority.label, a.patient, a.bed or "", moment(a.told, zone), condition(a.condition), crossed(a), lasted(a))
        for a in ordered[:SHOWN]
    ]
