"""One engine with its part of the log, and its positions there.

A *slice* is one partition (with its `patients` and `actions`), or the equipment: the tree of technical alarms over all
gateways, which is not limited to a partition. Each slice has its own clock, the timestamps of its own partition, so a
partition that is replayed first cannot run another's timers ahead. State is a function of the slice's records only;
moving slices between actors changes nothing.
"""

import itertools
import logging
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from cloud.alarm.bed_history import BedHistory
from cloud.alarm.decoded_records import DecodedRecord, by_time
from cloud.alarm.equipment_alarms import HEARD, Disputes, OpenAlarms
from cloud.alarm.latest_values import LatestValues
from cloud.alarm.skipped_records import SkippedItem, SkippedRecords, put_aside
from cloud.alarm.snapshot.encoding import EngineSnapshot, decode, encode
from cloud.kafka.partitioning import Partitioning
from cloud.kafka.port import Place, Record
from vitals import engine, trend
from vitals.actions import Act, Action
from vitals.admissions import Admission, roster
from vitals.alarm_events import AlarmEvent, Phase
from vitals.engine.constants import CONDITIONS, HANDOVER_MS
from vitals.engine.rules.not_judged import WATCH
from vitals.engine.rules.technical_alarms import HIERARCHY, PIPELINE_STALLED
from vitals.readings import Readings, concat, empty
from vitals.runtime.exceptions import NOT_CAUSED_BY_INPUT
from vitals.status import Health, Status
from vitals.wire import topics
from vitals.wire.vitals_record import ScoredRecord

logger = logging.getLogger("watch")
EQUIPMENT: Final = "equipment"
_OWN: Final = frozenset((*CONDITIONS, *HIERARCHY, *WATCH))
SPAN_MS: Final = 5000
"""Readings of at most this much log time are judged in one call: a backlog is judged in large batches, and timers still
act in order."""


@dataclass(frozen=True, slots=True)
class Terms:
    """Settings of the deployment.

    Attributes:
        handover_s: Time after which an unacknowledged high alarm is handed over to the next contact, s.
        advisories: Whether advisories are emitted.
    """

    handover_s: float = HANDOVER_MS / 1000
    advisories: bool = False


@dataclass(frozen=True, slots=True)
class _Part:
    """Readings of one record that are judged here.

    Attributes:
        readings: Readings to judge.
        scored: Their record; None if there are none.
        rows: Their indices in it; None for all.
        skip: Indices in it that an earlier process skipped.
    """

    readings: Readings
    scored: ScoredRecord | None = None
    rows: NDArray[np.intp] | None = None
    skip: Collection[int | None] = ()

    def skipped(self) -> Iterator[int]:
        """Yields the indices of readings to skip again."""
        if self.skip:
            places = range(len(self.readings)) if self.rows is None else self.rows.tolist()
            yield from (i for i, row in enumerate(places) if row in self.skip)


