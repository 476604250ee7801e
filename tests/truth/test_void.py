"""Rows of the judge are void while the simulator is out of the recordings' interval."""

import pytest

from tests.bench import likeness, measure
from tests.bench.bench_truth import voided

ROW = {"name": "truth.unpaged", "value": 0, "unit": "count", "goal": 0, "better": "lower", "note": "30 s"}


@pytest.mark.parametrize("out", [[], ["simulator.hr_sd_within_an_hour"]])
def test_no_row_of_the_judge_holds_while_a_row_of_the_simulator_is_out(out: list[str]) -> None:
    simulator = [{"name": name, "held": name not in out} for name in ("simulator.hr_sd_within_an_hour", "simulator.x")]
    (row,) = [measure.held(row) for row in voided([ROW], simulator)]
    assert row["held"] is not bool(out)
    assert bool(row.get("void")) is bool(out)
    assert all(name in row["note"] for name in out)


def test_a_row_of_the_simulator_keeps_its_own_verdict() -> None:
    assert measure.held({"name": "simulator.x", "value": 1.0, "goal": None, "held": False})["held"] is False


@pytest.mark.parametrize("row", likeness.ROWS, ids=lambda row: row.name)
def test_each_interval_is_one_and_names_its_recordings(row: likeness.Row) -> None:
    assert row.low < row.high
    assert row.source
    assert likeness.held(row, (row.low + row.high) / 2)
    assert not likeness.held(row, row.high + 1e-6)
    assert not likeness.held(row, row.low - 1e-6)
