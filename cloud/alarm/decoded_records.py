"""Records decoded once, whichever slices want them; what cannot be read is an outcome with its reason."""

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
    """A record and what it says.

    Attributes:
        record: The record.
        value: What it says; None for a tombstone, and for a record that cannot be read.
    """

    record: Record
    value: ScoredRecord | Action | Status | Admission | AlarmEvent | None

    @property
    def t(self) -> int:
        """Log time: of scored readings that of their source record, so that replay from anywhere has the same.

        A scored record that cannot be read has none of its own: 0.
        """
        if self.record.topic != topics.SCORED:
            return self.record.t
        return (self.value.timestamp or self.record.t) if isinstance(self.value, ScoredRecord) else 0


def decode(record: Record) -> tuple[DecodedRecord, ValueError | None]:
    """Reads a record.

    Returns:
        The entry, and why it could not be read (it then only moves time and position), else None.
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

    Producers' clocks may step back: within a partition the offset decides, and time never runs backwards.
    """
    # Sorting is stable, and each partition's times ascend, so its order stands.
    return sorted(timed(entries, {}), key=lambda pair: pair[0])


def timed(entries: Iterable[DecodedRecord], newest: dict[Place, int]) -> Iterator[tuple[int, DecodedRecord]]:
    """Yields entries with the log time at which each counts; `newest` holds each partition's, and is carried on."""
    for entry in entries:
        t = newest[entry.record.place] = max(entry.t, newest.get(entry.record.place, 0))
        yield t, entry
