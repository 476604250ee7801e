"""A shard at work: reads the log, writes alarms, keeps snapshots. Without Ray; time and connections are parameters.

It is crash-only: whatever goes wrong with the log ends the process, and the next one begins from the newest snapshot,
reads its own `alarms` back and goes on as if nothing had been.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar

import msgspec

from cloud.alarm.partition_engine import EQUIPMENT
from cloud.alarm.recreated_topics import OffsetWatch, of_this_log
from cloud.alarm.shard import Outcome, Shard
from cloud.alarm.skipped_records import TWICE, SkippedItem, SpoiledError, suspects
from cloud.alarm.snapshot.store import Snapshots
from cloud.kafka.port import Reader, Record, Writer, read_to_end
from vitals.alarm_events import AlarmEvent, encode
from vitals.bounds import decoded
from vitals.runtime.exceptions import NOT_CAUSED_BY_INPUT
from vitals.skipped import Skipped
from vitals.wire import topics

logger = logging.getLogger(__name__)
T = TypeVar("T")
CONTROLS: Final = (topics.PATIENTS, topics.ACTIONS, topics.STATUS, topics.ALARMS)


@dataclass(slots=True)
class ShardRunner:
    """One shard between its log and its snapshots.

    Attributes:
        shard: The state.
        reader: Reads the shard's partitions.
        writer: Writes alarms.
        snapshots: Keeps snapshots.
        emitted: Alarm events written since the start.
        rejects: What could not be read, judged or applied since the start.
        passed_over: The same by topic and exception, joined by a dot.
        unsaved: Slices of which no snapshot could be made the last time.
    """

    shard: Shard
    reader: Reader
    writer: Writer
    snapshots: Snapshots
    emitted: int = 0
    rejects: int = 0
    passed_over: Counter[str] = field(default_factory=Counter)
    unsaved: set[str] = field(default_factory=set)
    _alarms: dict[int, int] = field(default_factory=dict)
    _until: dict[tuple[str, int], int] = field(default_factory=dict)
    _offset_watch: OffsetWatch = field(default_factory=OffsetWatch)

    def start(self) -> None:
        """Recovers: snapshots, own alarms since, then everything that waits for its readings' time.

        Raises:
            KafkaUnavailableError: The log cannot be read.
        """
        since = self._restore()
        self.shard.skipped.recall(self._skipped())
        starts = self.shard.places()
        held = read_to_end(self.reader, {p: o for p, o in starts.items() if p[0] in CONTROLS})
        self._publish(self.shard.hold(held))
        self._read_back(since)
        for record in held:
            starts[record.place] = max(starts[record.place], record.offset + 1)
        self._until = self.reader.ends(place for place in starts if place[0] == topics.SCORED)
        self.reader.assign(starts)
        logger.info("shard is back", extra={"data": {"slices": list(self.shard.engines), "held": len(held)}})

    def step(self, timeout_s: float) -> bool:
        """Reads what there is and judges it.

        Returns:
            Whether anything had come.

        Raises:
            KafkaUnavailableError: The log cannot be read or written.
        """
        records = self.reader.read(timeout_s)
        self._offset_watch.watch(records)
        # A refused alarm must not wait for the next one to be noticed.
        self.writer.check()
        if records:
            self._publish(self._whole(lambda: self.shard.apply(records)))
        if self._until and all(self.reader.position(place) >= end for place, end in self._until.items()):
            self._until = {}
            self._publish(self._whole(self.shard.live))
            logger.info("shard is live", extra={"data": {"slices": list(self.shard.engines)}})
        return bool(records)

    def _whole(self, apply: Callable[[], Outcome]) -> Outcome:
        """Applies records. An exception that no slice has caught ends the process; the next has them one by one.

        A kill, a lack of memory or a log that fails is no record's fault, and is noted of none.
        """
        try:
            return apply()
        except SpoiledError as spoiled:
            records, error = spoiled.records, spoiled.error
            for skipped in suspects(records, error):
                self._skip(skipped)
            if len(records) == 1 and self.shard.skipped.alone(records[0]) + 1 >= TWICE:
                self._put_aside(self.shard.give_up(records[0], error))
            self.writer.flush()
            raise

    def _skipped(self) -> list[Skipped]:
        """Reads back what earlier lives, of this shard or another, have passed over."""
        places = {(topics.SKIPPED, partition): 0 for partition in range(self.shard.partitioning.partitions)}
        found = (_read(record, Skipped) for record in read_to_end(self.reader, places))
        return [skipped for skipped in found if skipped is not None]

    def save(self, names: Iterable[str] | None = None) -> None:
        """Writes snapshots of some slices, by default of all, once every alarm up to here is acknowledged.

        Raises:
            KafkaUnavailableError: An alarm was not acknowledged.
        """
        for (topic, partition), offset in self.writer.flush().items():
            if topic == topics.ALARMS:
                self._alarms[partition] = offset
        for name in self.shard.engines if names is None else names:
            self._save(name)

    def _save(self, name: str) -> None:
        try:
            data = self.shard.save(name, self._alarms)
        except Exception:
            # Something in the state has no form on disk: its patients are judged all the same.
            logger.exception("no snapshot of %s can be made; alarms go on, and a restart takes longer", name)
            self.unsaved.add(name)
            return
        self.unsaved.discard(name)
        self.snapshots.put(name, data)

    @property
    def catching_up(self) -> bool:
        """Whether readings from before the start are still being judged."""
        return bool(self._until)

    def _restore(self) -> dict[str, Mapping[int, int]]:
        since: dict[str, Mapping[int, int]] = {name: {} for name in self.shard.engines}
        kept = {name: data for name in since if (data := self.snapshots.get(name)) is not None}
        for name, data in of_this_log(kept, self.shard.partitioning, self.reader).items():
            try:
                since[name] = self.shard.engines[name].load(data)
            except ValueError as error:
                logger.warning("%s: %s; its state is rebuilt from the log", name, error)
            except NOT_CAUSED_BY_INPUT:
                raise
            except Exception:
                logger.exception("%s: its snapshot cannot be read; its state is rebuilt from the log", name)
        return since

    def _read_back(self, since: Mapping[str, Mapping[int, int]]) -> None:
        wanted: dict[tuple[str, int], int] = {}
        for name, offsets in since.items():
            own = range(self.shard.partitioning.partitions) if name == EQUIPMENT else (int(name[1:]),)
            for partition in own:
                offset = offsets.get(partition, 0)
                place = (topics.ALARMS, partition)
                wanted[place] = min(offset, wanted.get(place, offset))
        records = read_to_end(self.reader, wanted)
        self._alarms = {partition: offset for (_, partition), offset in wanted.items()}
        for record in records:
            self._alarms[record.partition] = record.offset + 1
        for name, offsets in since.items():
            events = [_read(r, AlarmEvent) for r in records if r.value and r.offset >= offsets.get(r.partition, 0)]
            self.shard.engines[name].resume([event for event in events if event is not None])

    def _publish(self, outcome: Outcome) -> None:
        for event in outcome.events:
            place = (topics.ALARMS, self.shard.partitioning.of(event))
            self.writer.write(place, (event.patient or event.subject).encode(), encode(event))
        self._put_aside(outcome.put_aside)
        if outcome.events or outcome.put_aside:
            # Before anything is judged upon it: a writer that has been replaced must learn so here.
            self.writer.flush()
        self.emitted += len(outcome.events)

    def _put_aside(self, found: Iterable[SkippedItem]) -> None:
        for rejected, skipped in found:
            logger.warning("%s is passed over: %s", rejected.topic, rejected.reason)
            self.writer.write((topics.REJECTED, 0), rejected.topic.encode(), msgspec.json.encode(rejected))
            self.rejects += 1
            if skipped is not None:
                self._skip(skipped)
                self.passed_over[f"{skipped.topic}.{skipped.kind}"] += 1

    def _skip(self, skipped: Skipped) -> None:
        place = topics.SKIPPED, skipped.partition % self.shard.partitioning.partitions
        self.writer.write(place, skipped.key.encode(), msgspec.json.encode(skipped))


def _read(record: Record, kind: type[T]) -> T | None:
    try:
        return decoded(record.value or b"", kind)
    except ValueError as error:
        logger.warning("%s[%s]@%s cannot be read: %s", *record.place, record.offset, error)
        return None
