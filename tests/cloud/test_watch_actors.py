"""Which shards stand still."""

import pytest

from cloud.alarm.ray.shard_actor import Health
from cloud.alarm.ray.shard_supervisor import Progress


@pytest.fixture
def progress() -> Progress:
    return Progress(30.0)


def shard(number: int, turns: int, cpu_s: float = 1.0) -> Health:
    return Health(
        shard=number, pid=1, clocks={}, catching_up=False, turns=turns, cpu_s=cpu_s, readings=0, repeats=0,
        misplaced=0, emitted=0, rejects=0, disputed=0, passed_over={}, foreign={},
        unseen=0, snapshots_failing=0, snapshots_saved=1, lines=(),
    )  # fmt: skip


def test_a_shard_without_a_turn_for_the_stated_time_is_named_and_no_other(progress: Progress) -> None:
    named = [progress.judge([shard(0, 7), shard(1, 100 + look)], 2.0) for look in range(30)]
    assert [look for look, found in enumerate(named) if found] == [15]
    assert named[15] == [0]


def test_a_shard_that_computes_has_ten_times_as_long(progress: Progress) -> None:
    named = [progress.judge([shard(0, 7, cpu_s=1.0 + look)], 2.0) for look in range(200)]
    (killed,) = [look for look, found in enumerate(named) if found]
    assert 148 < killed < 152


def test_a_shard_that_does_not_answer_stands_still_too(progress: Progress) -> None:
    progress.judge([shard(0, 1)], 2.0)
    assert [progress.judge([], 2.0) for _ in range(16)][-2:] == [[0], []]


def test_a_shard_that_recovers_is_given_all_the_time_it_takes(progress: Progress) -> None:
    progress.judge([shard(0, 9)], 2.0)
    while not progress.judge([], 2.0):
        pass
    assert not any(progress.judge([shard(0, 0)], 2.0) for _ in range(1000))
    assert not any(progress.judge([shard(0, turn)], 2.0) for turn in range(1, 100))
