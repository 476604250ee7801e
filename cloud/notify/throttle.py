"""Rate limit per recipient: what does not fit is merged into the next message, and nothing is dropped."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from vitals.alarm_events import AlarmEvent, Priority
from vitals.contacts import Contact


@dataclass(frozen=True, slots=True)
class Item:
    """One alarm event for one recipient.

    Attributes:
        event: The event.
        contact: The recipient.
        place: Partition of `alarms` that it came from.
        offset: Its offset there.
    """

    event: AlarmEvent
    contact: Contact
    place: tuple[str, int]
    offset: int


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent at one stroke.

    Attributes:
        contact: The recipient, as the newest item knows them.
        items: What it tells of, the most urgent first, then the oldest.
    """

    contact: Contact
    items: tuple[Item, ...]

    @property
    def priority(self) -> Priority:
        """Priority of the most urgent alarm in it."""
        return self.items[0].event.priority


@dataclass(slots=True)
class _Box:
    tokens: float
    refilled: int
    items: list[tuple[int, Item]] = field(default_factory=list)


@dataclass(slots=True)
class RecipientQueues:
    """What waits for each recipient.

    Attributes:
        burst: Messages that may go at once.
        refill_ms: Time until one more may.
        low_ms: How long low priority waits for company.
    """

    burst: int
    refill_ms: float
    low_ms: float
    _boxes: dict[str, _Box] = field(default_factory=dict)

    def add(self, item: Item, now: int) -> None:
        """Queues one event for its recipient."""
        box = self._boxes.setdefault(item.contact.contact, _Box(self.burst, now))
        box.items.append((now, item))

    def due(self, now: int) -> Iterator[Message]:
        """Yields what is to be sent now.

        While a recipient has messages left, each urgent alarm is a message of its own and takes waiting low ones along;
        the last message left carries all that waits.
        """
        for box in self._boxes.values():
            box.tokens = min(self.burst, box.tokens + (now - box.refilled) / self.refill_ms)
            box.refilled = now
            while box.items and box.tokens >= 1 and self._ripe(box, now):
                box.tokens -= 1
                # The last token takes everything, so that nobody waits behind a flood alarm by alarm.
                take = len(box.items) if box.tokens < 1 else 1
                box.items.sort(key=lambda waiting: (-waiting[1].event.priority, waiting[0]))
                if box.items[0][1].event.priority is Priority.LOW:
                    take = len(box.items)
                taken, box.items = box.items[:take], box.items[take:]
                yield Message(taken[0][1].contact, tuple(item for _, item in taken))

    def _ripe(self, box: _Box, now: int) -> bool:
        return any(item.event.priority is not Priority.LOW or now - since >= self.low_ms for since, item in box.items)

    def __len__(self) -> int:
        return sum(len(box.items) for box in self._boxes.values())
