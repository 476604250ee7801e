"""Spark's columns against the NumPy functions that define them, on a local Spark."""

import json
import logging
import math
from base64 import b64decode
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray
from pyspark.sql import SparkSession

from cloud.score.expression import MAX_VALUE, score
from cloud.score.lookup_tree import contribution, packed
from vitals import breach_codes, news2
from vitals.limits import ADULT, PROFILES, Limit, LimitSet, with_overrides
from vitals.news2 import BANDS
from vitals.readings import INTEGER_COLUMNS, TEXT_COLUMNS, Readings, text
from vitals.signs import FIELDS, INDEX, SIGNS
from vitals.wire import vitals_record
from vitals.wire.topics import MAX_RECORD_BYTES

LOGGED = datetime(2026, 11, 22, 12, tzinfo=UTC)
OVERRIDES = (
    with_overrides(ADULT, {"spo2": Limit(80, 86, None, None, 15), "hr": Limit(None, 44.5, None, 151, 10)}),
    LimitSet("bare", tuple(Limit() for _ in SIGNS)),
)


@pytest.fixture(scope="module")
def spark() -> Iterator[SparkSession]:
    # It speaks at the interpreter's end, when nobody listens any more.
    logging.getLogger("py4j").setLevel(logging.WARNING)
    session = (
        SparkSession.builder.master("local[1]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.sql.session.timeZone", "Europe/Madrid")
        .getOrCreate()
    )
    yield session
    session.stop()


def scored(spark: SparkSession, values: Sequence[bytes | None], key: bytes = b"3") -> list[Any]:
    """Scores record values as partition 3 would hold them, offsets from 0."""
    # By Arrow: rows of Python objects make Spark start Python workers.
    columns = {
        "key": pa.array([key] * len(values), pa.binary()),
        "value": pa.array(values, pa.binary()),
        "partition": pa.array([3] * len(values), pa.int32()),
        "offset": pa.array(range(len(values)), pa.int64()),
        "timestamp": pa.array([LOGGED] * len(values), pa.timestamp("us", "UTC")),
    }
    return score(spark.createDataFrame(pa.table(columns))).collect()


def readings(values: NDArray[np.float64], limits: Sequence[int], sets: Sequence[LimitSet] = ()) -> Readings:
    n = len(values)
    columns: dict[str, Any] = {name: text([f"{name}-{i}" for i in range(n)]) for name in TEXT_COLUMNS}
    columns |= {name: np.arange(1, n + 1, dtype=np.int64) for name in INTEGER_COLUMNS}
    columns["limits"] = np.array(limits, dtype=np.int64)
    return Readings(**columns, values=values, limit_sets=tuple(sets))


def expected(source: Readings) -> tuple[list[int], list[int]]:
    breach = breach_codes.pack(breach_codes.breach(source.values, source.bounds()))
    return breach.tolist(), breach_codes.pack(news2.digits(source.values)).tolist()


def edge_values(field: str) -> list[float]:
    """Every value at which a digit of the sign may change, one step of its decimals beside it, and their neighbours."""
    step = 10.0 ** -SIGNS[INDEX[field]].decimals
    bounds = {
        bound
        for limits in (*PROFILES, *OVERRIDES)
        for bound in limits.array()[INDEX[field], :4].tolist()
        if not math.isnan(bound)
    }
    chart = {
        edge + steps * 10.0**-band.decimals
        for band in BANDS
        if field in band.sources
        for edge in band.edges
        for steps in (-1.0, -0.5, 0.0, 0.5, 1.0)
    }
    beside = {bound + steps * step for bound in bounds for steps in (-1.0, 1.0)}
    close = {
        near
        for edge in bounds | chart | beside
        for near in (math.nextafter(edge, -math.inf), edge, math.nextafter(edge, math.inf))
    }
    return [*sorted(close), -5.0, 0.0, 1e6, math.nan]


