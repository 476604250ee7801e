"""A shard on an in-memory log: what it tells, and that a crash at any point changes nothing of it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import Phase as Phases
from hypothesis import strategies as st

from cloud.alarm.partition_engine import Terms
from cloud.alarm.shard import Shard, share
from cloud.alarm.shard_runner import ShardRunner
from cloud.alarm.snapshot import encoding
from cloud.alarm.snapshot.store import FolderSnapshots, SnapshotError
from cloud.alarm.snapshot.writer import SnapshotWriter
from cloud.kafka.in_memory import MemoryLog, MemoryReader, MemoryWriter
from cloud.kafka.partitioning import Partitioning
from vitals.actions import Act, Action
from vitals.admissions import Admission
from vitals.alarm_events import AlarmEvent, AlarmState, Inactivation, Phase, Priority, decode, encode
from vitals.readings import Readings
from vitals.status import DeviceStatus, Health, Rejected, Status
from vitals.wire import topics

T0 = 1_763_812_800_000
Builders = tuple[Callable[..., Admission], Callable[..., Readings], Callable[..., bytes]]


@dataclass
class Ward:
    """A deployment of four partitions on an in-memory log, with a clock that tests turn."""

    layout: Partitioning
    folder: Path
    admission: Callable[..., Admission]
    reading: Callable[..., Readings]
    scored: Callable[..., bytes]
    now: int = T0
    offset: int = 0
    log: MemoryLog = field(init=False)
    told: list[AlarmEvent] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.log = MemoryLog(lambda: self.now)

    def shard(self, number: int = 0, shards: int = 1) -> ShardRunner:
        state = Shard(self.layout, share(self.layout, number, shards), equipment=number == 0)
        loop = ShardRunner(state, MemoryReader(self.log), MemoryWriter(self.log), FolderSnapshots(self.folder))
        loop.start()
        loop.step(0)
        return loop

    def beat(self) -> None:
        for partition in range(self.layout.partitions):
            self._scored(partition)

    def _scored(self, partition: int, *readings: Readings) -> None:
        self.offset += 1
        value = self.scored(partition, self.offset, *readings)
        self.log.append((topics.SCORED, partition), b"", value)

    def read(self, patient: str, spo2: float, *, bed: str = "icu-01", t: int | None = None) -> None:
        reading = self.reading(patient, self.now if t is None else t, spo2, bed=bed)
        self._scored(self.layout.partition(patient), reading)

    def write(self, topic: str, subject: str, value: msgspec.Struct) -> None:
        partition = 0 if topic == topics.STATUS else self.layout.partition(subject)
        self.log.append((topic, partition), subject.encode(), msgspec.json.encode(value))

    def alarms(self, *, watched: bool = True) -> list[AlarmEvent]:
        """What was told; without `watched`, of a story in which nobody sends, all but that nobody is judged."""
        told = [decode(r.value or b"") for r in self.log.records(topics.ALARMS)]
        return [event for event in told if watched or event.condition != "not-judged"]


@pytest.fixture
def ward(
    layout: Partitioning,
    tmp_path: Path,
    admission: Callable[..., Admission],
    reading: Callable[..., Readings],
    scored: Callable[..., bytes],
) -> Ward:
    return Ward(layout, tmp_path, admission, reading, scored)


def starts(events: list[AlarmEvent]) -> list[tuple[str | None, str]]:
    return [(e.patient, e.condition) for e in events if e.phase is Phase.START]


def desaturate(ward: Ward, patient: str = "p-1", seconds: int = 11) -> None:
    for _ in range(seconds):
        ward.now += 1000
        ward.beat()
        ward.read(patient, 78)


def test_a_desaturation_is_one_high_alarm_on_its_patients_partition(ward: Ward) -> None:
    ward.write(topics.PATIENTS, "p-1", ward.admission())
    loop = ward.shard()
    desaturate(ward)
    loop.step(0)
    (record,) = [r for r in ward.log.records(topics.ALARMS) if decode(r.value or b"").phase is Phase.START]
    event = decode(record.value or b"")
    assert (event.patient, event.condition, event.priority) == ("p-1", "spo2", Priority.HIGH)
    assert record.partition == ward.layout.partition("p-1")
    assert (event.ward, event.bed) == ("icu", "icu-01")


def test_records_that_spark_repeats_after_a_crash_tell_nothing_twice(ward: Ward) -> None:
    loop = ward.shard()
    desaturate(ward)
    loop.step(0)
    told = ward.alarms()
    for record in ward.log.records(topics.SCORED):
        ward.log.append(record.place, b"", record.value)
    loop.step(0)
    assert ward.alarms() == told
    assert sum(s.repeats for s in loop.shard.engines.values()) > 0


def test_a_tombstone_in_status_ends_a_retired_gateways_alarm_in_a_running_and_in_a_new_shard(ward: Ward) -> None:
    ward.write(topics.PATIENTS, "p-1", ward.admission())
    loop = ward.shard()
    ward.beat()
    loop.step(0)
    ward.write(topics.STATUS, "gw-icu", Status(id="gw-icu", kind="gateway", health=Health.OFFLINE, t=ward.now))
    loop.step(0)
    ward.log.append((topics.STATUS, 0), b"gw-icu", None)
    ward.now += 1000
    ward.beat()
    loop.step(0)
    told = [(e.condition, e.phase) for e in ward.alarms(watched=False)]
    assert told == [("gateway-down", Phase.START), ("gateway-down", Phase.END)]
    again = ward.shard()
    again.step(0)
    assert [(e.condition, e.phase) for e in ward.alarms(watched=False)] == told
    assert again.shard.active() == []


def test_a_reading_from_a_bed_that_changed_hands_neither_raises_nor_ends_an_alarm(ward: Ward) -> None:
    ward.write(topics.PATIENTS, "p-1", ward.admission("p-1", "icu-01", since=T0))
    ward.write(topics.PATIENTS, "p-2", ward.admission("p-2", "icu-01", since=T0 + 1000))
    loop = ward.shard()
    desaturate(ward, "p-1")
    loop.step(0)
    assert ward.alarms() == []
    desaturate(ward, "p-2")
    loop.step(0)
    assert ("p-2", "spo2") in starts(ward.alarms())


def test_a_stolen_gateway_hides_no_patient_and_is_counted(ward: Ward) -> None:
    """Each second it sends healthy values of another's dying patient, from almost a minute ahead."""
    ward.write(topics.PATIENTS, "p-1", ward.admission("p-1", "icu-01", gateway="gw-icu"))
    loop = ward.shard()
    for _ in range(90):
        ward.now += 1000
        ward.beat()
        forged = ward.reading("p-1", ward.now + 58_000, 97, bed="icu-01", gateway="gw-med")
        ward._scored(ward.layout.partition("p-1"), forged)
        ward.read("p-1", 70)
        loop.step(0)
    assert ("p-1", "spo2") in starts(ward.alarms())
    (slice_,) = [s for s in loop.shard.engines.values() if s.foreign]
    assert slice_.foreign == {"gw-med": 90}
    silent = DeviceStatus(device="mon-1", health=Health.SILENT, t=ward.now, patient="p-1")
    status = Status(id="gw-med", kind="gateway", health=Health.UP, t=ward.now, devices=(silent,))
    ward.write(topics.STATUS, "gw-med", status)
    loop.step(0)
    assert "device-silent" not in {e.condition for e in ward.alarms()}


