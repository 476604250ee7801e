import json
import os
import zlib
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.up import columns, validate
from bridge.up.validate import BatchId, RejectReason
from vitals.status import Health, Status
from vitals.wire import topics, uplink_batch
from vitals.wire.vitals_record import decode_vitals

MakeBatch = Callable[..., bytes]


def altered(payload: bytes, **changes: object) -> bytes:
    """A batch with some of its columns replaced, by hand: as a broken gateway would send it."""
    content = json.loads(uplink_batch.inflater().decompress(payload))
    content |= {k: v for k, v in changes.items() if k in content}
    content["readings"] |= {k: v for k, v in changes.items() if k not in content}
    return zlib.compress(json.dumps(content).encode())


@given(st.binary(max_size=300))
def test_any_bytes_are_refused_with_their_reason_and_never_raise(payload: bytes) -> None:
    for data in (payload, zlib.compress(payload)):
        taken = validate.take("gw-1", data)
        assert taken.batch is None
        assert [r.why for r in taken.refusals] == [RejectReason.UNDECODABLE]
        assert taken.refusals[0].payload == data
        assert isinstance(validate.take_status("gw-1", data), validate.Refusal)
        assert isinstance(validate.take_rejected(data), validate.Refusal)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)


@given(
    st.sampled_from(["device", "boot", "seq", "t", "patient", "hr", "limits", "limit_sets", "n", "outbox"]), json_values
)
def test_a_batch_with_any_one_field_broken_is_taken_or_refused_but_never_raises(
    batch: MakeBatch, field: str, value: object
) -> None:
    taken = validate.take("gw-1", altered(batch(), **{field: value}))
    assert (taken.batch.size if taken.batch else 0) + len(taken.refusals) > 0


def test_a_zip_bomb_is_cut_off_and_refused() -> None:
    bomb = zlib.compress(b"[" + b"0," * 50_000_000, 9)
    assert len(bomb) < uplink_batch.MAX_PAYLOAD_BYTES
    taken = validate.take("gw-1", bomb)
    assert "over" in taken.refusals[0].reason
    assert taken.number is None


def test_a_batch_that_lies_about_its_lengths_is_refused_and_still_confirmed_so_that_it_never_blocks(
    batch: MakeBatch,
) -> None:
    taken = validate.take("gw-1", altered(batch(number=9), hr=[70]))
    assert taken.number == BatchId("box", 9)
    assert taken.refusals[0].why is RejectReason.UNDECODABLE


@pytest.mark.parametrize(("outbox", "n"), [("", 1), ("x" * 129, 1), ("box", 0), ("box", 2**63), ("box", -1)])
def test_a_batch_that_no_gateway_could_have_numbered_is_refused_and_not_confirmed(
    batch: MakeBatch, outbox: str, n: int
) -> None:
    taken = validate.take("gw-1", altered(batch(), outbox=outbox, n=n))
    assert taken.number is None
    assert taken.refusals[0].why is RejectReason.UNDECODABLE


def test_a_gateway_that_claims_anothers_name_is_refused_with_all_its_readings(batch: MakeBatch) -> None:
    taken = validate.take("gw-2", batch("gw-1", n=5))
    assert taken.batch is None
    assert (taken.refusals[0].why, taken.refusals[0].readings) == (RejectReason.WRONG_NAME, 5)


def test_bad_readings_are_refused_by_themselves_and_the_good_of_their_batch_go_on(batch: MakeBatch) -> None:
    taken = validate.take("gw-1", altered(batch(n=4), boot=[7, -1, 7, 2**32]))
    assert taken.batch is not None
    assert taken.batch.columns[columns.NAMES.index("seq")] == [0, 2]
    (refusal,) = taken.refusals
    assert (refusal.why, refusal.readings) == (RejectReason.READING, 2)
    assert decode_vitals(refusal.payload).boot.tolist() == [-1, 2**32]


def test_an_empty_batch_has_nothing_to_store_and_is_confirmed(batch: MakeBatch) -> None:
    taken = validate.take("gw-1", batch(number=3, n=0))
    assert taken.batch is not None
    assert (taken.number, taken.batch.size, taken.refusals) == (BatchId("box", 3), 0, ())


def test_topics_in_a_foreign_slot_or_of_another_shape_are_nobodys() -> None:
    good = topics.gateway_topic("gw-1", "vitals")
    source = validate.source(good)
    assert source is not None
    assert (source.gateway, source.name, source.slot) == ("gw-1", "vitals", topics.slot("gw-1"))
    wrong = f"gateways/{(topics.slot('gw-1') + 1) % 16}/gw-1/vitals"
    empty, huge = f"gateways/{topics.slot('')}//vitals", topics.gateway_topic("x" * 129, "vitals")
    for topic in (wrong, empty, huge, "", "gateways", good + "/more", "x" + good):
        assert validate.source(topic) is None


@given(st.text(max_size=40))
def test_any_topic_is_somebodys_or_nobodys_and_never_raises(topic: str) -> None:
    for name in (topic, f"gateways/1/{topic}/vitals"):
        source = validate.source(name)
        assert source is None or topics.gateway_topic(source.gateway, source.name) == name


def test_a_status_of_another_gateway_or_of_no_gateway_is_refused() -> None:
    status = Status(id="gw-1", kind="gateway", health=Health.UP, t=1)
    assert validate.take_status("gw-1", msgspec.json.encode(status)) == status
    for claim in (("gw-2", status), ("gw-1", msgspec.structs.replace(status, kind="bridge"))):
        refusal = validate.take_status(claim[0], msgspec.json.encode(claim[1]))
        assert isinstance(refusal, validate.Refusal)
        assert refusal.why is RejectReason.WRONG_NAME


def test_a_status_over_the_largest_publish_is_refused() -> None:
    refusal = validate.take_status("gw-1", b'"' + os.urandom(1) * uplink_batch.MAX_PAYLOAD_BYTES + b'"')
    assert isinstance(refusal, validate.Refusal)
