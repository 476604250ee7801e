"""Batches of readings as the archive writes them, for the tests of the lake's house-keeping."""

from typing import Any

import pyarrow as pa

from cloud.lake import MutableStore
from cloud.lake.manifests import Entry, Manifest, Meta, Object
from cloud.lake.parquet import object_name, to_parquet
from cloud.lake.schema import VITALS, Table

DAY = 1_795_305_600_000  # 2026-11-22T00:00Z
TOMORROW = DAY + 86_400_000
KEEP = 1000
LARGE = 16 << 20


def table(of: Table, given_: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist([{n: row.get(n) for n in of.names} for row in given_], schema=of.schema())


def reading(offset: int, seq: int | None = None, patient: str = "p1", **more: Any) -> dict[str, Any]:  # noqa: ANN401 - any cell
    at = (DAY + offset) * 1000
    row = {
        "patient": patient,
        "device": "d1",
        "boot": 7,
        "seq": offset if seq is None else seq,
        "source_offset": offset,
    }
    return row | {"t": at, "t_gw": at, "log_t": at, "source_partition": 0} | more


def batch(
    store: MutableStore,
    number: int,
    given_: list[dict[str, Any]],
    of: Table = VITALS,
    *,
    partition: int = 0,
    day: int = DAY,
    commits: bool = True,
) -> Manifest:
    """One batch of the archive, of one object whose offsets are its rows' places."""
    first, last = min(r["source_offset"] for r in given_), max(r["source_offset"] for r in given_)
    name = object_name(of.topic, partition, first, last, log_ms=day)
    content = to_parquet(table(of, given_), of)
    store.put(name, content)
    held = Object(
        name=name,
        rows=len(given_),
        partition=partition,
        first=first,
        last=last,
        t=(day, day),
        log_t=(DAY + first, DAY + last),
    )
    manifest = Manifest(
        entries=(Entry(store.url(name), True, Meta(len(content))),),
        topic=of.topic,
        number=number,
        rows=len(given_),
        columns=of.names,
        objects=(held,),
        offsets={partition: (first, last)},
        next={partition: last + 1},
    )  # fmt: skip
    if commits:
        store.put(manifest.name, manifest.encode())
    return manifest
