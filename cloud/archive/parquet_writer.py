"""What runs in Spark's Python workers: records into objects of the lake, one report a partition and day."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import pyarrow as pa

from cloud.archive.decode_rows import PartitionBuffer, Record
from cloud.lake.manifests import Object
from cloud.lake.open import open_lake
from cloud.lake.parquet import object_name, ordered, span, to_parquet
from cloud.lake.schema import TABLES, VITALS, Table
from cloud.lake.store import Store

OBJECT_ROWS: Final = 500_000
"""Rows at which an object is closed: it bounds a worker's memory at some 200 MB."""
DAY_MS: Final = 86_400_000


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """What one worker did with one run of a partition's offsets.

    Attributes:
        topic: Topic.
        partition: Partition.
        first: First offset read.
        last: Last offset read.
        object: The object; None when no record had a row.
        size: Its bytes.
        url: Its URL.
        sources: Newest source offset by source partition.
        rejected: Records that could not be used.
        rejections: Name of the object that holds them.
    """

    topic: str
    partition: int
    first: int
    last: int
    object: Object | None
    size: int
    url: str
    sources: dict[int, int]
    rejected: int
    rejections: str | None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one topic is archived.

    Attributes:
        number: Number of its newest manifest; 0 before the first.
        next: Offset to read next, by partition; absent: from the beginning.
        sources: Newest archived source offset, by source partition.
        lost: Offsets that Kafka deleted unread, first and last by partition; the next manifest tells of them.
    """

    number: int
    next: Mapping[int, int]
    sources: Mapping[int, int]
    lost: Mapping[int, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes batches of records to the lake; picklable, so that Spark can carry it to a worker.

    Attributes:
        lake: URL of the lake.
        progress: By topic, what is archived already.
        object_rows: Rows at which an object is closed.
    """

    lake: str
    progress: Mapping[str, Progress]
    object_rows: int = OBJECT_ROWS

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Takes records with their place, log_t, value and key, a partition's in order; yields `Written` as JSON."""
        store = open_lake(self.lake)
        for written in self.write(store, _records(batches)):
            yield pa.RecordBatch.from_pydict({"written": [msgspec.json.encode(written).decode()]})

    def write(self, store: Store, records: Iterable[tuple[str, int, Record]]) -> Iterator[Written]:
        """Writes records; every object is durable before its report is yielded."""
        run: _Run | None = None
        for topic, partition, record in records:
            progress = self.progress[topic]
            if record.offset < progress.next.get(partition, 0):
                continue
            same = run is not None and (run.pile.topic, run.pile.partition) == (topic, partition)
            if run is not None and not (same and run.takes(record, self.object_rows)):
                yield run.close(store)
                seen = run.pile.seen if same else dict(progress.sources)
                run = _Run(PartitionBuffer(topic, partition, seen), record)
            elif run is None:
                run = _Run(PartitionBuffer(topic, partition, dict(progress.sources)), record)
            run.add(record)
        if run is not None:
            yield run.close(store)


class _Run:
    """A run of one partition's offsets, of one day, that becomes at most one object."""

    def __init__(self, pile: PartitionBuffer, first: Record) -> None:
        self.pile = pile
        self._first = self._last = first
        self._earliest = self._latest = first.log_t

    def takes(self, record: Record, most_rows: int) -> bool:
        return self.pile.rows < most_rows and record.log_t // DAY_MS == self._first.log_t // DAY_MS

    def add(self, record: Record) -> None:
        self.pile.add(record)
        self._last = record
        self._earliest, self._latest = min(self._earliest, record.log_t), max(self._latest, record.log_t)

    def close(self, store: Store) -> Written:
        """Writes the object and the rejections, when there are any."""
        pile, name = self.pile, self._name("parquet")
        content, rejections = b"", None
        written: Object | None = None
        table = TABLES[pile.topic]
        rows = ordered(pile.table(), table) if pile.rows else None
        if rows is not None and rows.num_rows:
            content = to_parquet(rows, table)
            store.put(name, content)
            written = Object(
                name=name,
                rows=rows.num_rows,
                partition=pile.partition,
                first=self._first.offset,
                last=self._last.offset,
                t=span(rows, "t" if "t" in table.names else "log_t"),
                log_t=self._log_t(rows, table),
            )
        if pile.rejected:
            rejections = f"rejected/{self._name('jsonl')}"
            store.put(rejections, b"".join(msgspec.json.encode(r) + b"\n" for r in pile.rejected))
        return Written(
            topic=pile.topic,
            partition=pile.partition,
            first=self._first.offset,
            last=self._last.offset,
            object=written,
            size=len(content),
            url=store.url(name) if written else "",
            sources=dict(pile.seen) if pile.topic == VITALS.topic else {},
            rejected=len(pile.rejected),
            rejections=rejections,
        )

    def _log_t(self, rows: pa.Table, table: Table) -> tuple[int, int]:
        return span(rows, "log_t") if "log_t" in table.names else (self._earliest, self._latest)

    def _name(self, ending: str) -> str:
        first, last = self._first, self._last
        return object_name(
            self.pile.topic, self.pile.partition, first.offset, last.offset, log_ms=first.log_t, ending=ending
        )


def _records(batches: Iterable[pa.RecordBatch]) -> Iterator[tuple[str, int, Record]]:
    for batch in batches:
        names = ("topic", "partition", "offset", "log_t", "value", "key")
        columns: list[list[Any]] = [batch.column(name).to_pylist() for name in names]
        for topic, partition, *record in zip(*columns, strict=True):
            yield topic, partition, Record(*record)
