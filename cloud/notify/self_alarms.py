"""The notifier's own technical alarms: each begins once, ends when its cause does, and outlives a restart.

Their ids stand in the notifier's sign of life, in the compacted topic `status`, which is all that a restart reads.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from cloud.notify.routing import NOT_NOTIFIED, ROTA_EMPTY, OnCall
from vitals.alarm_events import AlarmEvent, Priority, over, technical
from vitals.bounds import MAX_T, digits
from vitals.conditions import CATALOGUE

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class SelfAlarms:
    """Those that have begun and not ended, by condition and subject."""

    _open: dict[tuple[str, str], AlarmEvent] = field(default_factory=dict)

    @property
    def ids(self) -> tuple[str, ...]:
        """Returns their ids, for the sign of life."""
        return tuple(sorted(event.id for event in self._open.values()))

    def restore(self, ids: Iterable[str]) -> None:
        """Takes up those of an earlier run."""
        for alarm in ids:
            subject, _, rest = alarm.rpartition(".")
            subject, _, condition = subject.rpartition(".")
            start = digits(rest, MAX_T)
            if not subject or start is None:
                logger.error("an alarm of an earlier run cannot be taken up: its id %a is none", alarm)
                continue
            level = CATALOGUE[condition].priority if condition in CATALOGUE else Priority.MEDIUM
            begun = technical(subject, condition, level, start=start, now=start, text="")
            # An id of an earlier form stays as it was told.
            self._open[condition, subject] = msgspec.structs.replace(begun, id=alarm)

    def begin(self, event: AlarmEvent) -> AlarmEvent | None:
        """Returns the event that is to be told, None when its alarm stands already."""
        if (event.condition, event.subject) in self._open:
            return None
        self._open[event.condition, event.subject] = event
        return event

    def reached(self, contact: str, now: int) -> AlarmEvent | None:
        """A message to the contact was accepted: returns the end of *not notified*, if that stands."""
        return self._end((NOT_NOTIFIED, contact), now, f"Contact {contact} is reached again.")

    def review(self, rotas: OnCall, now: int) -> list[AlarmEvent]:
        """Returns the ends of alarms whose cause is over at `now`, UTC epoch ms."""
        ends: list[AlarmEvent | None] = []
        for condition, subject in list(self._open):
            if condition == ROTA_EMPTY and rotas.anybody(subject, now):
                ends.append(self._end((condition, subject), now, f"Somebody is on duty on ward {subject} again."))
            elif condition == NOT_NOTIFIED and rotas.on_duty(subject, now) is None:
                ends.append(self._end((condition, subject), now, f"Contact {subject} is no longer on duty."))
        return [event for event in ends if event is not None]

    def _end(self, key: tuple[str, str], now: int, text: str) -> AlarmEvent | None:
        event = self._open.pop(key, None)
        return None if event is None else over(event, now, text)
