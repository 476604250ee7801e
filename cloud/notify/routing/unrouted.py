"""Alarms that found no contact on duty: while active, they are sent to the first contact on duty.

So a notifier that starts before the rota is loaded, or a gap between two shifts, delays a page and loses none. This is
in memory only: after a restart, an active alarm is sent at its next handover.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from cloud.kafka.port import Place
from cloud.notify.routing.on_call import OWN
from vitals.alarm_events import AlarmEvent, Inactivation, Phase


@dataclass(slots=True)
class UnroutedAlarms:
    """Unrouted events with their place and offset, by alarm id."""

    _open: dict[str, tuple[AlarmEvent, Place, int]] = field(default_factory=dict)

    def add(self, event: AlarmEvent, place: Place, offset: int) -> None:
        """Adds an event that reached no contact."""
        # A contact on duty ends the notifier's own alarms. A handover repeats a page that reached no contact.
        if event.condition not in OWN and (event.phase is not Phase.CONTINUE or event.id not in self._open):
            self._open[event.id] = event, place, offset

    def follow(self, event: AlarmEvent, active: Callable[[str], Iterable[AlarmEvent]]) -> None:
        """Removes an alarm that was paused or acknowledged, as a person has attended to it, or that has ended.

        A call of an incident remains while any alarm of the incident is active and unattended.

        Args:
            event: The alarm's newest event.
            active: Returns the active alarms of an incident.
        """
        attended = event.inactivation is not Inactivation.NONE
        if attended or (event.phase is Phase.END and not event.incident):
            self._open.pop(event.id, None)
        if not event.incident or not (attended or event.phase is Phase.END):
            return
        if all(alarm.inactivation is not Inactivation.NONE for alarm in active(event.incident)):
            for alarm in [a for a, (call, _, _) in self._open.items() if call.incident == event.incident]:
                del self._open[alarm]

    def heard(self, somebody: Callable[[AlarmEvent], bool]) -> list[tuple[AlarmEvent, Place, int]]:
        """Removes and returns the events for which a contact is on duty now."""
        return [self._open.pop(alarm) for alarm, (event, _, _) in list(self._open.items()) if somebody(event)]
