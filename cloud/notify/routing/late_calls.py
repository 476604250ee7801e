"""Calls that are read late: after an outage of alarm tier, scoring, notifier or SNS. Pure.

A late call waits until the log has been read a little further, since its alarm may have ended or been acknowledged
meanwhile. Of the calls of one alarm that wait together, the newest first call and the newest handover remain.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from cloud.kafka.port import Place, Record
from vitals.alarm_events import AlarmEvent, AlarmState, Call

QUIET_MS: Final = 3_000
"""A late call is sent when nothing more has been read of its partition for this time."""
LONGEST_MS: Final = 15_000
"""A late call waits no longer, though the alarm tier still catches up."""


@dataclass(frozen=True, slots=True)
class LateCall:
    """A call that waits.

    Attributes:
        event: The event.
        record: Its record of `alarms`.
    """

    event: AlarmEvent
    record: Record


@dataclass(slots=True)
class LateCalls:
    """Calls that wait, in the order in which they were read.

    Attributes:
        late_ms: Age from which a call is late.
    """

    late_ms: int
    _waiting: list[tuple[int, LateCall]] = field(default_factory=list)
    _quiet_since: dict[Place, int] = field(default_factory=dict)
    _caught_up: set[Place] = field(default_factory=set)

    def follow(self, event: AlarmEvent, place: Place, now: int) -> None:
        """Notes that a partition was read up to an event, at `now`, UTC epoch ms."""
        self._quiet_since[place] = now
        if self.late(event, now):
            self._caught_up.discard(place)
        else:
            self._caught_up.add(place)

    def late(self, event: AlarmEvent, now: int) -> bool:
        """Returns whether an event is old at `now`, UTC epoch ms."""
        return now - event.log_t > self.late_ms

    def hold(self, call: LateCall, now: int) -> bool:
        """Takes a call that is late, or that follows a waiting call of its alarm or incident; returns whether it is."""
        if not self.late(call.event, now) and _group(call.event) not in {_group(c.event) for _, c in self._waiting}:
            return False
        self._waiting.append((now, call))
        return True

    def due(self, now: int) -> list[LateCall]:
        """Removes and returns the calls that need not wait any longer at `now`, UTC epoch ms."""
        return self._remove(lambda since, call: self._ready(since, call.record.place, now))

    def all(self) -> list[LateCall]:
        """Removes and returns every call, once the log has been read to its end."""
        return self._remove(lambda _since, _call: True)

    def _ready(self, since: int, place: Place, now: int) -> bool:
        quiet = now - self._quiet_since.get(place, since) >= QUIET_MS
        return place in self._caught_up or quiet or now - since >= LONGEST_MS

    def _remove(self, ready: Callable[[int, LateCall], bool]) -> list[LateCall]:
        # All calls of an alarm at once: sent in two goes they could not be merged.
        groups = {_group(call.event) for since, call in self._waiting if ready(since, call)}
        taken = [call for _, call in self._waiting if _group(call.event) in groups]
        self._waiting = [(since, call) for since, call in self._waiting if _group(call.event) not in groups]
        return taken

    def __len__(self) -> int:
        return len(self._waiting)


def _group(event: AlarmEvent) -> str:
    return event.incident or event.id


def _handover(event: AlarmEvent) -> bool:
    return event.handover > 0 and event.call is not Call.REMINDER


def merged_calls(
    calls: Iterable[LateCall], newest: Mapping[str, AlarmEvent], goes: Callable[[AlarmEvent], bool]
) -> list[LateCall]:
    """Returns the calls that remain of those that waited together.

    Of one alarm these are the newest call of its first contact and, of one alarm or incident, the newest handover since
    that goes to anybody. A latched alarm has no handover: its sign has recovered.

    Args:
        calls: Calls, oldest first.
        newest: Newest event of their alarms.
        goes: Returns whether an event is sent to any contact.
    """
    first: dict[str, LateCall] = {}
    handed: dict[str, list[LateCall]] = {}
    for call in calls:
        event, group = call.event, _group(call.event)
        if not _handover(event):
            first[event.id] = call
            if event.call is not Call.REMINDER:
                # A new first call restarts the handovers.
                handed[group] = []
        elif newest.get(event.id, event).state is not AlarmState.LATCHED:
            handed.setdefault(group, []).append(call)
    last = [next((c for c in reversed(own) if goes(c.event)), None) for own in handed.values()]
    return [*first.values(), *(call for call in last if call is not None)]
