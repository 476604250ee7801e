"""Text of an incident's call. Pure. Only an e-mail lists problems and alarms: an SMS has their number."""

from collections.abc import Mapping, Sequence
from typing import Final

from cloud.wording import Wording
from vitals.alarm_events import AlarmEvent, Inactivation, Reason

LISTED: Final = 16
"""Alarms of an incident that an e-mail lists: each sign's and condition's own, and some latched ones of before."""
PLAIN: Final = Wording()
_REASONS: Final[Mapping[Reason, str]] = {
    Reason.RAISED: "reason.raised",
    Reason.RETURNED: "reason.returned",
    Reason.WORSE: "reason.worse",
    Reason.REMINDED: "reason.reminded",
}


def why(event: AlarmEvent, wording: Wording = PLAIN) -> str:
    """Returns the reason of a message, such as "has returned" or "handover 2"; "" for the first of an alarm."""
    if event.incident and event.reason is not Reason.HANDED_OVER:
        key = _REASONS.get(event.reason)
        return wording(key) if key else ""
    return wording("reason.handover", count=event.handover) if event.handover else ""


def about(call: AlarmEvent, wording: Wording = PLAIN) -> str:
    """Returns an incident's call without its problems' names, such as " of 2 problems (has returned)"."""
    if not call.incident:
        return ""
    problems = f" {wording('problems', count=len(call.problems))}" if len(call.problems) > 1 else ""
    return f"{problems} ({reason})" if (reason := why(call, wording)) else problems


def lines(event: AlarmEvent, active: Sequence[AlarmEvent], wording: Wording = PLAIN) -> list[str]:
    """Returns the lines of an e-mail about an incident's call.

    Args:
        event: The call.
        active: Active alarms of its incident, as far as they are known.
        wording: Language and zone.
    """
    problems = ", ".join(map(wording.problem, event.problems))
    told = [wording("email.problems", problems=problems)] if problems else []
    if reason := why(event, wording):
        told.append(wording("email.reason", reason=reason))
    if any(alarm.id != event.id for alarm in active):
        told += [wording("email.active"), *(f"- {_alarm(alarm, wording)}" for alarm in active[:LISTED])]
        if len(active) > LISTED:
            told.append(f"- {wording('email.more', count=len(active) - LISTED)}")
    return told


def _alarm(alarm: AlarmEvent, wording: Wording) -> str:
    seen = f", {wording('email.acknowledged')}" if alarm.inactivation is Inactivation.ACKNOWLEDGED else ""
    since = wording("email.since", since=wording.moment(alarm.start))
    return f"{wording(f'priority.{alarm.priority.label}')}: {wording.text(alarm)} ({since}{seen})"