def test_acknowledging_one_alarm_acts_at_once_and_on_it_alone(ward: Ward) -> None:
    loop = ward.shard()
    for patient in ("p-1", "p-2"):
        desaturate(ward, patient)
    loop.step(0)
    first = next(e for e in ward.alarms() if e.patient == "p-1" and e.condition == "spo2")
    acknowledged = Action(id="a", act=Act.ACKNOWLEDGE, patient="p-1", t=ward.now, by="B. Holt", alarm=first.id)
    ward.write(topics.ACTIONS, "p-1", acknowledged)
    loop.step(0)
    acted = [e for e in ward.alarms() if e.inactivation is Inactivation.ACKNOWLEDGED]
    assert [(e.id, e.by) for e in acted] == [(first.id, "B. Holt")]


def test_bytes_that_are_no_record_are_put_aside_and_stop_nobody(ward: Ward) -> None:
    loop = ward.shard()
    ward.log.append((topics.SCORED, ward.layout.partition("p-1")), b"", b"{}")
    desaturate(ward)
    loop.step(0)
    assert ("p-1", "spo2") in starts(ward.alarms())
    (refused,) = ward.log.records(topics.REJECTED)
    assert msgspec.json.decode(refused.value or b"", type=Rejected).payload == b"{}"


def silent(device: str, patient: str, health: Health = Health.SILENT) -> DeviceStatus:
    return DeviceStatus(device=device, health=health, t=T0, patient=patient)


