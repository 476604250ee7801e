"""A record that raises in the alarm tier costs its own rows, is kept for who mends it, and stays passed over."""

import msgspec
import pytest

from cloud.alarm import partition_engine as slices
from cloud.alarm import shard as shards
from cloud.alarm.query.latest_values import LatestValues
from cloud.alarm.shard_runner import ShardRunner
from cloud.alarm.skipped_records import SpoiledError
from tests.cloud.test_watch_loop import T0, Ward, desaturate, starts, ward
from vitals.actions import Act, Action
from vitals.admissions import Admission
from vitals.alarm_events import Phase
from vitals.engine import evaluate_row as applying
from vitals.readings import Readings
from vitals.signs import INDEX
from vitals.skipped import Skipped, Why
from vitals.status import Rejected
from vitals.wire import topics
from vitals.wire.vitals_record import decode_vitals

__all__ = ["ward"]
POISON = 66.0


class UnforeseenError(ArithmeticError):
    """Nobody thought of it."""


def skipped(ward: Ward) -> list[Skipped]:
    return [msgspec.json.decode(r.value or b"", type=Skipped) for r in ward.log.records(topics.SKIPPED)]


def rejected(ward: Ward) -> list[Rejected]:
    return [msgspec.json.decode(r.value or b"", type=Rejected) for r in ward.log.records(topics.REJECTED)]


