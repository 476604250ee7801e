"""One shard: the slices of one actor. Without Ray and Kafka: records in, alarm events out."""

import itertools
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from cloud.alarm.bed_history import FOREVER, BedHistory
from cloud.alarm.decoded_records import DecodedRecord, decode
from cloud.alarm.partition_engine import EQUIPMENT, PartitionEngine, Terms
from cloud.alarm.replay_buffer import ReplayBuffer
from cloud.alarm.skipped_records import SkippedItem, SkippedRecords, SpoiledError, put_aside, unreadable
from cloud.kafka.partitioning import Partitioning
from cloud.kafka.port import Place, Record
from vitals.admissions import Admission
from vitals.alarm_events import AlarmEvent
from vitals.engine import describe
from vitals.engine.rules.technical_alarms import PIPELINE
from vitals.runtime.exceptions import NOT_CAUSED_BY_INPUT
from vitals.wire import topics
from vitals.wire.vitals_record import ScoredRecord

logger = logging.getLogger("watch")


@dataclass(slots=True)
class Outcome:
    """Result of applying records.

    Attributes:
        events: Alarm events, in order within each slice.
        put_aside: Records and readings that could not be decoded, judged or applied.
    """

    events: list[AlarmEvent] = field(default_factory=list)
    put_aside: list[SkippedItem] = field(default_factory=list)


def share(layout: Partitioning, shard: int, shards: int) -> tuple[int, ...]:
    """Returns the partitions of one of `shards` shards."""
    return tuple(range(shard, layout.partitions, shards))


