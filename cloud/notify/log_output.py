"""Records that the notifier writes: notifications, its technical alarms, standings of channels, and the heartbeat."""

from dataclasses import dataclass, field

import msgspec

from cloud.alarm.skipped_records import unreadable
from cloud.kafka.partitioning import Partitioning
from cloud.kafka.port import Record, Writer
from cloud.notify.delivery.notification_log import NOTIFIER, UNREADABLE, alarm_event
from cloud.notify.routing.on_call import not_notified
from cloud.notify.routing.self_alarms import SelfAlarms
from vitals.alarm_events import AlarmEvent, Phase, encode, pages
from vitals.contact_standing import ContactStanding, standing_key
from vitals.contacts import NOBODY, Notification
from vitals.engine.rules.technical_alarms import PIPELINE, PIPELINE_STALLED
from vitals.runtime.exceptions import describe_exception
from vitals.status import Health, Rejected, Status
from vitals.wire import topics


@dataclass(slots=True)
class LogOutput:
    """Writes the notifier's records.

    Attributes:
        layout: Lanes and partitions of the deployment.
        writer: Writer of all records but the heartbeat.
        heart: Writer of the heartbeat, which Kafka fences; None: `writer`.
        holder: This process as the holder of the lease (`cloud.notify.lease`).
        status: Newest heartbeat.
        self_alarms: The notifier's own technical alarms.
        beat: Time of the newest heartbeat, UTC epoch ms.
    """

    layout: Partitioning
    writer: Writer
    heart: Writer | None = None
    holder: str = ""
    status: Status | None = None
    self_alarms: SelfAlarms = field(default_factory=SelfAlarms)
    beat: int = 0
    _stalled: set[str] = field(default_factory=set)

    def follow(self, event: AlarmEvent) -> None:
        """Records whether the pipeline is stalled.

        The heartbeat then reports *silent*, and every bed's alarm signal shows it.
        """
        if event.condition == PIPELINE_STALLED:
            (self._stalled.discard if event.phase is Phase.END else self._stalled.add)(event.id)

    def heartbeat(self, now: int) -> None:
        """Writes a heartbeat at `now`, UTC epoch ms."""
        self.beat = now
        # Gateways receive only the health *up* of a notifier that pages: while no reading is judged, no page is sent.
        health = Health.SILENT if self._stalled else Health.UP
        self.status = Status(
            id=NOTIFIER, kind=NOTIFIER, health=health, t=now, alarms=self.self_alarms.ids, holder=self.holder
        )
        heart = self.heart or self.writer
        heart.write((topics.STATUS, 0), NOTIFIER.encode(), msgspec.json.encode(self.status))
        if self.heart is not None:
            self.heart.flush()

    def start(self, event: AlarmEvent) -> None:
        """Writes the start of a technical alarm of the notifier, unless it is active at no lower priority."""
        begun = self.self_alarms.begin(event)
        if begun is not None:
            self.alarm(begun)
            self.heartbeat(event.log_t)

    def end(self, contact: str, now: int) -> None:
        """Writes the end of *not notified* of a contact, if it is active."""
        reached = self.self_alarms.reached(contact, now)
        if reached is not None:
            self.alarm(reached)
            self.heartbeat(now)

    def alarm(self, event: AlarmEvent) -> None:
        """Writes an event of a technical alarm of the notifier."""
        # In the partition of the watchdog's alarms, which the equipment's shard reads for the ward page.
        place = (topics.ALARMS, self.layout.partition(PIPELINE))
        self.writer.write(place, event.subject.encode(), encode(event))

    def notification(self, notification: Notification) -> None:
        """Writes the record of a notification."""
        place = (topics.NOTIFICATIONS, self.layout.partition(notification.patient))
        self.writer.write(place, notification.patient.encode(), msgspec.json.encode(notification))

    def standing(self, standing: ContactStanding) -> None:
        """Writes the standing of a contact's channels."""
        self.writer.write((topics.CHANNELS, 0), standing_key(standing.contact).encode(), msgspec.json.encode(standing))

    def forget(self, key: str) -> None:
        """Writes a tombstone of topic `channels`."""
        self.writer.write((topics.CHANNELS, 0), key.encode(), None)

    def reject(self, record: Record, error: Exception, now: int) -> None:
        """Writes the dead letter of a record that raised; the ward of an alarm that pages is notified of it."""
        UNREADABLE.labels(record.topic).inc()
        self.rejected(unreadable(record, error).rejected)
        event = alarm_event(record) if record.topic == topics.ALARMS else None
        if event is not None and pages(event):
            self.start(not_notified(event, NOBODY, describe_exception(error), now))

    def rejected(self, refused: Rejected) -> None:
        """Writes a dead letter."""
        self.writer.write((topics.REJECTED, 0), refused.topic.encode(), msgspec.json.encode(refused))
