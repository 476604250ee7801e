"""Compaction: few large objects instead of many small ones, and the removal of what nobody reads any more.

Safe beside readers, the archive, the loader and itself: new objects come first, under names that are nobody else's;
then one manifest, created only if no other compaction has taken its number. Until then the new objects do not exist for
readers, from then on they stand for what the manifest supersedes. A crash leaves objects without a manifest, which
`sweep` removes. What is superseded stays for `keep_ms`, for readers that are under way and a loader that is late.
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
"""Days compacted in one run at most; a race that is lost again and again ends here too."""
Held = tuple[Object, Entry]


@dataclass(frozen=True, slots=True)
class Group:
    """Manifests that one compaction supersedes.

    Attributes:
        manifests: Their names and themselves.
        bins: Objects to be merged, each into one: same day and partition.
        kept: Objects that stay as they are.
    """

    manifests: tuple[tuple[str, Manifest], ...]
    bins: tuple[tuple[Held, ...], ...]
    kept: tuple[Held, ...]


def groups(manifests: Sequence[tuple[str, Manifest]], target_bytes: int, today: str) -> list[Group]:
    """Returns what is worth compacting, a group for each day and list of columns.

    A bin of a day that is over is merged when it has two objects. While a day lasts, a bin waits until it is twice its
    largest object, so that no row is written more often than the doublings from a batch to the stated size.

    Args:
        manifests: What `live` returns.
        target_bytes: Size at which an object is left alone.
        today: Day of the log that is not over, YYYY-MM-DD.
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
    """Each with the latest day of its objects; one without objects goes with the one before it."""
    found, newest = [], ""
    for name, manifest in manifests:
        newest = max((day(o.name) for o in manifest.objects), default=newest)
        found.append((newest, (name, manifest)))
    return sorted(found, key=lambda item: (item[0], item[1][1].columns, item[1][0]))


def _bins(held: Iterable[Held], target_bytes: int) -> Iterator[tuple[Held, ...]]:
    """Packs neighbours of one day and partition up to the stated size; what has half of it already stands alone."""
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
    """Merges small objects of one table; another run finds nothing left to do.

    Args:
        store: The lake.
        table: The table.
        target_bytes: Size that objects should have; some 220 bytes of memory for each of their rows are needed thrice.
        now_ms: UTC epoch ms: tells which day is not over.
        run: Hexadecimal digits of this run's own, part of its objects' names.

    Returns:
        How many manifests were superseded.

    Raises:
        BadManifestError: A manifest is damaged.
        LakeError: The lake cannot be read or written.
    """
    done = 0
    for _ in range(MOST_GROUPS):
        # The number comes before the look at what is live, so that nobody commits between the two unnoticed.
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
    """Returns the day of a time, as it stands in the names of objects."""
    return str(np.datetime64(ms, "ms").astype("datetime64[D]"))


def next_number(store: MutableStore, topic: str) -> int:
    """Returns the number of a topic's next compaction."""
    return max((_number(name) for name in manifest_names(store, topic, COMPACTION)), default=0) + 1


def _number(name: str) -> int:
    return int(name.rpartition("/")[2].partition("-")[0])


def merge(store: MutableStore, table: Table, columns: Sequence[str], packed: Sequence[Held], ending: str) -> Held:
    """Writes the rows of several objects as one, each identity once: the row that came first stays."""
    first, last = packed[0][0], packed[-1][0]
    joined = pa.concat_tables([read(store, held, table, columns) for held, _ in packed])
    return write(store, table, joined.filter(identities(joined, table)), (first, last), ending)


def write(store: MutableStore, table: Table, rows: pa.Table, span_of: tuple[Object, Object], ending: str) -> Held:
    """Writes rows as an object of a compaction; its name tells the first and last offset and whose it is.

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
    """Commits objects in the place of manifests.

    Args:
        store: The lake.
        number: From `next_number`, asked before it was looked what is live.
        members: The manifests, of one topic and with the same columns.
        held: The objects.
        now_ms: UTC epoch ms.

    Returns:
        Whether it was committed; if not, another compaction was first, and what was written for this one is removed.
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
    """Removes objects that no reader can come by any more; returns how many.

    These are objects superseded longer than `keep_ms` ago, and those that a crash left without a manifest: of the
    archive when their offsets are archived under other names, of a compaction when its number is taken. What is being
    written at this moment is neither. Manifests stay: they hold no patient's data.

    Raises:
        BadManifestError: A manifest is damaged.
        LakeError: The lake cannot be read, or an object cannot be removed.
    """
    # This order matters: what is committed after the listing is found by `live`, and nothing else counts as past.
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
    """Whether no manifest to come can name an object.

    Args:
        name: Its name.
        archived: Next offset of each partition, by the newest batch.
        newest: Number of the newest compaction.
    """
    if found := _COMPACTED.search(name):
        return int(found["number"]) <= newest
    found = _ARCHIVED.search(name)
    return found is not None and int(found["last"]) < archived.get(int(found["partition"]), 0)
