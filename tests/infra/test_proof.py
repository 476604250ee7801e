from pathlib import Path

from firmware_sim.plan import load
from tests.bench.path import breach_scenario
from tests.bench.path.percentiles import rank


def test_the_simulator_takes_the_plan_of_the_breaches_and_each_bed_has_one_in_its_turn(tmp_path: Path) -> None:
    beds = {"w0": 3, "w1": 3}
    brokers = {"w0": "mqtt://127.0.0.1:1", "w1": "mqtt://127.0.0.1:2"}
    (tmp_path / "plan.json").write_bytes(breach_scenario.plan(brokers, beds, duration_s=60, cadence_s=5, seed=1))
    plan = load(tmp_path / "plan.json")
    assert sorted(device.start_s for device in plan.devices) == [0, 10, 20, 30, 40, 50]
    assert {device.story for device in plan.devices} == {breach_scenario.STORY}


def test_a_rank_is_a_value_that_was_seen() -> None:
    values = [30.0, 10.0, 20.0]
    assert (rank(values, 0.5), rank(values, 0.99), rank(values, 1.0)) == (20.0, 30.0, 30.0)
