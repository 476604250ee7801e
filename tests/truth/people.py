"""Simulated people on duty: they read messages and act. Every act of a life comes from here, none from the product."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from tests.truth.messages import named
from vitals.alarm_events import AlarmEvent, Priority

ANSWERS_MS: Final = 60_000
"""Time in which a person reads a message, reaches the bed and acknowledges."""
NURSE: Final = "nurse"


class Habit(StrEnum):
    """Habit of the nurse with a message."""

    ACKNOWLEDGES = "acknowledges"
    SILENT = "silent"
    """Never answers, and neither does anybody else."""
    DECLINES = "declines"
    """Cannot come, which leaves no trace; the next contact acknowledges."""


@dataclass(frozen=True, slots=True)
class Act:
    """One acknowledgement.

    Attributes:
        t: When, UTC epoch ms.
        by: Contact.
        event: The alarm, as the message had it.
    """

    t: int
    by: str
    event: AlarmEvent


@dataclass(frozen=True, slots=True)
class Away:
    """A patient who is to be taken off the monitor, from `first` to `end`, UTC epoch ms."""

    patient: str
    first: int
    end: int


@dataclass(slots=True)
class People:
    """Those on duty.

    Attributes:
        habit: The nurse's.
        lines: Acts so far, as `acts.jsonl` has them.
    """

    habit: Habit
    lines: list[dict[str, Any]] = field(default_factory=list)
    _going: list[Act] = field(default_factory=list)
    _away: list[Away] = field(default_factory=list)

    def hear(self, to: str, event: AlarmEvent, now: int) -> None:
        """Reads one alarm of a message that arrived at `now`, UTC epoch ms."""
        declined = self.habit is Habit.DECLINES and to == NURSE
        if event.priority < Priority.MEDIUM or self.habit is Habit.SILENT or declined:
            return
        self._going.append(Act(now + ANSWERS_MS, to, event))

    def due(self, now: int, shown: Callable[[str], Iterable[str]] = lambda _: ()) -> list[Act]:
        """Returns the acknowledgements whose time has come, and writes them down.

        Args:
            now: UTC epoch ms.
            shown: Returns the problems of a patient that the page shows at this moment.
        """
        done = [act for act in self._going if act.t <= now]
        self._going = [act for act in self._going if act.t > now]
        for act in done:
            seen = sorted({*named(act.event), *(shown(act.event.patient or "") if act.event.incident else ())})
            self.lines.append({"t": now, "act": "acknowledge", "patient": act.event.patient, "problems": seen})
        return done

    def stand_by(self, patient: str, first: int, end: int) -> None:
        """Plans to take a patient off the monitor from `first` to `end`, UTC epoch ms."""
        self._away.append(Away(patient, first, end))

    def leaving(self, now: int) -> list[Away]:
        """Returns the patients who are now taken off the monitor; their nurse asks for a standby once."""
        gone = [away for away in self._away if away.first <= now]
        self._away = [away for away in self._away if away.first > now]
        return gone

    def stood_by(self, patient: str, first: int, end: int) -> None:
        """Writes down a standby that the product took."""
        self.lines.append({"act": "standby", "patient": patient, "from": first, "to": end})
