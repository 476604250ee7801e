"""Manifests: what a reader may trust. One per committed batch, written last; Redshift's COPY takes it as it is.

Names of one kind sort in order of commit. A batch's carries the offsets' digest, so that an equal name means equal
contents; a compaction's has none, so that two which knew nothing of each other cannot both be committed.
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
    """A manifest that cannot be believed; the message names it."""


class Meta(msgspec.Struct, frozen=True):
    """What COPY wants to know of an object: its size in bytes."""

    content_length: int


class Entry(msgspec.Struct, frozen=True):
    """One object as COPY reads it."""

    url: str
    mandatory: bool
    meta: Meta


class Object(msgspec.Struct, frozen=True, kw_only=True):
    """One object as our readers need it.

    Attributes:
        name: Name in the lake.
        rows: Its rows.
        partition: Kafka partition that it came from.
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
        kind: BATCH, or COMPACTION: the rows of what it supersedes in other objects, less repeats and those of patients
            who were erased; never to be loaded beside it (see `cloud.lake.read.current`).
        number: Counts the topic's commits of its kind, from 1.
        rows: Rows in all objects.
        columns: Columns of all objects, in order.
        objects: The objects.
        offsets: First and last offset that this batch read, by partition; rows or not.
        next: Offset to read next, for every partition ever read.
        sources: Newest source offset archived, by source partition: what is at or below is a repetition.
        rejected: Records that could not be used; they lie in `rejections`.
        rejections: Names of objects with those records, as JSON lines of `vitals.status.Rejected`.
        lost: First and last offset that Kafka had deleted before they were read, by partition.
        supersedes: Names of the manifests whose objects these replace.
        obsolete: Names of those objects of theirs that are none of these; removed once no reader can need them.
        committed: When, UTC epoch ms; of compactions alone.
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
        # One name for each number of a compaction, so that of two at once only the first is created.
        told = msgspec.json.encode((self.topic, self.kind, *([sorted(self.offsets.items())] * (self.kind == BATCH))))
        digest = hashlib.sha256(told).hexdigest()[:12]
        return f"{folder(self.topic)}/{self.number:012d}-{self.kind}-{digest}.json"

    @classmethod
    def decode(cls, content: bytes) -> Self:
        """Reads a manifest.

        Raises:
            msgspec.DecodeError: The bytes are none.
        """
        return msgspec.json.decode(content, type=cls)

    def encode(self) -> bytes:
        """Returns the manifest's bytes."""
        return msgspec.json.encode(self)


def folder(topic: str) -> str:
    """Returns the folder of a topic's manifests."""
    return f"{topic}/_manifests"


def manifest_names(store: Store, topic: str, kind: str | None = BATCH, since: int = 0) -> list[str]:
    """Returns the names of a topic's manifests of one kind, those of a kind in order of commit.

    Args:
        store: The lake.
        topic: Kafka topic.
        kind: Kind; None for all.
        since: The least number; a look for what is new costs no more when a lake grows old.
    """
    listed = store.names(folder(topic), after=f"{folder(topic)}/{since:012d}")
    found = ((name, _NAME.fullmatch(name.rpartition("/")[2])) for name in listed)
    return [name for name, match in found if match and kind in {None, match["kind"]}]


def number_of(name: str) -> int:
    """Returns the number in a manifest's name."""
    return int(name.rpartition("/")[2].partition("-")[0])


def is_compaction(name: str) -> bool:
    """Whether a manifest's name is that of a compaction."""
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
    """Returns the newest batch manifest of a topic: where the next batch goes on."""
    names = manifest_names(store, topic)
    return read_manifest(store, names[-1]) if names else None
