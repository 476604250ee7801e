"""Messages that ask contacts at the begin of a duty to confirm that messages arrive; their rate is bounded.

At a shift change a whole house begins its duty in one minute. SNS sends 20 SMS in a second by default, and alarms share
that rate: requests use half of it, and none starts while several messages wait for SNS.
"""

from collections import deque
from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from typing import Final

import msgspec

from cloud.duty.house import House
from cloud.duty.proofs import request_of, unproven
from cloud.notify.channels.port import RenderedMessage
from cloud.notify.delivery.notification_log import told
from cloud.notify.delivery.throttle import Item, Message
from cloud.notify.messages import sms_part
from cloud.notify.messages.templates import Links
from cloud.notify.routing.on_call import NotificationKey, channels
from vitals.contacts import MessageKind
from vitals.runtime.token_bucket import TokenBucket

PER_S: Final = 10
"""Requests in one second: half of the SMS that SNS sends by default, so that 200 contacts are asked in 20 s."""
NOWHERE: Final = ("", 0)
"""Place of a request, which no record of `alarms` has caused."""


def _bucket() -> TokenBucket:
    return TokenBucket(PER_S, 1000 / PER_S, PER_S, 0)


@dataclass(slots=True)
class ProofMessages:
    """Requests that wait for their turn, and those that were made."""

    _waiting: deque[Item] = field(default_factory=deque)
    _asked: set[NotificationKey] = field(default_factory=set)
    _bucket: TokenBucket = field(default_factory=_bucket)

    def review(self, house: House, known: Container[NotificationKey], now: int) -> None:
        """Queues a request for each duty that needs a proof and has had none.

        Args:
            house: Present state.
            known: Notifications that were sent.
            now: UTC epoch ms.
        """
        for ward, duty in unproven(house, now):
            event = request_of(ward, duty, now)
            key = told(event, duty.contact)
            if key not in known and key not in self._asked:
                self._asked.add(key)
                self._waiting.append(Item(event, duty, NOWHERE, 0, now, MessageKind.PROOF))

    def due(self, now: int, room: int) -> Iterator[Message]:
        """Yields requests to send now, `room` at most."""
        self._bucket.refill(now)
        while self._waiting and self._bucket.tokens >= 1 and room > 0:
            self._bucket.tokens -= 1
            room -= 1
            item = self._waiting.popleft()
            yield Message(item.contact, (item,))

    def __len__(self) -> int:
        return len(self._waiting)


def wanted(house: House, item: Item, now: int) -> bool:
    """Returns whether a request still asks for something: the contact is on that duty, and has no proof."""
    return any(
        (duty.contact, duty.start) == (item.contact.contact, item.event.start) for _, duty in unproven(house, now)
    )


def render(item: Item, links: Links, now: int) -> RenderedMessage:
    """Renders a request for every channel; the ward's name is cut if an SMS has no room for it."""
    contact, wording = item.contact.contact, links.wording
    url = links.to_proof(item.event.id, contact, now)
    tails = (f" {wording('proof.sms')} {url}", f" {wording('proof.brief')} {url}")
    text = sms_part.fitted((item.event.ward or "").upper(), tails)
    body = wording("proof.email", ward=item.event.ward or "-", url=url)
    outbox = {"contact": contact, "kind": MessageKind.PROOF.value, "ward": item.event.ward, "sms": text, "email": body}
    by = channels(item.contact, item.event.priority)
    return RenderedMessage(wording("proof.subject"), text, body, msgspec.json.encode(outbox).decode(), by)
