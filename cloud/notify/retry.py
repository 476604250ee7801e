"""What no channel took is tried again until one does, all of one person's in one message.

An outage of SNS delays a page and loses none. When it is over nobody's phone fills with a message for each alarm.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from cloud.notify.throttle import Item, Message

EVERY_MS: Final = 15_000
"""Rarely enough to let an overloaded SNS recover, often enough that a page is late by seconds once it is back."""
MERGED: Final = 50
"""Alarms in one message: a paragraph each, twice, within the 256 KiB that SNS takes."""


@dataclass(slots=True)
class RetryQueue:
    """What waits for its next try, by recipient."""

    _waiting: dict[str, tuple[int, list[Item]]] = field(default_factory=dict)

    def add(self, message: Message, now: int) -> None:
        """Takes in a message that no channel took, at `now`, UTC epoch ms."""
        _, items = self._waiting.setdefault(message.contact.contact, (now + EVERY_MS, []))
        items.extend(message.items)

    def due(self, now: int) -> Iterator[Item]:
        """Yields, of each recipient whose time has come, all items at once."""
        for contact in [name for name, (due, _) in self._waiting.items() if now >= due]:
            yield from self._waiting.pop(contact)[1]

    def __len__(self) -> int:
        return sum(len(items) for _, items in self._waiting.values())


def merged(items: Iterable[Item]) -> Iterator[Message]:
    """Yields messages that tell of items, few to each recipient, the most urgent first, then the oldest."""
    by_contact: dict[str, list[Item]] = {}
    for item in sorted(items, key=lambda item: (-item.event.priority, item.event.log_t)):
        by_contact.setdefault(item.contact.contact, []).append(item)
    for own in by_contact.values():
        for first in range(0, len(own), MERGED):
            yield Message(own[0].contact, tuple(own[first : first + MERGED]))
