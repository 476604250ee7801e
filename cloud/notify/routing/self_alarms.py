"""The notifier's own technical alarms: each starts once, ends with its cause, and survives a restart.

Their ids are in the notifier's heartbeat, in the compacted topic `status`, the only source that a restart reads.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from cloud.notify.routing.on_call import OnCall, declined_subject
from vitals.alarm_events import AlarmEvent, Kind, Phase, Priority, continued, ended, started
from vitals.bounds import MAX_T, digits
from vitals.conditions import CATALOGUE, NOT_NOTIFIED, ROTA_EMPTY

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class SelfAlarms:
    """Active alarms of the notifier, by condition and subject."""

    _open: dict[tuple[str, str], AlarmEvent] = field(default_factory=dict)

    @property
    def ids(self) -> tuple[str, ...]:
        """Returns the ids of active alarms, for the heartbeat."""
        return tuple(sorted(event.id for event in self._open.values()))

    def restore(self, ids: Iterable[str]) -> None:
        """Resumes the alarms of an earlier run."""
        for alarm in ids:
            subject, _, rest = alarm.rpartition(".")
            subject, _, condition = subject.rpartition(".")
            start = digits(rest, MAX_T)
            if not subject or start is None:
                logger.error("alarm of an earlier run cannot be resumed: invalid id %a", alarm)
                continue
            level = CATALOGUE[condition].priority if condition in CATALOGUE else Priority.MEDIUM
            begun = started(subject, condition, Kind.TECHNICAL, level, start=start, now=start, text="")
            # An id of an earlier format is kept as it was published.
            self._open[condition, subject] = msgspec.structs.replace(begun, id=alarm)

    def begin(self, event: AlarmEvent) -> AlarmEvent | None:
        """Returns the event to write, None if its alarm is already active at no lower priority."""
        active = self._open.get((event.condition, event.subject))
        if active is not None:
            if event.priority <= active.priority:
                return None
            event = continued(active, Phase.ESCALATE, event.log_t, priority=event.priority, text=event.text)
        self._open[event.condition, event.subject] = event
        return event

    def reached(self, contact: str, now: int) -> AlarmEvent | None:
        """Returns the end of *not notified*, if it is active: SNS accepted a message to the contact."""
        return self._end((NOT_NOTIFIED, contact), now, f"Contact {contact} is reached again.")

    def review(self, rotas: OnCall, declined: Iterable[str], now: int) -> list[AlarmEvent]:
        """Returns the ends of alarms whose cause is over at `now`, UTC epoch ms.

        Args:
            rotas: Contacts on duty.
            declined: Wards with an alarm that every contact has declined.
            now: UTC epoch ms.
        """
        ends: list[AlarmEvent | None] = []
        unattended = {declined_subject(ward) for ward in declined}
        for condition, subject in list(self._open):
            if condition == ROTA_EMPTY and rotas.anybody(subject, now):
                ends.append(self._end((condition, subject), now, f"Somebody is on duty on ward {subject} again."))
            elif condition == NOT_NOTIFIED and subject.startswith(declined_subject("")):
                if subject not in unattended:
                    ends.append(self._end((condition, subject), now, f"The alarm of {subject} is attended to."))
            elif condition == NOT_NOTIFIED and rotas.on_duty(subject, now) is None:
                ends.append(self._end((condition, subject), now, f"Contact {subject} is no longer on duty."))
        return [event for event in ends if event is not None]

    def _end(self, key: tuple[str, str], now: int, text: str) -> AlarmEvent | None:
        event = self._open.pop(key, None)
        return None if event is None else ended(event, now, text)
