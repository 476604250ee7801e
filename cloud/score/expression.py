"""The scoring step as Spark columns: records of `vitals` in, records of `vitals.scored` and `vitals.rejected` out.

Built from the declared tables (`SIGNS`, `PROFILES`, `BANDS`), so a new sign, profile or band needs no edit here. Why
it is one `transform` with a packed result spliced into the value: docs/adr/0001.
"""

from functools import cache
from typing import Final

import numpy as np
from pyspark.sql import DataFrame

from cloud.score.lookup_tree import BREACH_BITS, UNWATCHED, contribution, packed, tree, usual
from vitals.bounds import MAX_ASIDE
from vitals.breach_codes import BREACH_EXTREME_HIGH, BREACH_EXTREME_LOW, BREACH_HIGH, BREACH_LOW, DIGIT_BITS, WITHIN
from vitals.limits import EXTREME_HIGH, EXTREME_LOW, HIGH, LOW, PROFILES, LimitSet
from vitals.news2 import BANDS
from vitals.signs import FIELDS, INDEX
from vitals.wire.topics import MAX_RECORD_BYTES, REJECTED, SCORED, VITALS
from vitals.wire.vitals_record import MAX_READINGS

MAX_VALUE: Final = MAX_RECORD_BYTES - (256 << 10)
"""Bytes of a record that can be scored: with its scores it must fit what topic and producer take."""
MAX_KEY: Final = 1024
"""Bytes of a key that are kept: a record's size counts it too, and nobody reads more than a name or a lane of it."""
_CORRUPT: Final = "_corrupt"
_OPTIONS: Final = (
    f"map('columnNameOfCorruptRecord', '{_CORRUPT}', 'allowNonNumericNumbers', 'false', 'allowSingleQuotes', 'false')"
)
_UNKNOWN_LIMITS: Final = "-1L"


def schema() -> str:
    """Returns the DDL of what scoring reads of a record; the other columns pass through as bytes."""
    sets = ", ".join(f"{field}: ARRAY<DOUBLE>" for field in FIELDS)
    signs = ", ".join(f"{field} ARRAY<DOUBLE>" for field in FIELDS)
    return f"{signs}, limits ARRAY<INT>, limit_sets ARRAY<STRUCT<{sets}>>, {_CORRUPT} STRING"


@cache
def packed_sql(reading: str = "x", sets: str = "r.limit_sets") -> str:
    """Returns the SQL of one reading's packed scores, breach below news2; -1 when its limits are not to be found.

    Built-in profiles are literals in the text; only overrides are looked up in the record.

    Args:
        reading: SQL name of a struct of a double per sign, in digit order, and the integer `limits`.
        sets: SQL of the record's `limit_sets`.
    """
    index = f"{reading}.limits"
    known = " ".join(f"WHEN {index} = {k} THEN {_profile_sql(reading, limits)}" for k, limits in enumerate(PROFILES))
    found = f"get({sets}, -1 - {index})"
    override = f"IF({found} IS NULL, {_UNKNOWN_LIMITS}, {_override_sql(reading, found)})"
    return f"CASE {known} WHEN {index} < 0 THEN {override} ELSE {_UNKNOWN_LIMITS} END"


def _variable(reading: str, field: str) -> str:
    # arrays_zip names what is not a plain column by its place.
    return f"{reading}.`{INDEX[field]}`"


def _profile_sql(reading: str, limits: LimitSet) -> str:
    """Sums what each sign adds to a reading in which everything is absent."""
    absent = int(packed(np.full((1, len(FIELDS)), np.nan), limits)[0])
    return " + ".join((f"{absent}L", *(_sign_sql(reading, field, limits) for field in FIELDS)))


def _sign_sql(reading: str, field: str, limits: LimitSet) -> str:
    variable = _variable(reading, field)
    alone = tree(variable, contribution(field, limits), usual(field))
    before = {band.sources[band.sources.index(field) - 1] for band in BANDS if field in band.sources[1:]}
    if not before:
        return alone
    (first,) = before
    beside = tree(variable, contribution(field, limits, beside=first), usual(field))
    return f"IF({_variable(reading, first)} IS NULL, {alone}, {beside})"


