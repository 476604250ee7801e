"""Which alarms are due: the engine, run afresh over what is in topic `vitals`, in the log's order and by its clock.

Nothing of scoring or of the state tier is used: readings come from the topic before them, and one engine judges each
partition from its beginning to its end without a break.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import msgspec

from cloud.kafka.client import KafkaReader
from cloud.kafka.partitioning import Partitioning
from cloud.kafka.port import Record, read_to_end
from cloud.settings import Kafka
from tests.faults.path.sight import Raised, raised
from tests.load.plan import BREACH
from vitals import engine
from vitals.admissions import Admission, roster
from vitals.readings import Readings, concat
from vitals.signs import INDEX
from vitals.wire import topics
from vitals.wire.vitals_record import decode_vitals

SPAN_MS = 1000
"""Readings of at most this much log time are judged at one stroke."""


@dataclass(slots=True)
class Truth:
    """What is due.

    Attributes:
        handover_s: As `cloud watch` is told.
        due: Alarms that begin or grow.
        readings: Readings judged, repeats included.
        low: Patients of whom a synthetic gateway has sent a breach.
    """

    handover_s: float
    due: list[Raised] = field(default_factory=list)
    readings: int = 0
    low: set[str] = field(default_factory=set)

    def judge(self, admissions: Iterable[Admission], records: Iterable[Record]) -> None:
        """Judges one partition: everybody in it is admitted before the first reading."""
        state = engine.empty(self.handover_s)
        for admission in admissions:
            state, _ = engine.place(state, roster(admission.gateway, [admission]).placements, admission.version)
        clock = 0
        for now, readings in _strokes(records):
            clock = max(clock, now)
            self.readings += len(readings)
            self.low |= set(readings.patient[readings.values[:, INDEX[BREACH[0]]] == BREACH[1]].tolist())
            state, events = engine.advance(state, readings, clock)
            self.due += [event for event in map(raised, events) if event is not None]


def _strokes(records: Iterable[Record]) -> Iterator[tuple[int, Readings]]:
    """Joins records that follow one another closely; yields the log time of the last with each stroke."""
    batch: list[Readings] = []
    begun = newest = 0
    for record in records:
        if batch and record.t - begun >= SPAN_MS:
            yield newest, concat(batch)
            batch = []
        begun = begun if batch else record.t
        newest = record.t
        batch.append(decode_vitals(record.value or b""))
    if batch:
        yield newest, concat(batch)


def truth(settings: Kafka, handover_s: float, say: Callable[[str], None]) -> Truth:
    """Reads the log and judges it, partition by partition.

    Raises:
        KafkaUnavailableError: Kafka does not answer.
    """
    found, layout = Truth(handover_s), Partitioning(settings.lanes, settings.partitions)
    reader = KafkaReader(settings, "storm-truth", group="storm-truth")
    try:
        for partition in range(layout.partitions):
            held = read_to_end(reader, {(topics.PATIENTS, partition): 0, (topics.VITALS, partition): 0})
            newest = {r.key: r for r in held if r.topic == topics.PATIENTS and r.value}
            admissions = [msgspec.json.decode(r.value or b"", type=Admission) for r in newest.values()]
            found.judge(admissions, (r for r in held if r.topic == topics.VITALS))
            say(f"partition {partition}: {found.readings:,} readings judged, {len(found.due)} alarms due")
    finally:
        reader.close()
    return found
