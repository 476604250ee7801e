"""Kafka records into rows of the lake's tables: pure. What cannot be read is a rejection with its reason."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import pyarrow as pa

from cloud.archive import decode_scored, status_rows
from cloud.lake.schema import (
    ACTIONS,
    ALARMS,
    INTEGER,
    JSON,
    NOTIFICATIONS,
    PATIENTS,
    REFUSED,
    STATUS,
    TABLES,
    TIME,
    VITALS,
    Column,
)
from vitals.actions import Action
from vitals.admissions import Admission
from vitals.alarm_events import AlarmEvent
from vitals.bounds import MAX_ASIDE, MAX_CALENDAR, MAX_PROSE
from vitals.contacts import Notification
from vitals.runtime.exceptions import NOT_CAUSED_BY_INPUT, describe_exception
from vitals.status import Rejected
from vitals.wire.vitals_record import WireError

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Record:
    """One Kafka record.

    Attributes:
        offset: Its offset.
        log_t: Its timestamp, UTC epoch ms.
        value: Its value; None for a tombstone, of which no row is made.
        key: Its key; None when it has none.
    """

    offset: int
    log_t: int
    value: bytes | None
    key: bytes | None = None


@dataclass(slots=True)
class PartitionBuffer:
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
    _thinned: status_rows.StatusSampler = field(default_factory=status_rows.StatusSampler)

    def add(self, record: Record) -> None:
        """Decodes a record; one that repeats a source offset is dropped, one that cannot be read is rejected.

        The mark tells repetitions from news because the scoring job's producer is idempotent: its retries keep order.
        """
        if record.value is None:
            return
        try:
            decoded = self._decode(record, record.value)
        except NOT_CAUSED_BY_INPUT:
            raise
        except Exception as error:
            if not isinstance(error, ValueError):
                logger.exception("a record of %s ends in an error, and is rejected", self.topic)
            self._reject(record, str(error))
            return
        count = 1
        if self.topic == VITALS.topic:
            if decoded.offset <= self.seen.get(decoded.partition, -1):
                return
            self.seen[decoded.partition] = decoded.offset
            count = len(decoded.t)
        elif self.topic == STATUS.topic:
            count = self._thinned.keeps(decoded, record.log_t)
        if count:
            self._decoded.append((record, decoded))
            self.rows += count

    def table(self) -> pa.Table:
        """Returns the rows, in the order in which they were added; a record whose rows no table holds is rejected."""
        try:
            return self._table(self._decoded)
        except NOT_CAUSED_BY_INPUT:
            raise
        except Exception:
            logger.exception("%d records of %s make no table: each is tried by itself", len(self._decoded), self.topic)
        kept = [one for one in self._decoded if self._is_held(one)]
        return self._table(kept)

    def _is_held(self, one: tuple[Record, Any]) -> bool:
        try:
            self._table([one])
        except NOT_CAUSED_BY_INPUT:
            raise
        except Exception as error:
            logger.exception("a record of %s makes no row, and is rejected", self.topic)
            self._reject(one[0], describe_exception(error))
            return False
        return True

    def _table(self, decoded: list[tuple[Record, Any]]) -> pa.Table:
        if self.topic == VITALS.topic:
            return decode_scored.table([(record.log_t, found) for record, found in decoded])
        return pa.Table.from_pylist([row for _, row in decoded], schema=TABLES[self.topic].schema())

    def _reject(self, record: Record, reason: str) -> None:
        where = f"{self.topic}[{self.partition}]@{record.offset}"
        payload = (record.value or b"")[:MAX_ASIDE]
        self.rejected.append(Rejected(topic=where, reason=reason[:MAX_PROSE], t=record.log_t, payload=payload))

    def _decode(self, record: Record, value: bytes) -> Any:  # noqa: ANN401 - a struct made at import, or a row
        if self.topic == VITALS.topic:
            return decode_scored.decode(value)
        event = _DECODERS[self.topic](value)
        # What the record does not say itself, its place in Kafka does.
        place = {"log_t": record.log_t, "source_partition": self.partition, "source_offset": record.offset}
        fields = place | {"key": None if record.key is None else record.key.decode(errors="replace")} | event
        return {column.name: _cell(column, fields[column.field]) for column in TABLES[self.topic].columns}


def _fields(kind: type[msgspec.Struct]) -> Callable[[bytes], dict[str, Any]]:
    decode = msgspec.json.Decoder(kind).decode
    return lambda value: msgspec.structs.asdict(decode(value))


_DECODERS: Final[Mapping[str, Callable[[bytes], dict[str, Any]]]] = {
    ALARMS.topic: _fields(AlarmEvent),
    NOTIFICATIONS.topic: _fields(Notification),
    PATIENTS.topic: _fields(Admission),
    ACTIONS.topic: _fields(Action),
    STATUS.topic: status_rows.status,
    REFUSED.topic: status_rows.refused,
}


def _cell(column: Column, value: Any) -> Any:  # noqa: ANN401 - any field of any event
    """A field as its column holds it.

    Raises:
        WireError: No store holds such a time or number.
    """
    if value is None:
        return None
    if column.kind == TIME:
        if not 0 < value <= MAX_CALENDAR:
            raise WireError(f"{column.field} {value} is out of range")
        return value * 1000
    if column.kind == INTEGER and not -(2**63) <= value < 2**63:
        raise WireError(f"{column.field} {value} is out of range")
    return msgspec.json.encode(value).decode() if column.kind == JSON else value
