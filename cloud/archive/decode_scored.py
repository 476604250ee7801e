"""`vitals.scored` records into rows, a whole pile of records at a time: most hold few readings, so cost is per record.

It accepts and refuses what `vitals.wire.vitals_record.decode_scored` does; a test compares the two.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import chain, repeat
from typing import Annotated, Any, Final

import msgspec
import pyarrow as pa

from cloud.lake.schema import VITALS
from vitals.bounds import MAX_CALENDAR
from vitals.limits import PROFILES, from_wire
from vitals.readings import INTEGER_COLUMNS, TEXT_COLUMNS
from vitals.signs import FIELDS
from vitals.wire.vitals_record import NameOrNone, WireError

_Int = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
_Time = Annotated[int, msgspec.Meta(gt=0, le=MAX_CALENDAR)]
_TIMES: Final = ("t", "t_gw")
_COLUMNS: Final = (*TEXT_COLUMNS, *INTEGER_COLUMNS, "breach", "news2")
# Times that no store holds would not fit the lake's microseconds.
_KINDS: Final[dict[str, Any]] = dict.fromkeys(_COLUMNS, list[_Int]) | dict.fromkeys(_TIMES, list[_Time])
_Record = msgspec.defstruct(
    "_Record",
    [
        *((name, list[NameOrNone] if name in TEXT_COLUMNS else _KINDS[name]) for name in _COLUMNS),
        *((name, list[float | None] | None, None) for name in FIELDS),
        ("limit_sets", list[msgspec.Raw], msgspec.field(default_factory=list)),
        # Of the record that was scored: the engine's clock. A scorer of before it was written has none.
        ("timestamp", _Time | None, None),
        ("partition", Annotated[int, msgspec.Meta(ge=0)]),
        ("offset", Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]),
    ],
    kw_only=True,
)
_decode = msgspec.json.Decoder(_Record)


def decode(value: bytes) -> Any:  # noqa: ANN401 - a struct made from SIGNS at import, unknown to mypy
    """Reads one record, as columns of Python values, with `partition` and `offset` of its source.

    Raises:
        WireError: The bytes are no such record; the message says why.
    """
    try:
        record: Any = _decode.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WireError(f"not a record of scored readings: {error}") from error
    n = len(record.t)
    lengths = {len(getattr(record, name)) for name in _COLUMNS}
    lengths |= {len(column) for name in FIELDS if (column := getattr(record, name)) is not None}
    if lengths != {n}:
        raise WireError(f"columns do not fit together: they have {sorted(lengths)} entries")
    for raw in record.limit_sets:
        _limit_set(bytes(raw))
    if n and not -len(record.limit_sets) <= min(record.limits) <= max(record.limits) < len(PROFILES):
        raise WireError(f"columns do not fit together: limits refer beyond {len(record.limit_sets)} limit sets")
    return record


@lru_cache(maxsize=4096)
def _limit_set(raw: bytes) -> tuple[str, str]:
    """Profile and JSON of overridden limits, checked once for the thousands of records that repeat them."""
    try:
        limits = from_wire(msgspec.json.decode(raw, type=dict[str, Any]))
    except (ValueError, RecursionError) as error:
        raise WireError(f"columns do not fit together: {error}") from error
    return limits.profile, msgspec.json.encode(limits.wire()).decode()


def table(records: Sequence[tuple[int, Any]]) -> pa.Table:
    """Returns the rows of records, in order.

    Args:
        records: Kafka timestamp [ms] and decoded record; the source record's own time stamp stands above it.
    """
    decoded = [record for _, record in records]
    counts = [len(record.t) for record in decoded]
    columns: dict[str, Any] = {name: _joined(getattr(r, name) for r in decoded) for name in _COLUMNS}
    for name in FIELDS:
        parts = ((getattr(r, name), n) for r, n in zip(decoded, counts, strict=True))
        columns[name] = _joined(repeat(None, n) if part is None else part for part, n in parts)
    columns["log_t"] = _each((r.timestamp or log_t for log_t, r in records), counts)
    columns["source_partition"] = _each((r.partition for r in decoded), counts)
    columns["source_offset"] = _each((r.offset for r in decoded), counts)
    columns["limits"], columns["limit_set"] = _limits(decoded)
    return pa.table([_array(columns[field.name], field) for field in VITALS.schema()], schema=VITALS.schema())


def _joined(parts: Iterable[Iterable[Any]]) -> list[Any]:
    return list(chain.from_iterable(parts))


def _each(values: Iterable[int], counts: Sequence[int]) -> list[int]:
    return _joined(repeat(value, n) for value, n in zip(values, counts, strict=True))


def _limits(decoded: Sequence[Any]) -> tuple[list[str], list[str | None]]:
    """For each reading the profile in force, and the JSON of its overridden set or None."""
    builtin: list[tuple[str, str | None]] = [(profile.profile, None) for profile in PROFILES]
    found: list[tuple[str, str | None]] = []
    for record in decoded:
        # Negative numbers reach the overridden sets from the end, as in `Readings.bounds`.
        force = [*builtin, *(_limit_set(bytes(raw)) for raw in reversed(record.limit_sets))]
        found += [force[k] for k in record.limits]
    return [profile for profile, _ in found], [json for _, json in found]


def _array(values: list[Any], field: pa.Field) -> pa.Array:
    if not pa.types.is_timestamp(field.type):
        return pa.array(values, field.type)
    return pa.array(values, pa.timestamp("ms", tz="UTC")).cast(field.type)
