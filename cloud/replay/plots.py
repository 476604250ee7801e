"""The plots of a report, as SVG that stands inside the page."""

import io
import re
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import matplotlib as mpl
from matplotlib.figure import Figure

from cloud.replay.compare import per_day
from cloud.replay.formatting import condition
from cloud.replay.report import Report
from vitals.alarm_events import Priority

COLOURS: Final = {Priority.HIGH: "#c62828", Priority.MEDIUM: "#f2b600", Priority.LOW: "#2a9d9d"}
"""Red, yellow and cyan, as alarm signals have them."""
NOW, THEN = "#5b6470", "#1f5fbf"
PATIENTS: Final = 15
FEW: Final = 10
"""Below it a rate is shown with a decimal."""
STYLE: Final[dict[Any, Any]] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "wardwatch",
    "font.family": "sans-serif",
    "font.size": 11,
}


def _svg(figure: Figure, label: str) -> str:
    out = io.StringIO()
    with mpl.rc_context(STYLE):
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = out.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    # A width in points does not shrink with the page.
    text = re.sub(r'(<svg[^>]*?) (?:width|height)="[^"]*"', r"\1", re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", text))
    return text.replace("<svg", f'<svg role="img" aria-label="{label}"', 1)


def _axes(height: float) -> tuple[Figure, Any]:
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9, height), layout="constrained")
        axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x", color="#e4e7eb")
    axes.set_axisbelow(True)
    return figure, axes


def by_sign(report: Report) -> str:
    """Alarms per patient-day by sign: a bar for each set of rules, in it the priorities."""
    rates = [per_day(side.alarms, report.patient_days) for side in report.sides]
    names = list(dict.fromkeys(name for rate in rates for name in rate))
    figure, axes = _axes(1.8 + 0.35 * len(names) * len(rates))
    ticks, labels = [], []
    for k, name in enumerate(names):
        for s, (side, rate) in enumerate(zip(report.sides, rates, strict=True)):
            y, left = k * (len(rates) + 0.6) + s, 0.0
            for priority in reversed(Priority):
                width = rate.get(name, {}).get(priority.label, 0.0)
                axes.barh(y, width, left=left, height=0.85, color=COLOURS[priority])
                left += width
            axes.text(left, y, f" {left:.1f}" if left < FEW else f" {left:.0f}", va="center")
            ticks.append(y)
            labels.append(f"{condition(name)}, {side.name}" if len(rates) > 1 else condition(name))
    axes.set_yticks(ticks, labels)
    axes.invert_yaxis()
    axes.set_xlabel("alarms per patient and day")
    handles = [mpl.patches.Patch(color=COLOURS[p], label=p.label) for p in reversed(Priority)]
    figure.legend(handles=handles, loc="outside upper right", ncols=3, frameon=False)
    return _svg(figure, "Alarms per patient and day, by sign and priority")


def by_hour(report: Report, zone: ZoneInfo) -> str:
    """Alarms per patient-day by hour of the day: where the night is disturbed."""
    figure, axes = _axes(3.2)
    for side, colour, dash in zip(report.sides, (NOW, THEN), ("-", "--"), strict=False):
        hours = Counter(datetime.fromtimestamp(a.told / 1000, zone).hour for a in side.alarms)
        rates = [hours[h] / report.patient_days if report.patient_days else 0 for h in range(24)]
        axes.step(
            range(25), [*rates, rates[-1]], where="post", color=colour, linestyle=dash, label=side.name, linewidth=2
        )
    for first, last in ((0, 6), (22, 24)):
        axes.axvspan(first, last, color="#1d2b53", alpha=0.08, linewidth=0)
    axes.set_xlim(0, 24)
    axes.set_ylim(bottom=0)
    axes.set_xticks(range(0, 25, 2))
    axes.set_xlabel(f"hour of the day ({zone.key}); the night is shaded")
    axes.set_ylabel("alarms per patient and day")
    figure.legend(loc="outside upper right", ncols=2, frameon=False)
    return _svg(figure, "Alarms by hour of the day")


def by_patient(report: Report) -> str:
    """The patients with most alarms: how many each had, and would have had."""
    counts = [Counter(a.patient for a in side.alarms) for side in report.sides]
    first = [name for name, _ in sum(counts[:1], Counter()).most_common(PATIENTS)]
    names = first or [name for name, _ in counts[-1].most_common(PATIENTS)]
    figure, axes = _axes(1.8 + 0.32 * len(names))
    for y, name in enumerate(names):
        values = [count[name] for count in counts]
        axes.plot([min(values), max(values)], [y, y], color="#c4cad2", linewidth=3, zorder=1)
        for value, colour, mark in zip(values, (NOW, THEN), "os", strict=False):
            axes.scatter(value, y, color=colour, marker=mark, s=55, zorder=2)
    for side, colour, mark in zip(report.sides, (NOW, THEN), "os", strict=False):
        axes.scatter([], [], color=colour, marker=mark, s=55, label=side.name)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlim(left=0)
    axes.set_xlabel("alarms")
    figure.legend(loc="outside upper right", ncols=2, frameon=False)
    return _svg(figure, "The patients with most alarms")


def by_event(report: Report) -> str:
    """How long after its beginning each marked event was told of; what was missed stands apart on the right."""
    told = [d for side in report.sides for d in side.delays if d is not None]
    edge = max(told, default=1.0) * 1.15 + 1
    figure, axes = _axes(2.2 + 0.3 * len(report.marked))
    for side, colour, mark, up in zip(report.sides, (NOW, THEN), "os", (-0.12, 0.12), strict=False):
        _dots(axes, side.delays, edge, (colour, mark), up)
        axes.scatter([], [], color=colour, marker=mark, s=55, label=side.name)
    axes.axvline(edge * 0.97, color="#c62828", linewidth=1)
    axes.text(edge, 1.02, "missed", color="#c62828", ha="center", transform=axes.get_xaxis_transform())
    axes.set_yticks(range(len(report.marked)), [f"{e.patient}, {e.event}" for e in report.marked])
    axes.invert_yaxis()
    axes.set_xlabel("seconds from the event's beginning to the first alarm")
    figure.legend(loc="outside upper right", ncols=2, frameon=False)
    return _svg(figure, "Detection delay of marked events")


def _dots(axes: Any, delays: Sequence[float | None], edge: float, look: tuple[str, str], up: float) -> None:  # noqa: ANN401 - matplotlib's axes
    colour, mark = look
    for y, delay in enumerate(delays):
        axes.scatter(edge if delay is None else delay, y + up, color=colour, marker=mark, s=55)
