"""Active alarms of each incident, for the messages of its calls. Alarms from before the first record are unknown."""

from dataclasses import dataclass, field
from typing import Final

from vitals.alarm_events import AlarmEvent, AlarmState, Inactivation, Phase

MOST: Final = 50_000
"""Maximum number of alarms kept; the one with the oldest event is evicted, since an end may be missing in the log."""


def finished(newest: AlarmEvent) -> bool:
    """Returns whether an alarm has ended or is acknowledged, by its newest event."""
    return newest.phase is Phase.END or newest.inactivation is Inactivation.ACKNOWLEDGED


@dataclass(slots=True)
class IncidentAlarms:
    """Newest event of each active alarm, by incident.

    Attributes:
        most: Number of alarms kept.
    """

    most: int = MOST
    _alarms: dict[str, dict[str, AlarmEvent]] = field(default_factory=dict)
    _of: dict[str, str] = field(default_factory=dict)

    def follow(self, event: AlarmEvent) -> None:
        """Stores an alarm's newest event, or drops an alarm that is not active any more."""
        self._drop(event.id)
        if not event.incident or event.state is not AlarmState.ACTIVE:
            return
        self._of[event.id] = event.incident
        self._alarms.setdefault(event.incident, {})[event.id] = event
        if len(self._of) > self.most:
            self._drop(next(iter(self._of)))

    def _drop(self, alarm: str) -> None:
        incident = self._of.pop(alarm, None)
        if incident is not None:
            del self._alarms[incident][alarm]
            if not self._alarms[incident]:
                del self._alarms[incident]

    def active(self, incident: str) -> tuple[AlarmEvent, ...]:
        """Returns the active alarms of an incident, the most urgent first, then the oldest; none of incident ""."""
        found = self._alarms.get(incident, {}).values()
        return tuple(sorted(found, key=lambda event: (-event.priority, event.start)))

    def over(self, event: AlarmEvent, newest: AlarmEvent) -> bool:
        """Returns whether an alarm and the rest of its incident have ended or been acknowledged.

        Args:
            event: The call.
            newest: Newest event of its alarm.
        """
        others = (a for a in self.active(event.incident) if a.inactivation is not Inactivation.ACKNOWLEDGED)
        return finished(newest) and not any(others)

    def __len__(self) -> int:
        return len(self._of)
