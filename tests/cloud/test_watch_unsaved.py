"""The alarm that snapshots fail: one for all shards, and none for a moment."""

from dataclasses import dataclass

import pytest

from cloud.alarm.snapshot.failure_alarm import GRACE_MS, SnapshotWatch
from vitals.alarm_events import AlarmEvent, Phase, Priority

NOW = 1_763_812_800_000


@dataclass(frozen=True)
class Said:
    shard: int
    snapshots_failing: int = 0
    snapshots_saved: int = 1


@pytest.fixture
def watch() -> SnapshotWatch:
    return SnapshotWatch()


def begun(watch: SnapshotWatch, *said: Said) -> AlarmEvent:
    assert watch.judge(said, NOW) is None
    assert watch.judge(said, NOW + GRACE_MS - 1) is None
    event = watch.judge(said, NOW + GRACE_MS)
    assert event is not None
    return event


def test_it_begins_once_however_many_shards_fail_and_ends_when_all_have_written_again(watch: SnapshotWatch) -> None:
    start = begun(watch, Said(0, 3), Said(1, 2))
    assert (start.condition, start.subject, start.phase) == ("snapshots-failing", "pipeline", Phase.START)
    assert (start.priority, start.start, start.ward) == (Priority.MEDIUM, NOW, None)
    assert watch.judge([Said(0, 3), Said(1, 0)], NOW + 2 * GRACE_MS) is None
    end = watch.judge([Said(0), Said(1)], NOW + 3 * GRACE_MS)
    assert end is not None
    assert (end.id, end.n, end.phase) == (start.id, 1, Phase.END)
    assert watch.judge([Said(0), Said(1)], NOW + 4 * GRACE_MS) is None


def test_a_failure_that_the_next_snapshot_mends_is_told_to_nobody(watch: SnapshotWatch) -> None:
    for turn in range(10):
        assert watch.judge([Said(0, 1)], NOW + turn * GRACE_MS) is None
        assert watch.judge([Said(0)], NOW + turn * GRACE_MS + GRACE_MS // 2) is None


def test_a_shard_that_began_again_and_has_written_nothing_yet_ends_nothing(watch: SnapshotWatch) -> None:
    begun(watch, Said(0, 1), Said(1))
    assert watch.judge([Said(0, snapshots_saved=0)], NOW + 2 * GRACE_MS) is None
    assert watch.judge([], NOW + 3 * GRACE_MS) is None
    end = watch.judge([Said(0)], NOW + 4 * GRACE_MS)
    assert end is not None


def test_an_alarm_of_an_earlier_run_is_ended_rather_than_raised_again(watch: SnapshotWatch) -> None:
    earlier = SnapshotWatch()
    start = begun(earlier, Said(0, 1))
    watch.resume([start])
    assert watch.judge([Said(0, 1)], NOW + 2 * GRACE_MS) is None
    assert watch.judge([Said(0, 1)], NOW + 4 * GRACE_MS) is None
    end = watch.judge([Said(0)], NOW + 5 * GRACE_MS)
    assert end is not None
    assert end.id == start.id
