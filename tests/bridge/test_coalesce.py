from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge import coalesce
from bridge.coalesce import Linger, Load, TooLarge
from vitals import topics
from vitals.limits import ADULT, Limit, with_overrides
from vitals.readings import Readings, concat
from vitals.records import MAX_READINGS, decode_vitals

MakeReadings = Callable[..., Readings]
OWN = [with_overrides(ADULT, {"hr": Limit(low=low)}) for low in (41, 42, 43)]


def rows(readings: Readings) -> list[tuple[object, ...]]:
    bounds = readings.bounds()
    return [
        (readings.device[i], readings.boot[i], readings.seq[i], readings.patient[i], bounds[i].tobytes())
        for i in range(len(readings))
    ]


@given(st.lists(st.tuples(st.integers(1, 40), st.integers(1, 6)), min_size=1, max_size=8), st.sampled_from([1, 4, 16]))
def test_every_reading_comes_out_once_in_its_lane_in_order_with_its_own_limits(
    readings: MakeReadings, sizes: list[tuple[int, int]], lanes: int
) -> None:
    gathered = []
    for k, (n, beds) in enumerate(sizes):
        part = readings(f"gw-{k % 3}", n, boot=k, beds=beds)
        gathered.append((100 + k, replace(part, limits=-1 - np.arange(n) % 3, limit_sets=tuple(OWN))))
    loads = [x for x in coalesce.loads(gathered, lanes) if isinstance(x, Load)]
    out = [(load.lane, row) for load in loads for row in rows(decode_vitals(load.value))]
    into = rows(concat([part for _, part in gathered]))
    assert sorted(row for _, row in out) == sorted(into)
    for lane, row in out:
        assert lane == topics.lane(str(row[3] or row[0]), lanes)
    for lane in range(lanes):
        mine = [row for at, row in out if at == lane]
        assert mine == [row for row in into if row in mine]
    assert sum(load.readings for load in loads) == len(into)


def test_a_record_names_every_batch_that_it_carries_and_no_other(readings: MakeReadings) -> None:
    gathered = [(5, readings("gw-1", 4)), (6, readings("gw-2", 4)), (7, readings("gw-1", 2, boot=9))]
    for load in coalesce.loads(gathered, 16):
        inside = set(decode_vitals(load.value).identities())
        assert set(load.batches) == {number for number, part in gathered if inside & set(part.identities())}


def test_a_record_holds_at_most_a_thousand_readings(readings: MakeReadings) -> None:
    sizes = [
        load.readings for load in coalesce.loads([(1, readings(n=1000, beds=1)), (2, readings(n=900, beds=1))], 16)
    ]
    assert sizes == [MAX_READINGS, 900]


def test_readings_with_the_longest_names_are_split_until_kafka_takes_their_records(readings: MakeReadings) -> None:
    part = readings(n=1000, beds=1)
    part.ward[:] = "\x01" * 128  # six bytes each in JSON
    part.bed[:] = "\x02" * 128
    part.device[:] = "\x03" * 128
    part.patient[:] = "p"
    loads = list(coalesce.loads([(1, part)], 16))
    assert len(loads) > 1
    assert all(isinstance(load, Load) and len(load.value) <= coalesce.MAX_RECORD_BYTES for load in loads)
    assert sum(load.readings for load in loads) == 1000


def test_one_reading_that_fits_into_no_record_is_told_apart_and_the_others_go_on(readings: MakeReadings) -> None:
    part = readings(n=3, beds=1)
    monster = replace(OWN[0], profile="x" * 1_000_000)
    part = replace(part, limits=np.array([0, -1, 0]), limit_sets=(monster,))
    loads = list(coalesce.loads([(1, part)], 16))
    assert [type(load) for load in loads].count(TooLarge) == 1
    assert sum(load.readings for load in loads if isinstance(load, Load)) == 2


def test_a_lone_reading_waits_for_nobody_and_a_stream_goes_once_per_linger() -> None:
    linger = Linger(0.020, enough=1000)
    assert linger.wait_s(1, 100.0) == 0
    linger.written(100.0)
    assert linger.wait_s(1, 100.005) == pytest.approx(0.015)
    assert linger.wait_s(1, 100.020) == pytest.approx(0)
    assert linger.wait_s(1000, 100.001) == 0
    assert linger.wait_s(0, 200.0) == float("inf")
