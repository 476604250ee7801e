"""Reads the lake: the objects that hold a table's rows now, and their rows as Arrow.

Only manifests define the content. A compaction or an erasure writes other objects and a manifest that supersedes the
earlier ones. A reader that uses this module sees every row once, before, during and after::

    store = open_lake(url)
    for held in objects(store, VITALS, since, until):
        rows = read(store, held, VITALS, ("patient", "t", "log_t", "hr"))

`held` is a small frozen struct that pickles: a Ray task receives the lake's URL and `held`, opens the lake and reads.
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
    """Returns the names of a topic's manifests in order of commit, and for superseded ones the superseding manifest."""
    names = manifest_names(store, topic, kind=None)
    by: dict[str, str] = {}
    for name in names:
        if is_compaction(name):
            by |= dict.fromkeys(read_manifest(store, name).supersedes, name)
    return names, by


def live(store: Store, topic: str) -> list[tuple[str, Manifest]]:
    """Returns the manifests, by name, that together contain every row of a topic once.

    Raises:
        BadManifestError: One is damaged.
        LakeError: The lake cannot be read.
    """
    names, by = superseded(store, topic)
    return [(name, read_manifest(store, name)) for name in names if name not in by]


def current(store: Store, manifest: Manifest) -> Manifest:
    """Returns the manifest that contains a manifest's rows now: itself, or the last one that superseded it.

    A batch's own objects may be removed (after COMPACT_KEEP_S) or erased before a late loader reads them; it loads this
    manifest's objects instead. They may hold rows of other batches too: loading by identity drops those already loaded.

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
    # A manifest from before the field existed has no range: its objects must be read.
    return held.log_t is None or (held.log_t[0] < until and held.log_t[1] >= since)


def read(store: Store, held: Object, table: Table, columns: Sequence[str] | None = None) -> pa.Table:
    """Returns the rows of one object in the table's present schema; a column it lacks, such as a newer sign, is null.

    Args:
        store: The lake.
        held: From `objects`.
        table: The table.
        columns: Names of the columns; None for all.

    Returns:
        Rows in the table's order (vitals: patient and event time). For the order of the log sort them stably by
            `source_partition` and `source_offset`, which every table has.

    Raises:
        LakeError: It cannot be read. An erasure may have replaced it: call `objects` again.
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
