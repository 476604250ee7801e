"""Wire format of readings: JSON columns, in gateways' batches, in Kafka records and for the lake.

A record of `vitals` has the columns of `vitals.readings.Readings`; one of `vitals.scored` adds breach and NEWS2 digits
and the source partition and offset. A missing column of a sign means no values, so that old records stay readable with
new signs.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from vitals.bounds import MAX_BATCH, MAX_CALENDAR, MAX_ID, MAX_INT, TimeOrNone
from vitals.limits import from_wire
from vitals.readings import INTEGER_COLUMNS, TEXT_COLUMNS, Readings, text
from vitals.signs import FIELDS, SIGNS

MAX_READINGS: Final = 1000
"""Most readings of one record, so that a consumer's memory per record is bounded."""


NameOrNone = Annotated[str, msgspec.Meta(max_length=MAX_ID)] | None
"""A name in a column; the writer of a reading's first record checks `Id`."""


class WireError(ValueError):
    """Bytes that do not decode; the message is the reason in `vitals.rejected`."""


_COLUMNS: Final[list[tuple[str, Any] | tuple[str, Any, Any]]] = [
    *((name, list[str | None]) for name in TEXT_COLUMNS),
    *((name, list[int]) for name in INTEGER_COLUMNS),
    *((name, list[float | None] | None, None) for name in FIELDS),
    ("limit_sets", list[dict[str, Any]], msgspec.field(default_factory=list)),
]
_SCORES: Final[list[tuple[str, Any] | tuple[str, Any, Any]]] = [
    ("breach", list[int], msgspec.field(default_factory=list)),
    ("news2", list[int], msgspec.field(default_factory=list)),
    ("partition", Annotated[int, msgspec.Meta(ge=-1, le=MAX_INT)], -1),
    ("offset", Annotated[int, msgspec.Meta(ge=-1, le=MAX_BATCH)], -1),
    ("timestamp", TimeOrNone, 0),
]
_Vitals = msgspec.defstruct("_Vitals", _COLUMNS, kw_only=True)
_BOUNDED: Final[list[tuple[str, Any]]] = [(name, list[NameOrNone]) for name in TEXT_COLUMNS]
_Scored = msgspec.defstruct("_Scored", [*_BOUNDED, *_COLUMNS[len(_BOUNDED) :], *_SCORES], kw_only=True)
batch_columns: Final = msgspec.defstruct(
    "batch_columns",
    [("gateway", list[str], msgspec.field(default_factory=list)), *(c for c in _COLUMNS if c[0] != "gateway")],
    kw_only=True,
)
"""Columns of an uplink batch, without the gateway, which is in its head."""
_decode_vitals = msgspec.json.Decoder(_Vitals)
_decode_scored = msgspec.json.Decoder(_Scored)
_encoder = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True, eq=False)
class ScoredRecord:
    """Readings that Spark has scored.

    Attributes:
        readings: The readings, n of them.
        breach: (n,) packed breach digits (`vitals.breach_codes`).
        news2: (n,) packed NEWS2 digits (`vitals.news2.BANDS`).
        partition: Their partition of topic `vitals`.
        offset: Their offset there; a record at or below the last handled offset is a repeat.
        timestamp: Their timestamp there, UTC epoch ms: the log time; 0 in old records without this field.
    """

    readings: Readings
    breach: NDArray[np.int64]
    news2: NDArray[np.int64]
    partition: int
    offset: int
    timestamp: int = 0

    def __post_init__(self) -> None:
        if not len(self.readings) == len(self.breach) == len(self.news2):
            raise ValueError("scores and readings differ in number")


def _numbers(column: NDArray[np.float64]) -> list[float | int | None]:
    """Returns JSON numbers: integers without a fraction, absent values as null."""
    return [None if x != x else int(x) if x == int(x) else round(x, 3) for x in column.tolist()]  # noqa: PLR0124 - NaN


def to_columns(readings: Readings) -> dict[str, Any]:
    """Returns the JSON-ready columns of readings, without signs that no reading has."""
    columns: dict[str, Any] = {name: getattr(readings, name).tolist() for name in (*TEXT_COLUMNS, *INTEGER_COLUMNS)}
    for i, field in enumerate(FIELDS):
        if not np.isnan(readings.values[:, i]).all():
            columns[field] = _numbers(readings.values[:, i])
    if readings.limit_sets:
        columns["limit_sets"] = [s.wire() for s in readings.limit_sets]
    return columns


def from_columns(columns: Any) -> Readings:  # noqa: ANN401 - a struct made from SIGNS at import, unknown to mypy
    """Builds readings from decoded columns.

    Raises:
        WireError: Columns differ in length, numbers overflow, or limits are wrong.
    """
    n = len(columns.t)
    values = np.full((n, len(SIGNS)), np.nan)
    try:
        for i, field in enumerate(FIELDS):
            column = getattr(columns, field)
            if column is not None:
                values[:, i] = np.array(column, dtype=np.float64).reshape(n)
        arrays: dict[str, Any] = {name: text(getattr(columns, name)) for name in TEXT_COLUMNS}
        arrays |= {name: np.array(getattr(columns, name), dtype=np.int64) for name in INTEGER_COLUMNS}
        limit_sets = tuple(from_wire(entry) for entry in columns.limit_sets)
        return Readings(**arrays, values=values, limit_sets=limit_sets)
    except (ValueError, OverflowError) as error:
        raise WireError(f"columns do not fit together: {error}") from error


def encode_vitals(readings: Readings) -> bytes:
    """Returns the value of a `vitals` record."""
    return _encoder.encode(to_columns(readings))


def decode_vitals(value: bytes) -> Readings:
    """Decodes a `vitals` record.

    Raises:
        WireError: The bytes are no such record; the message has the reason.
    """
    try:
        columns = _decode_vitals.decode(value)
    except (ValueError, RecursionError) as error:
        raise WireError(f"not a record of readings: {error}") from error
    return from_columns(columns)


def decode_scored(value: bytes) -> ScoredRecord:
    """Decodes a `vitals.scored` record.

    Raises:
        WireError: The bytes are no such record; the message has the reason.
    """
    try:
        columns: Any = _decode_scored.decode(value)
        readings = from_columns(columns)
        if len(readings) and not 0 < readings.t.min() <= readings.t.max() <= MAX_CALENDAR:
            raise WireError(f"event times from {readings.t.min()} to {readings.t.max()} are out of range")
        return ScoredRecord(
            readings,
            np.array(columns.breach, dtype=np.int64),
            np.array(columns.news2, dtype=np.int64),
            columns.partition,
            columns.offset,
            columns.timestamp,
        )
    except (ValueError, RecursionError, OverflowError) as error:
        raise WireError(f"not a record of scored readings: {error}") from error