def gateway(ward: Ward, health: Health, *devices: DeviceStatus) -> None:
    ward.now += 1000
    ward.beat()
    ward.write(topics.STATUS, "gw-icu", Status(id="gw-icu", kind="gateway", health=health, t=ward.now, devices=devices))


def test_forty_silent_devices_behind_one_dead_gateway_are_one_alarm_for_their_ward(ward: Ward) -> None:
    devices = []
    for i in range(40):
        ward.write(topics.PATIENTS, f"p-{i}", ward.admission(f"p-{i}", f"icu-{i}"))
        devices.append(silent(f"mon-{i}", f"p-{i}", Health.UP))
    loops = [ward.shard(n, 2) for n in range(2)]
    gateway(ward, Health.UP, *devices)
    gateway(ward, Health.OFFLINE, *(msgspec.structs.replace(d, health=Health.SILENT) for d in devices))
    for loop in loops:
        loop.step(0)
    (event,) = ward.alarms()
    assert (event.subject, event.condition, event.ward) == ("gw-icu", "gateway-down", "icu")


def test_a_silent_device_is_told_once_though_several_shards_read_its_status(ward: Ward) -> None:
    ward.write(topics.PATIENTS, "p-1", ward.admission())
    loops = [ward.shard(n, 2) for n in range(2)]
    gateway(ward, Health.UP, silent("mon-icu-01", "p-1"))
    gateway(ward, Health.UP, silent("mon-icu-01", "p-1"))
    gateway(ward, Health.UP, silent("mon-icu-01", "p-1", Health.UP))
    for loop in loops:
        loop.step(0)
    assert [(e.condition, e.phase) for e in ward.alarms()] == [
        ("device-silent", Phase.START),
        ("device-silent", Phase.END),
    ]


def story(ward: Ward) -> None:
    """Four patients: two desaturate, one is acknowledged, one recovers, one is discharged; a gateway goes."""
    for i in range(4):
        ward.write(topics.PATIENTS, f"p-{i}", ward.admission(f"p-{i}", f"icu-{i}"))
    for second in range(100):
        ward.now += 1000
        ward.beat()
        for i in range(4):
            low = (i == 0 and second > 20) or (i == 1 and 20 < second < 60) or (i == 2 and 40 < second < 50)
            ward.read(f"p-{i}", 80 if low else 97, bed=f"icu-{i}")
        if second == 70:
            ward.write(
                topics.ACTIONS,
                "p-1",
                Action(id="a", act=Act.CHART, patient="p-1", t=ward.now, by="x", oxygen=True, consciousness="V"),
            )
        if second == 80:
            gone = ward.admission("p-2", "icu-2", discharged=ward.now)
            ward.write(topics.PATIENTS, "p-2", gone)
        if second in {30, 60}:
            health = Health.OFFLINE if second == 30 else Health.UP
            ward.write(topics.STATUS, "gw-icu", Status(id="gw-icu", kind="gateway", health=health, t=ward.now))


