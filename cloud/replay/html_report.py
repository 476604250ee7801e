"""The page by which a ward chooses its limits: one HTML file, with nothing fetched from elsewhere."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from html import escape
from importlib.resources import files
from string import Template
from typing import Final
from zoneinfo import ZoneInfo

from cloud.replay import plots
from cloud.replay.compare import Alarm, Difference, per_day
from cloud.replay.formatting import KEYS, change, condition, crossed, lasted, middle, moment, number
from cloud.replay.report import Report
from vitals.alarm_events import Priority

SHOWN: Final = 200
"""Alarms listed at most in one table; the JSON has them all."""
NIGHT: Final = frozenset((22, 23, 0, 1, 2, 3, 4, 5))
_LIMITS: Final = """<p class="note">This page counts what Wardwatch would have told, from readings of the past. It
does not know which alarms mattered: somebody who came because of an alarm may have changed what followed, and with
other limits nobody would have come. Rare emergencies may not be among these days at all. Wardwatch is secondary
notification beside the bedside monitor, and the monitor's own alarms and limits are not part of this. A change of
limits is the decision of those who treat the patients.</p>"""


def page(report: Report, zone: ZoneInfo) -> str:
    """Returns the page.

    Args:
        report: What came of the replay.
        zone: The ward's time zone.
    """
    where = ", ".join(report.wards) or "no ward"
    title = f"Alarm limits: what a change would mean ({where})" if report.difference else f"Alarms ({where})"
    lead = (
        f"{moment(report.since, zone)} to {moment(report.until, zone)} ({zone.key}), {report.patients} patients, "
        f"{report.patient_days:.1f} patient-days, {report.readings:,} readings. Contains patient numbers."
    )
    body = "\n".join(part for part in _parts(report, zone) if part)
    template = Template((files(__package__) / "page.html").read_text(encoding="utf-8"))
    return template.substitute(title=escape(title), lead=escape(lead), body=body)


def _parts(report: Report, zone: ZoneInfo) -> Iterable[str]:
    yield _summary(report, zone)
    yield _tried(report)
    if any(side.alarms for side in report.sides):
        yield f"<h2>What the alarms are about</h2>{_rates(report)}{plots.by_sign(report)}"
        yield f"<h2>When they call</h2>{plots.by_hour(report, zone)}"
        yield f"<h2>Whom they are about</h2>{plots.by_patient(report)}"
    if report.marked:
        yield _events(report, zone)
    if report.difference is not None:
        yield _difference(report.difference, zone)
    yield f"<h2>What this page cannot tell</h2>{_LIMITS}{_check(report)}"


def _summary(report: Report, zone: ZoneInfo) -> str:
    tiles = [
        _tile("alarms per patient and day", [report.rate(side) for side in report.sides]),
        _tile("of high priority, per patient and day", [report.rate(side, Priority.HIGH) for side in report.sides]),
    ]
    if report.patient_days:
        nights = [
            side.count(lambda a: datetime.fromtimestamp(a.told / 1000, zone).hour in NIGHT) / report.patient_days
            for side in report.sides
        ]
        tiles.append(_tile("at night (22 to 6), per patient", nights))
    found = f'<div class="tiles">{"".join(tiles)}</div>'
    if (d := report.difference) is None:
        return found
    before, after = (len(side.alarms) for side in report.sides)
    high = sum(a.priority is Priority.HIGH for a in d.vanish)
    found += (
        f"<p>With the limits tried here staff would have been called <b>{after:,}</b> times instead of "
        f"<b>{before:,}</b> ({change(before, after) or 'no change'}). {len(d.vanish):,} alarms vanish, "
        f"{len(d.appear):,} appear; of the {d.kept:,} that stay, {d.raised:,} become more urgent and "
        f"{d.lowered:,} less.</p>"
    )
    missed = [middle(side.delays)[1] for side in report.sides]
    if report.marked and missed[1] > missed[0]:
        found += (
            f'<p class="watch">{missed[1] - missed[0]} more of the marked events would have been <b>missed</b>.</p>'
        )
    if high:
        found += (
            f'<p class="watch"><b>{high:,} alarms of high priority vanish.</b> Look at each of them below before '
            "these limits are used.</p>"
        )
    return found


def _tile(label: str, values: Sequence[float]) -> str:
    told = " → ".join(f"{value:.1f}" for value in values)
    more = f" ({change(*values)})" if len(values) > 1 and change(*values) else ""
    return f'<div class="tile"><b>{told}</b><span>{escape(label)}{more}</span></div>'


def _tried(report: Report) -> str:
    if not report.changes:
        return ""
    rows = []
    for who, sign, pairs in report.changes:
        for key, (before, after) in pairs.items():
            usual = number(before) if who.startswith("profile") else "as it was"
            rows.append((who, condition(sign), KEYS[key], usual, number(after)))
    head = ("for", "sign", "what", "now", "tried")
    more = "<p>Limits that somebody has set for one patient stay, unless that patient is named here.</p>"
    return f"<h2>What was tried</h2>{_table(head, rows)}{more}"


def _rates(report: Report) -> str:
    head = ["", *(f"{p.label}, {side.name}" for side in report.sides for p in reversed(Priority))]
    rates = [per_day(side.alarms, report.patient_days) for side in report.sides]
    rows = [
        (condition(name), *(f"{rate.get(name, {}).get(p.label, 0):.2f}" for rate in rates for p in reversed(Priority)))
        for name in dict.fromkeys(name for rate in rates for name in rate)
    ]
    return f"<p>Alarms per patient and day.</p>{_table(head, rows, numbers=len(head) - 1)}"


def _events(report: Report, zone: ZoneInfo) -> str:
    said = []
    for side in report.sides:
        median, missed = middle(side.delays)
        told = "none told of" if median is None else f"told of after {median:.0f} s (median)"
        said.append(f"{side.name}: {told}, {missed} of {len(report.marked)} missed")
    rows = [
        (event.patient, event.event, moment(event.begins, zone), *(_delay(side.delays[k]) for side in report.sides))
        for k, event in enumerate(report.marked)
    ]
    head = ("patient", "event", "began", *(f"told after, {side.name}" for side in report.sides))
    listed = f"<details><summary>Each of them</summary>{_table(head, rows[:SHOWN])}</details>"
    plot = plots.by_event(report) if len(report.marked) <= SHOWN // 4 else ""
    return f"<h2>How soon marked events are told of</h2><p>{escape('; '.join(said))}.</p>{plot}{listed}"


def _delay(delay: float | None) -> str:
    return "missed" if delay is None else f"{delay:.0f} s"


def _difference(found: Difference, zone: ZoneInfo) -> str:
    text = "<h2>Alarms that vanish</h2><p>The most urgent first, then the longest.</p>"
    text += _alarms(found.vanish, zone)
    return text + "<h2>Alarms that appear</h2>" + _alarms(found.appear, zone)


def _alarms(found: Sequence[Alarm], zone: ZoneInfo) -> str:
    if not found:
        return "<p>None.</p>"
    ordered = sorted(found, key=lambda a: (-a.priority, -((a.over or 2**62) - a.start)))
    rows = [
        (a.priority.label, a.patient, a.bed or "", moment(a.told, zone), condition(a.condition), crossed(a), lasted(a))
        for a in ordered[:SHOWN]
    ]
    head = ("priority", "patient", "bed", "told", "about", "farthest value", "lasted")
    more = f"<p>{len(found) - SHOWN:,} more are in the JSON file.</p>" if len(found) > SHOWN else ""
    return _table(head, rows, classes=[row[0] for row in rows]) + more


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], numbers: int = 0, classes: Sequence[str] = ()) -> str:
    """A table; its last `numbers` columns are right-aligned, and each row may have a class."""
    mark = [""] * (len(head) - numbers) + [' class="n"'] * numbers
    top = "".join(f"<th{m}>{escape(cell)}</th>" for cell, m in zip(head, mark, strict=True))
    body = ""
    for k, row in enumerate(rows):
        cells = "".join(f"<td{m}>{escape(cell)}</td>" for cell, m in zip(row, mark, strict=True))
        body += f'<tr class="{classes[k]}">{cells}</tr>' if classes else f"<tr>{cells}</tr>"
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def _check(report: Report) -> str:
    if (a := report.agreement) is None:
        return "<p>The lake has no alarms of that time to check this replay against.</p>"
    return (
        f"<p>Check of this replay itself: under the limits in force it gives {a.both:,} of the {a.raised:,} alarm "
        f"steps that were raised at the time, and {a.replayed - a.both:,} that were not.</p>"
    )