def edge_readings(limits: int) -> Readings:
    """Rows in which one sign walks over its edges while the others are absent, then all of them together."""
    width = max(len(edge_values(field)) for field in FIELDS)
    together = np.full((width, len(FIELDS)), np.nan)
    alone = []
    for i, field in enumerate(FIELDS):
        edges = edge_values(field)
        together[: len(edges), i] = edges
        rows = np.full((len(edges), len(FIELDS)), np.nan)
        rows[:, i] = edges
        alone.append(rows)
    values = np.concatenate([together, *alone])
    return readings(values, [limits] * len(values), OVERRIDES)


def exact(source: Readings) -> bytes:
    """Encodes without the wire's rounding, so that neighbouring doubles stay apart."""
    columns = vitals_record.to_columns(source)
    for i, field in enumerate(FIELDS):
        columns[field] = [None if math.isnan(x) else x for x in source.values[:, i].tolist()]
    return json.dumps(columns).encode()


def test_every_edge_of_every_profile_and_override_scores_as_in_numpy(spark: SparkSession) -> None:
    whole = [edge_readings(k) for k in range(-len(OVERRIDES), len(PROFILES))]
    most = range(0, max(map(len, whole)), vitals_record.MAX_READINGS)
    sources = [
        s.take(np.arange(k, min(k + vitals_record.MAX_READINGS, len(s)))) for s in whole for k in most if k < len(s)
    ]
    for source, row in zip(sources, scored(spark, [exact(s) for s in sources]), strict=True):
        value = json.loads(row.value)
        breach, digits = expected(source)
        assert row.topic == "vitals.scored"
        assert value["breach"] == breach, f"limits {source.limits[0]}"
        assert value["news2"] == digits, f"limits {source.limits[0]}"


def test_readings_with_different_limits_share_a_record(spark: SparkSession) -> None:
    rng = np.random.default_rng(5)
    values = np.round(rng.normal((80, 80, 16, 94, 37, 120, 75, 90), (30, 30, 8, 5, 1.5, 40, 25, 25), (500, 8)), 1)
    values[rng.random(values.shape) < 0.2] = np.nan
    limits = rng.integers(-len(OVERRIDES), len(PROFILES), len(values)).tolist()
    source = readings(values, limits, OVERRIDES)
    (row,) = scored(spark, [vitals_record.encode_vitals(source)])
    result = vitals_record.decode_scored(row.value.encode())
    assert (result.breach.tolist(), result.news2.tolist()) == expected(source)
    np.testing.assert_array_equal(result.readings.values, source.values)
    assert result.readings.identities() == source.identities()


def test_a_scored_record_keeps_its_bytes_key_and_place_in_the_log(spark: SparkSession) -> None:
    value = vitals_record.encode_vitals(readings(np.full((2, len(FIELDS)), 70.0), [0, -1], OVERRIDES))
    row = scored(spark, [value, value])[1]
    result = vitals_record.decode_scored(row.value.encode())
    assert row.value.encode().startswith(value[:-1])
    assert (bytes(row.key), row.partition) == (b"3", 3)
    assert (result.partition, result.offset) == (3, 1)
    assert json.loads(row.value)["timestamp"] == LOGGED.timestamp() * 1000


def test_a_sign_that_no_reading_has_is_absent_and_not_within_limits(spark: SparkSession) -> None:
    (row,) = scored(spark, [b'{"hr":[70,null],"limits":[0,0]}'])
    breach = breach_codes.unpack(np.array(json.loads(row.value)["breach"]), len(FIELDS))
    assert breach.tolist() == [[0] + [7] * 7, [7] * 8]


def test_a_heartbeat_without_readings_passes_through(spark: SparkSession) -> None:
    (row,) = scored(spark, [b'{"hr":[],"limits":[]}'])
    assert row.topic == "vitals.scored"
    assert json.loads(row.value)["breach"] == json.loads(row.value)["news2"] == []


