"""Decodes each record once for all slices; an undecodable record yields the reason instead of an exception."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from cloud.kafka.port import Place, Record
from vitals.actions import Action
from vitals.admissions import Admission
from vitals.alarm_events import AlarmEvent
from vitals.bounds import decoded
from vitals.status import Status
from vitals.wire import topics
from vitals.wire.vitals_record import MAX_READINGS, ScoredRecord, decode_scored

_KINDS: dict[str, type[Action | Status | Admission | AlarmEvent]] = {
    topics.ACTIONS: Action,
    topics.STATUS: Status,
    topics.PATIENTS: Admission,
    topics.ALARMS: AlarmEvent,
}


@dataclass(frozen=True, slots=True)
class DecodedRecord:
    """A record and its decoded value.

    Attributes:
        record: The record.
        value: Decoded message; None for a tombstone and for an undecodable record.
    """

    record: Record
    value: ScoredRecord | Action | Status | Admission | AlarmEvent | None

    @property
    def t(self) -> int:
        """Log time. For scored readings it is that of the source record, so that every replay sees the same time.

        An undecodable scored record has log time 0.
        """
        if self.record.topic != topics.SCORED:
            return self.record.t
        return (self.value.timestamp or self.record.t) if isinstance(self.value, ScoredRecord) else 0


def decode(record: Record) -> tuple[DecodedRecord, ValueError | None]:
    """Decodes a record.

    Returns:
        The entry, and the decoding error or None. An entry with an error only advances time and position.
    """
    if record.value is None:
        return DecodedRecord(record, None), None
    try:
        if record.topic == topics.SCORED:
            scored = decode_scored(record.value)
            if len(scored.readings) > MAX_READINGS:
                return DecodedRecord(record, None), ValueError(
                    f"{len(scored.readings)} readings are over {MAX_READINGS}"
                )
            if scored.partition != record.partition:
                reason = f"readings of partition {scored.partition} in partition {record.partition}"
                return DecodedRecord(record, None), ValueError(reason)
            return DecodedRecord(record, scored), None
        return DecodedRecord(record, decoded(record.value, _KINDS[record.topic])), None
    except ValueError as error:
        return DecodedRecord(record, None), error


def by_time(entries: Iterable[DecodedRecord]) -> list[tuple[int, DecodedRecord]]:
    """Merges entries of several partitions by log time.

    Producers' clocks may step back: within a partition the offset decides, and time never decreases.
    """
    # Sorting is stable and each partition's times ascend, so the order within a partition is kept.
    return sorted(timed(entries, {}), key=lambda pair: pair[0])


def timed(entries: Iterable[DecodedRecord], newest: dict[Place, int]) -> Iterator[tuple[int, DecodedRecord]]:
    """Yields entries with their effective log time; updates `newest`, the newest time of each partition."""
    for entry in entries:
        t = newest[entry.record.place] = max(entry.t, newest.get(entry.record.place, 0))
        yield t, entry