def _override_sql(reading: str, limits: str) -> str:
    """Breach digits from bounds in the record, beside NEWS2, which needs no limits."""
    digits = []
    for i, field in enumerate(FIELDS):
        value, shift = _variable(reading, field), DIGIT_BITS * i
        outcomes = " ".join(
            f"WHEN {value} {sign} get({limits}.{field}, {bound}) THEN {(digit - WITHIN) << shift}L"
            for sign, bound, digit in (
                (">", EXTREME_HIGH, BREACH_EXTREME_HIGH),
                ("<", EXTREME_LOW, BREACH_EXTREME_LOW),
                (">", HIGH, BREACH_HIGH),
                ("<", LOW, BREACH_LOW),
            )
        )
        digits.append(f"CASE {outcomes} ELSE 0L END")
    return " + ".join((_profile_sql(reading, UNWATCHED), *digits))


def reason_sql() -> str:
    """Returns the SQL of why a record is refused, null when it is not."""
    sizes = " OR ".join(f"size(r.{field}) <> size(r.limits)" for field in FIELDS)
    cases = (
        ("value IS NULL", "no value"),
        (f"octet_length(value) > {MAX_VALUE}", "too large"),
        ("NOT is_valid_utf8(text)", "not UTF-8"),
        (f"r IS NULL OR r.{_CORRUPT} IS NOT NULL OR NOT endswith(text, '}}')", "not a record of readings"),
        ("r.limits IS NULL", "no limits column"),
        # Each grows by its scores: of more than a record may have, the result is one that Kafka never takes.
        (f"size(r.limits) > {MAX_READINGS}", "too many readings"),
        (f"coalesce({sizes}, false)", "columns differ in length"),
        ("array_min(packed) < 0", "limits refer to a profile or limit set that is not there"),
    )
    return "CASE " + " ".join(f"WHEN {wrong} THEN '{reason}'" for wrong, reason in cases) + " END"


def _scored_sql() -> str:
    mask = (1 << BREACH_BITS) - 1
    return f"""concat(substring(text, 1, length(text) - 1),
        ',"breach":', to_json(transform(packed, x -> x & {mask}L)),
        ',"news2":', to_json(transform(packed, x -> shiftright(x, {BREACH_BITS}))),
        ',"partition":', partition, ',"offset":', offset, ',"timestamp":', unix_millis(timestamp), '}}')"""


def _rejected_sql() -> str:
    # Spark breaks base64 into lines, which strict readers refuse.
    payload = f"translate(base64(coalesce(substring(value, 1, {MAX_ASIDE}), X'')), decode(X'0D0A', 'UTF-8'), '')"
    return f"""to_json(named_struct('topic', concat('{VITALS}/', partition, '/', offset), 'reason', reason,
        't', unix_millis(timestamp), 'payload', {payload}))"""


def score(records: DataFrame) -> DataFrame:
    """Scores records of `vitals`.

    Args:
        records: Columns key, value (binary), partition, offset, timestamp, as Spark's Kafka source has them.

    Returns:
        One record for each: key, value, topic and partition for Spark's Kafka sink. Scored records keep the partition
        that they came from, which is their lane's (topics are co-partitioned); refused ones go to `vitals.rejected`.
    """
    # A sign that no reading has is left out of the record; arrays_zip fills the shorter of its arrays with null.
    signs = ", ".join(f"coalesce(r.{field}, CAST(array() AS ARRAY<DOUBLE>))" for field in FIELDS)
    return (
        records.selectExpr("key", "value", "rtrim(CAST(value AS STRING)) AS text", "partition", "offset", "timestamp")
        .selectExpr("*", f"from_json(text, '{schema()}', {_OPTIONS}) AS r")
        .selectExpr("*", f"transform(arrays_zip({signs}, r.limits), x -> {packed_sql()}) AS packed")
        .selectExpr("*", f"{reason_sql()} AS reason")
        .selectExpr(
            # Refused records go by gateway, as the bridge's do, where they are well enough to name one.
            "substring(IF(reason IS NULL OR r.limits IS NULL, key, "
            f"coalesce(CAST(get_json_object(text, '$.gateway[0]') AS BINARY), key)), 1, {MAX_KEY}) AS key",
            f"CASE WHEN reason IS NULL THEN {_scored_sql()} ELSE {_rejected_sql()} END AS value",
            f"IF(reason IS NULL, '{SCORED}', '{REJECTED}') AS topic",
            "IF(reason IS NULL, partition, NULL) AS partition",
        )
    )
