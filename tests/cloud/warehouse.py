"""Rows as the archive writes them, for the tests of whatever reads the lake."""

from collections.abc import Callable
from typing import Any

import msgspec
import pyarrow as pa

from cloud.lake import Store
from cloud.lake.manifests import Entry, Manifest, Meta, Object
from cloud.lake.parquet import to_parquet
from cloud.lake.schema import Table

DAY = 1_795_305_600_000  # 2026-11-22T00:00Z
HOUR = 3_600_000
Ask = Callable[[str], list[tuple[Any, ...]]]
Cell = str | int | float | bool | None


def write(store: Store, table: Table, number: int, given: list[dict[str, Any]], **more: object) -> Manifest:
    """Archives rows as one manifest with one object; times are given in ms."""
    times = {c.name for c in table.columns if c.kind == "time"}
    blank = {"source_partition": 0, "source_offset": number, "log_t": DAY, "t": DAY, "t_gw": DAY, "started": DAY}
    full = [{name: (blank | row).get(name) for name in table.names} for row in given]
    full = [{n: v * 1000 if n in times and v is not None else v for n, v in row.items()} for row in full]
    content = to_parquet(pa.Table.from_pylist(full, schema=table.schema()), table)
    name = f"{table.topic}/date=2026-11-22/{number}.parquet"
    store.put(name, content)
    manifest = Manifest(
        entries=(Entry(store.url(name), True, Meta(len(content))),),
        topic=table.topic,
        number=number,
        rows=len(given),
        columns=table.names,
        objects=(Object(name=name, rows=len(given), partition=0, first=number, last=number, t=(DAY, DAY)),),
        offsets={0: (number, number)},
        next={0: number + 1},
    )
    manifest = msgspec.structs.replace(manifest, **more)
    store.put(manifest.name, manifest.encode())
    return manifest


def reading(seq: int, **more: Cell) -> dict[str, Any]:
    return {"device": "d1", "boot": 7, "seq": seq, "patient": "p1", "ward": "w1", "hr": 72.0, "suspect": 0} | more
