"""Readings that come too late, and clocks that run ahead. The rules are told in `vitals.oracle.judge_lateness`."""

from typing import Any

from vitals.alarms import Kind, Phase, Priority
from vitals.alarms import State as AlarmState
from vitals.engine.rules import BEHIND_MS, CONDITIONS, LATE
from vitals.engine.scribe import Scribe
from vitals.engine.state import BUSY, CALM, RESTLESS, Condition


def note(scribe: Scribe, row: int, about: dict[str, Any]) -> None:
    """Notes a reading of which every value is late; when only such come for long, the patient is not watched."""
    state = scribe.state
    since = state.behind.get(row)
    if since is None:
        state.behind[row] = scribe.now
        state.marks[row, BUSY] = 1
        state.marks[row, CALM.start + LATE] = RESTLESS
        return
    conditions = state.conditions(row)
    if conditions[LATE] is not None or scribe.now - since < BEHIND_MS:
        return
    c = conditions[LATE] = Condition(row, LATE, on=True, since=since, level=Priority.MEDIUM)
    scribe.start(
        c,
        subject=str(about["patient"]),
        condition=CONDITIONS[LATE],
        kind=Kind.TECHNICAL,
        t=scribe.now,
        text="readings come too late to be judged: check the gateway's clock and backlog",
        **about,
    )


def caught_up(scribe: Scribe, row: int, t: int) -> None:
    """A live reading was applied: the patient is watched again."""
    state = scribe.state
    state.behind.pop(row, None)
    conditions = state.watched.get(row)
    c = conditions[LATE] if conditions else None
    if conditions is None or c is None:
        return
    if c.alarm is not None:
        scribe.step(c, Phase.END, t=t, state=AlarmState.INACTIVE, text="readings arrive in time again")
    conditions[LATE] = None


def repeated(scribe: Scribe, row: int, device: str, raw: int) -> bool:
    """Whether a reading from a clock that runs ahead has been seen; notes it when it has not."""
    seen = scribe.state.ahead.setdefault(row, {})
    if raw <= seen.get(device, 0):
        return True
    seen[device] = raw
    return False


def set_right(scribe: Scribe, row: int) -> None:
    """Forgets a clock that ran ahead once the log has passed what it said."""
    seen = scribe.state.ahead.get(row)
    if seen is not None and max(seen.values()) <= scribe.now:
        del scribe.state.ahead[row]
