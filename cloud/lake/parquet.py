"""Parquet objects: how rows become bytes, and how an object is named."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from cloud.lake.schema import FLAG, INTEGER, TIME, Table

_DELTA: Final = "DELTA_BINARY_PACKED"
# Each is nearly constant, or repeats in few values, within one object: a dictionary beats differences.
_REPEATS: Final = frozenset(
    {"boot", "roster", "suspect", "breach", "news2", "source_partition", "priority", "handover", "n"}
)


def object_name(topic: str, partition: int, first: int, last: int, *, log_ms: int, ending: str = "parquet") -> str:
    """Returns the name of the object that holds a partition's offsets from `first` to `last`.

    It says nothing of when or by whom it was written, so a retry overwrites itself.

    Args:
        topic: Kafka topic.
        partition: Partition.
        first: First offset.
        last: Last offset, included.
        log_ms: Kafka timestamp of the records, UTC epoch ms: unlike a device's clock it cannot name a thousand days.
        ending: Kind of file.
    """
    date = datetime.fromtimestamp(log_ms / 1000, UTC).date().isoformat()
    return f"{topic}/date={date}/{topic}-{partition}-{first}-{last}.{ending}"


def day(name: str) -> str:
    """Returns the day in an object's name, YYYY-MM-DD."""
    return name.partition("/date=")[2].partition("/")[0]


def span(rows: pa.Table, clock: str) -> tuple[int, int]:
    """Returns the earliest and latest time in a column of at least one row, UTC epoch ms."""
    found = pc.min_max(rows.column(clock).cast(pa.int64())).as_py()
    return found["min"] // 1000, found["max"] // 1000


def identities(rows: pa.Table, table: Table) -> NDArray[np.bool_]:
    """Returns (n,) whether a row is the first of its identity by source offset; one without an identity always is."""
    keys = [_rank(rows.column(name)) for name in table.identity]
    order = np.lexsort([_rank(rows.column("source_offset")), *reversed(keys)])
    repeats = np.zeros(len(rows), dtype=bool)
    if len(rows) > 1:
        repeats[1:] = np.logical_and.reduce([key[order][1:] == key[order][:-1] for key in keys])
    first = np.empty(len(rows), dtype=bool)
    first[order] = ~repeats
    for name in table.identity:
        first |= rows.column(name).is_null().to_numpy()
    return first


def ordered(rows: pa.Table, table: Table) -> pa.Table:
    """Returns rows sorted by the table's order; equal rows keep their order, absent values come first."""
    keys = [_rank(rows.column(name)) for name in reversed(table.order)]
    return rows.take(pa.array(np.lexsort(keys)))


def _rank(column: pa.ChunkedArray) -> NDArray[Any]:
    if not pa.types.is_string(column.type):
        numbers: NDArray[np.int64] = column.cast(pa.int64()).to_numpy()
        return numbers
    # Sorting the few distinct texts, not the many rows, is several times faster.
    encoded = column.combine_chunks().dictionary_encode()
    rank = np.empty(len(encoded.dictionary) + 1, dtype=np.int32)
    rank[pc.sort_indices(encoded.dictionary).to_numpy()] = np.arange(1, len(rank), dtype=np.int32)
    rank[-1] = 0
    places: NDArray[np.int32] = pc.fill_null(encoded.indices, len(rank) - 1).to_numpy(zero_copy_only=False)
    return rank[places]


def to_parquet(rows: pa.Table, table: Table) -> bytes:
    """Returns rows as one Parquet object: zstd, timestamps as INT64 microseconds."""
    # Objects of before a column was added, compacted, stay without it.
    columns = [c for c in table.columns if c.name in rows.column_names]
    delta = [c.name for c in columns if c.kind in {INTEGER, TIME} and c.name not in _REPEATS]
    others = [c.name for c in columns if c.name not in delta and c.kind != FLAG]
    sink = pa.BufferOutputStream()
    pq.write_table(
        rows,
        sink,
        compression="zstd",
        use_dictionary=others,
        column_encoding=dict.fromkeys(delta, _DELTA),
        coerce_timestamps="us",
        # Arrow's own schema would be half of a small object; the Parquet types say all of it.
        store_schema=False,
    )
    return bytes(sink.getvalue())


def from_parquet(content: bytes, columns: Sequence[str] | None = None) -> pa.Table:
    """Reads one object.

    Args:
        content: Its bytes.
        columns: Columns to read; those that it does not have are left out. None: all.

    Raises:
        pyarrow.ArrowInvalid: The bytes are no Parquet.
    """
    # Not read_table, whose dataset costs milliseconds for each object and refuses columns that are not there.
    file = pq.ParquetFile(pa.BufferReader(content))
    there = set(file.schema_arrow.names)
    return file.read(None if columns is None else [name for name in columns if name in there])
