from collections.abc import Callable
from dataclasses import replace

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.up import batching, columns
from bridge.up.batching import Linger
from bridge.up.columns import ColumnBuffer
from vitals.limits import ADULT, Limit, with_overrides
from vitals.readings import Readings, concat
from vitals.wire import topics
from vitals.wire.vitals_record import MAX_READINGS, decode_vitals

MakeReadings = Callable[..., Readings]
OWN = [with_overrides(ADULT, {"hr": Limit(low=low)}) for low in (41, 42, 43)]


def gather(parts: list[Readings]) -> ColumnBuffer:
    gathered = ColumnBuffer()
    for k, part in enumerate(parts):
        gathered.add(columns.from_readings(str(part.gateway[0]), "box", k + 1, part))
    return gathered


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
    parts = []
    for k, (n, beds) in enumerate(sizes):
        part = readings(f"gw-{k % 3}", n, boot=k, beds=beds)
        parts.append(replace(part, limits=-1 - np.arange(n) % 3, limit_sets=tuple(OWN)))
    loads = list(batching.lane_records(gather(parts), lanes))
    out = [(load.lane, row) for load in loads for row in rows(decode_vitals(load.value))]
    into = rows(concat(parts))
    assert sorted(row for _, row in out) == sorted(into)
    for lane, row in out:
        assert lane == topics.lane(str(row[3] or row[0]), lanes)
    for lane in range(lanes):
        mine = [row for at, row in out if at == lane]
        assert mine == [row for row in into if row in mine]
    assert sum(load.readings for load in loads) == len(into)


def test_a_record_holds_at_most_a_thousand_readings(readings: MakeReadings) -> None:
    parts = gather([readings(n=1000, beds=1), readings(n=900, beds=1)])
    assert [load.readings for load in batching.lane_records(parts, 16)] == [MAX_READINGS, 900]


def test_readings_with_the_longest_names_are_split_until_kafka_takes_their_records(readings: MakeReadings) -> None:
    part = readings(n=1000, beds=1)
    part.ward[:] = "\x01" * 128  # six bytes each in JSON
    part.bed[:] = "\x02" * 128
    part.device[:] = "\x03" * 128
    part.patient[:] = "p"
    loads = list(batching.lane_records(gather([part]), 16))
    assert len(loads) > 1
    assert all(len(load.value) <= batching.MAX_RECORD_BYTES for load in loads)
    assert sum(load.readings for load in loads) == 1000


def test_the_longest_reading_that_passes_fits_into_a_record(readings: MakeReadings) -> None:
    part = readings(n=1, beds=1)
    for name in ("patient", "device", "ward", "bed"):
        getattr(part, name)[:] = "\x01" * 128
    longest = replace(OWN[0], profile="\x01" * 128)
    (load,) = batching.lane_records(gather([replace(part, limits=np.array([-1]), limit_sets=(longest,))]), 16)
    assert len(load.value) < batching.MAX_RECORD_BYTES // 100


def test_a_record_carries_its_own_limits_and_signs_alone(readings: MakeReadings) -> None:
    part = readings(n=6, beds=6)
    part = replace(part, limits=np.array([0, -1, -2, -3, 0, 0]), limit_sets=tuple(OWN))
    for load in batching.lane_records(gather([part]), 16):
        record = decode_vitals(load.value)
        assert len(record.limit_sets) == len({int(k) for k in record.limits if k < 0})
        assert not msgspec.json.decode(load.value).keys() & {"rr", "spo2", "temp"}


def test_a_lone_reading_waits_for_nobody_and_a_stream_goes_once_per_linger() -> None:
    linger = Linger(0.020, enough=1000)
    assert linger.wait_s(1, 100.0) == 0
    linger.written(100.0)
    assert linger.wait_s(1, 100.005) == pytest.approx(0.015)
    assert linger.wait_s(1, 100.020) == pytest.approx(0)
    assert linger.wait_s(1000, 100.001) == 0
    assert linger.wait_s(0, 200.0) == float("inf")
