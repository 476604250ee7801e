"""What a shard has passed over, and what an earlier life of it passed over: by slice, record and reading."""

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
"""A record at which a process ended by its own exception so many times is passed over."""


class SkippedItem(NamedTuple):
    """What is kept of one thing that was passed over: for people, and for the replay, where a record is at fault."""

    rejected: Rejected
    skipped: Skipped | None


def put_aside(
    failed: PassedOver,
    source: Source | None,
    t: int,
    *,
    slice_: str = "",
    row: Row = None,
    readings: Readings | None = None,
    payload: bytes = b"",
) -> SkippedItem:
    """Returns what is kept.

    Args:
        failed: What raised, and how.
        source: Where the record stands; None where none is at fault.
        t: Log time, UTC epoch ms.
        slice_: Slice that passed it over.
        row: Place of the reading in the record; None for the record as a whole.
        readings: The reading, where it is one.
        payload: The record's bytes, where it is not.
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
        slice=slice_,
        subject=failed.subject,
        kind=failed.kind,
        reason=failed.reason[:MAX_PROSE],
        trace=failed.trace[:MAX_PROSE],
        t=t,
    )
    return SkippedItem(rejected, skipped)


def unreadable(record: Record, error: Exception) -> SkippedItem:
    """Returns what is kept of a record that nobody can read."""
    source = *record.place, record.offset
    kept = put_aside(describe(-1, "", error), source, record.t, payload=record.value or b"")
    reason = str(error) if isinstance(error, ValueError) else describe_exception(error)
    rejected = msgspec.structs.replace(kept.rejected, reason=reason[:MAX_PROSE])
    return SkippedItem(rejected, kept.skipped and msgspec.structs.replace(kept.skipped, why=Why.UNREADABLE))


@dataclass(slots=True)
class SkippedRecords:
    """The list that a replay obeys."""

    _rows: dict[tuple[str, str, int, int], set[Row]] = field(default_factory=dict)
    _suspect: dict[Place, list[tuple[int, int]]] = field(default_factory=dict)

    def recall(self, skipped: Iterable[Skipped]) -> None:
        """Takes in what earlier lives passed over."""
        for one in skipped:
            if one.why is Why.SUSPECT:
                last = one.offset if one.last is None else one.last
                self._suspect.setdefault((one.topic, one.partition), []).append((one.offset, last))
            elif one.why is not Why.REPLAYED:
                self._rows.setdefault((one.slice, one.topic, one.partition, one.offset), set()).add(one.row)

    def rows(self, slice_: str, topic: str, partition: int, offset: int) -> set[Row]:
        """Returns the readings of a record that a slice passed over; None among them is the whole record."""
        if not self._rows:
            return set()
        return self._rows.get((slice_, topic, partition, offset), set())

    def unreadable(self, record: Record) -> bool:
        """Whether a record was found unreadable before."""
        return None in self.rows("", record.topic, record.partition, record.offset)

    def is_suspect(self, record: Record) -> bool:
        """Whether a process ended by an exception of its own while it applied this record, among others or alone."""
        return any(first <= record.offset <= last for first, last in self._suspect.get(record.place, ()))

    def alone(self, record: Record) -> int:
        """Returns how many such processes had it alone at hand."""
        ranges = self._suspect.get(record.place, ())
        return sum(first == record.offset == last for first, last in ranges)

    def apart(self, entries: Sequence[DecodedRecord]) -> Iterator[Sequence[DecodedRecord]]:
        """Yields the entries in order: those under suspicion one by one, the others together."""
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
    """Something that nobody foresaw was raised while a slice applied records: its state is spoiled.

    Attributes:
        records: They.
        error: What was raised.
    """

    def __init__(self, records: Sequence[Record], error: Exception) -> None:
        super().__init__(f"{describe_exception(error)}, while {len(records)} records were applied")
        self.records, self.error = records, error


def suspects(records: Iterable[Record], error: Exception) -> list[Skipped]:
    """Returns what is written when a process ends while it applies records: one range for each place."""
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
