"""The load and its count: what is sent is what gateways send, and nothing that is missing passes unseen."""

import itertools

import msgspec
import numpy as np
import pytest

from tests.load.check import count
from tests.load.plan import Gateway, Plan
from vitals.readings import Readings, concat, problems
from vitals.wire import topics, uplink_batch

T = 1_763_812_800_000
PLAN = Plan(patients=12, per_gateway=4, cadence_s=30, seed=3)


def sent(plan: Plan, rounds: int) -> list[Readings]:
    """What a fleet's gateways send, round by round."""
    fleet = [Gateway(plan, number) for number in range(plan.gateways)]
    return [uplink_batch.decode(gateway.batch(T + k)).readings for k in range(rounds) for gateway in fleet]


def test_a_loads_batches_are_gateways_batches_of_usable_readings() -> None:
    gateway = Gateway(PLAN, 2)
    first, second = (uplink_batch.decode(gateway.batch(T + k)) for k in range(2))
    assert (first.gateway, first.n, second.n, first.outbox) == (gateway.name, 1, 2, second.outbox)
    assert gateway.topic == topics.gateway_topic(gateway.name, "vitals")
    assert len(first.readings) == 4
    assert not problems(concat([first.readings, second.readings]))
    assert not np.isnan(first.readings.values).any()
    assert second.readings.seq.tolist() == [1] * 4


def test_the_same_seed_sends_the_same_and_another_seed_other_starts_of_the_devices() -> None:
    again = [r.values.tobytes() for r in sent(PLAN, 2)]
    assert [r.values.tobytes() for r in sent(PLAN, 2)] == again
    other = Plan(patients=12, per_gateway=4, seed=4)
    assert set(sent(other, 1)[0].boot) != set(sent(PLAN, 1)[0].boot)


def test_a_plain_batch_holds_the_same_readings_one_by_one() -> None:
    rows = msgspec.json.decode(Gateway(Plan(12, 4, seed=3, plain=True), 0).batch(T))
    columns = sent(PLAN, 1)[0]
    assert [(row["device"], row["seq"], row["hr"]) for row in rows] == [
        (device, 0, columns.values[i, 0]) for i, device in enumerate(columns.device.tolist())
    ]


def test_all_that_was_sent_is_counted_as_there() -> None:
    found = count(sent(PLAN, 3), PLAN, batches=9)
    assert (found.expected, found.lost, found.repeated, found.altered, found.foreign) == (36, 0, 0, 0, 0)


def test_what_is_missing_repeated_altered_or_never_sent_is_told_apart() -> None:
    records = sent(PLAN, 3)
    found = count([*records[1:8], records[1], records[2], records[8]], PLAN, batches=8)
    assert found.expected == 32
    assert found.lost == 4
    assert found.repeated == 8
    assert found.foreign == 4


def test_a_repeat_with_other_values_is_altered() -> None:
    records = sent(PLAN, 1)
    other = records[0].take(np.array([0]))
    other.values[0, 0] += 1
    assert count([*records, other], PLAN, batches=3).altered == 1


def test_a_plan_without_patients_or_cadence_is_refused() -> None:
    with pytest.raises(ValueError, match="patients"):
        Plan(patients=0)


@pytest.mark.parametrize("ramp_s", [0.0, 60.0])
def test_batches_are_due_one_by_one_and_a_ramp_reaches_the_full_rate(ramp_s: float) -> None:
    plan = Plan(patients=12_000, per_gateway=30, cadence_s=30, ramp_s=ramp_s)
    moments = [plan.due_s(number) for number in range(4000)]
    assert moments[0] == 0
    assert all(earlier < later for earlier, later in itertools.pairwise(moments))
    assert all(plan.due(moment + 1e-6) == number + 1 for number, moment in enumerate(moments))
    steady = [later - earlier for earlier, later in itertools.pairwise(moments) if earlier >= ramp_s]
    assert steady == pytest.approx([30 / 400] * len(steady))
    assert plan.due(ramp_s) == pytest.approx(1 + ramp_s / 2 * 400 / 30, abs=1)
