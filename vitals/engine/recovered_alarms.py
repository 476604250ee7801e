"""What was told before a crash, while the replay has not yet come to the last that was told of it.

A replay is not the first run over again: it judges in larger batches, and actions, admissions and statuses act by their
own times. So what it would tell of an alarm that was told of before is held here until it comes to the same last step,
or until log time has passed that step; then the recalled word is the truth (`vitals.engine.recovery`).
"""

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from vitals.alarm_events import AlarmEvent, Inactivation, Phase
from vitals.engine.rules.constants import BY_WARD

Key = tuple[str, str]


def place_of(event: AlarmEvent) -> Key:
    """Returns what an alarm is of: of one patient (or device, gateway, …) and condition one alarm holds at a time."""
    subject = f"{event.subject} {event.ward}" if event.condition in BY_WARD else event.subject
    return event.patient or subject, event.condition


def same(a: AlarmEvent, b: AlarmEvent) -> bool:
    """Whether two events of one alarm tell of one step: what decided it is the same, whenever that was read."""
    if (a.phase, a.state, a.priority) != (b.phase, b.state, b.priority):
        return False
    if a.phase is Phase.CONTINUE:
        return (a.handover, a.boot, a.seq) == (b.handover, b.boot, b.seq)
    return (a.t, a.by) == (b.t, b.by) and (a.by is None or a.inactivation is b.inactivation)


class Recalled:
    """Alarms that were told of before.

    Attributes:
        events: What was told of each since the snapshot, ascending, until the replay has come to the last of it.
        held: What the replay would have told of them, or of others in their place, by alarm.
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
        """Takes in a further event that was told before."""
        if event.id not in self.events:
            self._keys[place_of(event)] += 1
        self.events.setdefault(event.id, []).append(event)
        heapq.heappush(self._order, (event.log_t, event.id))

    def awaits(self, event: AlarmEvent, *, known: bool) -> bool:
        """Whether what the replay tells here is to be held.

        Args:
            event: It.
            known: Whether anything was told of this alarm before.
        """
        return event.id in self.events or (not known and place_of(event) in self._keys)

    def hold(self, event: AlarmEvent) -> None:
        """Holds what the replay would have told."""
        self.held.setdefault(event.id, []).append(event)

    def comes_to(self, event: AlarmEvent) -> bool:
        """Whether the replay comes, with this event, to the last that was told of its alarm."""
        told = self.events.get(event.id)
        return told is not None and same(event, told[-1])

    def done(self, alarm: str) -> tuple[list[AlarmEvent], list[AlarmEvent]]:
        """Forgets an alarm; returns what was told of it, and what the replay would have told."""
        told, held = self.events.pop(alarm), self.held.pop(alarm, [])
        key = place_of(told[-1])
        self._keys[key] -= 1
        newest = max((e.t for e in told if e.by is None and e.phase is not Phase.CONTINUE), default=0)
        self._freed[key] = max(newest, self._freed.get(key, 0))
        if not self._keys[key]:
            del self._keys[key]
        return told, held

    def passed(self, log_t: int) -> Iterator[str]:
        """Returns, one by one, the alarms whose last step is not after a log time; each is to be `done` at once."""
        while self._order and self._order[0][0] <= log_t:
            t, alarm = heapq.heappop(self._order)
            if alarm in self.events and self.events[alarm][-1].log_t <= t:
                yield alarm

    def freed(self) -> Iterator[tuple[list[AlarmEvent], int]]:
        """Returns, and forgets, what was held of others in a place where nothing is awaited any more.

        With each comes the event time of the last reading of which the place's alarms were told.
        """
        for key in [key for key in self._freed if key not in self._keys]:
            newest = self._freed.pop(key)
            for alarm in [a for a, of in self.held.items() if a not in self.events and place_of(of[0]) == key]:
                yield self.held.pop(alarm), newest


def unseen(told: Iterable[AlarmEvent], held: Iterable[AlarmEvent]) -> AlarmEvent | None:
    """Returns the acknowledgement that the replay has met and that was never told of, None when there is none."""
    known = list(told)
    acts = (e for e in held if e.by is not None and e.inactivation is Inactivation.ACKNOWLEDGED)
    return next((e for e in acts if not any((e.by, e.t) == (k.by, k.t) for k in known)), None)
