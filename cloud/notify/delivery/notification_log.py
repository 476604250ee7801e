"""Encodes and decodes the notifier's records. Pure."""

import logging
from collections.abc import Callable, Iterable
from typing import Final, TypeVar

import msgspec
import prometheus_client

from cloud.alarm.skipped_records import unreadable
from cloud.kafka.port import Record
from cloud.notify.delivery.attempts import Delivered
from cloud.notify.delivery.throttle import Item
from cloud.notify.routing.on_call import NotificationKey
from vitals.alarm_events import AlarmEvent
from vitals.bounds import BoundError, decoded
from vitals.contacts import Notification
from vitals.status import Rejected, Status
from vitals.wire import topics

logger = logging.getLogger(__name__)
NOTIFIER: Final = "notifier"
UNREADABLE: Final = prometheus_client.Counter(
    "wardwatch_notify_unreadable_records", "records of the log that the notifier cannot read", ["topic"]
)
T = TypeVar("T")


def own_ids(past: Iterable[Record]) -> tuple[str, ...]:
    """Returns the ids of the notifier's own alarms that were active at its last heartbeat."""
    mine = [r for r in past if r.topic == topics.STATUS and r.key == NOTIFIER.encode() and r.value]
    status = read(mine[-1], Status) if mine else None
    return status.alarms if status and status.kind == NOTIFIER else ()


def told(event: AlarmEvent, contact: str) -> NotificationKey:
    """Returns the deduplication key of a notification."""
    return NotificationKey(event.id, event.n, contact, event.handover)


def notifications(delivered: Delivered) -> tuple[Notification, ...]:
    """Returns the records of a message, one per alarm; the first lists the others as merged."""
    first, *others = delivered.message.items
    merged = tuple(item.event.id for item in others)
    return (_notification(first, delivered, merged), *(_notification(item, delivered) for item in others))


def _notification(item: Item, delivered: Delivered, merged: tuple[str, ...] = ()) -> Notification:
    sent, contact = delivered.sent, delivered.message.contact.contact
    return msgspec.structs.replace(
        unsent(item.event, contact, delivered.accepted, delivered.error),
        queued=item.queued or None,
        channels=sent.channels if sent else (),
        sns=sent.id if sent else None,
        sms=delivered.texts.sms,
        merged=merged,
        kind=item.kind,
        recipients=item.recipients,
    )


def unsent(event: AlarmEvent, contact: str, now: int, error: str | None) -> Notification:
    """Returns the record of an alarm for which no message was sent, as of `now`, UTC epoch ms."""
    return Notification(
        alarm=event.id,
        n=event.n,
        patient=event.patient or event.subject,
        contact=contact,
        handover=event.handover,
        channels=(),
        sns=None,
        t=event.t,
        accepted=now,
        sms="",
        error=error,
        priority=event.priority,
        ward=event.ward,
    )


def read(record: Record, kind: type[T], put_aside: Callable[[Rejected], None] | None = None) -> T | None:
    """Decodes a record; None for a tombstone and for invalid bytes, which are counted and logged.

    Args:
        record: The record.
        kind: Type of the message.
        put_aside: Receives the dead letter of an invalid record; for topics that no other part reads.
    """
    try:
        return decoded(record.value, kind) if record.value is not None else None
    except BoundError as error:
        UNREADABLE.labels(record.topic).inc()
        logger.error("%s[%s]@%s cannot be read: %s", *record.place, record.offset, error)
        if put_aside is not None:
            put_aside(unreadable(record, error).rejected)
        return None


def alarm_event(record: Record) -> AlarmEvent | None:
    """Decodes an alarm event; see `read`."""
    return read(record, AlarmEvent)
