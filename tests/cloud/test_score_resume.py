"""Where scoring goes on, from what it has written itself."""

import json
from itertools import count

import pytest

from cloud.kafka.in_memory import MemoryLog, MemoryReader
from cloud.kafka.offsets import RecreatedError, Span, resume_offsets
from cloud.score.job import Score, in_a_row
from cloud.score.start_offsets import scored_up_to
from vitals.wire.topics import SCORED, VITALS


@pytest.fixture
def log() -> MemoryLog:
    ticks = count(1)
    return MemoryLog(lambda: next(ticks))


def written(log: MemoryLog, partition: int, *offsets: int) -> None:
    for offset in offsets:
        value = {"hr": [70], "partition": partition, "offset": offset, "timestamp": 1}
        log.append((SCORED, partition), b"", json.dumps(value).encode())


def test_each_partition_goes_on_after_its_newest_scored_record(log: MemoryLog) -> None:
    written(log, 0, 0, 1, 2)
    written(log, 1, 40, 41)
    assert scored_up_to(MemoryReader(log), range(3)) == {0: 3, 1: 42}


def test_a_repeated_stretch_does_not_set_scoring_back(log: MemoryLog) -> None:
    written(log, 0, 0, 1, 2, 3, 1, 2)
    assert scored_up_to(MemoryReader(log), [0]) == {0: 4}


@pytest.mark.parametrize(
    "junk", [b"", b"\xff", b"[" * 5000, b"{}", b'{"partition":7,"offset":900}', b'{"partition":"0","offset":900}', None]
)
def test_what_others_wrote_into_the_topic_is_passed_over(log: MemoryLog, junk: bytes | None) -> None:
    written(log, 0, 5)
    log.append((SCORED, 0), b"", junk)
    assert scored_up_to(MemoryReader(log), [0]) == {0: 6}


def test_what_retention_removed_unread_is_told_partition_by_partition() -> None:
    offsets, lost = resume_offsets(VITALS, {0: 5, 1: 9, 2: 0}, {0: (8, 20), 1: (9, 9), 2: (0, 4), 3: (7, 8)}, "")
    assert offsets == {0: 8, 1: 9, 2: 0, 3: 7}
    assert lost == [Span(0, 5, 7)]
    assert len(lost[0]) == 3


def test_a_topic_made_anew_is_refused_because_consumers_would_take_it_for_repeats() -> None:
    with pytest.raises(RecreatedError, match=r"vitals\[0\] ends at offset 3, but it was read up to 9: .*delete"):
        resume_offsets(VITALS, {0: 10}, {0: (0, 3)}, "delete vitals.scored too")


def test_only_queries_that_fail_soon_count_as_failing_one_after_the_other() -> None:
    assert [in_a_row(0, 1), in_a_row(1, 1), in_a_row(4, 3600)] == [1, 2, 1]


@pytest.mark.parametrize("wrong", [{"score_trigger": "hourly"}, {"score_batch_s": 4}])
def test_a_trigger_that_spark_does_not_have_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="SCORE_"):
        Score(kafka_bootstrap="k:1", **wrong)  # type: ignore[arg-type] # wrong on purpose
