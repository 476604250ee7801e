"""Manifests define the content of the lake: one per committed batch, written last.

Redshift's COPY reads them unchanged.

Names of one kind sort in order of commit. A batch's name contains the digest of its offsets, so that an equal name
means equal contents. A compaction's does not, so that of two concurrent ones only one can be committed.
"""

import hashlib
import re
from typing import Final, Self

import msgspec

from cloud.lake.store import Store

BATCH: Final = "batch"
COMPACTION: Final = "compaction"
_NAME: Final = re.compile(r"(?P<number>\d{12})-(?P<kind>batch|compaction)-[0-9a-f]{12}\.json")


class BadManifestError(ValueError):
    """A manifest is damaged; the message contains its name."""


class Meta(msgspec.Struct, frozen=True):
    """Metadata of an object that COPY needs: its size in bytes."""

    content_length: int


class Entry(msgspec.Struct, frozen=True):
    """One object in COPY's format."""

    url: str
    mandatory: bool
    meta: Meta


class Object(msgspec.Struct, frozen=True, kw_only=True):
    """One object, with the metadata that our readers need.

    Attributes:
        name: Name in the lake.
        rows: Number of rows.
        partition: Kafka partition of its records.
        first: First offset.
        last: Last offset, included.
        t: Earliest and latest event time in it, UTC epoch ms.
        log_t: Earliest and latest log time in it, UTC epoch ms.
    """

    name: str
    rows: int
    partition: int
    first: int
    last: int
    t: tuple[int, int]
    log_t: tuple[int, int] | None = None


class Manifest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One commit to one topic's folder.

    Attributes:
        entries: Objects for COPY, in the order of `objects`.
        topic: Kafka topic.
        kind: BATCH, or COMPACTION: the rows of the superseded manifests in other objects, without repeats and erased
            patients; never load both (see `cloud.lake.read.current`).
        number: Counts the topic's commits of its kind, from 1.
        rows: Rows in all objects.
        columns: Columns of all objects, in order.
        objects: The objects.
        offsets: First and last offset that this batch read, by partition; rows or not.
        next: Offset to read next, for every partition ever read.
        sources: Newest source offset archived, by source partition: a record at or below it is a repeat.
        rejected: Number of rejected records; they are in `rejections`.
        rejections: Names of objects with those records, as JSON lines of `vitals.status.Rejected`.
        lost: First and last offset that Kafka had deleted before they were read, by partition.
        supersedes: Names of the manifests that this one replaces.
        obsolete: Names of their objects that are not in `objects`; removed once no reader can need them.
        committed: Time of the commit, UTC epoch ms; compactions only.
    """

    entries: tuple[Entry, ...]
    topic: str
    kind: str = BATCH
    number: int
    rows: int
    columns: tuple[str, ...]
    objects: tuple[Object, ...]
    offsets: dict[int, tuple[int, int]]
    next: dict[int, int]
    sources: dict[int, int] = {}
    rejected: int = 0
    rejections: tuple[str, ...] = ()
    lost: dict[int, tuple[int, int]] = {}
    supersedes: tuple[str, ...] = ()
    obsolete: tuple[str, ...] = ()
    committed: int = 0

    def __post_init__(self) -> None:
        if len(self.entries) != len(self.objects) or self.rows != sum(o.rows for o in self.objects):
            raise ValueError(f"manifest {self.number} of {self.topic}: entries, objects and rows disagree")
        if self.number < 1 or self.kind not in {BATCH, COMPACTION}:
            raise ValueError(f"manifest {self.number} of {self.topic}: number or kind {self.kind!r} is none")

    @property
    def name(self) -> str:
        """Name of the manifest in the lake."""
        # One name per number of a compaction, so that of two concurrent ones only the first is created.
        told = msgspec.json.encode((self.topic, self.kind, *([sorted(self.offsets.items())] * (self.kind == BATCH))))
        digest = hashlib.sha256(told).hexdigest()[:12]
        return f"{folder(self.topic)}/{self.number:012d}-{self.kind}-{digest}.json"

    @classmethod
    def decode(cls, content: bytes) -> Self:
        """Decodes a manifest.

        Raises:
            msgspec.DecodeError: The bytes are not a manifest.
        """
        return msgspec.json.decode(content, type=cls)

    def encode(self) -> bytes:
        """Encodes the manifest."""
        return msgspec.json.encode(self)


def folder(topic: str) -> str:
    """Returns the folder of a topic's manifests."""
    return f"{topic}/_manifests"


def manifest_names(store: Store, topic: str, kind: str | None = BATCH, since: int = 0) -> list[str]:
    """Returns the names of a topic's manifests of one kind, in order of commit.

    Args:
        store: The lake.
        topic: Kafka topic.
        kind: Kind; None for all.
        since: Smallest number; with it, listing new manifests does not slow down as the lake ages.
    """
    listed = store.names(folder(topic), after=f"{folder(topic)}/{since:012d}")
    found = ((name, _NAME.fullmatch(name.rpartition("/")[2])) for name in listed)
    return [name for name, match in found if match and kind in {None, match["kind"]}]


def number_of(name: str) -> int:
    """Returns the number in a manifest's name."""
    return int(name.rpartition("/")[2].partition("-")[0])


def is_compaction(name: str) -> bool:
    """Returns whether a manifest's name is that of a compaction."""
    return f"-{COMPACTION}-" in name.rpartition("/")[2]


def read_manifest(store: Store, name: str) -> Manifest:
    """Reads one manifest.

    Raises:
        BadManifestError: It is damaged.
        LakeError: It cannot be read.
    """
    try:
        return Manifest.decode(store.get(name))
    except msgspec.DecodeError as error:
        raise BadManifestError(
            f"{name} in the lake is no manifest: {error}; restore it from its object versions"
        ) from error


def last_manifest(store: Store, topic: str) -> Manifest | None:
    """Returns the newest batch manifest of a topic, after which the next batch continues."""
    names = manifest_names(store, topic)
    return read_manifest(store, names[-1]) if names else None
