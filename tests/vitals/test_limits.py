"""Limits refuse what contradicts itself, and travel unharmed."""

import math

import numpy as np
import pytest

from vitals import limits
from vitals.breach_codes import ABSENT, breach, pack, unpack
from vitals.limits import ADULT, PROFILES, Limit, LimitSet, from_wire, profile, with_overrides
from vitals.signs import FIELDS, INDEX, SIGNS


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        ({"low": 90, "high": 80}, "must ascend"),
        ({"extreme_low": 95, "low": 90}, "must ascend"),
        ({"high": 200, "extreme_high": 160}, "must ascend"),
        ({"low": math.nan}, "finite"),
        ({"high": math.inf}, "finite"),
        ({"low": 1, "delay_s": -1}, "lasts 0 to 3600 s"),
    ],
)
def test_a_limit_that_makes_no_sense_is_refused(bounds: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Limit(**bounds)


def test_a_set_without_a_limit_for_every_sign_is_refused() -> None:
    with pytest.raises(ValueError, match=f"3 limits for {len(SIGNS)} signs"):
        LimitSet("short", (Limit(),) * 3)


def test_overriding_an_unknown_sign_names_those_there_are() -> None:
    with pytest.raises(ValueError, match="unknown signs: pulse; known are hr"):
        with_overrides(ADULT, {"pulse": Limit(low=40)})


def test_every_profile_comes_back_from_the_wire_as_it_was() -> None:
    for built_in in PROFILES:
        assert from_wire(built_in.wire()) == built_in


def test_a_sign_that_the_wire_does_not_name_is_not_watched() -> None:
    assert from_wire({"profile": "old"}).limits == (Limit(),) * len(SIGNS)


@pytest.mark.parametrize("row", [[1, 2, 3], "90", [1, 2, "x", 4, 0, 0], [[], 2, 3, 4, 0, 0], [9, 2, 3, 4, 0, 0]])
def test_wrong_limits_on_the_wire_are_refused(row: object) -> None:
    with pytest.raises(ValueError, match=r"limits|could not convert"):
        from_wire({"profile": "p", "hr": row})


def test_default_adult_limits_are_those_of_the_design() -> None:
    spo2, hr, rr = (ADULT.limits[INDEX[f]] for f in ("spo2", "hr", "rr"))
    assert (spo2.extreme_low, spo2.low, spo2.delay_s) == (85, 90, 15)
    assert (hr.extreme_low, hr.low, hr.high, hr.extreme_high, hr.delay_s) == (40, 50, 120, 140, 10)
    assert (rr.extreme_low, rr.low, rr.high, rr.extreme_high, rr.delay_s) == (6, 8, 30, 35, 20)


def test_profile_places_on_the_wire_never_move() -> None:
    assert [p.profile for p in PROFILES] == ["adult", "copd", "home", "infant", "toddler", "child", "adolescent"]


def test_an_unknown_profile_lists_those_there_are() -> None:
    with pytest.raises(ValueError, match="unknown limit profile"):
        profile("robot")


def test_a_value_equal_to_its_limit_is_within() -> None:
    rows = np.full((1, len(SIGNS)), np.nan)
    for value, digit in ((50, 0), (49, 2), (40, 2), (39, 1), (120, 0), (121, 3), (140, 3), (141, 4)):
        rows[0, INDEX["hr"]] = value
        assert breach(rows, ADULT.array())[0, INDEX["hr"]] == digit, value


def test_an_absent_value_is_neither_within_nor_beyond() -> None:
    assert set(breach(np.full((1, len(SIGNS)), np.nan), ADULT.array())[0].tolist()) == {ABSENT}


def test_digits_survive_packing() -> None:
    digits = np.array([[k % 8 for k in range(len(FIELDS))], [7] * len(FIELDS)], dtype=np.int8)
    assert unpack(pack(digits), len(FIELDS)).tolist() == digits.tolist()


def test_limit_arrays_cannot_be_written() -> None:
    with pytest.raises(ValueError, match="read-only"):
        ADULT.array()[0, limits.LOW] = 1


def test_a_profiles_name_travels_with_readings_and_is_bounded() -> None:
    with pytest.raises(ValueError, match="over 128"):
        from_wire({"profile": "p" * 129})
