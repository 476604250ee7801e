"""Readings as columns, and what gateways, bridges and Kafka say with them."""

import json
import zlib
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vitals.build import T0, WELL, One, columns
from vitals import readings
from vitals.breach_codes import breach, pack
from vitals.limits import Limit, profile, with_overrides
from vitals.readings import TEXT_COLUMNS, Readings
from vitals.signs import FIELDS, INDEX, Suspect
from vitals.wire import device_reading, uplink_batch, vitals_record
from vitals.wire.vitals_record import WireError

OWN = with_overrides(profile("adult"), {"hr": Limit(None, 60, 100, None, 5)})
OTHER = with_overrides(profile("copd"), {"rr": Limit(None, 10, 25, None, 5)})


def some(n: int = 3) -> Readings:
    return columns(
        [One(T0 + k, {**WELL, "temp": 36.5 + k / 4}, seq=k, limits=-1 if k % 2 else 0) for k in range(n)], (OWN,)
    )


def same(a: Readings, b: Readings) -> bool:
    texts = all(getattr(a, c).tolist() == getattr(b, c).tolist() for c in TEXT_COLUMNS)
    numbers = all(np.array_equal(getattr(a, c), getattr(b, c)) for c in readings.INTEGER_COLUMNS)
    return texts and numbers and np.array_equal(a.values, b.values, equal_nan=True) and a.limit_sets == b.limit_sets


def test_columns_of_unequal_length_are_refused() -> None:
    with pytest.raises(ValueError, match="column boot has 1 entries, t has 3"):
        replace(some(), boot=np.zeros(1, dtype=np.int64))


def test_values_of_the_wrong_shape_are_refused() -> None:
    with pytest.raises(ValueError, match="values have shape"):
        replace(some(), values=np.zeros((3, 2)))


def test_limits_that_refer_to_no_set_are_refused() -> None:
    with pytest.raises(ValueError, match="limits refer to"):
        replace(some(), limits=np.array([0, -2, 0]))


def test_joining_keeps_each_readings_own_limits() -> None:
    a = columns([One(T0, WELL, limits=-1)], (OWN,))
    b = columns([One(T0, WELL, limits=-1), One(T0, WELL, limits=-2), One(T0, WELL, limits=1)], (OTHER, OWN))
    joined = readings.concat([a, readings.empty(), b])
    assert len(joined.limit_sets) == 2
    expected = [OWN, OTHER, OWN, profile("copd")]
    assert all(np.array_equal(x, y.array(), equal_nan=True) for x, y in zip(joined.bounds(), expected, strict=True))


def test_joining_nothing_is_nothing() -> None:
    assert len(readings.concat([])) == 0


def test_taking_some_keeps_their_identities() -> None:
    assert some().take(np.array([2, 0])).identities() == [("d1", 7, 2), ("d1", 7, 0)]


def test_suspect_codes_come_back_per_sign() -> None:
    batch = columns([One(T0, {}, {"hr": Suspect.DROPOUT, "map": Suspect.CLOCK})])
    digits = batch.suspect_digits()[0]
    assert (digits[INDEX["hr"]], digits[INDEX["map"]], digits.sum()) == (2, 8, 10)


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("boot", -1, "boot"),
        ("boot", 2**32, "boot"),
        ("seq", -1, "seq"),
        ("t", 0, "event time"),
        ("t", 10**15, "event time"),
        ("t_gw", 0, "gateway time"),
        ("roster", -1, "roster"),
        ("suspect", -1, "suspect"),
        ("suspect", 1 << 40, "suspect"),
    ],
)
def test_what_no_store_could_hold_is_found_and_its_neighbours_are_not(column: str, value: int, reason: str) -> None:
    batch = some()
    getattr(batch, column)[1] = value
    found = readings.problems(batch)
    assert list(found) == [1]
    assert reason in found[1]


def test_infinite_values_and_endless_names_are_problems_and_absent_patients_are_not() -> None:
    batch = some()
    batch.values[0, 0] = np.inf
    batch.device[1] = "x" * 200
    batch.patient[2] = None
    assert sorted(readings.problems(batch)) == [0, 1]


def test_a_record_comes_back_as_it_was() -> None:
    assert same(vitals_record.decode_vitals(vitals_record.encode_vitals(some())), some())


def test_a_heartbeat_is_a_record_of_nothing() -> None:
    assert len(vitals_record.decode_vitals(vitals_record.encode_vitals(readings.empty()))) == 0


def test_a_sign_nobody_has_is_left_out_and_a_record_of_an_older_version_is_read() -> None:
    wire = json.loads(vitals_record.encode_vitals(columns([One(T0, {"hr": 75})])))
    assert "spo2" not in wire
    assert [field for field in FIELDS if field in wire] == ["hr"]


def test_no_nan_ever_reaches_the_wire() -> None:
    wire = vitals_record.encode_vitals(columns([One(T0, {"hr": 75}), One(T0, {"rr": 15})]))
    assert b"NaN" not in wire
    assert json.loads(wire)["hr"] == [75, None]


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"{}",
        b"[]",
        b"\xff\xfe",
        b'{"t":[1]}',
        vitals_record.encode_vitals(some()).replace(b'"seq":[0,', b'"seq":['),
    ],
)
def test_bytes_that_are_no_record_are_refused_with_a_reason(value: bytes) -> None:
    with pytest.raises(WireError):
        vitals_record.decode_vitals(value)


