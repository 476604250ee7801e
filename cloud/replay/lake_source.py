"""What a replay reads from the lake: readings as columns, in the order of the log, and what people did meanwhile."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cloud.lake import Store
from cloud.lake.manifests import Object
from cloud.lake.read import objects, read, scan
from cloud.lake.schema import JSON, PATIENTS, TIME, VITALS, Table
from cloud.replay.trial_limits import Trial
from vitals.admissions import Admission
from vitals.limits import PROFILE_INDEX, LimitSet, from_wire, profile
from vitals.readings import Readings, Text, concat
from vitals.signs import FIELDS

T = TypeVar("T")
SPARSE: Final = 8
"""With more possible codes than this many times the rows, sorting costs less than a table of them."""
_TEXTS: Final = ("patient", "device", "gateway", "ward", "bed")
_NUMBERS: Final = ("boot", "seq", "roster", "suspect")
_TIMES: Final = ("t", "t_gw", "log_t")
_COLUMNS: Final = (*_TEXTS, *_NUMBERS, *_TIMES, "limits", "limit_set", "source_partition", "source_offset", *FIELDS)


@dataclass(frozen=True, slots=True, eq=False)
class ReadingBlock:
    """Readings in the order of the log, under the limits that were in force and under those to try.

    Attributes:
        readings: n readings; under each set of rules they differ in their limits alone.
        log_t: (n,) log time of each, ms, ascending.
        pair: (n,) number of each one's patient and bed, for finding readings from a bed that was another's.
        pairs: (patient, bed) by that number.
    """

    readings: tuple[Readings, ...]
    log_t: NDArray[np.int64]
    pair: NDArray[np.int64]
    pairs: tuple[tuple[str | None, str | None], ...]


def partitions(store: Store, since: int, until: int) -> dict[int, list[Object]]:
    """Returns the objects with readings of a range of log time, by Kafka partition, in the order of the log."""
    found: dict[int, list[Object]] = {}
    for held in objects(store, VITALS, since, until):
        found.setdefault(held.partition, []).append(held)
    return found


def pieces(store: Store, held: Sequence[Object], since: int, until: int, trial: Trial | None) -> Iterator[ReadingBlock]:
    """Yields one partition's readings of a range of log time, object by object.

    Raises:
        LakeError: An object could not be read.
    """
    newest = 0
    for one in held:
        rows = read(store, one, VITALS, _COLUMNS)
        times = rows.column("log_t").cast(pa.int64()).to_numpy() // 1000
        # Each patient's rows are in order already, and this sort merges such runs.
        order = np.argsort(rows.column("source_offset").to_numpy(), kind="stable")
        order = order[(times[order] >= since) & (times[order] < until)]
        if len(order):
            # A producer's clock may step back; log time never does.
            log_t = np.maximum(np.maximum.accumulate(times[order]), newest)
            newest = int(log_t[-1])
            yield _piece(rows, order, log_t, trial)


def merged(parts: Sequence[Iterator[ReadingBlock]]) -> Iterator[ReadingBlock]:
    """Yields the pieces of several partitions as those of one, in order of log time.

    An engine judges thousands of readings at a stroke nearly as fast as ten, so few engines are faster than many.
    """
    open_ = [next(part, None) for part in parts]
    while any(piece is not None for piece in open_):
        until = min(int(piece.log_t[-1]) for piece in open_ if piece is not None)
        ready = []
        for k, piece in enumerate(open_):
            if piece is None:
                continue
            cut = int(np.searchsorted(piece.log_t, until, "right"))
            if cut:
                ready.append(_cut(piece, slice(0, cut)))
            open_[k] = _cut(piece, slice(cut, None)) if cut < len(piece.log_t) else next(parts[k], None)
        yield _joined(ready)


def _cut(piece: ReadingBlock, part: slice) -> ReadingBlock:
    readings = tuple(r.take(part) for r in piece.readings)
    return ReadingBlock(readings, piece.log_t[part], piece.pair[part], piece.pairs)


def _joined(parts: Sequence[ReadingBlock]) -> ReadingBlock:
    if len(parts) == 1:
        return parts[0]
    log_t = np.concatenate([part.log_t for part in parts])
    order = np.argsort(log_t, kind="stable")
    shift = np.cumsum([0, *(len(part.pairs) for part in parts)])
    pair = np.concatenate([part.pair + int(shift[k]) for k, part in enumerate(parts)])
    sides = zip(*(part.readings for part in parts), strict=True)
    readings = tuple(concat(list(side)).take(order) for side in sides)
    return ReadingBlock(readings, log_t[order], pair[order], tuple(pair_ for part in parts for pair_ in part.pairs))


def _piece(rows: pa.Table, order: NDArray[np.intp], log_t: NDArray[np.int64], trial: Trial | None) -> ReadingBlock:
    texts: dict[str, Any] = {}
    codes, words = {}, {}
    for name in _TEXTS:
        texts[name], codes[name], words[name] = _text(rows.column(name), order)
    integers = {name: rows.column(name).to_numpy()[order] for name in _NUMBERS}
    integers |= {name: (rows.column(name).cast(pa.int64()).to_numpy() // 1000)[order] for name in _TIMES[:2]}
    values = np.empty((len(order), len(FIELDS)))
    for k, name in enumerate(FIELDS):
        values[:, k] = rows.column(name).to_numpy()[order]
    place, sets = _in_force(rows, order)
    base = Readings(**texts, **integers, values=values, limits=place, limit_sets=sets)
    made = (base,) if trial is None else (base, _tried(base, trial, codes["patient"], words["patient"]))
    width = len(words["bed"])
    both, pair = _numbered(codes["patient"] * width + codes["bed"])
    pairs = tuple((words["patient"][k // width], words["bed"][k % width]) for k in both.tolist())
    return ReadingBlock(made, log_t, pair, pairs)


def _text(column: pa.ChunkedArray, order: NDArray[np.intp]) -> tuple[Text, NDArray[np.int64], list[str | None]]:
    """A text column in order: as objects that are shared, as codes, and the word of each code; the last is None."""
    encoded = column.combine_chunks().dictionary_encode()
    words = [*encoded.dictionary.to_pylist(), None]
    codes = encoded.indices.fill_null(len(words) - 1).to_numpy()[order].astype(np.int64)
    table = np.empty(len(words), dtype=np.object_)
    table[:] = words
    return table[codes], codes, words


def _numbered(codes: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The distinct codes, and for each row the number of its own; many rows have few codes, so none is sorted."""
    if int(codes.max()) > SPARSE * len(codes):
        return np.unique(codes, return_inverse=True)
    there = np.zeros(int(codes.max()) + 1, dtype=np.bool_)
    there[codes] = True
    numbers = np.cumsum(there) - 1
    return np.flatnonzero(there), numbers[codes]


