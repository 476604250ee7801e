"""Latencies by hop of a sample of all records: at a million patients, reading all would distort the measurement."""

import zlib
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Final

import msgspec

from tests.bench.path.percentiles import rank
from vitals import alarm_events
from vitals.alarm_events import Kind, Phase, Priority
from vitals.contacts import Notification
from vitals.wire import topics, vitals_record

LANES: Final = 2
"""Number of lanes of `vitals` and `vitals.scored` that are read. Alarms and notifications are read completely."""
ONE_IN: Final = 6
_notification: Final = msgspec.json.Decoder(Notification)


@dataclass(slots=True)
class Sampled:
    """Times from measurement to each hop, of sampled readings.

    Attributes:
        spans_ms: Times by hop, ms.
        records: Number of records by topic.
    """

    spans_ms: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    records: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))

    def take(self, topic: str, partition: int, value: bytes, stamped: int) -> None:
        """Adds one record."""
        self.records[topic] += 1
        if topic == topics.VITALS and zlib.crc32(value) % ONE_IN == 0:
            self.spans_ms["kafka"].extend((stamped - vitals_record.decode_vitals(value).t).tolist())
        elif topic == topics.SCORED and zlib.crc32(value) % ONE_IN == 0:
            self.spans_ms["scored"].extend((stamped - vitals_record.decode_scored(value).readings.t).tolist())
        elif topic == topics.ALARMS:
            event = alarm_events.decode(value)
            urgent = event.kind is Kind.PHYSIOLOGICAL and event.priority is not Priority.LOW
            if urgent and event.phase in {Phase.START, Phase.ESCALATE} and event.seq is not None:
                self.spans_ms["alarm"].append(stamped - event.t)
        elif topic == topics.NOTIFICATIONS:
            told = _notification.decode(value)
            if told.sns is not None and told.first:
                self.spans_ms["sns"].append(told.accepted - told.t)

    def forget(self) -> None:
        """Clears times and counts."""
        self.spans_ms.clear()
        self.records.clear()

    def spread(self) -> dict[str, tuple[float, float]]:
        """Returns (p50, p99) by hop, ms."""
        return {hop: (rank(spans, 0.5), rank(spans, 0.99)) for hop, spans in self.spans_ms.items()}
