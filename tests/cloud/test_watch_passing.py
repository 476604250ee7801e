"""The technicians' alarm of what is passed over: one for a topic and kind of exception, with a count."""

from dataclasses import dataclass, field

import pytest

from cloud.watch.passing import COUNT_EVERY_MS, QUIET_MS, PassedOverWatch
from vitals.alarms import Phase, Priority

NOW = 1_763_812_800_000
OVERFLOW = ("vitals", "OverflowError")


@dataclass(frozen=True)
class Said:
    shard: int
    passed_over: dict[tuple[str, str], int] = field(default_factory=dict)


@pytest.fixture
def watch() -> PassedOverWatch:
    return PassedOverWatch()


def test_one_alarm_for_a_kind_whatever_shard_it_was_in_with_a_count_now_and_then(watch: PassedOverWatch) -> None:
    (start,) = watch.judge([Said(0, {OVERFLOW: 1}), Said(1)], NOW)
    assert (start.condition, start.subject) == ("records-passed-over", "vitals.OverflowError")
    assert (start.priority, start.ward, start.value) == (Priority.MEDIUM, None, 1)
    assert start.text.startswith("1 record of vitals passed over (OverflowError)")
    assert watch.judge([Said(0, {OVERFLOW: 400}), Said(1, {OVERFLOW: 2})], NOW + 1000) == []
    (counted,) = watch.judge([Said(0, {OVERFLOW: 400})], NOW + COUNT_EVERY_MS)
    assert (counted.id, counted.n, counted.phase, counted.value) == (start.id, 1, Phase.UPDATE, 402)
    assert watch.judge([Said(0, {OVERFLOW: 400})], NOW + COUNT_EVERY_MS + 1) == []


def test_it_ends_when_no_more_come_and_begins_anew_with_the_next(watch: PassedOverWatch) -> None:
    (start,) = watch.judge([Said(0, {OVERFLOW: 1})], NOW)
    (end,) = watch.judge([Said(0, {OVERFLOW: 1})], NOW + QUIET_MS)
    assert (end.id, end.phase) == (start.id, Phase.END)
    (again,) = watch.judge([Said(0, {OVERFLOW: 2})], NOW + QUIET_MS + 1)
    assert (again.phase, again.id != start.id) == (Phase.START, True)


def test_kinds_and_topics_are_told_apart(watch: PassedOverWatch) -> None:
    kinds = {OVERFLOW: 1, ("vitals", "KeyError"): 3, ("status", "KeyError"): 2}
    assert {e.subject: e.value for e in watch.judge([Said(0, kinds)], NOW)} == {
        "vitals.OverflowError": 1,
        "vitals.KeyError": 3,
        "status.KeyError": 2,
    }


def test_a_shard_that_begins_anew_counts_from_nothing(watch: PassedOverWatch) -> None:
    watch.judge([Said(0, {OVERFLOW: 5})], NOW)
    assert watch.judge([Said(0, {OVERFLOW: 2})], NOW + 1000) == []
    (counted,) = watch.judge([Said(0, {OVERFLOW: 2})], NOW + COUNT_EVERY_MS)
    assert counted.value == 7


def test_an_alarm_of_an_earlier_run_is_counted_on_and_ended(watch: PassedOverWatch) -> None:
    (start,) = PassedOverWatch().judge([Said(0, {OVERFLOW: 3})], NOW)
    watch.resume([start], NOW + 1000)
    assert watch.judge([Said(0, {OVERFLOW: 1})], NOW + 2000) == []
    (counted,) = watch.judge([Said(0, {OVERFLOW: 1})], NOW + 1000 + COUNT_EVERY_MS)
    assert (counted.id, counted.value) == (start.id, 4)
