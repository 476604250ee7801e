"""Alarms that met nobody on duty: as long as they stand, the first who comes on duty is told of them.

So a notifier that was there before the rota, or a gap between two shifts, delays a page and loses none. It is memory:
an alarm that stood before a restart calls again with its next handover.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from cloud.kafka.port import Place
from cloud.notify.routing import OWN
from vitals.alarm_events import AlarmEvent, Inactivation, Phase


@dataclass(slots=True)
class UnroutedAlarms:
    """They, each with the place and offset of its event, by the alarm's id."""

    _open: dict[str, tuple[AlarmEvent, Place, int]] = field(default_factory=dict)

    def add(self, event: AlarmEvent, place: Place, offset: int) -> None:
        """Takes in an event that reached nobody."""
        # Whoever comes on duty ends the notifier's own alarms, and a handover asks once more for help that nobody was
        # asked for.
        if event.condition not in OWN and (event.phase is not Phase.CONTINUE or event.id not in self._open):
            self._open[event.id] = event, place, offset

    def follow(self, event: AlarmEvent) -> None:
        """Hears of a step: who has ended, paused or acknowledged an alarm is there."""
        if event.phase is Phase.END or event.inactivation is not Inactivation.NONE:
            self._open.pop(event.id, None)

    def heard(self, somebody: Callable[[AlarmEvent], bool]) -> list[tuple[AlarmEvent, Place, int]]:
        """Returns, and lets go of, those for which somebody is on duty now."""
        return [self._open.pop(alarm) for alarm, (event, _, _) in list(self._open.items()) if somebody(event)]
