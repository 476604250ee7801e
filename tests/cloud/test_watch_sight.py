"""What a shard answers to those who look, on an in-memory log."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from cloud.alarm.latest_values import LatestValues
from cloud.alarm.partition_engine import Terms
from cloud.alarm.query import answers, shard_answers
from cloud.alarm.shard import Shard, share
from cloud.alarm.shard_runner import ShardRunner
from cloud.alarm.snapshot.store import FolderSnapshots
from cloud.kafka.in_memory import MemoryLog, MemoryReader, MemoryWriter
from cloud.kafka.partitioning import Partitioning
from vitals import engine
from vitals.actions import Act, Action
from vitals.admissions import Admission
from vitals.alarm_events import Phase, Priority, decode
from vitals.limits import Limit
from vitals.readings import Readings, concat
from vitals.signs import INDEX
from vitals.status import DeviceStatus, Health, Status
from vitals.wire import topics

T0 = 1_763_812_800_000
Build = Callable[..., Readings]


class Ward:
    """One shard that reads everything, and what is fed to it."""

    def __init__(self, layout: Partitioning, folder: Path, scored: Callable[..., bytes], terms: Terms) -> None:
        self.layout, self.scored, self.now, self.offset = layout, scored, T0, 0
        self.log = MemoryLog(lambda: self.now)
        self.shard = Shard(layout, share(layout, 0, 1), equipment=True, terms=terms)
        self.loop = ShardRunner(self.shard, MemoryReader(self.log), MemoryWriter(self.log), FolderSnapshots(folder))
        self.loop.start()
        self.loop.step(0)

    def read(self, patient: str, *readings: Readings) -> None:
        self.offset += 1
        partition = self.layout.partition(patient)
        self.log.append((topics.SCORED, partition), b"", self.scored(partition, self.offset, *readings))
        self.loop.step(0)

    def write(self, topic: str, subject: str, value: msgspec.Struct) -> None:
        partition = 0 if topic == topics.STATUS else self.layout.partition(subject)
        self.log.append((topic, partition), subject.encode(), msgspec.json.encode(value))
        self.loop.step(0)

    def look(
        self, *, wards: tuple[str, ...] | None = None, patients: tuple[str, ...] | None = None, since: int = 0
    ) -> answers.ShardSnapshot:
        found = shard_answers.now(
            self.shard, number=0, epoch="e", catching_up=False, wards=wards, patients=patients, since=since
        )
        return answers.decode_now(answers.encode(found))


@pytest.fixture
def ward(layout: Partitioning, tmp_path: Path, scored: Callable[..., bytes]) -> Ward:
    return Ward(layout, tmp_path, scored, Terms())


def test_a_ward_is_answered_in_one_call_with_values_breaches_limits_and_news2_in_parts(
    ward: Ward, reading: Build, admission: Callable[..., Admission]
) -> None:
    ward.write(topics.PATIENTS, "p-1", admission(overrides={"spo2": Limit(80, 88, None, None)}, oxygen=True))
    ward.read("p-1", reading("p-1", T0, 84))
    (patient,) = ward.look(wards=("icu",)).patients
    spo2, hr = patient.signs["spo2"], patient.signs["hr"]
    assert (patient.patient, patient.ward, patient.t, patient.oxygen) == ("p-1", "icu", T0, True)
    # The reading itself was sent with the built-in limits: those are what it was judged by.
    assert (spo2.value, spo2.t, spo2.breach, spo2.limits[:2]) == (84.0, T0, 1, (85.0, 90.0))
    assert (hr.breach, hr.suspect) == (0, 0)
    assert patient.news2 is not None
    assert patient.news2.parts["oxygen"] == 2
    assert patient.news2.parts["spo2"] == 3
    assert sum(patient.news2.parts.values()) == patient.news2.total
    assert patient.news2.incomplete
    assert patient.news2.missing == ("consciousness",)
    assert ward.look(wards=("med",)).patients == ()


def test_what_is_charted_is_answered_as_it_was_charted(
    ward: Ward, reading: Build, admission: Callable[..., Admission]
) -> None:
    ward.write(topics.PATIENTS, "p-1", admission())
    ward.read("p-1", reading("p-1", T0))
    charted = Action(id="c", act=Act.CHART, patient="p-1", t=T0, by="B. Holt", oxygen=True, consciousness="V")
    ward.write(topics.ACTIONS, "p-1", charted)
    (patient,) = ward.look(patients=("p-1",)).patients
    assert (patient.oxygen, patient.consciousness) == (True, "V")
    assert patient.news2 is not None
    assert not patient.news2.incomplete


def test_a_standby_is_answered_and_keeps_silence_quiet_until_it_is_over(
    ward: Ward, reading: Build, admission: Callable[..., Admission]
) -> None:
    ward.write(topics.PATIENTS, "p-1", admission(patient="p-1", bed="b-1"))
    ward.read("p-1", reading("p-1", T0, 97))
    silent = DeviceStatus(device="mon-1", health=Health.SILENT, t=T0, patient="p-1")
    told = Status(id="gw-icu", kind="gateway", health=Health.UP, t=T0, devices=(silent,))
    ward.write(topics.STATUS, "gw-icu", told)
    assert {a.condition for a in ward.look().alarms} == {"device-silent"}
    pressed = Action(id="s", act=Act.STANDBY, patient="p-1", bed="b-1", t=T0, by="bed b-1", pause_s=300)
    ward.write(topics.ACTIONS, "p-1", pressed)
    # Both copies of an action that was sent twice are one.
    ward.write(topics.ACTIONS, "p-1", pressed)
    assert ward.look().standbys == (answers.StandbyNow("p-1", T0 + 300_000, "bed b-1"),)
    assert ward.look(wards=("elsewhere",)).standbys == ()

    def wait(first: int, end: int) -> None:
        for k in range(first, end):
            ward.now = T0 + 10_000 * k
            ward.write(topics.STATUS, "gw-icu", told)
            # Somebody else's reading of the same partition: log time goes on.
            ward.read("p-1", reading("p-2", ward.now, 97))

    wait(1, 30)
    assert ward.look().alarms == ()
    wait(30, 50)
    (asked,) = ward.look().alarms
    assert (asked.condition, asked.start, asked.priority) == ("not-judged", T0 + 341_000, Priority.HIGH)


def test_only_patients_that_changed_since_the_last_answer_come_again_and_alarms_always(
    ward: Ward, reading: Build
) -> None:
    for patient in ("p-1", "p-2"):
        for second in range(11):
            ward.read(patient, reading(patient, T0 + 1000 * second, 78))
    first = ward.look()
    ward.read("p-2", reading("p-2", T0 + 11_000, 78))
    later = ward.look(since=first.revision)
    assert sorted(p.patient for p in first.patients) == ["p-1", "p-2"]
    assert [p.patient for p in later.patients] == ["p-2"]
    assert {e.patient for e in later.alarms} == {"p-1", "p-2"}


def test_a_sensor_that_is_off_leaves_the_old_value_with_its_reason(ward: Ward, reading: Build) -> None:
    ward.read("p-1", reading("p-1", T0, 97))
    off = reading("p-1", T0 + 1000)
    off.values[0, 3] = float("nan")
    off.suspect[0] = 3 << 12
    ward.read("p-1", off)
    spo2 = ward.look().patients[0].signs["spo2"]
    assert (spo2.value, spo2.t, spo2.suspect) == (97.0, T0, 3)


def test_recent_values_are_some_minutes_and_end_with_the_patient(
    ward: Ward, reading: Build, admission: Callable[..., Admission]
) -> None:
    for minute in range(45):
        ward.now = T0 + 60_000 * minute
        ward.read("p-1", reading("p-1", ward.now, 97 - minute))
    engine_of = next(e for e in ward.shard.engines.values() if "p-1" in e.state.index)
    row = engine_of.state.index["p-1"]
    recent = engine_of.latest.recent(row, "spo2")
    assert recent == tuple((T0 + 60_000 * minute, 97 - minute) for minute in range(40, 45))
    ward.write(topics.PATIENTS, "p-1", admission(discharged=ward.now))
    assert engine_of.latest.recent(row, "spo2") == ()
    assert ward.look().patients == ()


def test_a_patient_who_takes_over_a_row_sees_nothing_of_the_former_one(
    ward: Ward, reading: Build, admission: Callable[..., Admission]
) -> None:
    same = [f"p-{i}" for i in range(40) if ward.layout.partition(f"p-{i}") == 0]
    former, later = same[:2]
    ward.read(former, reading(former, T0, 84))
    ward.write(topics.PATIENTS, former, admission(former, discharged=T0))
    only = reading(later, T0 + 1000)
    only.values[0, 1:] = float("nan")
    ward.read(later, only)
    assert [(p.patient, set(p.signs)) for p in ward.look().patients] == [(later, {"hr"})]
    latest = next(e.latest for e in ward.shard.engines.values() if later in e.state.index)
    assert [len(latest.recent(0, sign)) for sign in ("hr", "spo2", "temp")] == [1, 0, 0]


def test_an_alarm_tells_the_values_that_led_to_it(ward: Ward, reading: Build) -> None:
    for step, spo2 in enumerate((97, 95, 93, 91, 78, 78)):
        ward.now = T0 + 30_000 * step
        ward.read("p-1", reading("p-1", ward.now, spo2))
    events = [decode(r.value or b"") for r in ward.log.records(topics.ALARMS)]
    start = next(e for e in events if e.phase is Phase.START and e.condition == "spo2")
    assert [value for _, value in start.recent] == [97, 95, 93, 91, 78]


def test_a_backlog_of_one_patient_leaves_its_newest_values(reading: Build) -> None:
    latest, state = LatestValues(), engine.empty()
    backlog = concat([reading("p-1", T0 + 1000 * s, 90 + s / 100) for s in range(600)])
    state, _ = engine.advance(state, backlog, T0 + 600_000)
    latest.update(backlog, engine.rows(state, backlog), T0 + 600_000)
    assert latest.recent(0, "spo2")[-1] == (T0 + 599_000, 96.0)
    assert len(latest.recent(0, "spo2")) == 10


def test_what_comes_after_readings_of_a_clock_that_was_ahead_is_shown(reading: Build) -> None:
    latest, state = LatestValues(), engine.empty()
    for s, (ahead, spo2) in enumerate([(0, 97)] * 10 + [(3_600_000, 97)] * 3 + [(0, 80)] * 10):
        now = T0 + 1000 * s
        one = reading("p-1", now + ahead, spo2)
        state, _ = engine.advance(state, one, now)
        latest.update(one, engine.rows(state, one), now)
    assert latest.values[0, INDEX["spo2"]] == 80
    assert latest.seen[0] == T0 + 22_000


def test_memory_per_patient_is_what_the_docs_say() -> None:
    latest = LatestValues()
    arrays = [a for a in vars(latest).values() if hasattr(a, "nbytes")]
    assert sum(a.nbytes for a in arrays) / len(latest.seen) == 376
