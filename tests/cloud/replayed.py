"""A while of an invented ward as `cloud watch` saw it and as the archive keeps it, for the tests of the replay."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np

from cloud.alarm.shard import Outcome, Shard
from cloud.archive.commit_manifest import resume
from cloud.archive.decode_rows import Record as Archived
from cloud.archive.job import Archive
from cloud.archive.parquet_writer import Writer
from cloud.kafka.partitioning import Partitioning
from cloud.kafka.port import Record
from cloud.lake import open_lake
from cloud.lake.schema import TABLES
from vitals import breach_codes, news2, readings
from vitals.actions import Act, Action
from vitals.admissions import Admission
from vitals.alarm_events import AlarmEvent, Phase, Priority
from vitals.limits import PROFILE_INDEX, Limit, LimitSet
from vitals.readings import Readings, text
from vitals.signs import FIELDS, INDEX, SUSPECT_BITS
from vitals.wire import topics
from vitals.wire.vitals_record import to_columns

T0 = 1_763_812_800_000
CADENCE_MS = 5000
SINKING = "p-7"
"""A patient whose saturation is extreme for two minutes and low for eighteen more."""
WELL = {"hr": 80.0, "pr": 80.0, "rr": 16.0, "spo2": 96.0, "temp": 36.8, "sbp": 120.0, "dbp": 75.0, "map": 90.0}


@dataclass
class Ward:
    """Patients whose values wander, an engine that watches them, and the log of both."""

    layout: Partitioning
    seed: int = 1
    now: int = T0
    shard: Shard = field(init=False)
    log: dict[tuple[str, int], list[Record]] = field(default_factory=dict)
    patients: dict[str, Admission] = field(default_factory=dict)
    told: list[AlarmEvent] = field(default_factory=list)
    _values: dict[str, dict[str, float]] = field(default_factory=dict)
    _seq: int = 0
    _due: list[tuple[int, AlarmEvent]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.shard = Shard(self.layout, range(self.layout.partitions), equipment=False)
        self.shard.live()
        self._chance = random.Random(self.seed)  # noqa: S311 - invented values

    def put(self, topic: str, partition: int, value: bytes) -> None:
        records = self.log.setdefault((topic, partition), [])
        records.append(Record(topic, partition, len(records), self.now, b"", value))
        if topic != topics.ALARMS:
            self._hear(self.shard.apply([records[-1]]))

    def admit(self, admission: Admission) -> None:
        self.patients[admission.patient] = admission
        self._values.setdefault(admission.patient, dict(WELL))
        self.put(topics.PATIENTS, self.layout.partition(admission.patient), msgspec.json.encode(admission))

    def discharge(self, patient: str) -> None:
        left = msgspec.structs.replace(self.patients.pop(patient), discharged=self.now, version=self.now)
        self.put(topics.PATIENTS, self.layout.partition(patient), msgspec.json.encode(left))

    def act(self, action: Action) -> None:
        self.put(topics.ACTIONS, self.layout.partition(action.patient), msgspec.json.encode(action))

    def step(self) -> None:
        """Five seconds: a reading of every patient, and whoever comes to acknowledge."""
        self.now += CADENCE_MS
        for partition in range(self.layout.partitions):
            mine = [p for p in self.patients.values() if self.layout.partition(p.patient) == partition]
            self.put(topics.SCORED, partition, self._scored(partition, mine))
        for due, event in [pair for pair in self._due if pair[0] <= self.now]:
            self._due.remove((due, event))
            done = {"patient": event.subject, "t": self.now, "by": "nurse", "alarm": event.id}
            self.act(Action(id=f"a{due}{event.id}", act=Act.ACKNOWLEDGE, **done))

    def _hear(self, outcome: Outcome) -> None:
        assert not outcome.put_aside
        for event in outcome.events:
            self.told.append(event)
            self.put(topics.ALARMS, self.layout.of(event), msgspec.json.encode(event))
            if event.phase is Phase.START and event.priority is Priority.HIGH and self._chance.random() < 0.7:
                self._due.append((self.now + self._chance.randrange(10_000, 200_000, 5000), event))

    def _scored(self, partition: int, mine: list[Admission]) -> bytes:
        columns: dict[str, Any] = {"breach": [], "news2": []}
        joined = readings.empty()
        if mine:
            joined = self._readings(mine)
            columns["breach"] = breach_codes.pack(breach_codes.breach(joined.values, joined.bounds())).tolist()
            columns["news2"] = breach_codes.pack(news2.digits(joined.values)).tolist()
        place = {"partition": partition, "offset": len(self.log.get((topics.SCORED, partition), ()))}
        return msgspec.json.encode(to_columns(joined) | columns | place | {"timestamp": self.now})

    def _readings(self, mine: list[Admission]) -> Readings:
        n = len(mine)
        values, suspect, sets = np.empty((n, len(FIELDS))), np.zeros(n, dtype=np.int64), dict[LimitSet, int]()
        limits = np.zeros(n, dtype=np.int64)
        for i, patient in enumerate(mine):
            own = self._wander(patient.patient)
            values[i] = [own[name] for name in FIELDS]
            if self._chance.random() < 0.01:
                suspect[i] = 5 << (SUSPECT_BITS * INDEX["hr"])
            if patient.overrides:
                limits[i] = -1 - sets.setdefault(patient.limits, len(sets))
            else:
                limits[i] = PROFILE_INDEX[patient.profile]
        self._seq += 1
        behind = [self._chance.choice((0, 0, 0, 1000, 30_000)) for _ in mine]
        t = np.array([self.now - late for late in behind], dtype=np.int64)
        words = ([getattr(p, name) for p in mine] for name in ("patient", "gateway", "ward", "bed"))
        patient_, gateway, ward, bed = map(text, words)
        return Readings(
            patient_, text([p.devices[0] for p in mine]), gateway, ward, bed,
            np.full(n, 7), np.full(n, self._seq), t, t + 5, np.ones(n, dtype=np.int64), suspect, limits, values,
            tuple(sets),
        )  # fmt: skip

    def _wander(self, patient: str) -> dict[str, float]:
        values, chance = self._values[patient], self._chance
        for name, well in WELL.items():
            pull, noise = (well - values[name]) * 0.02, chance.gauss(0, well * (0.002 if name == "temp" else 0.012))
            values[name] = round(values[name] + pull + noise, 1)
        values["spo2"] = min(100.0, values["spo2"])
        if patient == SINKING:
            elapsed = self.now - T0
            values["spo2"] = 82.0 if elapsed < 120_000 else 88.0 if elapsed < 1_200_000 else 97.0
        absent = {name: float("nan") for name in ("sbp", "dbp", "map") if self._seq % 12}
        return values | absent

    def archive(self, lake: str) -> None:
        """Writes the log into the lake, in two batches, as the archive does."""
        store = open_lake(lake)
        for half in (0, 1):
            job = Archive(store, {topic: resume(store, topic) for topic in TABLES})
            placed = []
            for (topic, partition), records in self.log.items():
                cut = len(records) // 2
                for record in (records[:cut], records[cut:])[half]:
                    placed.append((topic, partition, Archived(record.offset, record.t, record.value or b"")))
            job.commit(list(Writer(lake, job.progress, 1000).write(store, placed)))


def ward_of(layout: Partitioning, admission: Callable[..., Admission], steps: int = 300) -> Ward:
    """Returns a ward of twelve after 25 minutes with a transfer, a discharge, charting and an audio pause."""
    ward = Ward(layout)
    for k in range(12):
        own = {"overrides": {"hr": Limit(40, 55, 110, 140, 10)}} if k == 3 else {}
        profile = "copd" if k % 4 == 1 else "adult"
        ward.admit(admission(f"p-{k}", f"icu-{k:02d}", T0, cadence_s=5.0, profile=profile, **own))
    for number in range(steps):
        if number == steps // 4:
            moved = {"bed": "icu-77", "since": ward.now, "version": ward.now, "devices": ("mon-icu-77",)}
            ward.admit(msgspec.structs.replace(ward.patients["p-2"], **moved))
            chart = {"patient": "p-4", "t": ward.now, "by": "nurse"}
            ward.act(Action(id="chart", act=Act.CHART, oxygen=True, consciousness="V", **chart))
        if number == steps // 2:
            ward.discharge("p-5")
            for loud in [e for e in ward.told if e.priority is Priority.HIGH and e.phase is Phase.START][-1:]:
                pause = {"patient": loud.subject, "t": ward.now, "by": "nurse", "alarm": loud.id}
                ward.act(Action(id="pause", act=Act.AUDIO_PAUSE, pause_s=60, **pause))
        ward.step()
    return ward
