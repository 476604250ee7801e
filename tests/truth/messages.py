"""Messages to people, as a judge reads them, from the product's own records: topics `alarms` and `notifications`."""

from collections.abc import Iterable
from typing import Any, Final

from vitals.alarms import AlarmEvent, Kind
from vitals.contacts import Notification

SIDED: Final = {
    "hr": "rate",
    "pr": "rate",
    "rr": "breathing",
    "spo2": "oxygen",
    "temp": "temperature",
    "sbp": "pressure",
    "dbp": "pressure",
    "map": "pressure",
}
WHOLE: Final = {
    "vital-signs-lost": "circulation",
    "news2-risk": "score",
    **dict.fromkeys(
        ("device-silent", "gateway-down", "bridge-down", "pipeline-stalled", "readings-late"), "not-monitored"
    ),
}


def problem(event: AlarmEvent) -> str | None:
    """Returns what an alarm is about, in the requirements' words; None for what they do not know."""
    group = SIDED.get(event.condition)
    if group is None:
        return WHOLE.get(event.condition)
    below = event.value is not None and event.limit is not None and event.value < event.limit
    return f"{group}-{'low' if below else 'high'}"


def messages(events: Iterable[AlarmEvent], notifications: Iterable[Notification]) -> list[dict[str, Any]]:
    """Returns one entry for each message that SNS accepted, by time; alarms of one message share its SNS id."""
    known = {(event.id, event.n): event for event in events}
    by_message: dict[tuple[str, str], list[Notification]] = {}
    for one in notifications:
        if one.sns is not None and (one.alarm, one.n) in known:
            by_message.setdefault((one.contact, one.sns), []).append(one)
    found = []
    for (to, _), told in by_message.items():
        about = [known[one.alarm, one.n] for one in told]
        lead = max(about, key=lambda event: event.priority)
        patients = sorted({event.patient for event in about if event.patient is not None})
        kind = "technical" if lead.kind is Kind.TECHNICAL else "handover" if lead.handover else "page"
        found.append(
            {
                "t": min(one.accepted for one in told),
                "to": to,
                "kind": kind,
                "priority": lead.priority.label,
                **({"patient": patients[0]} if len(patients) == 1 else {"patient": None, "patients": patients}),
                "problems": sorted({name for event in about if (name := problem(event)) is not None}),
                "reached": True,
            }
        )
    return sorted(found, key=lambda message: message["t"])
