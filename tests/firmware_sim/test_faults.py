import math

import numpy as np
import pytest

from firmware_sim.faults import Fault, FaultKind, Injector, parse


def injector(*words: str, seed: int = 1) -> Injector:
    return Injector([parse(word) for word in words], np.random.default_rng(seed))


def test_a_timed_fault_strikes_once_at_the_first_reading_after_its_second() -> None:
    faulty = injector("reboot@30+5")
    struck = [t for t in range(0, 100, 2) if faulty.strikes(t + 0.5)]
    assert struck == [30]


def test_a_fault_by_rate_strikes_at_that_share_of_readings() -> None:
    faulty = injector("duplicate=0.1")
    assert sum(bool(faulty.strikes(t)) for t in range(5000)) == pytest.approx(500, rel=0.15)


def test_the_same_seed_strikes_at_the_same_readings() -> None:
    runs = [[bool(i.strikes(t)) for t in range(500)] for i in (injector("garbage=0.1"), injector("garbage=0.1"))]
    assert runs[0] == runs[1]


def test_a_drifting_clock_runs_away_and_a_jumped_one_stays_away() -> None:
    faulty = injector("clock-drift~36", "clock-jump@100~-7200")
    assert faulty.clock_offset_ms(50) == 500
    faulty.strikes(100)
    assert faulty.clock_offset_ms(100) == 1000 - 7_200_000
    assert faulty.clock_offset_ms(200) == 2000 - 7_200_000


def test_a_word_says_kind_rate_second_length_and_shift() -> None:
    assert parse("duplicate=0.01") == Fault(FaultKind.DUPLICATE, rate=0.01)
    assert parse("late-burst@20+40") == Fault(FaultKind.LATE_BURST, at_s=20, for_s=40)
    assert parse("clock-jump@20~-7200").shift_s == -7200
    assert parse("clock-drift").shift_s == 4


def test_a_dead_battery_lasts_until_somebody_changes_it() -> None:
    assert parse("battery@5").lasts_s == math.inf
    assert parse("battery@5+30").lasts_s == 30


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("gremlin@5", "KIND one of"),
        ("reboot@soon", "cannot be read"),
        ("reboot", "never strikes"),
        ("duplicate=1.5", "share of readings"),
    ],
)
def test_a_word_that_makes_no_sense_is_refused_with_the_reason(word: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse(word)
