"""Alarms that every contact of their ward has declined, until a person attends to them.

This is in memory only: after a restart the ward's *not notified* ends, and the next handover raises it again.
"""

from dataclasses import dataclass, field

from vitals.alarm_events import AlarmEvent, Inactivation, Phase


@dataclass(slots=True)
class DeclinedAlarms:
    """Ids of these alarms, with their wards."""

    _open: dict[str, str] = field(default_factory=dict)

    def add(self, event: AlarmEvent, ward: str) -> None:
        """Adds an alarm that every contact of `ward` has declined."""
        self._open[event.id] = ward

    def follow(self, event: AlarmEvent) -> None:
        """Removes an alarm that has ended or risen, or that a person acknowledged, paused or goes to."""
        attended = event.phase is Phase.END or event.inactivation is not Inactivation.NONE or event.coming
        if attended or not event.declined:
            self._open.pop(event.id, None)

    def wards(self) -> frozenset[str]:
        """Returns the wards with such an alarm."""
        return frozenset(self._open.values())
