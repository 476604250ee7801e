"""Rate limit per recipient: events over the limit are merged into the next message, and none is dropped."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from vitals.alarm_events import AlarmEvent, Priority
from vitals.contacts import Contact, MessageKind
from vitals.runtime.token_bucket import TokenBucket


@dataclass(frozen=True, slots=True)
class Item:
    """One alarm event for one recipient.

    Attributes:
        event: The event.
        contact: The recipient.
        place: Partition of `alarms` that it was read from.
        offset: Its offset there.
        queued: Time at which it was queued, UTC epoch ms; 0 for unknown.
        kind: Kind of the message.
        recipients: Contact ids of all recipients of the event on its ward.
    """

    event: AlarmEvent
    contact: Contact
    place: tuple[str, int]
    offset: int
    queued: int = 0
    kind: MessageKind = MessageKind.ALARM
    recipients: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Message:
    """One message to one recipient.

    Attributes:
        contact: The recipient, as in the newest item.
        items: Events in the message, the most urgent first, then the oldest.
    """

    contact: Contact
    items: tuple[Item, ...]

    @property
    def priority(self) -> Priority:
        """Priority of the message's most urgent alarm."""
        return self.items[0].event.priority


@dataclass(slots=True)
class _Box:
    bucket: TokenBucket
    items: list[tuple[int, Item]] = field(default_factory=list)


@dataclass(slots=True)
class RecipientQueues:
    """Queued events of each recipient, with a token bucket.

    Attributes:
        burst: Size of the bucket: messages that may be sent at once.
        refill_ms: Time until one more message may be sent.
        low_ms: Time that a low-priority event waits to be merged.
    """

    burst: int
    refill_ms: float
    low_ms: float
    _boxes: dict[str, _Box] = field(default_factory=dict)

    def add(self, item: Item, now: int) -> None:
        """Queues one event for its recipient."""
        new = _Box(TokenBucket(self.burst, self.refill_ms, self.burst, now))
        box = self._boxes.setdefault(item.contact.contact, new)
        box.items.append((now, item))

    def due(self, now: int) -> Iterator[Message]:
        """Yields the messages to send now.

        While a recipient has tokens left, each urgent alarm is a separate message, and low ones share one after
        `low_ms`. The last token sends all queued events in one message.
        """
        for box in self._boxes.values():
            box.bucket.refill(now)
            while box.items and box.bucket.tokens >= 1 and self._ripe(box, now):
                box.bucket.tokens -= 1
                # The last token sends everything, so that no event of a flood waits for a token of its own.
                take = len(box.items) if box.bucket.tokens < 1 else 1
                box.items.sort(key=lambda waiting: (-waiting[1].event.priority, waiting[0]))
                if box.items[0][1].event.priority is Priority.LOW:
                    take = len(box.items)
                taken, box.items = box.items[:take], box.items[take:]
                yield Message(taken[0][1].contact, tuple(item for _, item in taken))

    def _ripe(self, box: _Box, now: int) -> bool:
        return any(item.event.priority is not Priority.LOW or now - since >= self.low_ms for since, item in box.items)

    def __len__(self) -> int:
        return sum(len(box.items) for box in self._boxes.values())
