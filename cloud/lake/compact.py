"""Compaction: merges many small objects into few large ones, and removes objects that no reader needs.

It is safe beside readers, the archive, the loader and another compaction. New objects are written first, under unique
names; then one manifest, created only if no other compaction has its number. Before that manifest the new objects do
not exist for readers; after it they replace those of the superseded manifests. A crash leaves objects without a
manifest, which `sweep` removes. Superseded objects stay for `keep_ms`, for active readers and a late loader.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

import numpy as np
import pyarrow as pa

from cloud.lake.manifests import (
    COMPACTION,
    Entry,
    Manifest,
    Meta,
    Object,
    last_manifest,
    manifest_names,
    read_manifest,
)
from cloud.lake.parquet import day, identities, ordered, span, to_parquet
from cloud.lake.read import live, read
from cloud.lake.schema import Table
from cloud.lake.store import MutableStore

_ARCHIVED: Final = re.compile(r"-(?P<partition>\d+)-\d+-(?P<last>\d+)\.parquet$")
_COMPACTED: Final = re.compile(r"-c(?P<number>\d+)-[0-9a-f]+\.parquet$")
MOST_GROUPS: Final = 1000
"""Maximum number of days compacted in one run; it also bounds lost races."""
Held = tuple[Object, Entry]


@dataclass(frozen=True, slots=True)
class Group:
    """Manifests that one compaction supersedes.

    Attributes:
        manifests: Their names and contents.
        bins: Objects to merge, each bin into one object: same day and partition.
        kept: Objects that stay as they are.
    """

    manifests: tuple[tuple[str, Manifest], ...]
    bins: tuple[tuple[Held, ...], ...]
    kept: tuple[Held, ...]


def groups(manifests: Sequence[tuple[str, Manifest]], target_bytes: int, today: str) -> list[Group]:
    """Returns the groups worth compacting, one for each day and list of columns.

    A bin of a past day is merged if it has two objects. On the current day a bin waits until it is twice its largest
    object. A row is therefore rewritten only as often as the bin doubles up to the target size.

    Args:
        manifests: Result of `live`.
        target_bytes: Size from which an object is not merged.
        today: Current day of the log, YYYY-MM-DD.
    """
    found = []
    for (newest, _), same in groupby(_by_day(manifests), key=lambda item: (item[0], item[1][1].columns)):
        members = tuple(pair for _, pair in same)
        held = [pair for _, m in members for pair in zip(m.objects, m.entries, strict=True)]
        packed = list(_bins(held, target_bytes))
        merged = tuple(b for b in packed if _worth(b, open_day=newest >= today))
        if merged or (newest < today and len(members) > 1):
            chosen = {o.name for b in merged for o, _ in b}
            found.append(Group(members, merged, tuple(pair for pair in held if pair[0].name not in chosen)))
    return found


def _by_day(manifests: Iterable[tuple[str, Manifest]]) -> list[tuple[str, tuple[str, Manifest]]]:
    """Pairs each manifest with the latest day of its objects; one without objects has the day of the one before it."""
    found, newest = [], ""
    for name, manifest in manifests:
        newest = max((day(o.name) for o in manifest.objects), default=newest)
        found.append((newest, (name, manifest)))
    return sorted(found, key=lambda item: (item[0], item[1][1].columns, item[1][0]))


def _bins(held: Iterable[Held], target_bytes: int) -> Iterator[tuple[Held, ...]]:
    """Packs neighbours of one day and partition up to the target size; an object of half that size is left as it is."""
    ordered_ = sorted(held, key=lambda pair: (day(pair[0].name), pair[0].partition, pair[0].first))
    for _, same in groupby(ordered_, key=lambda pair: (day(pair[0].name), pair[0].partition)):
        packed: list[Held] = []
        for pair in same:
            large = 2 * _size(pair) >= target_bytes
            if large or sum(map(_size, packed)) + _size(pair) > target_bytes:
                yield tuple(packed)
                packed = []
            if large:
                yield (pair,)
            else:
                packed.append(pair)
        yield tuple(packed)


def _size(pair: Held) -> int:
    return pair[1].meta.content_length


def _worth(packed: Sequence[Held], *, open_day: bool) -> bool:
    sizes = [_size(pair) for pair in packed]
    return len(sizes) > 1 and (not open_day or sum(sizes) >= 2 * max(sizes))


def compact(store: MutableStore, table: Table, *, target_bytes: int, now_ms: int, run: str) -> int:
    """Merges small objects of one table; a repeated run finds nothing to do.

    Args:
        store: The lake.
        table: The table.
        target_bytes: Target size of objects; memory use is about three times 220 bytes for each of their rows.
        now_ms: UTC epoch ms; determines the current day.
        run: Hexadecimal digits unique to this run, part of its objects' names.

    Returns:
        Number of superseded manifests.

    Raises:
        BadManifestError: A manifest is damaged.
        LakeError: The lake cannot be read or written.
    """
    done = 0
    for _ in range(MOST_GROUPS):
        # Get the number before listing live manifests, so that a commit in between takes the number and is noticed.
        number = next_number(store, table.topic)
        left = groups(live(store, table.topic), target_bytes, day_of(now_ms))
        if not left:
            break
        group = left[0]
        columns = group.manifests[0][1].columns
        made = [merge(store, table, columns, packed, f"c{number}-{run}") for packed in group.bins]
        if supersede(store, number, group.manifests, [*group.kept, *made], now_ms=now_ms):
            done += len(group.manifests)
    return done


def day_of(ms: int) -> str:
    """Returns the day of a time, as in the names of objects."""
    return str(np.datetime64(ms, "ms").astype("datetime64[D]"))


def next_number(store: MutableStore, topic: str) -> int:
    """Returns the number of a topic's next compaction."""
    return max((_number(name) for name in manifest_names(store, topic, COMPACTION)), default=0) + 1