def test_a_scored_record_carries_its_digits_and_where_it_came_from() -> None:
    batch = some()
    digits = pack(breach(batch.values, batch.bounds()))
    wire = json.loads(vitals_record.encode_vitals(batch)) | {
        "breach": digits.tolist(),
        "news2": [0] * len(batch),
        "partition": 3,
        "offset": 99,
    }
    scored = vitals_record.decode_scored(json.dumps(wire).encode())
    assert (scored.partition, scored.offset, scored.breach.tolist()) == (3, 99, digits.tolist())
    del wire["breach"]
    with pytest.raises(WireError):
        vitals_record.decode_scored(json.dumps(wire).encode())


def test_a_batch_says_its_gateway_once_and_comes_back_as_it_was() -> None:
    batch = uplink_batch.decode(uplink_batch.encode(uplink_batch.Batch("g1", "o1", 5, some())))
    assert (batch.gateway, batch.outbox, batch.n) == ("g1", "o1", 5)
    assert same(batch.readings, some())


def test_a_zip_bomb_is_cut() -> None:
    with pytest.raises(WireError, match="cut short or over"):
        uplink_batch.decode(zlib.compress(b" " * (4 * 1024 * 1024)))


@pytest.mark.parametrize("payload", [b"", b"x", zlib.compress(b"{}"), zlib.compress(b"\xff"), b"\0" * 200_000])
def test_bytes_that_are_no_batch_are_refused(payload: bytes) -> None:
    with pytest.raises(WireError):
        uplink_batch.decode(payload)


def test_a_batch_cut_off_on_its_way_is_refused() -> None:
    with pytest.raises(WireError):
        uplink_batch.decode(uplink_batch.encode(uplink_batch.Batch("g1", "o1", 1, some()))[:-5])


@pytest.mark.parametrize("fields", [("", "o", 1), ("g", "", 1), ("g", "o", 0), ("g" * 200, "o", 1)])
def test_a_batch_without_an_identity_is_refused(fields: tuple[str, str, int]) -> None:
    with pytest.raises(ValueError, match=r"characters|numbered"):
        uplink_batch.Batch(*fields, some())


@settings(max_examples=50, derandomize=True, deadline=None, database=None)
@given(st.lists(st.integers(1, 60)))
def test_ranges_hold_exactly_their_numbers(numbers: list[int]) -> None:
    runs = uplink_batch.ranges(numbers)
    assert {n for a, b in runs for n in range(a, b + 1)} == set(numbers)
    assert all(b + 1 < c for (_, b), (c, _) in pairwise(runs))


def test_a_frame_is_read_as_the_device_sent_it() -> None:
    frame = device_reading.decode(b'{"boot":1,"seq":2,"t":3,"hr":72,"spo2":null,"off":["temp"],"firmware":"2.1"}')
    assert (frame.boot, frame.seq, frame.t, frame.off) == (1, 2, 3, frozenset({"temp"}))
    assert frame.values == (72, *([None] * (len(FIELDS) - 1)))


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"null",
        b'{"boot":1,"seq":2}',
        b'{"boot":-1,"seq":2,"t":3}',
        b'{"boot":4294967296,"seq":2,"t":3}',
        b'{"boot":1,"seq":2,"t":3,"off":["glucose"]}',
        b'{"boot":1,"seq":2,"t":3,"x":"' + b"a" * 5000 + b'"}',
        b"[" * 4000,
    ],
)
def test_bytes_that_are_no_frame_are_refused_with_a_reason(payload: bytes) -> None:
    with pytest.raises(WireError):
        device_reading.decode(payload)


@settings(max_examples=100, derandomize=True, deadline=None, database=None)
@given(st.binary(max_size=200))
def test_no_bytes_whatever_crash_a_decoder(payload: bytes) -> None:
    for decode in (
        device_reading.decode,
        vitals_record.decode_vitals,
        vitals_record.decode_scored,
        uplink_batch.decode,
    ):
        with pytest.raises(WireError):
            decode(payload)
    with pytest.raises(WireError):
        uplink_batch.decode(zlib.compress(payload))


def test_alarm_events_survive_the_wire() -> None:
    from vitals import alarm_events  # noqa: PLC0415 - beside the decoder it tests
    from vitals.alarm_events import AlarmEvent, AlarmState, Kind, Phase, Priority, alarm_id  # noqa: PLC0415 - same

    event = AlarmEvent(
        id=alarm_id("p1", "hr", 5), n=0, subject="p1", condition="hr", kind=Kind.PHYSIOLOGICAL, priority=Priority.HIGH,
        phase=Phase.START, state=AlarmState.ACTIVE, start=5, t=6, log_t=7, text="HR 30 /min below 40 /min (extreme)",
    )  # fmt: skip
    assert event.id == "p1.hr.5"
    assert alarm_events.decode(alarm_events.encode(event)) == event
    with pytest.raises(ValueError, match="required field"):
        alarm_events.decode(b"{}")