REFUSED = {
    "nothing": (b"", "not a record of readings"),
    "a null": (b"null", "not a record of readings"),
    "an array": (b'[{"hr":[70],"limits":[0]}]', "not a record of readings"),
    "cut short": (b'{"hr":[70],"limits":[0],"t":[1', "not a record of readings"),
    "text for a number": (b'{"hr":["70"],"limits":[0]}', "not a record of readings"),
    "NaN": (b'{"hr":[NaN],"limits":[0]}', "not a record of readings"),
    "a number for a column": (b'{"hr":70,"limits":[0]}', "not a record of readings"),
    "limits that are no integer": (b'{"hr":[70],"limits":[99999999999]}', "not a record of readings"),
    "single quotes": (b"{'hr':[70],'limits':[0]}", "not a record of readings"),
    "not UTF-8": (b'{"hr":[70],"limits":[0],"ward":["\xff"]}', "not UTF-8"),
    "no limits": (b'{"hr":[70]}', "no limits column"),
    "more values than limits": (b'{"hr":[70,71],"limits":[0]}', "columns differ in length"),
    "fewer values than limits": (b'{"hr":[70],"limits":[0,0]}', "columns differ in length"),
    "1,001 readings": (b'{"limits":[' + b"0," * 1_000 + b"0]}", "too many readings"),
    "unknown profile": (b'{"hr":[70],"limits":[999]}', "limits refer to a profile or limit set that is not there"),
    "unknown limit set": (b'{"hr":[70],"limits":[-1]}', "limits refer to a profile or limit set that is not there"),
    "a number of 2,000 digits": (b'{"hr":[' + b"7" * 2000 + b'],"limits":[0]}', "not a record of readings"),
    "2,000 brackets": (b'{"hr":' + b"[" * 2000 + b'],"limits":[0]}', "not a record of readings"),
    "null limits": (b'{"hr":[70],"limits":[null]}', "limits refer to a profile or limit set that is not there"),
}


def test_one_bad_record_is_refused_with_its_reason_and_bytes_and_stops_no_other(spark: SparkSession) -> None:
    good = b'{"hr":[70],"limits":[0]}'
    rows = scored(spark, [v for value, _ in REFUSED.values() for v in (value, good)] + [None])
    assert {row.topic for row in rows[1::2]} == {"vitals.scored"}
    for offset, (name, (value, reason)) in enumerate(REFUSED.items()):
        row, refusal = rows[2 * offset], json.loads(rows[2 * offset].value)
        assert (name, row.topic, refusal["reason"]) == (name, "vitals.rejected", reason)
        assert refusal["topic"] == f"vitals/3/{2 * offset}"
        assert b64decode(refusal["payload"], validate=True) == value
        assert row.partition is None
    assert json.loads(rows[-1].value)["reason"] == "no value"


def test_a_refused_record_goes_by_its_gateway_where_it_names_one(spark: SparkSession) -> None:
    named, nameless, junk = scored(
        spark, [b'{"gateway":["gw-1"],"hr":[70],"limits":[999]}', b'{"hr":[70],"limits":[999]}', b"junk"]
    )
    assert [bytes(row.key) for row in (named, nameless, junk)] == [b"gw-1", b"3", b"3"]


def test_a_refused_record_fits_kafka_whatever_its_size(spark: SparkSession) -> None:
    (row,) = scored(spark, [b"x" * 900_000])
    assert len(b64decode(json.loads(row.value)["payload"], validate=True)) == 131_072
    name = b"g" * (MAX_VALUE - 100)
    rows = scored(spark, [b'{"hr":[70],"limits":[0]}', b"junk", b'{"gateway":["' + name + b'"],"limits":[999]}'], name)
    assert [row.topic for row in rows] == ["vitals.scored", "vitals.rejected", "vitals.rejected"]
    assert max(len(row.key) + len(row.value) for row in rows) < MAX_RECORD_BYTES // 2
    assert {row.key[:3] for row in rows} == {b"ggg"}


@pytest.mark.parametrize("field", FIELDS)
def test_steps_change_exactly_where_numpy_changes(field: str) -> None:
    steps = contribution(field, ADULT)
    for edge, before, after in zip(steps.edges, steps.values[:-1], steps.values[1:], strict=True):
        rows = np.full((3, len(FIELDS)), np.nan)
        rows[1:, INDEX[field]] = (math.nextafter(edge, -math.inf), edge)
        nothing, below, reached = packed(rows, ADULT).tolist()
        assert (below - nothing, reached - nothing) == (before, after)
