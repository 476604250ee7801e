"""The report of a bounded demo."""

from typing import Any

import pytest

from infra.demo.reconciliation import Verdict
from infra.demo.report import HOPS, Counts, report, shortcomings, spread


def delivered(**changes: object) -> dict[str, Any]:
    counts = Counts(10, 10, 10, 10, 0, {"high": 1, "technical": 1}, 1)
    return report(counts, Verdict(10, 0, 0, 0), {"sensor_to_sns": [100.0]}, {"kafka": 400.0}) | changes


def test_spread_takes_the_nearest_rank() -> None:
    assert spread([float(x) for x in range(1, 101)]) == {"p50": 50.0, "p99": 99.0, "max": 100.0}


def test_spread_of_nothing_says_so() -> None:
    assert spread([]) == {"p50": None, "p99": None, "max": None}


def test_the_report_has_every_promised_key() -> None:
    result = delivered()
    assert set(result["alarms"]) == {"high", "medium", "low", "technical"}
    assert set(result["latency_ms"]) == set(HOPS)
    assert {"sent", "accepted", "scored", "archived", "loaded", "lost", "duplicated", "rejected"} <= set(result)
    assert {"notifications", "peak_pss_mb"} <= set(result)


def test_a_path_that_delivered_has_no_shortcoming() -> None:
    assert shortcomings(delivered()) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"accepted": 0}, "accepted no reading"),
        ({"lost": 3}, "3 accepted readings are missing"),
        ({"duplicated": 2}, "2 readings stand more than once"),
        ({"alarms": {"high": 0, "medium": 1, "low": 0, "technical": 1}}, "no high alarm"),
        ({"alarms": {"high": 1, "medium": 0, "low": 0, "technical": 0}}, "no technical alarm"),
        ({"notifications": 0}, "no notification"),
    ],
)
def test_each_shortcoming_is_told(changes: dict[str, Any], said: str) -> None:
    assert [line for line in shortcomings(delivered(**changes)) if said in line]
