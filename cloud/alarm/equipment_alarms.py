"""What the equipment's slice tells beside its engine: disputes between admissions, and what others alarm of."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from cloud.alarm.bed_history import BedHistory, Stay
from cloud.alarm.count_alarms import FOREIGN, PASSED_OVER
from cloud.alarm.snapshot.failure_alarm import SNAPSHOTS_FAILING
from cloud.notify.routing import NOT_NOTIFIED, ROTA_EMPTY
from vitals.alarm_events import AlarmEvent, Phase
from vitals.engine.rules.technical_alarms import BED_DISPUTED, PIPELINE_STALLED, TechnicalCondition

HEARD: Final = frozenset((PIPELINE_STALLED, SNAPSHOTS_FAILING, PASSED_OVER, FOREIGN, NOT_NOTIFIED, ROTA_EMPTY))
"""Alarms of the watchdog and the notifier: shown with all others, ended by their cause alone."""
GRACE_MS: Final = 30_000
"""Two who change places are a moment in one bed; a dispute that lasts longer than this is told."""
LOOK_MS: Final = 1_000


@dataclass(slots=True)
class Disputes:
    """When each dispute was first seen, by log time; a restart grants the grace anew."""

    _seen: dict[tuple[str, str], int] = field(default_factory=dict)
    _looked: int = 0

    def due(self, beds: BedHistory, standing: Mapping[str, object], clock: int) -> list[TechnicalCondition] | None:
        """Returns the disputes that are to stand now, None between two looks.

        Args:
            beds: Who is where.
            standing: What has been told and not ended, by the fault's key.
            clock: Log time, UTC epoch ms.
        """
        if clock - self._looked < LOOK_MS:
            return None
        self._looked = clock
        self._seen = {key: self._seen.get(key, clock) for key in beds.disputes}
        faults = {key: _fault(*key, stays) for key, stays in beds.disputes.items()}
        return [f for key, f in faults.items() if f.key in standing or clock - self._seen[key] >= GRACE_MS]


def _fault(condition: str, name: str, stays: tuple[Stay, ...]) -> TechnicalCondition:
    what, holder = ("Bed" if condition == BED_DISPUTED else "Device"), stays[-1]
    others = ", ".join(stay.patient for stay in stays[:-1])
    text = f"{what} {name} is {holder.patient}'s, who was admitted last, and {others}'s: correct the admissions"
    device = None if condition == BED_DISPUTED else name
    return TechnicalCondition(name, condition, text, device=device, since=holder.since, ward=holder.ward)


@dataclass(slots=True)
class OpenAlarms:
    """The last event of each alarm of `HEARD` that has not ended."""

    _open: dict[str, AlarmEvent] = field(default_factory=dict)

    def take(self, event: AlarmEvent) -> None:
        """Takes in a step of such an alarm."""
        if event.phase is Phase.END:
            self._open.pop(event.id, None)
        else:
            self._open[event.id] = event

    def restore(self, events: Iterable[AlarmEvent]) -> None:
        """Takes up what a snapshot holds."""
        self._open = {event.id: event for event in events}

    def active(self) -> tuple[AlarmEvent, ...]:
        """Returns them."""
        return tuple(self._open.values())
