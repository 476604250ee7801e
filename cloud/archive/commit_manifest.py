"""Manifests: from what workers wrote to one commit a topic, and from the last commit to where the next batch begins."""

from collections.abc import Iterable, Mapping
from itertools import groupby

from cloud.archive.parquet_writer import Progress, Written
from cloud.kafka.offsets import Watermarks, resume_offsets
from cloud.lake.manifests import Entry, Manifest, Meta, last_manifest
from cloud.lake.schema import TABLES
from cloud.lake.store import Store

NOTHING = Progress(number=0, next={}, sources={}, lost={})
"""Before the first manifest."""


def resume(store: Store, topic: str) -> Progress:
    """Returns how far a topic is archived, by its last manifest alone."""
    last = last_manifest(store, topic)
    return NOTHING if last is None else after(last)


def after(manifest: Manifest) -> Progress:
    """Returns the progress that a manifest has committed."""
    return Progress(number=manifest.number, next=manifest.next, sources=manifest.sources, lost={})


def resumes(topic: str, progress: Progress, marks: Watermarks) -> Progress:
    """Returns the progress with an offset for every partition that Kafka has; what was deleted unread is in `lost`.

    Raises:
        RecreatedError: Kafka's offsets end below the lake's.
    """
    following, lost = resume_offsets(
        topic, progress.next, marks, "Point LAKE to a new prefix, and keep the old one for reading"
    )
    gone = {span.partition: (span.first, span.last) for span in lost}
    return Progress(number=progress.number, next=following, sources=progress.sources, lost=gone)


def manifests(progress: Mapping[str, Progress], written: Iterable[Written]) -> list[Manifest]:
    """Returns one manifest for each topic of which anything was read."""
    ordered = sorted(written, key=lambda w: (w.topic, w.partition, w.first))
    groups = groupby(ordered, key=lambda w: w.topic)
    return [_manifest(topic, progress[topic], list(group)) for topic, group in groups]


def _manifest(topic: str, progress: Progress, written: list[Written]) -> Manifest:
    offsets: dict[int, tuple[int, int]] = {}
    sources = dict(progress.sources)
    for w in written:
        offsets[w.partition] = (offsets.get(w.partition, (w.first, 0))[0], w.last)
        for partition, offset in w.sources.items():
            sources[partition] = max(offset, sources.get(partition, -1))
    full = [w for w in written if w.object is not None]
    return Manifest(
        entries=tuple(Entry(w.url, True, Meta(w.size)) for w in full),
        topic=topic,
        number=progress.number + 1,
        rows=sum(w.object.rows for w in full if w.object),
        columns=TABLES[topic].names,
        objects=tuple(w.object for w in full if w.object),
        offsets=offsets,
        next=dict(progress.next) | {partition: last + 1 for partition, (_, last) in offsets.items()},
        sources=sources,
        rejected=sum(w.rejected for w in written),
        rejections=tuple(w.rejections for w in written if w.rejections),
        lost=dict(progress.lost),
    )


def commit(store: Store, manifest: Manifest) -> None:
    """Writes a manifest: from here on its objects exist for readers."""
    store.put(manifest.name, manifest.encode())
