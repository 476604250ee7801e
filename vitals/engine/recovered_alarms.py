"""Alarms of before a crash, until the replay has reached the last event of each.

A replay does not repeat the first run exactly: its batches are larger, and actions, admissions and statuses act by
their own times. So its events of an alarm that was announced before are held here until it reaches the same last step,
or until log time has passed that step. Then the events of before the crash count (`vitals.engine.recovery`).
"""

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from vitals.alarm_events import AlarmEvent, Inactivation, Phase
from vitals.engine.constants import BY_WARD

Key = tuple[str, str]


def place_of(event: AlarmEvent) -> Key:
    """Returns patient (or device, gateway, …) and condition of an alarm; one alarm of a key is active at a time."""
    subject = f"{event.subject} {event.ward}" if event.condition in BY_WARD else event.subject
    return event.patient or subject, event.condition


def same(a: AlarmEvent, b: AlarmEvent) -> bool:
    """Returns whether two events of one alarm are the same step: the same cause, at any log time."""
    if (a.phase, a.state, a.priority) != (b.phase, b.state, b.priority):
        return False
    if a.phase is Phase.CONTINUE:
        return (a.handover, a.boot, a.seq) == (b.handover, b.boot, b.seq)
    return (a.t, a.by) == (b.t, b.by) and (a.by is None or a.inactivation is b.inactivation)


class Recalled:
    """Alarms that were announced before a crash.

    Attributes:
        events: Events of each since the snapshot, ascending, until the replay has reached the last one.
        held: Events of the replay for these alarms, or for others with their key, by alarm.
    """

    def __init__(
        self,
        events: Mapping[str, Iterable[AlarmEvent]] | None = None,
        held: Mapping[str, Iterable[AlarmEvent]] | None = None,
    ) -> None:
        self.events: dict[str, list[AlarmEvent]] = {}
        self.held = {alarm: list(of) for alarm, of in (held or {}).items()}
        self._keys: Counter[Key] = Counter()
        self._order: list[tuple[int, str]] = []
        self._freed: dict[Key, int] = {}
        for of in (events or {}).values():
            for event in of:
                self.take(event)

    def __bool__(self) -> bool:
        return bool(self.events)

    def take(self, event: AlarmEvent) -> None:
        """Adds an event of before the crash."""
        if event.id not in self.events:
            self._keys[place_of(event)] += 1
        self.events.setdefault(event.id, []).append(event)
        heapq.heappush(self._order, (event.log_t, event.id))

    def awaits(self, event: AlarmEvent, *, known: bool) -> bool:
        """Returns whether an event of the replay must be held.

        Args:
            event: The event.
            known: Whether an event of this alarm was emitted before the crash.
        """
        return event.id in self.events or (not known and place_of(event) in self._keys)

    def hold(self, event: AlarmEvent) -> None:
        """Holds an event of the replay."""
        self.held.setdefault(event.id, []).append(event)

    def comes_to(self, event: AlarmEvent) -> bool:
        """Returns whether this event of the replay is the last one of its alarm before the crash."""
        told = self.events.get(event.id)
        return told is not None and same(event, told[-1])

    def done(self, alarm: str) -> tuple[list[AlarmEvent], list[AlarmEvent]]:
        """Removes an alarm; returns its events of before the crash and those of the replay."""
        told, held = self.events.pop(alarm), self.held.pop(alarm, [])
        key = place_of(told[-1])
        self._keys[key] -= 1
        newest = max((e.t for e in told if e.by is None and e.phase is not Phase.CONTINUE), default=0)
        self._freed[key] = max(newest, self._freed.get(key, 0))
        if not self._keys[key]:
            del self._keys[key]
        return told, held

    def passed(self, log_t: int) -> Iterator[str]:
        """Yields the alarms whose last step is not after a log time; the caller must call `done` for each at once."""
        while self._order and self._order[0][0] <= log_t:
            t, alarm = heapq.heappop(self._order)
            if alarm in self.events and self.events[alarm][-1].log_t <= t:
                yield alarm

    def freed(self) -> Iterator[tuple[list[AlarmEvent], int]]:
        """Yields and removes the held events of other alarms with a key for which none is awaited any more.

        With each it yields the event time of the last reading that decided an announced alarm of that key.
        """
        for key in [key for key in self._freed if key not in self._keys]:
            newest = self._freed.pop(key)
            for alarm in [a for a, of in self.held.items() if a not in self.events and place_of(of[0]) == key]:
                yield self.held.pop(alarm), newest


def unseen(told: Iterable[AlarmEvent], held: Iterable[AlarmEvent]) -> AlarmEvent | None:
    """Returns the acknowledgement that the replay has found and that was not emitted before, None without one."""
    known = list(told)
    acts = (e for e in held if e.by is not None and e.inactivation is Inactivation.ACKNOWLEDGED)
    return next((e for e in acts if not any((e.by, e.t) == (k.by, k.t) for k in known)), None)
