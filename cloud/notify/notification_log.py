"""The notifier's records, to and from the log. Pure."""

import logging
from collections.abc import Callable, Iterable
from typing import Final, TypeVar

import msgspec
import prometheus_client

from cloud.alarm.skipped_records import unreadable
from cloud.kafka.port import Record
from cloud.notify.delivery import Delivered
from cloud.notify.routing import NotificationKey
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
    """Returns the ids of the notifier's own alarms that stood when it last gave a sign of life."""
    mine = [r for r in past if r.topic == topics.STATUS and r.key == NOTIFIER.encode() and r.value]
    status = read(mine[-1], Status) if mine else None
    return status.alarms if status and status.kind == NOTIFIER else ()


def told(event: AlarmEvent, contact: str) -> NotificationKey:
    """Returns what makes telling a contact of an event one and the same."""
    return NotificationKey(event.id, event.n, contact, event.handover)


def notifications(delivered: Delivered) -> tuple[Notification, ...]:
    """Returns the records of a message, one for each of its alarms; the first names the others as merged."""
    contact, (first, *others) = delivered.message.contact.contact, [item.event for item in delivered.message.items]
    merged = tuple(event.id for event in others)
    return (
        _notification(first, contact, delivered, merged),
        *(_notification(event, contact, delivered) for event in others),
    )


def _notification(event: AlarmEvent, contact: str, delivered: Delivered, merged: tuple[str, ...] = ()) -> Notification:
    sent = delivered.sent
    return msgspec.structs.replace(
        unsent(event, contact, delivered.accepted, delivered.error),
        channels=sent.channels if sent else (),
        sns=sent.id if sent else None,
        sms=delivered.texts.sms,
        merged=merged,
    )


def unsent(event: AlarmEvent, contact: str, now: int, error: str | None) -> Notification:
    """Returns the record of an alarm of which there was no message at all, as of `now`, UTC epoch ms."""
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
    )


def read(record: Record, kind: type[T], put_aside: Callable[[Rejected], None] | None = None) -> T | None:
    """Reads a record; None for a tombstone, and for bytes that are none, which are counted, logged and stop nobody.

    Args:
        record: The record.
        kind: What it is to be.
        put_aside: Is given what cannot be read of a topic that no other part reads.
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
    """Reads an alarm; see `read`."""
    return read(record, AlarmEvent)
