"""Tracks events with pending notifications, so that their offsets are not committed yet."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from cloud.kafka.port import Place
from cloud.notify.throttle import Item
from vitals.contacts import MessageKind


@dataclass(slots=True)
class PendingOffsets:
    """Items that are queued, in flight or to be retried, and the alarms among them that have ended."""

    _open: Counter[tuple[Place, int]] = field(default_factory=Counter)
    _alarms: Counter[str] = field(default_factory=Counter)
    _over: set[str] = field(default_factory=set)

    def add(self, item: Item) -> None:
        """Adds a pending item; a request for a proof is of no record in `alarms`, and holds back no commit."""
        if item.kind is MessageKind.PROOF:
            return
        self._open[item.place, item.offset] += 1
        self._alarms[item.event.id] += 1

    def close(self, items: Iterable[Item]) -> None:
        """Removes items that need no further delivery."""
        for item in (each for each in items if each.kind is not MessageKind.PROOF):
            place, alarm = (item.place, item.offset), item.event.id
            self._open[place] -= 1
            if not self._open[place]:
                del self._open[place]
            self._alarms[alarm] -= 1
            if not self._alarms[alarm]:
                del self._alarms[alarm]
                self._over.discard(alarm)

    def ended(self, alarm: str) -> None:
        """Records that an alarm has ended, if it has a pending item."""
        if alarm in self._alarms:
            self._over.add(alarm)

    def over(self, item: Item) -> bool:
        """Returns whether an item's alarm has ended."""
        return item.event.id in self._over

    def done(self, read: Mapping[Place, int]) -> dict[Place, int]:
        """Returns, by partition, the offset up to which every event is finished."""
        positions = dict(read)
        for place, offset in self._open:
            positions[place] = min(positions[place], offset)
        return positions