def _number(name: str) -> int:
    return int(name.rpartition("/")[2].partition("-")[0])


def merge(store: MutableStore, table: Table, columns: Sequence[str], packed: Sequence[Held], ending: str) -> Held:
    """Writes the rows of several objects as one object. A repeated identity keeps its first row."""
    first, last = packed[0][0], packed[-1][0]
    joined = pa.concat_tables([read(store, held, table, columns) for held, _ in packed])
    return write(store, table, joined.filter(identities(joined, table)), (first, last), ending)


def write(store: MutableStore, table: Table, rows: pa.Table, span_of: tuple[Object, Object], ending: str) -> Held:
    """Writes rows as an object of a compaction; its name contains first and last offset, number and run.

    Args:
        store: The lake.
        table: The table.
        rows: At least one.
        span_of: The objects of the first and the last offset, of one partition and day.
        ending: Last part of the name.
    """
    first, last = span_of
    name = f"{table.topic}/date={day(first.name)}/{table.topic}-{first.partition}-{first.first}-{last.last}-{ending}"
    content = to_parquet(ordered(rows, table), table)
    store.put(f"{name}.parquet", content)
    held = Object(
        name=f"{name}.parquet",
        rows=len(rows),
        partition=first.partition,
        first=first.first,
        last=last.last,
        t=span(rows, "t" if "t" in table.names else "log_t"),
        log_t=span(rows, "log_t")
        if "log_t" in table.names
        else (first.log_t and last.log_t and (first.log_t[0], last.log_t[1])),
    )
    return held, Entry(store.url(held.name), True, Meta(len(content)))


def supersede(
    store: MutableStore, number: int, members: Sequence[tuple[str, Manifest]], held: Sequence[Held], *, now_ms: int
) -> bool:
    """Commits objects that replace those of manifests.

    Args:
        store: The lake.
        number: From `next_number`, called before `live`.
        members: The manifests, of one topic and with the same columns.
        held: The objects.
        now_ms: UTC epoch ms.

    Returns:
        Whether it was committed; if not, another compaction was first, and the objects written for this one are
            removed.
    """
    before = {o.name for _, manifest in members for o in manifest.objects}
    after = {o.name for o, _ in held}
    offsets = [item for _, m in members for item in m.offsets.items()]
    manifest = Manifest(
        entries=tuple(entry for _, entry in held),
        topic=members[0][1].topic,
        kind=COMPACTION,
        number=number,
        rows=sum(o.rows for o, _ in held),
        columns=members[0][1].columns,
        objects=tuple(o for o, _ in held),
        offsets={
            p: (min(o[0] for q, o in offsets if q == p), max(o[1] for q, o in offsets if q == p)) for p, _ in offsets
        },
        next={},
        supersedes=tuple(name for name, _ in members),
        obsolete=tuple(sorted(before - after)),
        committed=now_ms,
    )
    if store.create(manifest.name, manifest.encode()):
        return True
    for name in after - before:
        store.remove(name)
    return False


def sweep(store: MutableStore, table: Table, *, keep_ms: int, now_ms: int) -> int:
    """Removes objects that no reader can reach any more; returns their number.

    These are objects superseded longer than `keep_ms` ago, and those that a crash left without a manifest. An archive's
    object is left if its offsets are archived under other names, a compaction's if its number is committed. Objects
    being written at this moment are neither. Manifests stay: they contain no patient data.

    Raises:
        BadManifestError: A manifest is damaged.
        LakeError: The lake cannot be read, or an object cannot be removed.
    """
    # This order matters: objects committed after the listing are found by `live`, and no others count as past.
    listed = [name for name in store.names(table.topic) if name.endswith(".parquet")]
    last = last_manifest(store, table.topic)
    archived, newest = last.next if last else {}, next_number(store, table.topic) - 1
    kept = {o.name for _, manifest in live(store, table.topic) for o in manifest.objects}
    for name in manifest_names(store, table.topic, COMPACTION):
        manifest = read_manifest(store, name)
        if manifest.committed > now_ms - keep_ms:
            kept.update(manifest.obsolete)
    past = [name for name in listed if name not in kept and is_past(name, archived, newest)]
    for name in past:
        store.remove(name)
    return len(past)


def is_past(name: str, archived: dict[int, int], newest: int) -> bool:
    """Returns whether an object can be deleted: no later manifest can reference it.

    Args:
        name: Its name.
        archived: Next offset of each partition, by the newest batch.
        newest: Number of the newest compaction.
    """
    if found := _COMPACTED.search(name):
        return int(found["number"]) <= newest
    found = _ARCHIVED.search(name)
    return found is not None and int(found["last"]) < archived.get(int(found["partition"]), 0)
