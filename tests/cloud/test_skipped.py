"""The list of what was passed over, and having it judged again by mended code."""

import json

import msgspec
import pytest

from cloud.cli import skipped
from cloud.kafka.in_memory import MemoryLog, MemoryReader, MemoryWriter
from tests.cloud.test_watch_loop import T0, Ward, starts, ward
from tests.cloud.test_watch_passed_over import POISON, poisoned
from vitals.signs import INDEX
from vitals.skipped import Skipped, Why
from vitals.wire import topics
from vitals.wire.vitals_record import decode_vitals, encode_vitals

__all__ = ["poisoned", "ward"]


def _score(ward: Ward) -> None:
    """Does the scoring job's part: each record of `vitals` becomes one of `vitals.scored`."""
    for record in ward.log.records(topics.VITALS):
        done = [r for r in ward.log.records(topics.SCORED) if json.loads(r.value or b"")["offset"] >= record.offset]
        if not done:
            value = ward.scored(record.partition, record.offset, decode_vitals(record.value or b""))
            ward.log.append((topics.SCORED, record.partition), b"", value)


def test_a_reading_passed_over_is_judged_by_mended_code_and_leaves_the_list(
    ward: Ward, poisoned: pytest.MonkeyPatch
) -> None:
    partition = ward.layout.partition("p-1")
    loop = ward.shard()
    for _ in range(3):
        ward.now += 1000
        values = encode_vitals(ward.reading("p-1", ward.now, POISON, bed="icu-01"))
        ward.log.append((topics.VITALS, partition), b"gw", values)
        _score(ward)
        loop.step(0)
    assert starts(ward.alarms()) == [("p-1", "not-judged")]
    poisoned.undo()
    listed = skipped.standing(ward.log.records(topics.SKIPPED))
    assert [one.key for one in listed] == [f"vitals[{partition}]@{k}#0" for k in range(3)]
    assert "UnforeseenError: nobody thought of it" in skipped.line(listed[0])
    lines = skipped.replay(listed, MemoryReader(ward.log), MemoryWriter(ward.log), ward.now)
    assert lines == [f"replayed: {one.key} p-1" for one in listed]
    assert skipped.standing(ward.log.records(topics.SKIPPED)) == []
    after = ward.shard()
    _score(ward)
    after.step(0)
    latest = after.shard.of("p-1")
    assert latest is not None
    assert latest.latest.values[0, INDEX["spo2"]] == POISON


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog(lambda: T0)


def passed(topic: str, offset: int = 0, row: int | None = None, why: Why = Why.RAISED) -> Skipped:
    return Skipped(topic=topic, partition=0, offset=offset, row=row, why=why, t=T0)


def put(log: MemoryLog, one: Skipped) -> None:
    log.append((topics.SKIPPED, 0), one.key.encode(), msgspec.json.encode(one))


def test_an_admission_that_a_newer_one_has_overtaken_is_not_written_again(log: MemoryLog) -> None:
    for version in (1, 2):
        log.append((topics.PATIENTS, 0), b"p-1", b'{"version":%d}' % version)
    for offset in (0, 1):
        put(log, passed(topics.PATIENTS, offset))
    found = skipped.standing(log.records(topics.SKIPPED))
    lines = skipped.replay(found, MemoryReader(log), MemoryWriter(log), T0)
    assert lines == [
        "not replayed: patients[0]@0 has been overtaken by a newer record of p-1",
        "replayed: patients[0]@1",
    ]
    assert [r.value for r in log.records(topics.PATIENTS)][2:] == [b'{"version":2}']
    assert [one.key for one in skipped.standing(log.records(topics.SKIPPED))] == ["patients[0]@0"]


def test_what_is_no_longer_kept_is_said(log: MemoryLog) -> None:
    put(log, passed(topics.ACTIONS, 7))
    found = skipped.standing(log.records(topics.SKIPPED))
    lines = skipped.replay(found, MemoryReader(log), MemoryWriter(log), T0)
    assert lines == ["not replayed: actions[0]@7 is no longer kept"]


def test_a_suspicion_is_nothing_to_replay_and_two_slices_are_one_line(log: MemoryLog) -> None:
    put(log, passed(topics.STATUS, why=Why.SUSPECT))
    for name in ("p3", "equipment"):
        put(log, msgspec.structs.replace(passed(topics.STATUS, 4), slice=name))
    log.append((topics.SKIPPED, 0), b"x", b"\xff")
    assert [one.key for one in skipped.standing(log.records(topics.SKIPPED))] == ["status[0]@4"]


def test_a_row_that_its_record_does_not_have_is_said(log: MemoryLog, ward: Ward) -> None:
    log.append((topics.VITALS, 0), b"gw", encode_vitals(ward.reading("p-1", T0, 90)))
    put(log, passed(topics.VITALS, 0, row=1))
    found = skipped.standing(log.records(topics.SKIPPED))
    (line,) = skipped.replay(found, MemoryReader(log), MemoryWriter(log), T0)
    assert line == "not replayed: vitals[0]@0#1: the record has 1 readings"


def test_the_parser_takes_keys_or_all() -> None:
    assert skipped.parser().parse_args(["replay", "--all"]).all
    assert skipped.parser().parse_args(["replay", "vitals[0]@1#2"]).keys == ["vitals[0]@1#2"]
