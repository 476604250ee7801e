"""Retries messages that no channel accepted until one does, merged per recipient.

An outage of SNS delays a page and loses none. After it, no phone receives a separate message for each alarm.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from cloud.notify.delivery.throttle import Item, Message
from vitals.contacts import MessageKind

EVERY_MS: Final = 15_000
"""Rarely enough for an overloaded SNS to recover, often enough that a page is late by seconds once SNS works again."""
MERGED: Final = 50
"""Maximum alarms in one message: a paragraph each, twice, within the 256 KiB that SNS accepts."""


@dataclass(slots=True)
class RetryQueue:
    """Items that wait for their next attempt, by recipient."""

    _waiting: dict[str, tuple[int, list[Item]]] = field(default_factory=dict)

    def add(self, message: Message, now: int) -> None:
        """Adds a message that no channel accepted, at `now`, UTC epoch ms."""
        _, items = self._waiting.setdefault(message.contact.contact, (now + EVERY_MS, []))
        items.extend(message.items)

    def due(self, now: int) -> Iterator[Item]:
        """Removes and yields all items of each recipient that is due."""
        for contact in [name for name, (due, _) in self._waiting.items() if now >= due]:
            yield from self._waiting.pop(contact)[1]

    def __len__(self) -> int:
        return sum(len(items) for _, items in self._waiting.values())


def merged(items: Iterable[Item]) -> Iterator[Message]:
    """Yields items merged into few messages per recipient, the most urgent first, then the oldest."""
    by_contact: dict[str, list[Item]] = {}
    for item in sorted(items, key=lambda item: (-item.event.priority, item.event.log_t)):
        by_contact.setdefault(item.contact.contact, []).append(item)
    for own in by_contact.values():
        for first in range(0, len(own), MERGED):
            yield Message(own[0].contact, tuple(own[first : first + MERGED]))


def newest_items(items: Iterable[Item]) -> tuple[list[Item], list[Item]]:
    """Splits items that are retried into the newest of each alarm and contact, and the superseded ones."""
    kept: dict[tuple[str, str, MessageKind, str | None], Item] = {}
    superseded: list[Item] = []
    for item in items:
        # An alarm of all wards is one item for each of them.
        key = (item.event.id, item.contact.contact, item.kind, item.event.ward)
        other = kept.get(key)
        if other is None:
            kept[key] = item
        elif (item.event.n, item.event.handover) > (other.event.n, other.event.handover):
            kept[key] = item
            superseded.append(other)
        else:
            superseded.append(item)
    return list(kept.values()), superseded
