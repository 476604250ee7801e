"""Alarm events that somebody is still to be told of: until they are done with, their offsets stay uncommitted."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from cloud.kafka.port import Place
from cloud.notify.throttle import Item


@dataclass(slots=True)
class PendingOffsets:
    """What waits, is under way, or was refused and is tried again; and which of it has ended meanwhile."""

    _open: Counter[tuple[Place, int]] = field(default_factory=Counter)
    _alarms: Counter[str] = field(default_factory=Counter)
    _over: set[str] = field(default_factory=set)

    def add(self, item: Item) -> None:
        """Takes an item in."""
        self._open[item.place, item.offset] += 1
        self._alarms[item.event.id] += 1

    def close(self, items: Iterable[Item]) -> None:
        """Lets go of items that are done with."""
        for item in items:
            place, alarm = (item.place, item.offset), item.event.id
            self._open[place] -= 1
            if not self._open[place]:
                del self._open[place]
            self._alarms[alarm] -= 1
            if not self._alarms[alarm]:
                del self._alarms[alarm]
                self._over.discard(alarm)

    def ended(self, alarm: str) -> None:
        """Hears that an alarm has ended; of no interest unless somebody is still to be told of it."""
        if alarm in self._alarms:
            self._over.add(alarm)

    def over(self, item: Item) -> bool:
        """Whether an item's alarm has ended."""
        return item.event.id in self._over

    def done(self, read: Mapping[Place, int]) -> dict[Place, int]:
        """Returns, by partition, the offset up to which everything that was read is done with."""
        positions = dict(read)
        for place, offset in self._open:
            positions[place] = min(positions[place], offset)
        return positions
