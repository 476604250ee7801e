"""Readings as columns of plain Python values: decoded with all bounds at once, joined, sorted into lanes. Pure.

The bridge changes no reading, so it builds none: what one compiled decoder has found to be within bounds goes on as
the same objects. `bridge.up.validate` reads again, slowly, what that decoder refuses, and says what is wrong with which
reading. What is taken here is exactly what is taken there (`tests/bridge/test_columns.py`).
"""

import zlib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Annotated, Any, Final

import msgspec
import numpy as np
from msgspec import Meta

from vitals.bounds import MAX_VALUE, BatchNumber, Boot, Count, Name, Seq, Time, Value
from vitals.limits import PROFILES, from_wire
from vitals.readings import INTEGER_COLUMNS, TEXT_COLUMNS, Readings
from vitals.signs import FIELDS, SIGNS, SUSPECT_BITS
from vitals.wire import uplink_batch
from vitals.wire.vitals_record import MAX_READINGS, to_columns

_WHOLE: Final = int(MAX_VALUE)
_Value = Annotated[int, Meta(ge=-_WHOLE, le=_WHOLE)] | Value | None
_INTEGERS: Final[dict[str, Any]] = {
    "boot": Boot,
    "seq": Seq,
    "t": Time,
    "t_gw": Time,
    "roster": Count,
    "suspect": Annotated[int, Meta(ge=0, lt=1 << SUSPECT_BITS * len(SIGNS))],
    "limits": Annotated[int, Meta(ge=-MAX_READINGS, lt=len(PROFILES))],
}
_NAMED: Final = tuple(name for name in TEXT_COLUMNS if name != "gateway")
_OPTIONAL: Final = frozenset({"patient", "ward", "bed"})
NAMES: Final = (*_NAMED, *INTEGER_COLUMNS, *FIELDS)
"""Columns of a batch, in order; its head names the gateway."""
_Columns = msgspec.defstruct(
    "_Columns",
    [
        *((name, list[Name | None] if name in _OPTIONAL else list[Name]) for name in _NAMED),
        *((name, list[kind]) for name, kind in _INTEGERS.items()),  # type: ignore[valid-type] # made at import
        *((name, list[_Value] | None, None) for name in FIELDS),
        ("limit_sets", list[msgspec.Raw], msgspec.field(default_factory=list)),
    ],
    kw_only=True,
)
_Wire = msgspec.defstruct(
    "_Wire",
    [("gateway", str), ("outbox", Name), ("n", BatchNumber), ("readings", _Columns)],
)
_decode = msgspec.json.Decoder(_Wire).decode
_PLACE: Final = {name: place for place, name in enumerate(NAMES)}
_PATIENT, _DEVICE, _LIMITS = _PLACE["patient"], _PLACE["device"], _PLACE["limits"]
_SIGNS_FROM: Final = _PLACE[FIELDS[0]]
_ESCAPED_ZERO: Final = b"\\u0000"
_json = msgspec.json.Encoder()


class Batch(msgspec.Struct, frozen=True):
    """A batch of usable readings.

    Attributes:
        gateway: Its gateway.
        outbox: Id of the outbox.
        n: Number within it.
        size: How many readings.
        columns: One list per name of `NAMES`; None for a sign that no reading has.
        limit_sets: The limits that readings refer to, each as canonical JSON.
    """

    gateway: str
    outbox: str
    n: int
    size: int
    columns: Sequence[list[Any] | None]
    limit_sets: tuple[bytes, ...] = ()


def read(gateway: str, payload: bytes) -> Batch | None:
    """Reads a batch that arrived on the topic of `gateway`; None when anything is wrong with it."""
    if len(payload) > uplink_batch.MAX_PAYLOAD_BYTES:
        return None
    inflater = uplink_batch.inflater()
    try:
        text = inflater.decompress(payload, uplink_batch.MAX_JSON_BYTES)
        # A zero byte in a text can only come as this escape; a text that spells it out is left to the slow way.
        if not inflater.eof or _ESCAPED_ZERO in text:
            return None
        wire: Any = _decode(text)
        *columns, sets = msgspec.structs.astuple(wire.readings)
        limit_sets = tuple(_canonical(bytes(one)) for one in sets)
    except (zlib.error, ValueError, RecursionError, OverflowError):
        return None
    size = len(columns[0])
    limits = columns[_LIMITS]
    fits = wire.gateway == gateway and size <= MAX_READINGS and {len(c) for c in columns if c is not None} == {size}
    if not fits or (size and -min(limits) > len(limit_sets)):
        return None
    return Batch(gateway, wire.outbox, wire.n, size, columns, limit_sets)


