"""Counters of the demo: readings by identity at each hop, alarms and messages."""

import logging
import math
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Final

import msgspec

from infra.demo.reconciliation import Seen
from vitals import alarm_events
from vitals.alarm_events import AlarmEvent, Kind, Phase, Priority
from vitals.contacts import Notification
from vitals.readings import Readings
from vitals.status import Status
from vitals.wire import topics, vitals_record

log: Final = logging.getLogger(__name__)
WATCHED: Final = (topics.VITALS, topics.SCORED, topics.ALARMS, topics.NOTIFICATIONS, topics.REJECTED, topics.STATUS)
_notification: Final = msgspec.json.Decoder(Notification)
_status: Final = msgspec.json.Decoder(Status)


@dataclass(slots=True)
class Sight:
    """Counts since the start.

    Attributes:
        accepted: Readings that each gateway's outbox has accepted, from the gateway's status.
        kafka: Readings in `vitals`.
        scored: Readings in `vitals.scored`.
        latest: Newest event of each alarm, by id.
        started: Alarms that started, by priority label, and "technical".
        notifications: Messages that SNS accepted.
        rejected: Records in `vitals.rejected`.
        latencies_ms: By hop (`infra.demo.report.HOPS`).
        ended: UTC epoch ms at which the scenario ended; later alarms (every monitor switched off) are not counted.
    """

    accepted: dict[tuple[str, str], int] = field(default_factory=dict)
    kafka: Seen = field(default_factory=Seen)
    scored: Seen = field(default_factory=Seen)
    latest: dict[str, AlarmEvent] = field(default_factory=dict)
    started: Counter[str] = field(default_factory=Counter)
    notifications: list[Notification] = field(default_factory=list)
    rejected: int = 0
    latencies_ms: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    ended: float = math.inf

    def take(self, topic: str, partition: int, value: bytes, stamped: int) -> None:
        """Counts one record.

        Args:
            topic: Its topic.
            partition: Its partition.
            value: Its value.
            stamped: Its Kafka timestamp, UTC epoch ms.
        """
        if topic == topics.VITALS:
            self._readings("sensor_to_kafka", self.kafka, vitals_record.decode_vitals(value), stamped)
        elif topic == topics.SCORED:
            self._readings("sensor_to_scored", self.scored, vitals_record.decode_scored(value).readings, stamped)
        elif topic == topics.ALARMS:
            self._alarm(alarm_events.decode(value), stamped)
        elif topic == topics.NOTIFICATIONS:
            self._notification(_notification.decode(value))
        elif topic == topics.STATUS:
            status = _status.decode(value)
            if status.outbox:
                self.accepted[status.id, status.outbox] = status.accepted
        else:
            self.rejected += 1

    def _readings(self, hop: str, place: Seen, readings: Readings, stamped: int) -> None:
        identities = readings.identities()
        # A repeat is no measure of latency: the first copy arrived earlier.
        fresh = [t for identity, t in zip(identities, readings.t.tolist(), strict=True) if not place.counts[identity]]
        self.latencies_ms[hop].extend(stamped - t for t in fresh)
        place.add(identities)

    def _alarm(self, event: AlarmEvent, stamped: int) -> None:
        if event.start > self.ended:
            return
        self.latest[event.id] = event
        if event.phase is Phase.START:
            self.started["technical" if event.kind is Kind.TECHNICAL else event.priority.label] += 1
        elif event.phase is Phase.ESCALATE and event.kind is Kind.PHYSIOLOGICAL:
            self.started[event.priority.label] += 1
        if event.seq is not None and event.phase in {Phase.START, Phase.ESCALATE}:
            self.latencies_ms["sensor_to_alarm"].append(stamped - event.t)

    def _notification(self, notification: Notification) -> None:
        if notification.sns is not None and notification.first and notification.t <= self.ended:
            self.notifications.append(notification)
            told = self.latest.get(notification.alarm)
            # A low-priority alarm is collected for a minute on purpose, so it is no measure of the path's latency.
            if told is None or told.priority is not Priority.LOW:
                self.latencies_ms["sensor_to_sns"].append(notification.accepted - notification.t)
