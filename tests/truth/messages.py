"""Messages to people, as a judge reads them, from the product's own records: topics `alarms` and `notifications`."""

from collections.abc import Iterable
from itertools import groupby
from typing import Any, Final

from vitals.alarm_events import AlarmEvent, Kind
from vitals.contacts import Notification

_GROUPS: Final = {
    "hr": "rate",
    "pr": "rate",
    "rr": "breathing",
    "spo2": "oxygen",
    "temp": "temperature",
    "sbp": "pressure",
    "dbp": "pressure",
    "map": "pressure",
}
_WHOLE: Final = {"vital-signs-lost": "circulation", "news2-risk": "score"}
_NOT_MONITORED: Final = frozenset({"device-silent", "gateway-down", "bridge-down", "pipeline-stalled", "not-judged"})


def problem(event: AlarmEvent) -> str | None:
    """Returns the problem that an alarm names, None for one that no requirement knows, such as a sensor that is off."""
    if event.condition in _NOT_MONITORED:
        return "not-monitored"
    group = _GROUPS.get(event.condition)
    if group is None:
        return _WHOLE.get(event.condition)
    side = event.side
    if not side and event.value is not None and event.limit is not None:  # of before version 0.2
        side = -1 if event.value < event.limit else 1
    return f"{group}-{'low' if side < 0 else 'high'}"


def named(event: AlarmEvent) -> tuple[str, ...]:
    """Returns the problems that a message about an event names."""
    if event.incident:
        return tuple(name for name in event.problems if not name.startswith("diastolic"))
    name = problem(event)
    return () if name is None else (name,)


def messages(events: Iterable[AlarmEvent], notifications: Iterable[Notification]) -> list[dict[str, Any]]:
    """Returns one entry for each message that was accepted, by time.

    Args:
        events: Every alarm event that was written.
        notifications: Every record of topic `notifications`; those that share a message share its SNS id.

    Returns:
        `t` (UTC epoch ms), `to`, `kind`, `priority`, `patient` or `patients`, `problems`, and `reached`, which is true:
        SNS says no more than that it accepted.
    """
    known = {(event.id, event.n): event for event in events}
    accepted = sorted(
        (n for n in notifications if n.sns is not None and n.first), key=lambda n: (n.accepted, n.contact, n.sns)
    )
    found = []
    for (t, to, _), group in groupby(accepted, key=lambda n: (n.accepted, n.contact, n.sns)):
        told = [known[n.alarm, n.n] for n in group if (n.alarm, n.n) in known]
        if told:
            found.append({"t": t, "to": to, **_said(told), "reached": True})
    return found


def _said(told: list[AlarmEvent]) -> dict[str, Any]:
    lead = max(told, key=lambda event: event.priority)
    patients = sorted({event.patient for event in told if event.patient is not None})
    problems = sorted({name for event in told for name in named(event)})
    kind = "technical" if lead.kind is Kind.TECHNICAL else lead.call.value or ("handover" if lead.handover else "page")
    about = {"patient": patients[0]} if len(patients) == 1 else {"patient": None, "patients": patients}
    return {"kind": kind, "priority": lead.priority.label, **about, "problems": problems}
