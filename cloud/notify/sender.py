"""Renders messages, hands them to delivery, and records their outcome; refused messages are retried."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from cloud.ack_links import number
from cloud.notify.canary import NOBODY as CANARY_CONTACT
from cloud.notify.delivery.attempts import Delivered, Delivery
from cloud.notify.delivery.notification_log import notifications, told
from cloud.notify.delivery.retry import RetryQueue, merged, newest_items
from cloud.notify.delivery.throttle import Item, Message
from cloud.notify.messages.copies import marked
from cloud.notify.messages.lateness import late_words, said_late
from cloud.notify.messages.proof_messages import render, wanted
from cloud.notify.messages.templates import Links, compose, plain
from cloud.notify.router import Router
from cloud.notify.routing.on_call import not_notified
from vitals.conditions import NOT_NOTIFIED
from vitals.contacts import CANARY, MessageKind, Notification
from vitals.runtime.exceptions import NOT_CAUSED_BY_INPUT

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Sender:
    """Sends messages and records their outcome.

    Attributes:
        links: Links in messages.
        router: Routes calls; its state by the log's records and its output are used, too.
        delivery: Messages in flight.
        arrived: Called with every notification that a channel accepted.
        retries: Items that no channel accepted.
    """

    links: Links
    router: Router
    delivery: Delivery
    arrived: Callable[[Notification], None]
    retries: RetryQueue = field(default_factory=RetryQueue)

    def begin(self, message: Message, now: int, *, again: bool = False) -> None:
        """Renders a message and hands it to delivery; see `Delivery.begin`."""
        first, known = message.items[0], self.router.known
        try:
            if first.kind is MessageKind.PROOF:
                texts = render(first, self.links, now)
            else:
                setting = known.on_call.house.messages
                texts = compose(message, known.patients, known.incidents.active, self.links, now, setting=setting)
                texts = said_late(late_words(message, self.router.late.late_ms, now), texts)
            texts = marked(message, texts, self.links.wording)
        except NOT_CAUSED_BY_INPUT:
            raise
        except Exception:
            # A message without particulars still calls a person to the alarm.
            logger.exception(
                "message to %s cannot be rendered; it is sent without particulars", message.contact.contact
            )
            texts = plain(message, self.links.wording)
        self.delivery.begin(message, texts, now, again=again)

    def repeat(self, now: int) -> None:
        """Retries items that no channel accepted, unless over and old; reroutes those whose contact is off duty.

        A step is not rerouted if another of its recipients was notified: one wrong number re-pages no shift.
        """
        known, pending, items = self.router.known, self.router.pending, list[Item]()
        for item in self.retries.due(now):
            event, contact = item.event, item.contact.contact
            if item.kind is MessageKind.PROOF:
                if wanted(known.on_call.house, item, now):
                    self.begin(Message(item.contact, (item,)), now, again=True)
                continue
            present = CANARY_CONTACT if contact == CANARY else known.on_call.on_duty(contact, now)
            if self.router.late.late(event, now) and known.incidents.over(event, pending.newest[event.id]):
                logger.warning(
                    "alarm %s ended or was acknowledged before %s could be notified", number(event.id), contact
                )
                pending.close([item])
            elif present is None and known.steps.notified(event):
                logger.warning("alarm %s: %s is off duty, others were notified", number(event.id), contact)
                pending.close([item])
            elif present is None:
                logger.warning(
                    "alarm %s is routed to the contacts on duty now: %s is off duty", number(event.id), contact
                )
                self.router.route(event, item.place, item.offset, now)
                pending.close([item])
            else:
                items.append(replace(item, contact=present))
        newest, superseded = newest_items(items)
        pending.close(superseded)
        for message in merged(newest):
            self.begin(message, now, again=True)

    def resend(self, item: Item, now: int) -> None:
        """Sends an item to the same contact once more, at the present address."""
        self.router.pending.add(item)
        present = self.router.on_call.on_duty(item.contact.contact, now)
        self.begin(Message(present or item.contact, (item,)), now)

    def record(self, delivered: Delivered, now: int) -> None:
        """Records the outcome of a delivery."""
        if delivered.sent is None:
            self._fail(delivered, now)
            return
        known, output = self.router.known, self.router.output
        for item, made in zip(delivered.message.items, notifications(delivered), strict=True):
            output.notification(made)
            self.arrived(made)
            known.steps.take(made)
            known.reach.sent(made, item, now)
        if known.reach.reached(delivered.message.contact):
            output.end(delivered.message.contact.contact, now)

    def _fail(self, delivered: Delivered, now: int) -> None:
        """Records a failure and raises its alarm once, however often it recurs."""
        contact, known_failed = delivered.message.contact.contact, self.router.known.failed
        # A copy counts as no notification, so nothing is owed if it fails.
        copies = [item for item in delivered.message.items if item.kind is MessageKind.COURTESY]
        self.router.pending.close(copies)
        message = replace(delivered.message, items=tuple(i for i in delivered.message.items if i not in copies))
        if not message.items:
            return
        delivered = replace(delivered, message=message)
        self.retries.add(message, now)
        lead = message.items[0].event
        known = told(lead, contact) in known_failed
        level = logging.INFO if known else logging.ERROR
        logger.log(level, "notification to %s failed and will be retried: %s", contact, delivered.error)
        if not known and lead.condition != NOT_NOTIFIED and contact != CANARY:
            self.router.output.start(not_notified(lead, contact, delivered.error or "", now))
        if delivered.no_channel and not known:
            for item in message.items:
                self.router.pass_on(item, now)
        for item, made in zip(message.items, notifications(delivered), strict=True):
            key = told(item.event, contact)
            if key not in known_failed:
                known_failed.add(key)
                self.router.output.notification(made)