def _in_force(rows: pa.Table, order: NDArray[np.intp]) -> tuple[NDArray[np.int64], tuple[LimitSet, ...]]:
    """The limits that were in force, as `Readings` has them."""
    _, profiles, names = _text(rows.column("limits"), order)
    _, own, texts = _text(rows.column("limit_set"), order)
    places = np.array([PROFILE_INDEX[name or "adult"] for name in names], dtype=np.int64)
    sets = tuple(from_wire(msgspec.json.decode(text)) for text in texts if text is not None)
    # Numbers of overridden sets count down from -1.
    return np.where(own < len(sets), -1 - own, places[profiles]), sets


def _tried(base: Readings, trial: Trial, codes: NDArray[np.int64], patients: list[str | None]) -> Readings:
    """The same readings under the limits to try."""
    special = np.array([patient in trial.patients for patient in patients])
    who = np.where(special[codes], codes, len(patients) - 1)
    width = len(PROFILE_INDEX) + len(base.limit_sets)
    keys, place = _numbered(who * width + (base.limits + len(base.limit_sets)))
    names = list(PROFILE_INDEX)
    sets: dict[LimitSet, int] = {}
    numbers = []
    for key in keys.tolist():
        k = key % width - len(base.limit_sets)
        force = profile(names[k]) if k >= 0 else base.limit_sets[-1 - k]
        numbers.append(-1 - sets.setdefault(trial.of(force, patients[key // width]), len(sets)))
    return replace(base, limits=np.array(numbers, dtype=np.int64)[place], limit_sets=tuple(sets))


def told(store: Store, table: Table, kind: type[T], since: int, until: int) -> Iterator[tuple[int, int, T]]:
    """Yields the records of a topic other than `vitals.scored`, as they were in Kafka, in the order of the log.

    Yields:
        Partition, log time [ms], record.

    Raises:
        LakeError: The lake cannot be read.
    """
    rows = [row for part in scan(store, table, since, until) for row in part.to_pylist()]
    for row in sorted(rows, key=lambda row: (row["source_partition"], row["source_offset"])):
        yield row["source_partition"], _ms(row["log_t"]), _record(table, row, kind)


def devices(store: Store, until: int) -> dict[str, str]:
    """Returns the patient on each device, as admitted last before a log time.

    Raises:
        LakeError: The lake cannot be read.
    """
    admitted = (a for _, _, a in told(store, PATIENTS, Admission, 0, until))
    return {device: a.patient for a in sorted(admitted, key=lambda a: a.version) for device in a.devices}


def _record(table: Table, row: dict[str, Any], kind: type[T]) -> T:
    fields = {}
    for column in table.columns:
        value: Any = row[column.name]
        if value is not None:
            value = _ms(value) if column.kind == TIME else value
            fields[column.field] = msgspec.json.decode(value) if column.kind == JSON else value
    return msgspec.convert(fields, kind)


def _ms(t: Any) -> int:  # noqa: ANN401 - a datetime of Arrow's
    ms: int = round(t.timestamp() * 1000)
    return ms
