"""Messages of the last hour, for a contact that is found to have had no channel when they were accepted."""

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from cloud.notify.delivery.throttle import Item
from vitals.alarm_events import AlarmEvent, Inactivation, Phase
from vitals.contacts import Channel, Notification

KEEP_MS: Final = 3_600_000
KEEP_OF_EARLIER_MS: Final = 180_000
"""The same, for a message of an earlier run: what its last check found is not known."""
PER_CONTACT: Final = 100
SETTLED: Final = 20_000
"""Alarms that were ended or acknowledged, the newest."""


@dataclass(frozen=True, slots=True)
class Followed:
    """A record of an accepted message, and its item unless an earlier run has sent it."""

    notification: Notification
    item: Item | None = None


@dataclass(slots=True)
class RecentMessages:
    """Accepted messages by contact, oldest first, and alarms that need no further contact."""

    _sent: dict[str, deque[Followed]] = field(default_factory=dict)
    _settled: OrderedDict[str, None] = field(default_factory=OrderedDict)

    def add(self, followed: Followed, now: int) -> None:
        """Adds an accepted message at `now`, UTC epoch ms."""
        message = followed.notification
        keep = KEEP_MS if followed.item is not None else KEEP_OF_EARLIER_MS
        if message.first and message.sns is not None and now - message.accepted <= keep:
            self._sent.setdefault(message.contact, deque(maxlen=PER_CONTACT)).append(followed)

    def take(self, contact: str, wanted: Callable[[Iterable[Channel], int], bool]) -> list[Followed]:
        """Removes and returns those of a contact's messages that are wanted, by channels and time of acceptance."""
        own = self._sent.get(contact, ())
        found = [f for f in own if wanted(f.notification.channels, f.notification.accepted)]
        if found:
            self._sent[contact] = deque((f for f in own if f not in found), maxlen=PER_CONTACT)
        return found

    def known(self, contact: str, message: str | None) -> None:
        """Removes a message with a known outcome, by its SNS id."""
        own = self._sent.get(contact)
        if own is not None:
            self._sent[contact] = deque((f for f in own if f.notification.sns != message), maxlen=PER_CONTACT)

    def follow(self, event: AlarmEvent) -> None:
        """Applies an alarm event: one that ends or acknowledges its alarm settles it."""
        if event.phase is Phase.END or event.inactivation is Inactivation.ACKNOWLEDGED:
            self._settled[event.id] = None
            self._settled.move_to_end(event.id)
            if len(self._settled) > SETTLED:
                self._settled.popitem(last=False)
        else:
            self._settled.pop(event.id, None)

    def settled(self, alarm: str) -> bool:
        """Returns whether an alarm has ended or is acknowledged."""
        return alarm in self._settled
