"""The quick way through the bridge takes exactly what the slow one takes, and changes nothing of it."""

import json
import zlib
from collections.abc import Callable
from dataclasses import replace

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.up import batching, columns, validate
from bridge.up.columns import ColumnBuffer
from vitals.limits import ADULT, Limit, with_overrides
from vitals.readings import Readings
from vitals.signs import FIELDS
from vitals.wire import uplink_batch
from vitals.wire.vitals_record import decode_vitals

MakeReadings = Callable[..., Readings]
MakeBatch = Callable[..., bytes]
OWN = with_overrides(ADULT, {"hr": Limit(low=41)})
TEXTS = st.one_of(st.none(), st.just(""), st.text(max_size=4), st.just("x" * 129), st.just("a\0b"), st.just("\\u0000"))
NUMBERS = st.one_of(st.integers(-2, 3), st.sampled_from([2**32 - 1, 2**32, 2**53, 2**53 + 1, 2**63, -(2**63)]))
ANY: st.SearchStrategy[object] = st.one_of(TEXTS, NUMBERS, st.floats(allow_nan=False), st.just([]), st.booleans())
NAMES = (*columns.NAMES, "gateway", "outbox", "n", "limit_sets")


def came_out(batch: columns.Batch) -> list[tuple[object, ...]]:
    """What Kafka gets of a batch, reading by reading."""
    gathered = ColumnBuffer()
    gathered.add(batch)
    found = []
    for load in batching.lane_records(gathered, 16):
        record = decode_vitals(load.value)
        bounds = record.bounds()
        found += [
            (i, record.patient[k], record.bed[k], record.t[k], record.roster[k], record.values[k].round(3).tobytes(),
             bounds[k].tobytes())
            for k, i in enumerate(record.identities())
        ]  # fmt: skip
    return sorted(found, key=str)


@given(st.sampled_from(NAMES), st.integers(0, 2), ANY)
def test_a_batch_with_any_value_anywhere_comes_out_as_the_slow_way_lets_it_out(
    readings: MakeReadings, name: str, place: int, value: object
) -> None:
    part = replace(readings("gw-1", 3, beds=1), limits=np.array([0, -1, 1]), limit_sets=(OWN,))
    content = json.loads(
        uplink_batch.inflater().decompress(uplink_batch.encode(uplink_batch.Batch("gw-1", "box", 1, part)))
    )
    if name in content:
        content[name] = value
    elif name == "limit_sets":
        content["readings"][name] = [value] if place else [content["readings"][name][0] | {"hr": value}]
    elif name in content["readings"]:
        content["readings"][name][place] = value
    else:
        content["readings"][name] = [None, 5, value]
    payload = zlib.compress(json.dumps(content).encode())
    quick, slow = columns.read("gw-1", payload), validate.examine("gw-1", payload)
    if quick is not None:
        assert slow.refusals == ()
        assert slow.number == validate.BatchId(quick.outbox, quick.n)
        assert slow.batch is not None
        assert came_out(quick) == came_out(slow.batch)


def test_ordinary_batches_go_the_quick_way(readings: MakeReadings, batch: MakeBatch) -> None:
    own = replace(readings("gw-1", 3), limits=np.array([0, -1, 1]), limit_sets=(OWN,))
    for payload in (
        batch("gw-1", 1),
        batch("gw-1", 2, n=0),
        uplink_batch.encode(uplink_batch.Batch("gw-1", "box", 1, own)),
    ):
        assert columns.read("gw-1", payload) is not None


@pytest.mark.parametrize("lie", ["short", "long", "bomb", "cut", "many"])
def test_a_batch_that_lies_about_its_sizes_is_left_to_the_slow_way(batch: MakeBatch, lie: str) -> None:
    content = msgspec.json.decode(uplink_batch.inflater().decompress(batch("gw-1", 1, n=3)))
    if lie in {"short", "long"}:
        content["readings"]["hr"] = [70] * (2 if lie == "short" else 4)
    if lie == "many":
        content["readings"] = {name: values * 334 for name, values in content["readings"].items()}
    payload = zlib.compress(msgspec.json.encode(content))
    payload = {"bomb": zlib.compress(b" " * 50_000_000), "cut": payload[:-4]}.get(lie, payload)
    assert columns.read("gw-1", payload) is None
    assert validate.examine("gw-1", payload).batch is None


def test_a_sign_that_only_some_batches_have_is_absent_elsewhere(readings: MakeReadings) -> None:
    with_rr, gathered = readings("gw-2", 2, beds=1), ColumnBuffer()
    with_rr.values[:, FIELDS.index("rr")] = 15.5
    for gateway, part in (("gw-1", readings("gw-1", 2, beds=1)), ("gw-2", with_rr)):
        batch = columns.read(gateway, uplink_batch.encode(uplink_batch.Batch(gateway, "box", 1, part)))
        assert batch is not None
        gathered.add(batch)
    (load,) = batching.lane_records(gathered, 1)
    rr = decode_vitals(load.value).values[:, FIELDS.index("rr")]
    assert np.array_equal(rr, [np.nan, np.nan, 15.5, 15.5], equal_nan=True)
