"""Reading the lake: which objects hold a table's rows now, and their rows as Arrow.

Manifests alone say what is there. A compaction or an erasure writes other objects and a manifest that supersedes the
earlier ones; this module knows, so whoever reads by it sees every row once, before, during and after::

    store = open_lake(url)
    for held in objects(store, VITALS, since, until):
        rows = read(store, held, VITALS, ("patient", "t", "log_t", "hr"))

`held` is a small frozen struct that pickles: a Ray task takes the lake's URL and `held`, opens the lake and reads.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from cloud.lake.manifests import Manifest, Object, is_compaction, manifest_names, read_manifest
from cloud.lake.parquet import from_parquet
from cloud.lake.schema import Table
from cloud.lake.store import Store

FOREVER: Final = 2**62
"""Later than any time, UTC epoch ms."""


def superseded(store: Store, topic: str) -> tuple[list[str], dict[str, str]]:
    """Returns the names of all manifests of a topic in order of commit, and by which one some are superseded."""
    names = manifest_names(store, topic, kind=None)
    by: dict[str, str] = {}
    for name in names:
        if is_compaction(name):
            by |= dict.fromkeys(read_manifest(store, name).supersedes, name)
    return names, by


def live(store: Store, topic: str) -> list[tuple[str, Manifest]]:
    """Returns the manifests, by name, whose objects together hold every row of a topic once.

    Raises:
        BadManifestError: One is damaged.
        LakeError: The lake cannot be read.
    """
    names, by = superseded(store, topic)
    return [(name, read_manifest(store, name)) for name in names if name not in by]


def current(store: Store, manifest: Manifest) -> Manifest:
    """Returns the manifest whose objects hold a manifest's rows now: itself, or what superseded it last.

    A loader that comes late finds a batch's own objects removed (after COMPACT_KEEP_S) or erased; it loads this
    manifest's objects instead. They may hold rows of other batches too: loading by identity drops those it has.

    Raises:
        BadManifestError: One is damaged.
        LakeError: The lake cannot be read.
    """
    _, by = superseded(store, manifest.topic)
    name = manifest.name
    while name in by:
        name = by[name]
    return manifest if name == manifest.name else read_manifest(store, name)


def objects(store: Store, table: Table, since: int = 0, until: int = FOREVER) -> list[Object]:
    """Returns the objects that may hold rows of a range of log time, ordered by partition and first offset.

    Args:
        store: The lake.
        table: The table.
        since: Earliest log time, UTC epoch ms, included.
        until: Latest log time, excluded.

    Raises:
        BadManifestError: A manifest is damaged.
        LakeError: The lake cannot be read.
    """
    found = [held for _, manifest in live(store, table.topic) for held in manifest.objects]
    return sorted((o for o in found if _meets(o, since, until)), key=lambda o: (o.partition, o.first))


def _meets(held: Object, since: int, until: int) -> bool:
    # A manifest of before the field existed does not say: its objects are read to find out.
    return held.log_t is None or (held.log_t[0] < until and held.log_t[1] >= since)


def read(store: Store, held: Object, table: Table, columns: Sequence[str] | None = None) -> pa.Table:
    """Returns the rows of one object, by the table's present schema: what it lacks, such as a newer sign, is null.

    Args:
        store: The lake.
        held: From `objects`.
        table: The table.
        columns: Names of the columns wanted; None for all.

    Returns:
        Rows in the table's order (vitals: patient and event time). For the order of the log sort them by
        `source_partition` and `source_offset`, which every table has, and keep equal ones as they are.

    Raises:
        LakeError: It cannot be read. An erasure may have replaced it: ask `objects` again.
    """
    wanted = table.names if columns is None else tuple(columns)
    rows = from_parquet(store.get(held.name), wanted)
    schema = pa.schema([table.schema().field(name) for name in wanted])
    full = [rows.column(f.name) if f.name in rows.column_names else pa.nulls(len(rows), f.type) for f in schema]
    return pa.table(full, schema=schema)


def scan(
    store: Store, table: Table, since: int = 0, until: int = FOREVER, columns: Sequence[str] | None = None
) -> Iterator[pa.Table]:
    """Yields the rows of a range of log time, object by object; see `objects` and `read`.

    Raises:
        LakeError: The lake cannot be read.
    """
    clock = "log_t" if "log_t" in table.names else "t"
    wanted = table.names if columns is None else tuple(columns)
    for held in objects(store, table, since, until):
        rows = read(store, held, table, tuple(dict.fromkeys((*wanted, clock))))
        ms = pc.divide(rows.column(clock).cast(pa.int64()), 1000)
        inside = pc.and_(pc.greater_equal(ms, since), pc.less(ms, until))
        yield rows.filter(inside).select(list(wanted))
