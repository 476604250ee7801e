"""The technicians' alarm of what is passed over: one for a topic and kind of exception, with a count."""

import pytest

from cloud.alarm.count_alarms import COUNT_EVERY_MS, QUIET_MS, CountWatch, foreign, passed_over
from vitals.alarm_events import Phase, Priority

NOW = 1_763_812_800_000
OVERFLOW = "vitals.OverflowError"


@pytest.fixture
def watch() -> CountWatch:
    return passed_over()


def test_one_alarm_for_a_kind_whatever_shard_it_was_in_with_a_count_now_and_then(watch: CountWatch) -> None:
    (start,) = watch.judge({0: {OVERFLOW: 1}, 1: {}}, NOW)
    assert (start.condition, start.subject) == ("records-passed-over", "vitals.OverflowError")
    assert (start.priority, start.ward, start.value) == (Priority.MEDIUM, None, 1)
    assert start.text.startswith("1 record of vitals passed over (OverflowError)")
    assert watch.judge({0: {OVERFLOW: 400}, 1: {OVERFLOW: 2}}, NOW + 1000) == []
    (counted,) = watch.judge({0: {OVERFLOW: 400}}, NOW + COUNT_EVERY_MS)
    assert (counted.id, counted.n, counted.phase, counted.value) == (start.id, 1, Phase.UPDATE, 402)
    assert watch.judge({0: {OVERFLOW: 400}}, NOW + COUNT_EVERY_MS + 1) == []


def test_it_ends_when_no_more_come_and_begins_anew_with_the_next(watch: CountWatch) -> None:
    (start,) = watch.judge({0: {OVERFLOW: 1}}, NOW)
    (end,) = watch.judge({0: {OVERFLOW: 1}}, NOW + QUIET_MS)
    assert (end.id, end.phase) == (start.id, Phase.END)
    (again,) = watch.judge({0: {OVERFLOW: 2}}, NOW + QUIET_MS + 1)
    assert (again.phase, again.id != start.id) == (Phase.START, True)


def test_kinds_and_topics_are_told_apart(watch: CountWatch) -> None:
    kinds = {OVERFLOW: 1, "vitals.KeyError": 3, "status.KeyError": 2}
    assert {e.subject: e.value for e in watch.judge({0: kinds}, NOW)} == {
        "vitals.OverflowError": 1,
        "vitals.KeyError": 3,
        "status.KeyError": 2,
    }


def test_a_shard_that_begins_anew_counts_from_nothing(watch: CountWatch) -> None:
    watch.judge({0: {OVERFLOW: 5}}, NOW)
    assert watch.judge({0: {OVERFLOW: 2}}, NOW + 1000) == []
    (counted,) = watch.judge({0: {OVERFLOW: 2}}, NOW + COUNT_EVERY_MS)
    assert counted.value == 7


def test_an_alarm_of_an_earlier_run_is_counted_on_and_ended(watch: CountWatch) -> None:
    (start,) = passed_over().judge({0: {OVERFLOW: 3}}, NOW)
    watch.resume([start], NOW + 1000)
    assert watch.judge({0: {OVERFLOW: 1}}, NOW + 2000) == []
    (counted,) = watch.judge({0: {OVERFLOW: 1}}, NOW + 1000 + COUNT_EVERY_MS)
    assert (counted.id, counted.value) == (start.id, 4)


def test_a_gateway_that_speaks_of_others_patients_is_told_of_and_is_high_when_it_goes_on() -> None:
    watch = foreign()
    (start,) = watch.judge({0: {"gw-med": 1}, 1: {}}, NOW)
    assert (start.condition, start.subject, start.priority) == ("foreign-readings", "gw-med", Priority.MEDIUM)
    assert watch.judge({0: {"gw-med": 60}}, NOW + 60_000) == []
    (high,) = watch.judge({0: {"gw-med": 120}}, NOW + 120_000)
    assert (high.id, high.phase, high.priority) == (start.id, Phase.ESCALATE, Priority.HIGH)
    (end,) = watch.judge({0: {"gw-med": 120}}, NOW + 120_000 + QUIET_MS)
    assert (end.id, end.phase) == (start.id, Phase.END)
