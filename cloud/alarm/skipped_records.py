"""Records and readings that shards have skipped, now or in earlier processes, by slice, record and reading."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import msgspec

from cloud.alarm.decoded_records import DecodedRecord
from cloud.kafka.port import Place, Record
from vitals.bounds import MAX_ASIDE, MAX_PROSE
from vitals.engine import PassedOver, describe
from vitals.readings import Readings
from vitals.runtime.exceptions import describe_exception
from vitals.skipped import Skipped, Why
from vitals.status import Rejected
from vitals.wire.vitals_record import encode_vitals

Row = int | None
Source = tuple[str, int, int]
"""Topic, partition and offset."""
TWICE: Final = 2
"""A record is skipped once this many processes have ended by their own exception while applying it."""


class SkippedItem(NamedTuple):
    """A skipped record or reading: the dead letter for people and, if a record is at fault, the entry for replay."""

    rejected: Rejected
    skipped: Skipped | None


def put_aside(
    failed: PassedOver,
    source: Source | None,
    t: int,
    *,
    engine: str = "",
    row: Row = None,
    readings: Readings | None = None,
    payload: bytes = b"",
) -> SkippedItem:
    """Returns the dead letter and, if a record is at fault, the entry by which a replay skips it.

    Args:
        failed: Exception and subject.
        source: Place and offset of the record; None if no record is at fault.
        t: Log time, UTC epoch ms.
        engine: Name of the engine that skipped it.
        row: Index of the reading in the record; None for the whole record.
        readings: The reading, if one was skipped.
        payload: Bytes of the record, if it was skipped.
    """
    t = max(1, t)
    where = "" if source is None else "{}[{}]@{}".format(*source) + ("" if row is None else f"#{row}")
    rejected = Rejected(
        topic=where or failed.subject,
        reason=f"cannot be applied: {failed.reason}"[:MAX_PROSE],
        t=t,
        payload=payload[:MAX_ASIDE] if readings is None else encode_vitals(readings),
        readings=0 if readings is None else len(readings),
    )
    if source is None:
        return SkippedItem(rejected, None)
    topic, partition, offset = source
    skipped = Skipped(
        topic=topic,
        partition=partition,
        offset=offset,
        row=row,
        slice=engine,
        subject=failed.subject,
        kind=failed.kind,
        reason=failed.reason[:MAX_PROSE],
        trace=failed.trace[:MAX_PROSE],
        t=t,
    )
    return SkippedItem(rejected, skipped)


def unreadable(record: Record, error: Exception) -> SkippedItem:
    """Returns the dead letter and skip entry of an undecodable record."""
    source = *record.place, record.offset
    kept = put_aside(describe(-1, "", error), source, record.t, payload=record.value or b"")
    reason = str(error) if isinstance(error, ValueError) else describe_exception(error)
    rejected = msgspec.structs.replace(kept.rejected, reason=reason[:MAX_PROSE])
    return SkippedItem(rejected, kept.skipped and msgspec.structs.replace(kept.skipped, why=Why.UNREADABLE))


@dataclass(slots=True)
class SkippedRecords:
    """Skipped and suspected records, which a replay skips or applies one by one."""

    _rows: dict[tuple[str, str, int, int], set[Row]] = field(default_factory=dict)
    _suspect: dict[Place, list[tuple[int, int]]] = field(default_factory=dict)

    def recall(self, skipped: Iterable[Skipped]) -> None:
        """Loads the entries that earlier processes wrote."""
        for one in skipped:
            if one.why is Why.SUSPECT:
                last = one.offset if one.last is None else one.last
                self._suspect.setdefault((one.topic, one.partition), []).append((one.offset, last))
            elif one.why is not Why.REPLAYED:
                self._rows.setdefault((one.slice, one.topic, one.partition, one.offset), set()).add(one.row)

    def rows(self, engine: str, topic: str, partition: int, offset: int) -> set[Row]:
        """Returns the readings of a record that a slice skipped; None among them is the whole record."""
        if not self._rows:
            return set()
        return self._rows.get((engine, topic, partition, offset), set())

    def unreadable(self, record: Record) -> bool:
        """Returns whether a record was found undecodable before."""
        return None in self.rows("", record.topic, record.partition, record.offset)

    def is_suspect(self, record: Record) -> bool:
        """Returns whether a process ended by its own exception while it applied this record, in a batch or singly."""
        return any(first <= record.offset <= last for first, last in self._suspect.get(record.place, ()))

    def alone(self, record: Record) -> int:
        """Returns the number of processes that ended while applying only this record."""
        ranges = self._suspect.get(record.place, ())
        return sum(first == record.offset == last for first, last in ranges)

    def apart(self, entries: Sequence[DecodedRecord]) -> Iterator[Sequence[DecodedRecord]]:
        """Yields the entries in order: suspected ones singly, runs of others together."""
        suspect = [i for i, entry in enumerate(entries) if self.is_suspect(entry.record)] if self._suspect else []
        first = 0
        for i in suspect:
            if first < i:
                yield entries[first:i]
            yield entries[i : i + 1]
            first = i + 1
        if first < len(entries):
            yield entries[first:]


class SpoiledError(Exception):
    """Unexpected exception while a slice applied records: its state can no longer be used.

    Attributes:
        records: Records that were applied.
        error: Exception raised.
    """

    def __init__(self, records: Sequence[Record], error: Exception) -> None:
        super().__init__(f"{describe_exception(error)}, while {len(records)} records were applied")
        self.records, self.error = records, error


def suspects(records: Iterable[Record], error: Exception) -> list[Skipped]:
    """Returns the entries to write when a process ends while it applies records: one offset range per partition."""
    ranges: dict[Place, list[Record]] = {}
    for record in records:
        ranges.setdefault(record.place, []).append(record)
    return [
        Skipped(
            topic=place[0],
            partition=place[1],
            offset=of[0].offset,
            last=of[-1].offset,
            why=Why.SUSPECT,
            kind=type(error).__name__,
            reason=describe_exception(error)[:MAX_PROSE],
            t=max(1, of[-1].t),
        )
        for place, of in ranges.items()
    ]
