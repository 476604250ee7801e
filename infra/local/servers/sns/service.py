"""The service itself, without HTTP: topics, subscriptions, and the delivery of published messages."""

import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from infra.local.servers.sns.ledger import Confirmation, Ledger, Reached, Undelivered
from infra.local.servers.sns.message import Message, check, envelope
from infra.local.servers.sns.trouble import State
from infra.local.servers.sns.values import (
    ACCOUNT,
    REGION,
    Attributes,
    Standing,
    Subscription,
    check_endpoint,
    error,
    invalid,
)

PAGE: Final = 100
OPTED_OUT: Final = "Phone number is opted out"


Forward = Callable[[str, str, Callable[[str | None], None]], None]
"""Sends a text to the queue of an ARN, then calls back with the reason of a failure, or None."""


@dataclass(slots=True)
class Service:
    """The service; safe from several threads.

    Attributes:
        ledger: Outcomes of messages.
        clock: UTC epoch ms.
        monotonic: s.
        confirmed: New subscriptions by e-mail are confirmed at once, as if each person had clicked.
        emails_per_s: Rate of e-mails beyond which their subscription is deactivated; 0: no limit.
        forward: Sends texts to queues; None: a line in the ledger is all that queues keep.
    """

    ledger: Ledger
    clock: Callable[[], int]
    monotonic: Callable[[], float]
    confirmed: bool = False
    emails_per_s: int = 10
    forward: Forward | None = None
    _topics: dict[str, dict[tuple[str, str], Subscription]] = field(default_factory=dict)
    _by_arn: dict[str, Subscription] = field(default_factory=dict)
    _opted_out: set[str] = field(default_factory=set)
    _failing: dict[str, str] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def set(self, state: State) -> None:
        """Sets the state of an address."""
        with self._lock:
            if state.to == "opted-out":
                self._opted_out.add(state.endpoint)
            elif state.to == "failing":
                self._failing[state.endpoint] = state.reason
            elif state.to == "fine":
                self._opted_out.discard(state.endpoint)
                self._failing.pop(state.endpoint, None)
            else:
                for subscription in [s for s in self._by_arn.values() if s.endpoint == state.endpoint]:
                    if state.to == "expired":
                        self.unsubscribe(subscription.arn)
                    else:
                        subscription.standing = Standing(state.to)

    def create_topic(self, name: str) -> str:
        """Returns a topic's ARN; one that is there stays as it is."""
        if not 0 < len(name) <= 256 or not name.replace("-", "").replace("_", "").isalnum():  # noqa: PLR2004 - AWS's
            raise invalid("Topic Name")
        arn = f"arn:aws:sns:{REGION}:{ACCOUNT}:{name}"
        with self._lock:
            self._topics.setdefault(arn, {})
        return arn

    def delete_topic(self, arn: str) -> None:
        """Deletes a topic with all its subscriptions, pending ones too; one that is not there is deleted already."""
        with self._lock:
            for subscription in self._topics.pop(arn, {}).values():
                self._by_arn.pop(subscription.arn, None)

    def subscribe(
        self, topic: str, protocol: str, endpoint: str, attributes: Mapping[str, str], *, always_arn: bool
    ) -> str:
        """Subscribes an address; returns its ARN, or `pending confirmation` in place of it."""
        check_endpoint(protocol, endpoint)
        with self._lock:
            members = self._members(topic)
            known = members.get((protocol, endpoint))
            if known is None:
                known = self._new(topic, protocol, endpoint, attributes)
                members[protocol, endpoint] = self._by_arn[known.arn] = known
            elif dict(attributes) != known.attributes and known.standing is Standing.CONFIRMED:
                raise invalid("Attributes Reason: Subscription already exists with different attributes")
            if known.standing in {Standing.PENDING, Standing.DEACTIVATED}:
                self.ledger.note(
                    Confirmation(t=self.clock(), endpoint=endpoint, topic=topic, token=known.token),
                )
            return known.arn if always_arn or known.standing is Standing.CONFIRMED else "pending confirmation"

    def _new(self, topic: str, protocol: str, endpoint: str, attributes: Mapping[str, str]) -> Subscription:
        waits = protocol == "email" and not self.confirmed
        made = Subscription(
            arn=f"{topic}:{uuid.uuid4()}",
            topic=topic,
            protocol=protocol,
            endpoint=endpoint,
            token=uuid.uuid4().hex * 2,
            standing=Standing.PENDING if waits else Standing.CONFIRMED,
        )
        for name, value in attributes.items():
            made.set(name, value)
        return made

    def confirm(self, topic: str, token: str) -> str:
        """Confirms a subscription; returns its ARN."""
        with self._lock:
            for subscription in self._members(topic).values():
                if subscription.token == token:
                    subscription.standing = Standing.CONFIRMED
                    return subscription.arn
        raise invalid("Token")

    def unsubscribe(self, arn: str) -> None:
        """Ends a subscription; one that is not there has ended already."""
        _check_arn(arn)
        with self._lock:
            gone = self._by_arn.pop(arn, None)
            if gone is not None:
                del self._topics[gone.topic][gone.protocol, gone.endpoint]

    def subscriptions(self, topic: str, token: str) -> tuple[list[Subscription], str | None]:
        """Returns a page of a topic's subscriptions, and the token of the next one."""
        with self._lock:
            members = list(self._members(topic).values())
        first = int(token) if token.isdigit() else 0
        more = first + PAGE < len(members)
        return members[first : first + PAGE], str(first + PAGE) if more else None

    def subscription(self, arn: str) -> Subscription:
        """Returns a subscription."""
        _check_arn(arn)
        with self._lock:
            if arn not in self._by_arn:
                raise error("NotFound", "Subscription does not exist")
            return self._by_arn[arn]

    def set_attribute(self, arn: str, name: str, value: str) -> None:
        """Sets an attribute of a subscription."""
        with self._lock:
            self.subscription(arn).set(name, value)

    def opted_out(self) -> list[str]:
        """Returns the numbers that have opted out."""
        with self._lock:
            return sorted(self._opted_out)

    def publish(self, topic: str, texts: Mapping[str, str], subject: str, attributes: Attributes) -> str:
        """Publishes to all subscriptions; returns the message's id, whether or not it reaches any."""
        check(texts, subject)
        with self._lock:
            message = Message(str(uuid.uuid4()), topic, texts, subject, attributes)
            wanting = [s for s in self._members(topic).values() if s.wants(attributes)]
            for subscription in wanting:
                self._deliver(subscription, message)
            if not wanting:
                self._fail(message, "", "", "nobody is subscribed")
        self.ledger.count("accepted")
        return message.id

    def text(self, number: str, text: str) -> str:
        """Sends an SMS to a number; returns the message's id, whether or not it reaches the phone."""
        check_endpoint("sms", number)
        message = Message(str(uuid.uuid4()), "", {"default": text})
        check(message.texts, "")
        with self._lock:
            self._send(message, "sms", number, None)
        self.ledger.count("accepted")
        return message.id

    def _members(self, topic: str) -> dict[tuple[str, str], Subscription]:
        _check_arn(topic)
        if topic not in self._topics:
            raise error("NotFound", "Topic does not exist")
        return self._topics[topic]

    def _deliver(self, to: Subscription, message: Message) -> None:
        if to.standing is Standing.CONFIRMED and to.protocol == "email" and self.emails_per_s:
            now = self.monotonic()
            to.sent.append(now)
            if sum(now - at < 1 for at in to.sent) > self.emails_per_s:
                to.standing = Standing.DEACTIVATED
        if to.standing is not Standing.CONFIRMED:
            # No subscription exists yet or any more: no attempt, and no dead letter.
            self._fail(message, to.protocol, to.endpoint, to.standing.why)
        else:
            self._send(message, to.protocol, to.endpoint, to)

    def _send(self, message: Message, protocol: str, endpoint: str, to: Subscription | None) -> None:
        why = OPTED_OUT if endpoint in self._opted_out else self._failing.get(endpoint)
        if why is not None:
            self._fail(message, protocol, endpoint, why, to.redrive if to else None)
        elif protocol == "sqs" and to is not None and self.forward is not None:
            text = message.text("sqs") if to.attributes.get("RawMessageDelivery") == "true" else envelope(message)
            self.forward(endpoint, text, lambda failed: self._forwarded(message, to, failed))
        else:
            self._reach(message, protocol, endpoint)

    def _forwarded(self, message: Message, to: Subscription, failed: str | None) -> None:
        if failed is None:
            self._reach(message, "sqs", to.endpoint)
        else:
            self._fail(message, "sqs", to.endpoint, failed, to.redrive)

    def _reach(self, message: Message, protocol: str, endpoint: str) -> None:
        self.ledger.note(
            Reached(
                t=self.clock(),
                endpoint=endpoint,
                protocol=protocol,
                topic=message.topic,
                message_id=message.id,
                text=message.text(protocol),
                subject=message.subject if protocol == "email" else "",
            )
        )

    def _fail(self, message: Message, protocol: str, endpoint: str, reason: str, queue: str | None = None) -> None:
        self.ledger.note(
            Undelivered(
                t=self.clock(),
                endpoint=endpoint,
                protocol=protocol,
                topic=message.topic,
                message_id=message.id,
                reason=reason,
                queue=queue,
            )
        )
        if queue is not None and self.forward is not None:
            self.forward(queue, envelope(message), lambda _: None)


def _check_arn(arn: str) -> None:
    parts = len(arn.split(":"))
    if parts < 6:  # noqa: PLR2004 - an ARN's
        raise invalid(f"ARN Reason: An ARN must have at least 6 elements, not {parts}")