@pytest.fixture
def poisoned(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    real = applying.worsening.evaluate

    def raises(scribe: object, row: int, r: object, *args: object, **more: object) -> None:
        real(scribe, row, r, *args, **more)
        if r.values[INDEX["spo2"]] == POISON:
            raise UnforeseenError("nobody thought of it")

    monkeypatch.setattr(applying.worsening, "evaluate", raises)
    return monkeypatch


def night(ward: Ward, loop: ShardRunner, poison_at: int | None = 6) -> None:
    """Twenty seconds in which p-1 and p-2 fall, with one reading of p-1 that raises, beside p-2's in one record."""
    for second in range(20):
        ward.now += 1000
        ward.beat()
        for patient in ("p-1", "p-2"):
            partition = ward.layout.partition(patient)
            readings = [ward.reading(patient, ward.now, 78, bed=f"icu-{patient}")]
            if second == poison_at and patient == "p-1":
                readings.append(ward.reading(patient, ward.now + 1, POISON, bed="icu-p-1"))
                readings.append(ward.reading("p-3", ward.now, 78, bed="icu-p-3"))
            ward._scored(partition, *readings)
        loop.step(0)


def test_a_reading_that_raises_costs_nobody_else_and_is_kept_with_place_reason_and_trace(
    ward: Ward, poisoned: pytest.MonkeyPatch
) -> None:
    loop = ward.shard()
    night(ward, loop)
    begun = starts(ward.alarms())
    assert {("p-1", "spo2"), ("p-2", "spo2"), ("p-1", "not-judged")} <= set(begun)
    (kept,), (told,) = skipped(ward), rejected(ward)
    assert (kept.topic, kept.row, kept.kind, kept.subject, kept.why) == (
        "vitals",
        1,
        "UnforeseenError",
        "p-1",
        Why.RAISED,
    )
    assert kept.slice == f"p{ward.layout.partition('p-1')}"
    assert "raise UnforeseenError" in kept.trace
    assert told.topic == kept.key
    assert told.reason == "cannot be applied: UnforeseenError: nobody thought of it"
    one = decode_vitals(told.payload)
    assert (len(one), one.patient[0], one.values[0, INDEX["spo2"]]) == (1, "p-1", POISON)
    assert loop.passed_over == {"vitals.UnforeseenError": 1}


@pytest.mark.parametrize("saved", [True, False])
def test_a_replay_obeys_what_was_passed_over_also_with_mended_code(
    ward: Ward, poisoned: pytest.MonkeyPatch, saved: bool
) -> None:
    loop = ward.shard()
    if saved:
        loop.save()
    night(ward, loop)
    told, kept = ward.alarms(), skipped(ward)
    poisoned.undo()
    after = ward.shard()
    assert (ward.alarms(), skipped(ward)) == (told, kept)
    before, again = loop.shard.active(), after.shard.active()
    assert [msgspec.structs.replace(e, recent=()) for e in again] == [
        msgspec.structs.replace(e, recent=()) for e in before
    ]


def test_an_unreadable_record_is_counted_once_however_often_it_is_read(ward: Ward) -> None:
    ward.log.append((topics.PATIENTS, 0), b"x", b"\xff")
    for _ in range(3):
        for number in (0, 1):
            ward.shard(number, 2)
    assert len(rejected(ward)) == len(skipped(ward)) == 1


@pytest.mark.parametrize("value", ["action", "admission"])
def test_the_patient_of_a_record_that_raises_is_not_judged(
    ward: Ward, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    def raises(*_: object, **__: object) -> None:
        raise UnforeseenError("at last")

    loop = ward.shard()
    ward.beat()
    loop.step(0)
    with monkeypatch.context() as patch:
        if value == "action":
            patch.setattr(slices.engine.commands, "_chart", raises)
            chart = Action(id="a", act=Act.CHART, patient="p-1", t=ward.now, by="x", oxygen=True)
            ward.write(topics.ACTIONS, "p-1", chart)
        else:
            patch.setattr(slices.engine.commands, "place", raises)
            ward.write(topics.PATIENTS, "p-1", ward.admission())
        loop.step(0)
    assert starts(ward.alarms()) == [("p-1", "not-judged")]
    told = ward.alarms()
    for _ in range(2):
        ward.shard()
    assert ward.alarms() == told


def test_those_who_look_may_fail_and_nobody_is_paged_less(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    real = LatestValues.update

    def raises(self: LatestValues, readings: Readings, rows: object, now: int) -> None:
        if POISON in readings.values[:, INDEX["spo2"]]:
            raise UnforeseenError("half precision")
        real(self, readings, rows, now)

    monkeypatch.setattr(LatestValues, "update", raises)
    loop = ward.shard()
    night(ward, loop)
    assert {("p-1", "spo2"), ("p-2", "spo2")} <= set(starts(ward.alarms()))
    assert sum(s.unseen for s in loop.shard.engines.values()) == 1
    assert not [e for e in ward.alarms() if e.condition == "not-judged"]


def _dies_at(monkeypatch: pytest.MonkeyPatch, offset: int, error: type[BaseException]) -> list[int]:
    """Has whatever applies a record at an offset of `actions` end the process, and counts how often it came there."""
    real, came = shards.PartitionEngine.apply, []

    def raises(self: object, entries: object, beds: object) -> object:
        if any((e.record.topic, e.record.offset) == (topics.ACTIONS, offset) and e.value is not None for e in entries):
            came.append(offset)
            raise error("outside of what puts aside")
        return real(self, entries, beds)

    monkeypatch.setattr(shards.PartitionEngine, "apply", raises)
    return came


def _start(ward: Ward) -> ShardRunner | None:
    try:
        return ward.shard()
    except SpoiledError:
        return None


def test_a_record_at_which_processes_end_is_passed_over_after_it_ended_two_by_itself(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    ward.write(topics.PATIENTS, "p-1", ward.admission())
    for oxygen in (True, False, True):
        chart = Action(id=f"a{oxygen}", act=Act.CHART, patient="p-1", t=T0, by="x", oxygen=oxygen)
        ward.write(topics.ACTIONS, "p-1", chart)
    desaturate(ward)
    _dies_at(monkeypatch, 1, UnforeseenError)
    lives = [_start(ward) for _ in range(4)]
    assert lives[:3] == [None, None, None]
    assert lives[3] is not None
    assert ("p-1", "spo2") in starts(ward.alarms())
    (kept,) = [one for one in skipped(ward) if one.why is Why.RAISED]
    assert (kept.topic, kept.offset, kept.kind) == (topics.ACTIONS, 1, "UnforeseenError")
    assert len(rejected(ward)) == 1


def test_what_kills_a_process_is_held_against_no_record(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    ward.write(topics.PATIENTS, "p-1", ward.admission())
    ward.write(topics.ACTIONS, "p-1", Action(id="a", act=Act.CHART, patient="p-1", t=T0, by="x", oxygen=True))
    desaturate(ward)
    for error in (MemoryError, TimeoutError, OSError, KeyboardInterrupt):
        with monkeypatch.context() as patch:
            _dies_at(patch, 0, error)
            for _ in range(3):
                with pytest.raises(error):
                    ward.shard()
    assert (skipped(ward), rejected(ward)) == ([], [])
    loop = ward.shard()
    assert loop.shard.of("p-1").state.index  # type: ignore[union-attr] # it is this shard's
    assert ("p-1", "spo2") in starts(ward.alarms())


def test_scored_readings_at_which_processes_end_leave_their_patients_not_judged(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = slices.concat

    def raises(parts: object) -> object:
        if any((part.values[:, INDEX["spo2"]] == POISON).any() for part in parts):
            raise UnforeseenError("no two of these are joined")
        return real(parts)

    monkeypatch.setattr(slices, "concat", raises)
    ward.read("p-1", POISON)
    desaturate(ward, "p-2")
    lives = [_start(ward) for _ in range(4)]
    assert lives[3] is not None
    assert {("p-2", "spo2"), ("p-1", "not-judged")} <= set(starts(ward.alarms()))
    assert [e.phase for e in ward.alarms() if e.condition == "not-judged"] == [Phase.START]


def test_an_admission_that_beds_cannot_hold_is_put_aside(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    real = shards.BedHistory.admit

    def raises(self: object, admission: Admission) -> None:
        if admission.patient == "p-9":
            raise UnforeseenError("no such bed")
        real(self, admission)

    monkeypatch.setattr(shards.BedHistory, "admit", raises)
    ward.write(topics.PATIENTS, "p-9", ward.admission("p-9", "icu-09"))
    ward.write(topics.PATIENTS, "p-1", ward.admission())
    loop = ward.shard()
    desaturate(ward)
    loop.step(0)
    assert ("p-1", "spo2") in starts(ward.alarms())
    assert [one.kind for one in skipped(ward)] == ["UnforeseenError"]


def test_rows_are_named_by_their_place_in_the_source_record_also_where_others_were_left_out(
    ward: Ward, poisoned: pytest.MonkeyPatch
) -> None:
    ward.write(topics.PATIENTS, "p-2", ward.admission("p-2", "icu-02", since=T0))
    loop = ward.shard()
    ward.now += 1000
    wrong = ward.reading("p-3", ward.now, 80, bed="icu-02")
    bad = ward.reading("p-1", ward.now, POISON, bed="icu-01")
    partition = ward.layout.partition("p-1")
    ward._scored(partition, wrong, bad)
    loop.step(0)
    (kept,) = skipped(ward)
    assert (kept.row, kept.partition, kept.offset) == (1, partition, ward.offset)
