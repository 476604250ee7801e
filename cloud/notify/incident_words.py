"""Text of an incident's call. Pure. Only an e-mail names problems: an SMS is unencrypted, and has their number."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from vitals.alarm_events import AlarmEvent, Inactivation, Reason

LISTED: Final = 16
"""Alarms of an incident that an e-mail lists: each sign's and condition's own, and some latched ones of before."""
_REASONS: Final[Mapping[Reason, str]] = {
    Reason.RAISED: "raised",
    Reason.RETURNED: "has returned",
    Reason.WORSE: "worse than acknowledged",
    Reason.REMINDED: "reminder",
}


def why(event: AlarmEvent) -> str:
    """Returns the reason of a message, such as "has returned" or "handover 2"; "" for the first of an alarm."""
    if event.incident and event.reason is not Reason.HANDED_OVER:
        return _REASONS.get(event.reason, "")
    return f"handover {event.handover}" if event.handover else ""


def about(call: AlarmEvent) -> str:
    """Returns an incident's call without its problems' names, such as " of 2 problems (has returned)"."""
    if not call.incident:
        return ""
    problems = f" of {len(call.problems)} problems" if len(call.problems) > 1 else ""
    return f"{problems} ({reason})" if (reason := why(call)) else problems


def problem_words(problem: str) -> str:
    """Returns the text of a problem, such as "oxygen low"."""
    return problem.replace("-", " ")


def lines(event: AlarmEvent, active: Sequence[AlarmEvent]) -> list[str]:
    """Returns the lines of an e-mail about an incident's call.

    Args:
        event: The call.
        active: Active alarms of its incident, as far as they are known.
    """
    told = [f"Problems: {', '.join(map(problem_words, event.problems))}"] if event.problems else []
    if reason := why(event):
        told.append(f"Reason: {reason}")
    if any(alarm.id != event.id for alarm in active):
        told += ["Active alarms:", *(f"- {_alarm(alarm)}" for alarm in active[:LISTED])]
        if len(active) > LISTED:
            told.append(f"- and {len(active) - LISTED} more")
    return told


def _alarm(alarm: AlarmEvent) -> str:
    since = datetime.fromtimestamp(alarm.start / 1000, UTC).isoformat(timespec="seconds")
    seen = ", acknowledged" if alarm.inactivation is Inactivation.ACKNOWLEDGED else ""
    return f"{alarm.priority.label.upper()}: {alarm.text} (since {since}{seen})"