@dataclass(slots=True)
class PartitionEngine:
    """One engine with its positions in the log.

    Attributes:
        name: `p3`, or `equipment`.
        places: Topic partitions of the slice.
        layout: Lanes and partitions of the deployment.
        terms: Settings of the deployment.
        clock_only: Partition of `vitals.scored` that only sets the equipment's clock; None for a partition.
        revisions: Ascending numbers of changes, shared by the slices of one shard.
        positions: Next offset, per place.
        marks: Highest source offset applied, per source partition.
        clock: Log time, UTC epoch ms; 0 before the first record.
        uneasy: Gateways with a silent device of this slice.
        state: The engine's state.
        trends: Trend of each sign.
        latest: Newest values of each patient, for queries; not part of a snapshot.
        disputes: Beds and devices that two admissions claim; used by the equipment slice.
        heard: Active alarms of the watchdog and the notifier, for queries.
        readings: Readings applied since the start.
        repeats: Records dropped because they had been applied before.
        misplaced: Readings dropped since the start because they contradict the bed history.
        passed: Records and readings skipped by earlier processes; shared by the slices of one shard.
        foreign: Readings dropped because the gateway does not have the patient, by gateway.
        unseen: Judged readings that are missing from queries, because storing them there raised.
        put_aside: Records and readings that raised; the caller of `apply` removes them.
    """

    name: str
    places: frozenset[Place]
    layout: Partitioning
    terms: Terms = field(default_factory=Terms)
    clock_only: Place | None = None
    revisions: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    positions: dict[Place, int] = field(default_factory=dict)
    marks: dict[int, int] = field(default_factory=dict)
    clock: int = 0
    uneasy: set[str] = field(default_factory=set)
    state: engine.State = field(init=False)
    trends: trend.Trends = field(default_factory=trend.empty)
    latest: LatestValues = field(init=False)
    disputes: Disputes = field(default_factory=Disputes)
    heard: OpenAlarms = field(default_factory=OpenAlarms)
    readings: int = 0
    repeats: int = 0
    misplaced: int = 0
    passed: SkippedRecords = field(default_factory=SkippedRecords)
    foreign: Counter[str] = field(default_factory=Counter)
    unseen: int = 0
    put_aside: list[SkippedItem] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.state = engine.empty(self.terms.handover_s)
        self.latest = LatestValues(self.revisions)

    def wants(self, record: Record) -> bool:
        """Returns whether the record belongs to this slice and has not been applied."""
        if record.place not in self.places and record.place != self.clock_only:
            return False
        return record.offset >= self.positions.get(record.place, 0)

    def apply(self, entries: Sequence[DecodedRecord], beds: BedHistory) -> list[AlarmEvent]:
        """Applies wanted entries by their timestamps; the order within a partition is kept."""
        events: list[AlarmEvent] = []
        batch: list[_Part] = []
        begun = 0
        for t, entry in by_time(entries):
            scored = entry.record.topic == topics.SCORED
            if batch and (not scored or t - begun >= SPAN_MS):
                events += self._advance(batch)
                batch = []
            self.positions[entry.record.place] = entry.record.offset + 1
            if scored:
                self.clock = max(self.clock, t)
                begun = begun if batch else t
                batch.append(self._fresh(entry, beds))
                if None in batch[-1].skip:
                    events += self._advance(batch[:-1]) + self._left_out(batch.pop())
                    batch = []
            else:
                events += self._applied(entry, beds)
        if batch:
            events += self._advance(batch)
        if self.clock_only is not None:
            events += self._disputed(beds)
        return events

    def _disputed(self, beds: BedHistory) -> list[AlarmEvent]:
        found = self.disputes.due(beds, self.state.faults, self.clock)
        if found is None:
            return []
        self.state, events = engine.disputed(self.state, found, self.clock)
        return self._own(events)

    def _advance(self, batch: list[_Part]) -> list[AlarmEvent]:
        parts = [part for part in batch if len(part.readings)]
        readings = concat([part.readings for part in parts])
        self.readings += len(readings)
        events = self._judged(readings, parts)
        if self.clock_only is not None:
            return self._own(events)
        # Before these readings are stored, the last values are those preceding an alarm's value.
        told = [self._with_recent(event) for event in self._own(events)]
        if len(readings):
            told += self._seen(readings)
        return told

    def _left_out(self, part: _Part) -> list[AlarmEvent]:
        """Raises *not judged* for each patient of a record that earlier processes skipped as a whole."""
        told: list[AlarmEvent] = []
        first = {patient: i for i, patient in reversed(list(enumerate(part.readings.patient.tolist())))}
        for patient, i in first.items():
            if patient is not None:
                ward, t = part.readings.ward[i], int(part.readings.t[i])
                self.state, events = engine.pass_over(self.state, patient, ward, t, self.clock)
                told += self._own(events)
        return told

    def _judged(self, readings: Readings, parts: list[_Part]) -> Iterable[AlarmEvent]:
        starts = itertools.accumulate((len(part.readings) for part in parts), initial=0)
        skip = {start + i for start, part in zip(starts, parts, strict=False) for i in part.skipped()}
        self.state, events = engine.advance(self.state, readings, self.clock, skip)
        for failed in engine.take_passed_over(self.state):
            self.put_aside.append(self._row_aside(parts, failed))
        return events

    def _seen(self, readings: Readings) -> list[AlarmEvent]:
        """Updates the values for queries; a reading that raises there has been judged, and is not shown."""
        try:
            return self._look(readings)
        except NOT_CAUSED_BY_INPUT:
            raise
        except Exception:
            logger.exception(
                "%d readings cannot be stored for queries together: they are stored one by one", len(readings)
            )
        told = []
        for i in range(len(readings)):
            try:
                told += self._look(readings.alone(i))
            except NOT_CAUSED_BY_INPUT:
                raise
            except Exception:
                logger.exception("reading of %s was judged, but cannot be stored for queries", readings.patient[i])
                self.unseen += 1
        return told

    def _look(self, readings: Readings) -> list[AlarmEvent]:
        self.latest.update(readings, engine.rows(self.state, readings), self.clock)
        self.trends, advised = trend.advance(self.trends, readings, self.clock, advisories=self.terms.advisories)
        return [self._with_recent(event) for event in advised]

    def _row_aside(self, parts: list[_Part], failed: engine.PassedOver) -> SkippedItem:
        """Returns the dead letter and skip entry of a reading that raised, with its place in its record of `vitals`."""
        place = failed.place
        for part in parts if place >= 0 else ():
            if part.scored is not None and place < len(part.readings):
                row = place if part.rows is None else int(part.rows[place])
                source = topics.VITALS, part.scored.partition, part.scored.offset
                return put_aside(
                    failed, source, self.clock, row=row, engine=self.name, readings=part.readings.alone(place)
                )
            place -= len(part.readings)
        # The failure of a timer: no record is at fault.
        return put_aside(failed, None, self.clock, engine=self.name)

    def _with_recent(self, event: AlarmEvent) -> AlarmEvent:
        """Adds the sign's last values to an event that notifies people."""
        row = self.state.index.get(event.patient or "")
        if event.phase not in {Phase.START, Phase.ESCALATE} or row is None:
            return event
        recent = self.latest.recent(row, event.condition.removeprefix(trend.PREFIX))
        return msgspec.structs.replace(event, recent=recent)

    def _own(self, events: Iterable[AlarmEvent]) -> list[AlarmEvent]:
        if self.clock_only is not None:
            return [event for event in events if event.condition in HIERARCHY]
        return [event for event in events if event.condition not in HIERARCHY]

    def active(self) -> list[AlarmEvent]:
        """Returns the last event of each of its active alarms, and of those of watchdog and notifier."""
        return [*self._own(engine.active(self.state)), *trend.active(self.trends), *self.heard.active()]

    def resume(self, events: Iterable[AlarmEvent]) -> None:
        """Restores the alarms that it emitted after its snapshot."""
        own = [e for e in self._own(events) if self.clock_only is not None or f"p{self.layout.of(e)}" == self.name]
        own = [msgspec.structs.replace(e, recent=()) if e.recent else e for e in own]
        self.state = engine.restore_reported(self.state, (e for e in own if e.condition in _OWN))
        if self.clock_only is None:
            trend.resume(self.trends, own)

    def _fresh(self, entry: DecodedRecord, beds: BedHistory) -> _Part:
        """Returns the readings of a scored record that are to be judged."""
        scored = entry.value
        if entry.record.place == self.clock_only or not isinstance(scored, ScoredRecord):
            return _Part(empty())
        if scored.offset <= self.marks.get(scored.partition, -1):
            self.repeats += 1
            return _Part(empty())
        self.marks[scored.partition] = scored.offset
        skip = self.passed.rows(self.name, topics.VITALS, scored.partition, scored.offset)
        wrong = beds.misplaced(scored.readings)
        # Misplaced readings are archived nevertheless: the archive reads the topic directly.
        if not wrong.any():
            return _Part(scored.readings, scored, skip=skip)
        self.misplaced += int(wrong.sum())
        self._count_foreign(scored.readings, wrong, beds)
        rows = np.flatnonzero(~wrong)
        return _Part(scored.readings.take(rows), scored, rows, skip)

    def _count_foreign(self, readings: Readings, wrong: NDArray[np.bool_], beds: BedHistory) -> None:
        for i in np.flatnonzero(wrong).tolist():
            gateway = readings.gateway[i]
            if beds.is_foreign(readings.patient[i], gateway, int(readings.t[i])):
                self.foreign[gateway] += 1

    def _applied(self, entry: DecodedRecord, beds: BedHistory) -> list[AlarmEvent]:
        """Applies a record; if it raises unexpectedly, it is skipped, as it would end the next process, too."""
        record, value = entry.record, entry.value
        source = *record.place, record.offset
        skip = None in self.passed.rows(self.name, *source)
        events: Iterable[AlarmEvent] = ()
        failed: list[engine.PassedOver] = []
        try:
            # A skipped record still advances time, as it did at first.
            if skip:
                self.state, events = engine.advance(self.state, empty(), self.clock)
            elif record.topic == topics.STATUS and record.value is None:
                self.uneasy.discard(record.key.decode())
                self.state, events = engine.retire(self.state, record.key.decode(), self.clock)
            else:
                events = self._control(self._own_words(value, beds) if isinstance(value, Status) else value)
            failed = engine.take_passed_over(self.state)
        except NOT_CAUSED_BY_INPUT:
            raise
        except Exception as error:
            logger.exception("%s[%s]@%s raised while it was applied; it is skipped", *record.place, record.offset)
            failed = [engine.describe(-1, "", error)]
        if failed and not skip:
            self.put_aside.append(put_aside(failed[0], source, record.t, engine=self.name, payload=record.value or b""))
        if (failed or skip) and isinstance(value, Action | Admission):
            ward = value.ward if isinstance(value, Admission) else None
            self.state, told = engine.pass_over(self.state, value.patient, ward, record.t, self.clock)
            events = (*events, *told)
        return self._own(events)

    def _control(self, value: object) -> list[AlarmEvent]:
        events: Iterable[AlarmEvent] = ()
        if isinstance(value, Action) and not (self.clock_only is not None and value.act is Act.CHART):
            self.state, events = engine.act(self.state, value, self.clock)
            events = (*events, *trend.act(self.trends, value, self.clock))
        elif isinstance(value, Status) and self._concerned(value):
            own = self.clock_only is not None
            self.state, events = engine.report(self.state, value, self.clock, own=own)
        elif isinstance(value, AlarmEvent) and value.condition in HEARD:
            self.heard.take(value)
            if value.condition == PIPELINE_STALLED:
                # While the pipeline is stalled, by the watchdog's alarm in the log, the tree raises no other alarm.
                since = None if value.phase is Phase.END else value.start
                self.state, events = engine.stalled(self.state, since, self.clock)
        elif isinstance(value, Admission) and value.discharged is not None:
            row = self.state.index.get(value.patient)
            self.state, events = engine.discharge(self.state, value.patient, self.clock)
            if row is not None:
                self.latest.forget(row)
            events = (*events, *trend.discharge(self.trends, value.patient, self.clock))
        elif isinstance(value, Admission):
            placements = roster(value.gateway, [value]).placements
            self.state, events = engine.place(self.state, placements, self.clock, value.gateway)
        return self._own(events)

    def _own_words(self, status: Status, beds: BedHistory) -> Status:
        """Removes devices of foreign patients from a gateway's status: it would begin or end those patients' alarms."""
        wrong = [d for d in status.devices if d.patient and beds.is_foreign(d.patient, status.id, max(d.t, status.t))]
        if status.kind != "gateway" or not wrong:
            return status
        if self.clock_only is not None:
            self.foreign[status.id] += len(wrong)
        return msgspec.structs.replace(status, devices=tuple(d for d in status.devices if d not in wrong))

    def _concerned(self, status: Status) -> bool:
        """Returns whether a status is to be applied here.

        A partition's engine needs every status that is not *up*: it inhibits *not judged*, and ends *sensor off*.
        """
        if status.kind not in {"gateway", "bridge"}:
            return False
        if self.clock_only is not None or status.kind == "bridge":
            return True
        was_uneasy = status.id in self.uneasy
        if status.health is not Health.UP or any(
            d.health is not Health.UP and d.patient and f"p{self.layout.partition(d.patient)}" == self.name
            for d in status.devices
        ):
            self.uneasy.add(status.id)
            return True
        self.uneasy.discard(status.id)
        return was_uneasy

    def save(self, alarms: Iterable[tuple[int, int]]) -> bytes:
        """Encodes a snapshot."""
        saved = EngineSnapshot(
            layout=(self.layout.lanes, self.layout.partitions),
            positions=tuple((*place, offset) for place, offset in sorted(self.positions.items())),
            alarms=tuple(alarms),
            marks=tuple(sorted(self.marks.items())),
            clock=self.clock,
            uneasy=tuple(sorted(self.uneasy)),
            engine=engine.snapshot(self.state),
            trends=trend.snapshot(self.trends),
            heard=self.heard.active(),
        )
        return encode(saved)

    def load(self, data: bytes) -> dict[int, int]:
        """Restores a snapshot.

        Returns:
            Offset from which `alarms` is to be read back, per partition.

        Raises:
            ValueError: It is damaged, or of another format or layout; the state is then rebuilt from the log.
        """
        saved = decode(data, self.layout)
        # All or nothing: a state without its positions would judge the log a second time.
        state, trends = engine.restore(saved.engine), trend.restore(saved.trends) if saved.trends else trend.empty()
        self.state, self.trends = state, trends
        self.state.handover_ms = round(self.terms.handover_s * 1000)
        self.heard.restore(saved.heard)
        self.positions = {(topic, partition): offset for topic, partition, offset in saved.positions}
        self.marks, self.clock, self.uneasy = dict(saved.marks), saved.clock, set(saved.uneasy)
        return dict(saved.alarms)
