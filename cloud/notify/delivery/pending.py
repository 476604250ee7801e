"""Tracks events with pending notifications, so that their offsets are not committed yet."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from cloud.kafka.port import Place
from cloud.notify.delivery.throttle import Item
from vitals.alarm_events import AlarmEvent
from vitals.contacts import MessageKind


@dataclass(slots=True)
class PendingOffsets:
    """Calls that wait, items that are queued, in flight or to be retried, and the newest event of their alarms."""

    _open: Counter[tuple[Place, int]] = field(default_factory=Counter)
    _alarms: Counter[str] = field(default_factory=Counter)
    _newest: dict[str, AlarmEvent] = field(default_factory=dict)

    def add(self, item: Item) -> None:
        """Adds a pending item; a request for a proof is of no record in `alarms`, and holds back no commit."""
        if item.kind is MessageKind.PROOF:
            return
        self.hold(item.event, item.place, item.offset)

    def close(self, items: Iterable[Item]) -> None:
        """Removes items that need no further delivery."""
        for item in (each for each in items if each.kind is not MessageKind.PROOF):
            self.let_go(item.event, item.place, item.offset)

    def hold(self, event: AlarmEvent, place: Place, offset: int) -> None:
        """Adds an event that is not finished."""
        self._open[place, offset] += 1
        self._alarms[event.id] += 1
        self._newest.setdefault(event.id, event)

    def let_go(self, event: AlarmEvent, place: Place, offset: int) -> None:
        """Removes one addition of an event."""
        self._open[place, offset] -= 1
        if not self._open[place, offset]:
            del self._open[place, offset]
        self._alarms[event.id] -= 1
        if not self._alarms[event.id]:
            del self._alarms[event.id]
            del self._newest[event.id]

    def follow(self, event: AlarmEvent) -> None:
        """Stores an alarm's newest event, if it has a pending one."""
        if event.id in self._newest:
            self._newest[event.id] = event

    @property
    def newest(self) -> Mapping[str, AlarmEvent]:
        """Newest event of each alarm with a pending one."""
        return self._newest

    def done(self, read: Mapping[Place, int]) -> dict[Place, int]:
        """Returns, by partition, the offset up to which every event is finished."""
        positions = dict(read)
        for place, offset in self._open:
            positions[place] = min(positions[place], offset)
        return positions
