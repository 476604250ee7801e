"""The port to the log: what a job needs of Kafka, so that an in-memory log can stand in for it.

Both adapters (`cloud.kafka.client`, `cloud.kafka.in_memory`) pass one contract suite, `tests/cloud/test_log.py`.
"""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

Place = tuple[str, int]
"""Topic and partition."""


class KafkaUnavailableError(Exception):
    """The log could not be read or written; the message says what failed and on what."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record as it stands in the log.

    Attributes:
        topic: Topic.
        partition: Partition.
        offset: Offset.
        t: Kafka timestamp, UTC epoch ms: the log time.
        key: Key; empty when there is none.
        value: Value; None is a tombstone.
    """

    topic: str
    partition: int
    offset: int
    t: int
    key: bytes
    value: bytes | None

    @property
    def place(self) -> Place:
        """Topic and partition."""
        return self.topic, self.partition


class Reader(Protocol):
    """Reads chosen partitions from chosen offsets; nobody else decides what it reads."""

    def assign(self, positions: Mapping[Place, int]) -> None:
        """Reads from these offsets from now on; an offset that is no longer kept means the oldest that is."""

    def read(self, timeout_s: float) -> list[Record]:
        """Returns what has come, waiting at most `timeout_s` for the first record; in order within a partition."""

    def position(self, place: Place) -> int:
        """Returns the offset up to which a partition has been read; past holes, once its end is reached."""

    def ends(self, places: Iterable[Place]) -> dict[Place, int]:
        """Returns the offset that the next record of each partition will have."""

    def close(self) -> None:
        """Lets go of connections."""


class CommittingReader(Reader, Protocol):
    """A reader that remembers, beyond its own life, how far everything is done."""

    def committed(self, places: Iterable[Place]) -> dict[Place, int]:
        """Returns the committed offset of each partition, 0 where none is."""

    def commit(self, positions: Mapping[Place, int]) -> None:
        """Commits offsets up to which everything is done."""


class Writer(Protocol):
    """Writes with acknowledgement of all in-sync replicas, in order, without duplicates of its own making."""

    def write(self, place: Place, key: bytes, value: bytes | None) -> None:
        """Hands a record over; it is durable once `flush` returns."""

    def check(self) -> None:
        """Takes note of what has been acknowledged; a writer that has nothing to write calls it all the same.

        Raises:
            KafkaUnavailableError: A record was refused.
        """

    def flush(self, timeout_s: float = 30.0) -> dict[Place, int]:
        """Waits until everything is acknowledged.

        Returns:
            The next offset after the last acknowledged record of each partition ever written to.

        Raises:
            KafkaUnavailableError: A record was refused or did not arrive in time.
        """


def read_to_end(reader: Reader, positions: Mapping[Place, int], timeout_s: float = 60.0) -> list[Record]:
    """Reads partitions from `positions` to where they end now.

    Raises:
        KafkaUnavailableError: The log gave nothing for `timeout_s`.
    """
    ends = reader.ends(positions)
    open_places = {place for place, end in ends.items() if end > max(positions[place], 0)}
    reader.assign({place: positions[place] for place in open_places})
    found: list[Record] = []
    deadline = time.monotonic() + timeout_s
    while open_places:
        records = [r for r in reader.read(0.2) if r.offset < ends[r.place]]
        found += records
        # Compaction and retention leave holes, so the last offset below the end may not exist: positions tell.
        open_places = {place for place in open_places if reader.position(place) < ends[place]}
        if records:
            deadline = time.monotonic() + timeout_s
        elif open_places and time.monotonic() > deadline:
            raise KafkaUnavailableError(
                f"reading {sorted(open_places)} back stopped: nothing for {timeout_s} s. Is Kafka up?"
            )
    return found