class Shard:
    """The slices of some partitions; one of the shards also has the slice of the equipment.

    Args:
        layout: Lanes and partitions of the deployment.
        partitions: Partitions to hold.
        equipment: Whether to hold the technical alarms as well.
        terms: Settings of the deployment.
    """

    def __init__(
        self, layout: Partitioning, partitions: Sequence[int], *, equipment: bool, terms: Terms | None = None
    ) -> None:
        terms = terms or Terms()
        self.partitioning = layout
        self.beds = BedHistory(follows_devices=equipment)
        revisions = itertools.count(1)
        self.skipped = passed = SkippedRecords()
        self.engines = {
            f"p{p}": PartitionEngine(f"p{p}", _places(p), layout, terms, revisions=revisions, passed=passed)
            for p in partitions
        }
        if equipment:
            places = layout.places(topics.ACTIONS) | layout.places(topics.PATIENTS)
            places |= {(topics.STATUS, 0), (topics.ALARMS, layout.partition(PIPELINE))}
            clock = (topics.SCORED, partitions[0])
            self.engines[EQUIPMENT] = PartitionEngine(EQUIPMENT, places, layout, terms, clock_only=clock, passed=passed)
        self._replay_buffer = {name: ReplayBuffer() for name in self.engines}
        self._live = False

    def places(self) -> dict[Place, int]:
        """Returns the partitions to read with their first offsets; `patients` from 0, for the history of the beds."""
        starts: dict[Place, int] = {}
        for held in self.engines.values():
            for place in held.places | ({held.clock_only} if held.clock_only else set()):
                offset = held.positions.get(place, 0)
                starts[place] = min(offset, starts.get(place, offset))
        return starts | dict.fromkeys(self.partitioning.places(topics.PATIENTS), 0)

    def hold(self, records: Iterable[Record]) -> Outcome:
        """Buffers actions, admissions and statuses during recovery until the readings of their time are applied."""
        outcome = Outcome()
        entries = self._decode(records, outcome)
        for name, held in self.engines.items():
            self._replay_buffer[name].put(entry for entry in entries if held.wants(entry.record))
        return outcome

    def apply(self, records: Iterable[Record]) -> Outcome:
        """Applies records as they arrive.

        During recovery, actions, admissions and statuses wait for readings of their own log time, so that they act in
        the same order as the first time. In live operation they act at once.
        """
        outcome = Outcome()
        entries = self._decode(records, outcome)
        for name, held in self.engines.items():
            wanted = [entry for entry in entries if held.wants(entry.record)]
            ready = wanted if self._live else _ready(wanted, self._replay_buffer[name], held.clock)
            self._apply(held, ready, outcome)
        return outcome

    def live(self) -> Outcome:
        """Ends recovery: buffered entries act now."""
        self._live = True
        outcome = Outcome()
        for name, held in self.engines.items():
            self._apply(held, self._replay_buffer[name].due(FOREVER), outcome)
        return outcome

    def clocks(self) -> dict[int, int]:
        """Returns the log time of each partition, 0 before its first record."""
        return {int(name[1:]): s.clock for name, s in self.engines.items() if name != EQUIPMENT}

    def active(self) -> list[AlarmEvent]:
        """Returns the last event of every alarm that has not ended."""
        return [event for held in self.engines.values() for event in held.active()]

    def of(self, patient: str) -> PartitionEngine | None:
        """Returns the slice that judges a patient, None if another shard has it."""
        return self.engines.get(f"p{self.partitioning.partition(patient)}")

    def save(self, name: str, alarms: Mapping[int, int]) -> bytes:
        """Returns a snapshot of a slice; `alarms` are the offsets from which a restart reads its events back."""
        own = alarms if name == EQUIPMENT else {int(name[1:]): alarms.get(int(name[1:]), 0)}
        return self.engines[name].save(own.items())

    def give_up(self, record: Record, error: Exception) -> list[SkippedItem]:
        """Returns the entries that skip a record at which processes ended, with all of its readings, in every slice."""
        entry, _ = decode(record)
        failed = describe(-1, "", error)
        if not isinstance(entry.value, ScoredRecord):
            return [put_aside(failed, (*record.place, record.offset), record.t, payload=record.value or b"")]
        source = topics.VITALS, entry.value.partition, entry.value.offset
        return [
            put_aside(failed, source, entry.t, engine=held.name, readings=entry.value.readings)
            for held in self.engines.values()
            if record.place in held.places
        ]

    def _is_mine(self, record: Record) -> bool:
        """Returns whether this shard rejects a record: other shards read it too, and one dead letter is enough."""
        return record.topic == topics.ALARMS or f"p{record.partition}" in self.engines

    def _apply(self, held: PartitionEngine, entries: Sequence[DecodedRecord], outcome: Outcome) -> None:
        for together in self.skipped.apart(entries):
            try:
                outcome.events += held.apply(together, self.beds)
            except NOT_CAUSED_BY_INPUT:
                raise
            except Exception as error:
                raise SpoiledError([entry.record for entry in together], error) from error
        outcome.put_aside += held.put_aside
        held.put_aside.clear()

    def _decode(self, records: Iterable[Record], outcome: Outcome) -> list[DecodedRecord]:
        entries = []
        for record in records:
            entry: DecodedRecord = DecodedRecord(record, None)
            error: Exception | None = None
            try:
                if not self.skipped.unreadable(record):
                    entry, error = decode(record)
                if isinstance(entry.value, Admission):
                    self.beds.admit(entry.value)
            except NOT_CAUSED_BY_INPUT:
                raise
            except Exception as raised:
                logger.exception("%s[%s]@%s raised while it was decoded; it is skipped", *record.place, record.offset)
                entry, error = DecodedRecord(record, None), raised
            if error is not None and self._is_mine(record):
                outcome.put_aside.append(unreadable(record, error))
            entries.append(entry)
        return entries


def _places(partition: int) -> frozenset[Place]:
    return frozenset((topic, partition) for topic in (topics.SCORED, topics.ACTIONS, topics.PATIENTS)) | {
        (topics.STATUS, 0)
    }


def _ready(wanted: list[DecodedRecord], early: ReplayBuffer, clock: int) -> list[DecodedRecord]:
    """Returns the entries that are due by the time of the newest reading among them; buffers the others."""
    readings = [entry for entry in wanted if entry.record.topic == topics.SCORED]
    early.put(entry for entry in wanted if entry.record.topic != topics.SCORED)
    return early.due(max((entry.t for entry in readings), default=clock)) + readings
