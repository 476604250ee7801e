"""Traces readings from hop to hop: time of the measurement, and of the arrival at each hop."""

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

import msgspec

from infra.demo.reconciliation import Identity
from vitals import alarm_events
from vitals.alarm_events import Kind, Phase, Priority
from vitals.contacts import Notification
from vitals.wire import topics, vitals_record

HOPS: Final = ("bedside", "gateway", "kafka", "scored", "alarm", "sns")
"""Each hop counts from the one before it: device to gateway, to Kafka, through Spark, through Ray, to SNS."""
_notification: Final = msgspec.json.Decoder(Notification)
_DECISIVE: Final = frozenset((Phase.START, Phase.ESCALATE))


@dataclass(slots=True)
class Traces:
    """Traces of every reading, and of its alarms and messages.

    Attributes:
        readings: t, t_gw, and the Kafka timestamps in `vitals` and `vitals.scored`, by identity; epoch ms.
        alarms: Identity of the deciding reading and Kafka timestamp, by (alarm, n).
        sent: Time at which SNS accepted the first message of an event, by (alarm, n); epoch ms.
        patients: Patients with an alarm.
    """

    readings: dict[Identity, list[int]] = field(default_factory=dict)
    alarms: dict[tuple[str, int], tuple[Identity, int]] = field(default_factory=dict)
    sent: dict[tuple[str, int], int] = field(default_factory=dict)
    patients: set[str] = field(default_factory=set)

    def take(self, topic: str, partition: int, value: bytes, stamped: int) -> None:
        """Adds one record."""
        if topic == topics.VITALS:
            read = vitals_record.decode_vitals(value)
            for identity, t, t_gw in zip(read.identities(), read.t.tolist(), read.t_gw.tolist(), strict=True):
                self.readings.setdefault(identity, [t, t_gw, stamped])
        elif topic == topics.SCORED:
            for identity in vitals_record.decode_scored(value).readings.identities():
                trace = self.readings.get(identity)
                if trace is not None and len(trace) == 3:
                    trace.append(stamped)
        elif topic == topics.ALARMS:
            self._alarm(value, stamped)
        elif topic == topics.NOTIFICATIONS:
            told = _notification.decode(value)
            if told.sns is not None and told.first:
                self.sent.setdefault((told.alarm, told.n), told.accepted)

    def _alarm(self, value: bytes, stamped: int) -> None:
        event = alarm_events.decode(value)
        urgent = event.kind is Kind.PHYSIOLOGICAL and event.priority is not Priority.LOW
        if not (urgent and event.phase in _DECISIVE and event.patient and event.seq is not None):
            return
        identity = (str(event.device), int(event.boot or 0), event.seq)
        self.alarms.setdefault((event.id, event.n), (identity, stamped))
        self.patients.add(event.patient)

    def totals_ms(self) -> list[float]:
        """Returns milliseconds from measurement to SNS's acceptance, of every urgent event that was sent."""
        return [moments[-1] - moments[0] for moments in self._whole()]

    def hops_ms(self) -> dict[str, list[float]]:
        """Returns milliseconds by hop, of the same events."""
        spans: dict[str, list[float]] = {name: [] for name in HOPS[1:]}
        for moments in self._whole():
            for name, (before, after) in zip(HOPS[1:], pairwise(moments), strict=True):
                spans[name].append(after - before)
        return spans

    def _whole(self) -> list[tuple[int, ...]]:
        found = []
        for event, accepted in self.sent.items():
            identity, alarmed = self.alarms.get(event, (None, 0))
            trace = self.readings.get(identity) if identity else None
            if trace is not None and len(trace) == 4:
                found.append((*trace, alarmed, accepted))
        return found
