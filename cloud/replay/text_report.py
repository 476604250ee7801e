"""A replay's result as a table on the terminal."""

from rich.table import Table

from cloud.replay.compare import per_day
from cloud.replay.formatting import change, condition, middle
from cloud.replay.report import Report
from vitals.alarm_events import Priority

PRIORITIES = tuple(reversed(Priority))


def table(report: Report) -> Table:
    """Returns alarms per patient-day by sign and priority, in force and under the trial."""
    shown = Table(title=f"Alarms per patient and day ({report.patients} patients, {report.patient_days:.1f} days)")
    shown.add_column("condition")
    for side in report.sides:
        for priority in PRIORITIES:
            shown.add_column(f"{priority.label}\n{side.name}", justify="right")
        shown.add_column(f"all\n{side.name}", justify="right", style="bold")
    if report.difference is not None:
        shown.add_column("change", justify="right")
    rates = [per_day(side.alarms, report.patient_days) for side in report.sides]
    for name in dict.fromkeys(name for rate in rates for name in rate):
        _row(shown, condition(name), [rate.get(name, {}) for rate in rates])
    shown.add_section()
    total = [{p.label: report.rate(side, p) for p in Priority} for side in report.sides]
    _row(shown, "all", total)
    return shown


def _row(shown: Table, name: str, rates: list[dict[str, float]]) -> None:
    cells = [name]
    for rate in rates:
        cells += [f"{rate.get(p.label, 0):.2f}" for p in PRIORITIES] + [f"{sum(rate.values()):.2f}"]
    if len(rates) > 1:
        cells.append(change(*(sum(rate.values()) for rate in rates)))
    shown.add_row(*cells)


def lines(report: Report) -> list[str]:
    """Returns what stands below the table."""
    found = []
    if (d := report.difference) is not None:
        high = sum(alarm.priority is Priority.HIGH for alarm in d.vanish)
        found.append(
            f"{len(d.vanish)} alarms vanish ({high} of them high), {len(d.appear)} appear; of {d.kept} that stay, "
            f"{d.raised} become more urgent and {d.lowered} less"
        )
    for side in report.sides if report.marked else ():
        median, missed = middle(side.delays)
        told = "none was told of" if median is None else f"told of after {median:g} s (median)"
        found.append(f"{side.name}: of {len(report.marked)} marked events {missed} missed, {told}")
    if (a := report.agreement) is not None:
        gives = f"{a.both}, and {a.replayed - a.both} others"
        found.append(f"check: of {a.raised} alarm steps raised at the time, this replay gives {gives}")
    return found