def run(ward: Ward, target: MemoryLog, crashes: set[int], saves: set[int], shards: int = 1) -> list[AlarmEvent]:
    """Feeds the story's records in time order; the shards crash and save at the given steps."""
    replay = Ward(ward.layout, ward.folder, ward.admission, ward.reading, ward.scored)
    replay.log = target
    records = [r for topic in topics.TOPICS for r in ward.log.records(topic.name)]
    records.sort(key=lambda r: r.t)
    loops = [replay.shard(n, shards) for n in range(shards)]
    for step, batch in enumerate(records[i : i + 40] for i in range(0, len(records), 40)):
        for record in batch:
            target.append(record.place, record.key, record.value, record.t)
        if step in crashes:
            # What it had read since its snapshot is forgotten; what it had written stands.
            loops = [replay.shard(n, shards) for n in range(shards)]
        for loop in loops:
            loop.step(0)
            if step in saves:
                loop.save()
    for loop in loops:
        loop.step(0)
    return replay.alarms()


STEPS = st.sets(st.integers(0, 22), max_size=6)


def identity(events: list[AlarmEvent]) -> list[tuple[str, int, Phase, AlarmState]]:
    return sorted((e.id, e.n, e.phase, e.state) for e in events)


@settings(
    max_examples=6,
    deadline=None,
    # An example takes a second: smaller ones are not worth a minute of shrinking.
    phases=[Phases.explicit, Phases.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(crashes=STEPS, saves=STEPS, shards=st.sampled_from([1, 2, 3]))
def test_whenever_shards_crash_no_alarm_is_missed_and_none_is_told_twice(
    ward: Ward, tmp_path_factory: pytest.TempPathFactory, crashes: set[int], saves: set[int], shards: int
) -> None:
    calm = ward.told
    if not calm:
        story(ward)
        ward.folder = tmp_path_factory.mktemp("calm")
        calm = ward.told = run(ward, MemoryLog(lambda: ward.now), set(), set())
    ward.folder = tmp_path_factory.mktemp("stormy")
    stormy = run(ward, MemoryLog(lambda: ward.now), crashes, saves, shards)
    assert len({(e.id, e.n) for e in stormy}) == len(stormy)
    assert identity(stormy) == identity(calm)
    assert ("p-0", "spo2") in starts(calm)
    assert (None, "gateway-down") in starts(calm)


def test_moving_slices_between_shards_loses_nothing(ward: Ward) -> None:
    loops = [ward.shard(n, 2) for n in range(2)]
    desaturate(ward)
    for loop in loops:
        loop.step(0)
        loop.save()
    told = ward.alarms()
    loop = ward.shard(0, 1)
    assert [e.id for e in loop.shard.active() if e.condition == "spo2"] == [e.id for e in told if e.condition == "spo2"]
    desaturate(ward)
    loop.step(0)
    assert starts(ward.alarms()) == starts(told)


def test_a_snapshot_that_cannot_be_read_is_replaced_by_the_log(ward: Ward) -> None:
    loop = ward.shard()
    desaturate(ward)
    loop.step(0)
    loop.save()
    told = ward.alarms()
    for path in ward.folder.iterdir():
        path.write_bytes(b"not a snapshot")
    again = ward.shard()
    assert ward.alarms() == told
    assert [e.id for e in again.shard.active()] == [e.id for e in loop.shard.active()]


class Broken:
    """A store of snapshots that can neither be written nor read."""

    def put(self, name: str, data: bytes) -> None:
        raise SnapshotError(f"{name} cannot be written")

    def get(self, name: str) -> bytes | None:
        raise SnapshotError(f"{name} cannot be read")


def test_a_store_of_snapshots_that_fails_costs_a_shard_nothing_but_a_longer_start(
    ward: Ward, caplog: pytest.LogCaptureFixture
) -> None:
    def shard() -> ShardRunner:
        keeper = SnapshotWriter(Broken())
        state = Shard(ward.layout, share(ward.layout, 0, 1), equipment=True)
        loop = ShardRunner(state, MemoryReader(ward.log), MemoryWriter(ward.log), keeper)
        loop.start()
        keepers.append(keeper)
        return loop

    keepers: list[SnapshotWriter] = []
    loop = shard()
    desaturate(ward)
    loop.step(0)
    loop.save()
    assert keepers[0].settle(10)
    told = ward.alarms()
    assert "cannot be written" in caplog.text
    assert "cannot be read" in caplog.text
    again = shard()
    again.step(0)
    assert ward.alarms() == told
    assert [e.id for e in again.shard.active()] == [e.id for e in loop.shard.active()]
    desaturate(ward, "p-2")
    again.step(0)
    assert ("p-2", "spo2") in starts(ward.alarms())
    assert [keeper.failing for keeper in keepers] == [5, 5]
    assert all(keeper.close(10) for keeper in keepers)


def test_a_state_of_which_no_snapshot_can_be_made_ends_no_shard(
    ward: Ward, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    loop = ward.shard()
    desaturate(ward)
    loop.step(0)
    whole, broken = loop.shard.save, f"p{ward.layout.partition('p-1')}"

    def save(name: str, alarms: dict[int, int]) -> bytes:
        if name == broken:
            raise OverflowError("an integer that has no place in a snapshot")
        return whole(name, alarms)

    with monkeypatch.context() as patch:
        patch.setattr(loop.shard, "save", save)
        loop.save()
    assert loop.unsaved == {broken}
    assert f"no snapshot of {broken} can be made" in caplog.text
    assert len(list(ward.folder.iterdir())) == 4
    loop.save()
    assert loop.unsaved == set()


def test_a_snapshot_is_taken_on_whole_or_not_at_all(ward: Ward) -> None:
    loop = ward.shard()
    desaturate(ward)
    loop.step(0)
    name = f"p{ward.layout.partition('p-1')}"
    kept = encoding.decode(loop.shard.save(name, {}), ward.layout)
    fresh = Shard(ward.layout, share(ward.layout, 0, 1), equipment=True).engines[name]
    for broken in (msgspec.structs.replace(kept, trends=b"no trends"), msgspec.structs.replace(kept, engine=b"none")):
        with pytest.raises(ValueError, match="not a snapshot"):
            fresh.load(encoding.encode(broken))
        assert (fresh.positions, fresh.active(), fresh.clock) == ({}, [], 0)


def test_log_time_never_runs_backwards_when_a_producers_clock_does(ward: Ward) -> None:
    loop = ward.shard()
    clocks = []
    for step in (1000, 2000, -5000, 1000, 9000):
        ward.now += step
        ward.beat()
        loop.step(0)
        clocks.append(loop.shard.clocks()[0])
    assert all(a <= b for a, b in pairwise(clocks))
    assert all(loop.reader.position((topics.SCORED, p)) == 5 for p in range(4))


def test_log_time_is_the_source_records_and_no_other_topic_moves_it(ward: Ward) -> None:
    loop = ward.shard()
    partition = ward.layout.partition("p-1")
    columns = msgspec.json.decode(ward.scored(partition, 1, ward.reading("p-1", T0))) | {"timestamp": T0 + 70}
    # Spark and Kafka take their time; the log's clock is that of the record which was scored.
    ward.log.append((topics.SCORED, partition), b"", msgspec.json.encode(columns), T0 + 9_000)
    ward.now = T0 + 20_000
    ward.write(topics.PATIENTS, "p-1", ward.admission())
    loop.step(0)
    assert loop.shard.clocks()[partition] == T0 + 70


def test_a_patient_who_is_discharged_with_an_active_alarm_leaves_none_behind(ward: Ward) -> None:
    ward.write(topics.PATIENTS, "p-1", ward.admission())
    loop = ward.shard()
    desaturate(ward)
    loop.step(0)
    ward.write(topics.PATIENTS, "p-1", ward.admission(discharged=ward.now))
    loop.step(0)
    assert loop.shard.active() == []
    open_alarms = {e.id: e.state for e in ward.alarms()}
    assert set(open_alarms.values()) == {AlarmState.INACTIVE}


def test_a_patient_who_moves_with_an_active_alarm_keeps_it_as_one_alarm(ward: Ward) -> None:
    ward.write(topics.PATIENTS, "p-1", ward.admission())
    loop = ward.shard()
    desaturate(ward)
    loop.step(0)
    ward.write(topics.PATIENTS, "p-1", ward.admission(bed="icu-02", since=ward.now, version=ward.now))
    loop.step(0)
    for _ in range(150):
        ward.now += 1000
        ward.read("p-1", 78, bed="icu-02")
    loop.step(0)
    mine = [e for e in ward.alarms() if e.condition == "spo2"]
    assert len({e.id for e in mine}) == 1
    assert any(e.handover for e in mine)


def test_an_action_on_another_patients_alarm_does_nothing(ward: Ward) -> None:
    loop = ward.shard()
    desaturate(ward)
    loop.step(0)
    alarm = next(e for e in ward.alarms() if e.condition == "spo2")
    told = ward.alarms()
    other = Action(id="x", act=Act.ACKNOWLEDGE, patient="p-2", t=ward.now, by="somebody", alarm=alarm.id)
    ward.write(topics.ACTIONS, "p-1", other)
    loop.step(0)
    assert ward.alarms() == told


def test_a_shard_that_reads_everything_again_by_one_timestamp_tells_the_same_advisories_once(ward: Ward) -> None:
    state = Shard(ward.layout, share(ward.layout, 0, 1), equipment=True, terms=Terms(advisories=True))
    loop = ShardRunner(state, MemoryReader(ward.log), MemoryWriter(ward.log), FolderSnapshots(ward.folder))
    loop.start()
    for step in range(160):
        ward.now += 30_000
        ward.read("p-1", 97 if step < 60 else 97 - (step - 60) / 14)
        loop.step(0)
    told = [e for e in ward.alarms() if e.condition.startswith("trend-")]
    assert [e.phase for e in told][:1] == [Phase.START]
    again = Shard(ward.layout, share(ward.layout, 0, 1), equipment=True, terms=Terms(advisories=True))
    recovered = ShardRunner(
        again, MemoryReader(ward.log), MemoryWriter(ward.log), FolderSnapshots(ward.folder / "none")
    )
    recovered.start()
    recovered.step(0)
    assert [e for e in ward.alarms() if e.condition.startswith("trend-")] == told


def pass_time(ward: Ward, loop: ShardRunner, seconds: int) -> None:
    for _ in range(seconds):
        ward.now += 1000
        ward.beat()
        loop.step(0)


def test_two_patients_in_one_bed_are_told_of_once_and_until_one_of_them_is_elsewhere(ward: Ward) -> None:
    ward.write(topics.PATIENTS, "p-1", ward.admission("p-1", "icu-01", devices=("mon-1",)))
    loop = ward.shard()
    ward.write(topics.PATIENTS, "p-2", ward.admission("p-2", "icu-01", since=T0 + 5_000, devices=("mon-2",)))
    pass_time(ward, loop, 40)
    (start,) = ward.alarms(watched=False)
    assert (start.condition, start.subject, start.priority, start.ward) == (
        "bed-disputed",
        "icu-01",
        Priority.HIGH,
        "icu",
    )
    assert "p-2's, who was admitted last, and p-1's" in start.text
    loop.save()
    loop = ward.shard()
    pass_time(ward, loop, 40)
    loop = ward.shard()
    ward.folder = ward.folder / "none"
    loop = ward.shard()
    pass_time(ward, loop, 40)
    assert ward.alarms(watched=False) == [start]
    ward.write(topics.PATIENTS, "p-1", ward.admission("p-1", "icu-01", devices=("mon-1",), discharged=ward.now))
    pass_time(ward, loop, 2)
    assert [(e.id, e.phase) for e in ward.alarms(watched=False)] == [(start.id, Phase.START), (start.id, Phase.END)]


def test_the_later_admission_holds_the_disputed_bed_and_no_alarm_bears_the_other_name(ward: Ward) -> None:
    ward.write(topics.PATIENTS, "p-1", ward.admission("p-1", "icu-01"))
    ward.write(topics.PATIENTS, "p-2", ward.admission("p-2", "icu-01", since=T0 + 1))
    loop = ward.shard()
    desaturate(ward, "p-1")
    desaturate(ward, "p-2")
    loop.step(0)
    assert starts(ward.alarms(watched=False)) == [("p-2", "spo2")]


@pytest.mark.parametrize("order", [("p-1", "p-2"), ("p-2", "p-1")])
def test_of_two_admissions_of_one_moment_every_shard_believes_the_same_one(ward: Ward, order: tuple[str, str]) -> None:
    for patient in order:
        ward.write(topics.PATIENTS, patient, ward.admission(patient, "icu-01"))
    loop = ward.shard()
    assert [loop.shard.beds.belongs(patient, "icu-01", T0 + 1) for patient in ("p-1", "p-2")] == [False, True]


def test_a_device_on_two_patients_is_told_of_and_one_that_changes_hands_at_once_is_not(ward: Ward) -> None:
    ward.write(topics.PATIENTS, "p-1", ward.admission("p-1", "icu-01", devices=("mon-1",)))
    loop = ward.shard()
    ward.write(topics.PATIENTS, "p-2", ward.admission("p-2", "icu-02", devices=("mon-1",)))
    pass_time(ward, loop, 20)
    ward.write(topics.PATIENTS, "p-1", ward.admission("p-1", "icu-01", devices=("mon-7",)))
    pass_time(ward, loop, 40)
    assert ward.alarms(watched=False) == []
    ward.write(topics.PATIENTS, "p-3", ward.admission("p-3", "icu-03", devices=("mon-7",)))
    pass_time(ward, loop, 40)
    (start,) = ward.alarms(watched=False)
    assert (start.condition, start.subject, start.device) == ("device-disputed", "mon-7", "mon-7")


def test_an_acknowledged_dispute_calls_nobody_again(ward: Ward) -> None:
    for n, patient in enumerate(("p-1", "p-2")):
        ward.write(topics.PATIENTS, patient, ward.admission(patient, "icu-01", devices=(f"mon-{n}",)))
    loop = ward.shard()
    pass_time(ward, loop, 40)
    (start,) = ward.alarms(watched=False)
    action = Action(id="a-1", act=Act.ACKNOWLEDGE, patient="icu-01", by="ada", t=ward.now, alarm=start.id)
    ward.write(topics.ACTIONS, "icu-01", action)
    pass_time(ward, loop, 300)
    assert [e.inactivation for e in ward.alarms(watched=False)] == [Inactivation.NONE, Inactivation.ACKNOWLEDGED]


def test_what_the_notifier_and_the_watchdog_alarm_of_is_answered_until_it_is_over(
    ward: Ward, event: Callable[..., AlarmEvent]
) -> None:
    loop = ward.shard()
    place = (topics.ALARMS, ward.layout.partition("pipeline"))
    others = [
        event(None, name, subject=name)
        for name in ("rota-empty", "not-notified", "pipeline-stalled", "snapshots-failing")
    ]
    for one in others:
        ward.log.append(place, one.subject.encode(), encode(one))
    loop.step(0)
    assert loop.shard.active() == others
    loop.save()
    loop = ward.shard()
    assert loop.shard.active() == others
    for one in others:
        over = msgspec.structs.replace(one, n=1, phase=Phase.END, state=AlarmState.INACTIVE)
        ward.log.append(place, one.subject.encode(), encode(over))
    loop.step(0)
    assert loop.shard.active() == []
    assert len(ward.alarms()) == 2 * len(others), "they are told by whom they are, and by nobody else"