@lru_cache(maxsize=4096)
def _canonical(limits: bytes) -> bytes:
    """Checks limits and returns them as all parts write them.

    Raises:
        ValueError: They are none.
    """
    return _json.encode(from_wire(msgspec.json.decode(limits, type=dict[str, Any])).wire())


def from_readings(gateway: str, outbox: str, n: int, readings: Readings) -> Batch:
    """Makes a batch of readings that were taken the slow way."""
    columns = to_columns(readings)
    sets = tuple(_json.encode(one) for one in columns.get("limit_sets", ()))
    return Batch(gateway, outbox, n, len(readings), [columns.get(name) for name in NAMES], sets)


class ColumnBuffer:
    """Readings of many batches, joined in the order of arrival."""

    def __init__(self) -> None:
        self._columns: list[list[Any]] = [[] for _ in NAMES]
        self._gateway: list[str] = []
        self._sets: dict[bytes, int] = {}

    def __len__(self) -> int:
        return len(self._gateway)

    def add(self, batch: Batch) -> None:
        """Joins a batch."""
        nothing = [None] * batch.size
        for own, new in zip(self._columns, batch.columns, strict=True):
            own.extend(nothing if new is None else new)
        self._gateway += [batch.gateway] * batch.size
        if batch.limit_sets:
            place = [-1 - self._sets.setdefault(one, len(self._sets)) for one in batch.limit_sets]
            limits = self._columns[_LIMITS]
            for i in range(len(limits) - batch.size, len(limits)):
                if limits[i] < 0:
                    limits[i] = place[-1 - limits[i]]

    def by_lane(self, lanes: int) -> Iterator[tuple[int, "LaneColumns"]]:
        """Yields each lane that has readings, with them; a device that is on nobody has a lane by its own id."""
        subjects = self._columns[_PATIENT]
        if None in subjects:
            subjects = [p or d for p, d in zip(subjects, self._columns[_DEVICE], strict=True)]
        # `vitals.wire.topics.lane` of all at once: it is asked for every reading.
        lane = np.fromiter(map(zlib.crc32, map(str.encode, subjects)), np.int64, len(subjects)) % lanes
        order = lane.argsort(kind="stable").tolist()
        # With one place `itemgetter` returns the bare item.
        sort = itemgetter(*order) if len(order) > 1 else tuple
        columns = [sort(column) for column in self._columns]
        readings = LaneColumns(columns, sort(self._gateway), list(self._sets))
        start = 0
        for number, count in enumerate(np.bincount(lane, minlength=lanes).tolist()):
            if count:
                yield number, readings.slice(start, start + count)
                start += count


class LaneColumns:
    """Readings of one lane.

    Args:
        columns: One per name of `NAMES`.
        gateway: Gateway of each.
        sets: Limits that any of them may refer to.
    """

    def __init__(self, columns: list[tuple[Any, ...]], gateway: tuple[str, ...], sets: list[bytes]) -> None:
        self._columns, self._gateway, self._sets = columns, gateway, sets

    def __len__(self) -> int:
        return len(self._gateway)

    def slice(self, start: int, end: int) -> "LaneColumns":
        """Returns the readings from `start` to `end`."""
        return LaneColumns([column[start:end] for column in self._columns], self._gateway[start:end], self._sets)

    def encode(self) -> bytes:
        """Returns the value of a `vitals` record: its own readings' signs and limits alone."""
        columns: dict[str, Any] = {"gateway": self._gateway}
        for place, (name, column) in enumerate(zip(NAMES, self._columns, strict=True)):
            if place < _SIGNS_FROM or column[0] is not None or column.count(None) < len(column):
                columns[name] = column
        limits = self._columns[_LIMITS]
        if min(limits) < 0:
            used = sorted({k for k in limits if k < 0}, reverse=True)
            place_of = {k: -1 - i for i, k in enumerate(used)}
            columns["limits"] = [place_of.get(k, k) for k in limits]
            columns["limit_sets"] = [msgspec.Raw(self._sets[-1 - k]) for k in used]
        return _json.encode(columns)
