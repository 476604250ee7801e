"""Kafka records into rows of the lake's tables: pure. What cannot be read is a rejection with its reason."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import pyarrow as pa

from cloud import archive_scored
from cloud.lake.tables import ALARMS, FLAG, INTEGER, JSON, NOTIFICATIONS, NUMBER, PATIENTS, TIME, VITALS, Table
from vitals.alarms import AlarmEvent
from vitals.contacts import Notification
from vitals.patients import Admission
from vitals.records import WireError
from vitals.status import Rejected

PAYLOAD_BYTES: Final = 128 * 1024
"""The most of a rejected record that is kept."""


@dataclass(frozen=True, slots=True)
class Record:
    """One Kafka record.

    Attributes:
        offset: Its offset.
        log_t: Its timestamp, UTC epoch ms.
        value: Its value; None for a tombstone, of which no row is made.
    """

    offset: int
    log_t: int
    value: bytes | None


@dataclass(slots=True)
class Pile:
    """Decoded records of one partition that will become one object.

    Attributes:
        topic: Topic.
        partition: Partition.
        seen: Newest source offset by source partition; grows with what is added (`vitals.scored` alone repeats).
        rows: Rows so far.
        rejected: Rejections so far.
    """

    topic: str
    partition: int
    seen: dict[int, int]
    rows: int = 0
    rejected: list[Rejected] = field(default_factory=list)
    _decoded: list[tuple[Record, Any]] = field(default_factory=list)

    def add(self, record: Record) -> None:
        """Decodes a record; one that repeats a source offset is dropped, one that cannot be read is rejected."""
        if record.value is None:
            return
        try:
            decoded = _DECODERS[self.topic](record.value)
        except (WireError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            where = f"{self.topic}[{self.partition}]@{record.offset}"
            payload = record.value[:PAYLOAD_BYTES]
            self.rejected.append(Rejected(topic=where, reason=str(error), t=record.log_t, payload=payload))
            return
        count = 1
        if self.topic == VITALS.topic:
            if decoded.offset <= self.seen.get(decoded.partition, -1):
                return
            self.seen[decoded.partition] = decoded.offset
            count = len(decoded.t)
        if count:
            self._decoded.append((record, decoded))
            self.rows += count

    def table(self) -> pa.Table:
        """Returns the rows, in the order in which they were added."""
        if self.topic == VITALS.topic:
            return archive_scored.table([(record.log_t, decoded) for record, decoded in self._decoded])
        return _events(self.topic, self.partition, self._decoded)


_DECODERS: Final[Mapping[str, Callable[[bytes], Any]]] = {
    VITALS.topic: archive_scored.decode,
    ALARMS.topic: msgspec.json.Decoder(AlarmEvent).decode,
    NOTIFICATIONS.topic: msgspec.json.Decoder(Notification).decode,
    PATIENTS.topic: msgspec.json.Decoder(Admission).decode,
}


def _events(topic: str, partition: int, decoded: Sequence[tuple[Record, Any]]) -> pa.Table:
    table = _EVENTS[topic]
    # What the record does not say itself, its place in Kafka does.
    rows = [
        {"log_t": record.log_t, "source_partition": partition, "source_offset": record.offset}
        | msgspec.structs.asdict(event)
        for record, event in decoded
    ]
    columns = []
    for column, kind in zip(table.columns, table.schema(), strict=True):
        values = [row[column.field] for row in rows]
        columns.append(pa.array([_CONVERT[column.kind](v) if v is not None else None for v in values], kind.type))
    return pa.table(columns, schema=table.schema())


_EVENTS: Final[dict[str, Table]] = {table.topic: table for table in (ALARMS, NOTIFICATIONS, PATIENTS)}
_CONVERT: Final[dict[str, Callable[[Any], Any]]] = {
    "text": str,
    INTEGER: int,
    NUMBER: float,
    TIME: lambda ms: int(ms) * 1000,
    FLAG: bool,
    JSON: lambda value: msgspec.json.encode(value).decode(),
}
