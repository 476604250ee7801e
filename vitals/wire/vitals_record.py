"""Readings on the wire: JSON columns, as gateways send them, as Kafka carries them and as the lake reads them.

`vitals` holds what `vitals.readings.Readings` holds; `vitals.scored` adds breach and NEWS2 digits and the source
partition and offset. A sign's column that is absent is absent in every reading, so records outlive new signs.
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
"""The most readings one record holds: a consumer's memory per record stays bounded."""


NameOrNone = Annotated[str, msgspec.Meta(max_length=MAX_ID)] | None
"""A name in a column; whoever writes the first record of a reading checks `Id`."""


class WireError(ValueError):
    """Bytes that are not what they should be; the message is the reason that goes into `vitals.rejected`."""


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
"""Columns of an uplink batch: its head names the gateway, once."""
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
        partition: Partition of `vitals` that they came from.
        offset: Offset there; what is at or below the one handled last has been seen.
        timestamp: Its time stamp there, UTC epoch ms: the log time; 0 in a record of before this was told.
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
    """Whole numbers travel without a fraction, absent values as null."""
    return [None if x != x else int(x) if x == int(x) else round(x, 3) for x in column.tolist()]  # noqa: PLR0124 - NaN


def to_columns(readings: Readings) -> dict[str, Any]:
    """Returns the JSON-ready columns of readings, leaving out signs that none of them has."""
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
    """Reads a `vitals` record.

    Raises:
        WireError: The bytes are no such record; the message says why.
    """
    try:
        columns = _decode_vitals.decode(value)
    except (ValueError, RecursionError) as error:
        raise WireError(f"not a record of readings: {error}") from error
    return from_columns(columns)


def decode_scored(value: bytes) -> ScoredRecord:
    """Reads a `vitals.scored` record.

    Raises:
        WireError: The bytes are no such record; the message says why.
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
