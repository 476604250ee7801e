"""The wall-clock watchdog."""

from itertools import pairwise

import pytest

from cloud.alarm.watchdog.stall import StallWatch
from vitals.alarm_events import AlarmEvent, Phase


@pytest.fixture
def watch() -> StallWatch:
    return StallWatch(stall_ms=10_000, grace_ms=60_000)


def judge(watch: StallWatch, clock: int, now: int) -> AlarmEvent | None:
    return watch.judge({0: clock, 1: clock}, 2, now)


def goes_on(watch: StallWatch, now: int, seconds: int) -> list[AlarmEvent]:
    """The log moves each second for a time, from `now` on."""
    times = range(now, now + 1000 * seconds, 1000)
    return [event for t in times if (event := judge(watch, t, t)) is not None]


def test_a_log_that_stands_still_is_one_alarm_until_it_moves(watch: StallWatch) -> None:
    assert judge(watch, 1, 0) is None
    start = judge(watch, 1, 10_000)
    assert start is not None
    assert (start.phase, start.start, start.condition) == (Phase.START, 0, "pipeline-stalled")
    assert [judge(watch, 1, now) for now in (11_000, 60_000, 129_000)] == [None] * 3
    (end,) = goes_on(watch, 3_601_000, 40)
    assert (end.id, end.n, end.phase) == (start.id, end.n, Phase.END)


def test_a_log_that_comes_and_goes_is_one_alarm_and_ends_after_30_s_of_progress(watch: StallWatch) -> None:
    told = goes_on(watch, 1_000, 1)
    for begin in (12_000, 45_000, 78_000):
        # 10 s without progress before each of them, then 22 s with it.
        told += [event for event in [judge(watch, 0, begin)] if event is not None]
        told += goes_on(watch, begin + 1_000, 22)
    assert [event.phase for event in told] == [Phase.START]
    last = 100_000
    told += goes_on(watch, last + 1_000, 60)
    assert [event.phase for event in told] == [Phase.START, Phase.END]
    assert 29_000 <= told[-1].t - 79_000 <= 31_000


def test_one_partition_that_stands_still_is_told_though_others_move(watch: StallWatch) -> None:
    for now in range(0, 10_000, 1000):
        assert watch.judge({0: 1 + now, 1: 1}, 2, now) is None
    event = watch.judge({0: 99_999, 1: 1}, 2, 10_000)
    assert event is not None
    assert "partitions 1" in event.text


def test_before_anything_has_come_there_is_a_longer_grace(watch: StallWatch) -> None:
    assert judge(watch, 0, 0) is None
    assert judge(watch, 0, 59_999) is None
    assert judge(watch, 0, 60_000) is not None


def test_a_start_that_reads_one_partitions_backlog_after_anothers_is_no_stall_and_one_that_hangs_is(
    watch: StallWatch,
) -> None:
    for now in range(0, 50_000, 1000):
        assert watch.judge({0: 1 + now, 1: 1}, 2, now, starting=True) is None
    # All have caught up: from here on each has the usual time.
    for now in range(50_000, 60_000, 1000):
        assert watch.judge({0: 1 + now, 1: 1}, 2, now) is None
    assert watch.judge({0: 99_999, 1: 1}, 2, 60_000) is not None
    hangs = StallWatch(stall_ms=10_000, grace_ms=60_000)
    assert [hangs.judge({0: 1}, 1, now, starting=True) for now in (0, 59_999)] == [None, None]
    assert hangs.judge({0: 1}, 1, 60_000, starting=True) is not None


def test_a_difference_between_clocks_is_no_stall(watch: StallWatch) -> None:
    # The log's clock runs an hour behind the wall's, and moves.
    for now in range(3_600_000, 3_700_000, 1000):
        assert judge(watch, now - 3_600_000 + 1, now) is None


def test_shards_that_do_not_answer_make_no_progress(watch: StallWatch) -> None:
    assert judge(watch, 1, 0) is None
    assert watch.judge({}, 2, 10_000) is not None


def test_an_alarm_of_an_earlier_run_is_ended_rather_than_raised_again(watch: StallWatch) -> None:
    earlier = StallWatch(10_000, 60_000)
    judge(earlier, 1, 0)
    start = judge(earlier, 1, 10_000)
    assert start is not None
    watch.resume([start])
    assert judge(watch, 0, 20_000) is None
    (end,) = goes_on(watch, 21_000, 40)
    assert (end.id, end.phase) == (start.id, Phase.END)


def test_a_stall_that_goes_on_calls_the_next_contact_every_two_minutes() -> None:
    watch = StallWatch(10_000, 60_000)
    told = [e for s in range(0, 600) if (e := watch.judge({0: 1 + (s < 1)}, 1, 1_000_000 + 1000 * s)) is not None]
    assert [(e.phase, e.handover) for e in told[:4]] == [
        (Phase.START, 0),
        (Phase.CONTINUE, 1),
        (Phase.CONTINUE, 2),
        (Phase.CONTINUE, 3),
    ]
    assert [b.t - a.t for a, b in pairwise(told)] == [120_000] * (len(told) - 1)
    moving = [watch.judge({0: 9 + k}, 1, 1_700_000 + 1000 * k) for k in range(40)]
    (end,) = [event for event in moving if event is not None]
    assert (end.phase, end.n) == (Phase.END, told[-1].n + 1)
