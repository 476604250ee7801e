"""Nothing that a gateway sends, and nothing that the log refuses, ends the bridge or holds up the others."""

import json
import zlib
from collections.abc import Callable

import msgspec
import pytest

from bridge.down.rosters import Rosters
from bridge.liveness.gateways import GatewayLiveness
from bridge.up import columns, validate
from bridge.up.validate import Refusal
from tests.bridge.test_upward import Rig
from vitals.bounds import MAX_DEVICES
from vitals.status import DeviceStatus, Health, Status
from vitals.wire import topics

MakeBatch = Callable[..., bytes]
T = 1_763_812_800_000
COLUMNS = {
    "patient": ["p"], "device": ["d"], "ward": ["w"], "bed": ["b"], "boot": [1], "seq": [0], "t": [T], "t_gw": [T],
    "roster": [1], "suspect": [0], "limits": [-1], "hr": [72],
    "limit_sets": [{"profile": "adult", "hr": [None, None, None, 100, 10, 2]}],
}  # fmt: skip


def payload(**changes: object) -> bytes:
    return zlib.compress(json.dumps({"gateway": "gw-1", "outbox": "o", "n": 1, "readings": COLUMNS | changes}).encode())


@pytest.mark.parametrize("bound", [10**309, -(10**309), 1e308, 2e6, "72", True, [], float("nan"), float("inf")])
def test_a_limit_of_310_digits_is_refused_with_its_reason_and_confirmed(bound: object) -> None:
    rig = Rig()
    rig.arrive("gw-1", payload(limit_sets=[{"profile": "adult", "hr": [None, None, None, bound, 10]}]))
    rig.turn()
    assert rig.rejected()[0].reason
    assert rig.stored() == []
    # NaN is no JSON, so not even the head can be read; what has a head is confirmed, or its gateway sends it for ever.
    assert rig.broker.confirmed("gw-1") == (set() if repr(bound) in {"nan", "inf"} else {1})
    assert rig.broker.acked == [1]


@pytest.mark.parametrize(
    "changes",
    [
        {"t": [3_723_753_600_001]}, {"t": [-1]}, {"t_gw": [10**18]}, {"boot": [2**32]}, {"seq": [2**53]},
        {"roster": [2**53]}, {"hr": [1e7]}, {"hr": [-1_000_001]}, {"suspect": [-1]}, {"device": [""]},
    ],
)  # fmt: skip
def test_both_ways_of_reading_refuse_a_reading_out_of_bounds(changes: dict[str, object]) -> None:
    raw = payload(**changes)
    assert columns.read("gw-1", raw) is None
    taken = validate.examine("gw-1", raw)
    assert taken.batch is None
    assert taken.refusals[0].reason
    assert taken.number is not None


@pytest.mark.parametrize(
    "changes",
    [
        {"t": 2**64}, {"t": 0}, {"t": 3_723_753_600_001}, {"backlog": 2**63}, {"accepted": -1}, {"slots": [10**30]},
        {"version": "x" * 513}, {"alarms": ["x" * 513]}, {"alarms": ["a"] * 4097}, {"devices": [{"device": "d"}]},
        {"devices": [{"device": "d", "health": "up", "t": 2**64}]},
        {"devices": [{"device": "d", "health": "up", "t": 1, "offset_ms": 10**19}]},
        {"devices": [{"device": "", "health": "up", "t": 1}]},
        {"devices": [{"device": "d", "health": "up", "t": 1, "off": ["hr"] * 65}]},
    ],
)  # fmt: skip
def test_a_status_out_of_bounds_is_refused_with_its_reason(changes: dict[str, object]) -> None:
    good = {"id": "gw-1", "kind": "gateway", "health": "up", "t": T}
    assert isinstance(validate.take_status("gw-1", json.dumps(good).encode()), Status)
    refused = validate.take_status("gw-1", json.dumps(good | changes).encode())
    assert isinstance(refused, Refusal)
    assert refused.reason.startswith("not a status: ")


@pytest.mark.parametrize("gateway", ["gw\u00ad1", "gw-\u0456", " gw", "g" * 129, "gw'--"])
def test_the_topic_of_a_gateway_whose_name_deceives_is_nobodys(gateway: str) -> None:
    assert validate.source(topics.gateway_topic(gateway, "vitals")) is None


def test_an_admission_that_breaks_a_bound_leaves_the_patient_as_they_were() -> None:
    rosters = Rosters(frozenset(range(16)))
    good = {
        "patient": "p1", "version": 1, "name": "A", "born": "1980-01-01", "phone": "1", "address": "x", "ward": "w",
        "bed": "b1", "gateway": "gw-1", "devices": ["d1"], "since": T,
    }  # fmt: skip
    rosters.apply("p1", json.dumps(good).encode())
    (first,) = rosters.due()
    for bad in ({"cadence_s": 3e6}, {"cadence_s": None}, {"version": 2**64}, {"since": 10**400}, {"bed": "a/b"}):
        with pytest.raises(ValueError, match="is no admission"):
            rosters.apply("p1", json.dumps(good | {"version": 2} | bad).encode())
    with pytest.raises(ValueError, match="is no admission"):
        rosters.apply("p1", b"[" * 100_000)
    assert rosters.due() == []
    assert first.placements[0].device == "d1"


def test_a_record_that_the_log_never_takes_is_put_aside_and_the_others_go_on(batch: MakeBatch) -> None:
    rig = Rig()
    rig.log._most_bytes = 40_000
    many = tuple(DeviceStatus(device=f"d-{k}", health=Health.UP, t=T) for k in range(1_000))
    large = Status(id="gw-1", kind="gateway", health=Health.UP, t=T, devices=many)
    rig.arrive("gw-1", msgspec.json.encode(large), "status")
    rig.arrive("gw-2", batch("gw-2", 1))
    for _ in range(8):
        rig.turn(1.1)
    assert len(rig.stored()) == 3
    assert rig.broker.acked == [1, 2]
    (aside,) = rig.rejected()
    assert (aside.topic, "refused for good" in aside.reason) == ("status[0]", True)
    assert aside.payload.startswith(b'{"id":"gw-1"')
    assert not rig.up.stalled


def test_even_a_reason_that_the_log_never_takes_holds_up_nobody(batch: MakeBatch) -> None:
    rig = Rig()
    rig.log._most_bytes = 600
    many = tuple(DeviceStatus(device=f"d-{k}", health=Health.UP, t=T) for k in range(1_000))
    large = Status(id="gw-1", kind="gateway", health=Health.UP, t=T, devices=many)
    rig.arrive("gw-1", msgspec.json.encode(large), "status")
    for _ in range(8):
        rig.turn(1.1)
    assert rig.broker.acked == [1]
    assert not rig.up.stalled
    assert rig.meters.registry.get_sample_value("wardwatch_bridge_records_given_up_total") == 2


def test_the_bridges_own_status_stays_below_a_record_however_many_gateways_it_has() -> None:
    presence = GatewayLiveness(10.0)
    for k in range(20_000):
        gateway = f"gateway-of-a-large-hospital-{k:05d}"
        presence.heard(Status(id=gateway, kind="gateway", health=Health.UP, t=T), 0.0, T)
    own = Status(id="b1", kind="bridge", health=Health.UP, t=T, devices=presence.gateways())
    assert len(own.devices) == MAX_DEVICES
    assert len(msgspec.json.encode(own)) < 1_000_000
    assert msgspec.json.decode(msgspec.json.encode(own), type=Status) == own
