"""The bridge knows when its own clock is off against Kafka's, and no delay makes a right clock look wrong."""

import random

import pytest

from bridge.kafka.port import DeliveryReport
from bridge.liveness.kafka_clock import OFF_MS, KafkaClock

T = 1_763_812_800_000


def beat(clock: KafkaClock, t: int, ahead_ms: int, there_ms: int = 3, back_ms: int = 3) -> None:
    """A heartbeat that is sent at a true time, by a clock that is so far ahead, and so long on its way."""
    report = DeliveryReport(1, t=t + there_ms)
    clock.stored({1: t + ahead_ms}, [report], t + there_ms + back_ms + ahead_ms)


@pytest.mark.parametrize("ahead_ms", [-3_600_000, -2_100, 2_100, 3_600_000])
def test_a_clock_that_is_off_is_known_with_one_heartbeat_and_by_how_much(ahead_ms: int) -> None:
    clock = KafkaClock()
    beat(clock, T, ahead_ms)
    since = clock.off_since
    assert since == pytest.approx(T, abs=10)
    assert clock.offset_ms == pytest.approx(-ahead_ms, abs=5)
    assert clock.true(T + ahead_ms) == pytest.approx(T, abs=5)
    beat(clock, T + 1000, ahead_ms)
    assert clock.off_since == since


def test_a_clock_that_is_set_right_is_off_no_more_and_one_that_swings_about_the_bound_stays_off() -> None:
    clock = KafkaClock()
    beat(clock, T, 2_100)
    for k, ahead_ms in enumerate((1_900, 1_200, 2_050, 1_100)):
        beat(clock, T + 1000 * k, ahead_ms)
        assert clock.off_since
    beat(clock, T + 9000, 200)
    assert (clock.off_since, clock.offset_ms) == (0, -200)


def test_no_delay_makes_a_right_clock_look_wrong_and_none_ends_what_is_not_known_to_be_over() -> None:
    draw, clock = random.Random(5), KafkaClock()  # noqa: S311 - a seed, no secret
    for k in range(2000):
        there, back = (round(10 ** draw.uniform(0, 5.5)) for _ in range(2))
        beat(clock, T + 1000 * k, draw.randint(-OFF_MS, OFF_MS), there, back)
        assert clock.off_since == 0
    beat(clock, T, 5_000)
    beat(clock, T + 1000, 5_000, there_ms=6_000, back_ms=6_000)
    assert clock.off_since


def test_what_was_refused_or_not_dated_by_the_log_tells_nothing() -> None:
    clock = KafkaClock()
    clock.stored({1: T, 2: T, 3: T}, [DeliveryReport(1, "no"), DeliveryReport(2), DeliveryReport(9, t=5)], T)
    assert (clock.off_since, clock.offset_ms) == (0, None)
