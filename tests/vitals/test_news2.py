"""NEWS2 against the chart as printed, cell by cell, and the mistakes others have made with it."""

import itertools
import math

import numpy as np
import pytest

from vitals import news2
from vitals.signs import FIELDS, INDEX

# The chart, row by row, as a person reads it: value → score, at chart resolution.
CHART = {
    "rr": [(range(1, 9), 3), (range(9, 12), 1), (range(12, 21), 0), (range(21, 25), 2), (range(25, 70), 3)],
    "sbp": [(range(1, 91), 3), (range(91, 101), 2), (range(101, 111), 1), (range(111, 220), 0), (range(220, 400), 3)],
    "pulse": [
        (range(1, 41), 3),
        (range(41, 51), 1),
        (range(51, 91), 0),
        (range(91, 111), 1),
        (range(111, 131), 2),
        (range(131, 300), 3),
    ],
    "spo2": [(range(1, 92), 3), (range(92, 94), 2), (range(94, 96), 1), (range(96, 101), 0)],
}
SCALE2_AIR = [(range(1, 84), 3), (range(84, 86), 2), (range(86, 88), 1), (range(88, 101), 0)]
SCALE2_OXYGEN = [
    (range(1, 84), 3),
    (range(84, 86), 2),
    (range(86, 88), 1),
    (range(88, 93), 0),
    (range(93, 95), 1),
    (range(95, 97), 2),
    (range(97, 101), 3),
]
TEMP = [(range(250, 351), 3), (range(351, 361), 1), (range(361, 381), 0), (range(381, 391), 1), (range(391, 450), 2)]


def cells(rows: list[tuple[range, int]]) -> dict[int, int]:
    return {value: points for values, points in rows for value in values}


@pytest.mark.parametrize("name", list(CHART))
def test_every_chart_value_scores_as_printed(name: str) -> None:
    wrong = {v: p for v, p in cells(CHART[name]).items() if news2.score(**{name: v}).parts[name] != p}
    assert wrong == {}


def test_every_temperature_to_a_tenth_scores_as_printed() -> None:
    assert {v: p for v, p in cells(TEMP).items() if news2.score(temp=v / 10).parts["temp"] != p} == {}


@pytest.mark.parametrize(("oxygen", "rows"), [(False, SCALE2_AIR), (True, SCALE2_OXYGEN)])
def test_every_spo2_on_scale_2_scores_as_printed_on_air_and_on_oxygen(
    oxygen: bool, rows: list[tuple[range, int]]
) -> None:
    for value, points in cells(rows).items():
        assert news2.score(spo2=value, scale2=True, oxygen=oxygen).parts["spo2"] == points, value


def test_oxygen_scores_two_on_either_scale_and_does_not_move_scale_1() -> None:
    for value, points in cells(CHART["spo2"]).items():
        scored = news2.score(spo2=value, oxygen=True)
        assert (scored.parts["spo2"], scored.parts["oxygen"]) == (points, 2)


@pytest.mark.parametrize(("letter", "points"), [("A", 0), ("C", 3), ("V", 3), ("P", 3), ("U", 3)])
def test_anything_but_alert_scores_three(letter: str, points: int) -> None:
    assert news2.score(consciousness=letter).parts["consciousness"] == points


def test_scale_2_on_air_at_93_or_more_scores_nothing() -> None:
    assert [news2.score(spo2=v, scale2=True).parts["spo2"] for v in (93, 95, 97, 100)] == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("inputs", "part", "points"),
    [
        ({"temp": 35.05}, "temp", 1),
        ({"temp": 35.04}, "temp", 3),
        ({"temp": 38.05}, "temp", 1),
        ({"spo2": 91.5}, "spo2", 2),
        ({"spo2": 91.4}, "spo2", 3),
        ({"rr": 8.5}, "rr", 1),
        ({"pulse": 130.5}, "pulse", 3),
        ({"sbp": 219.5}, "sbp", 3),
    ],
)
def test_values_between_two_bands_are_rounded_half_up_and_never_missing(inputs: dict, part: str, points: int) -> None:
    scored = news2.score(**inputs)
    assert scored.parts[part] == points
    assert part not in scored.missing


def test_a_missing_input_is_named_and_never_scored() -> None:
    scored = news2.score(rr=15, spo2=None, sbp=math.nan, consciousness=None)
    assert scored.missing == ("spo2", "sbp", "pulse", "temp", "consciousness")
    assert "spo2" not in scored.parts


def test_a_single_three_is_low_medium_risk() -> None:
    assert news2.score(rr=8, spo2=98, sbp=120, pulse=70, temp=37).risk == "low-medium"


@pytest.mark.parametrize(
    ("total", "three", "risk"),
    [
        (0, False, "low"),
        (4, False, "low"),
        (4, True, "low-medium"),
        (5, True, "medium"),
        (6, False, "medium"),
        (7, True, "high"),
    ],
)
def test_risk_follows_the_response_table(total: int, three: bool, risk: str) -> None:
    assert news2.risk(total, single_three=three) == risk


def test_a_consciousness_that_is_none_of_acvpu_is_refused() -> None:
    with pytest.raises(ValueError, match="none of A, C, V, P, U"):
        news2.score(consciousness="X")


def test_columns_score_exactly_as_single_values_do() -> None:
    points = {
        "rr": np.arange(0.5, 69, 0.5),
        "spo2": np.arange(70, 100.5, 0.5),
        "sbp": np.arange(60, 240, 0.5),
        "pr": np.arange(20, 200, 0.5),
        "hr": np.arange(20, 200, 0.5),
        "temp": np.round(np.arange(33, 42, 0.01), 2),
    }
    for name, values in points.items():
        rows = np.full((len(values), len(FIELDS)), np.nan)
        rows[:, INDEX[name]] = values
        scored = news2.digits(rows)
        for part, band in enumerate(news2.BANDS):
            expected = [news2.digit(v, part) if name in band.sources else news2.NOT_SCORED for v in values.tolist()]
            assert scored[:, part].tolist() == expected, (name, band.part)


def test_pulse_is_the_oximeters_and_the_ecgs_only_without_it() -> None:
    rows = np.full((2, len(FIELDS)), np.nan)
    rows[0, [INDEX["pr"], INDEX["hr"]]] = 75, 140
    rows[1, INDEX["hr"]] = 140
    assert news2.digits(rows)[:, news2.PART_INDEX["pulse"]].tolist() == [0, 3]


def test_the_spo2_row_in_force_follows_scale_and_oxygen() -> None:
    rows = [news2.BANDS[news2.spo2_part(s, o)].part for s, o in itertools.product((False, True), repeat=2)]
    assert rows == ["spo2_scale1", "spo2_scale1", "spo2_scale2_air", "spo2_scale2_oxygen"]
