"""The port to the log: the operations that a job needs of Kafka, so that an in-memory log can replace it.

Both adapters (`cloud.kafka.client`, `cloud.kafka.in_memory`) pass one contract suite, `tests/cloud/test_log.py`.
"""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

Place = tuple[str, int]
"""Topic and partition."""


class KafkaUnavailableError(Exception):
    """The log could not be read or written; the message contains operation, partition and cause."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record of the log.

    Attributes:
        topic: Topic.
        partition: Partition.
        offset: Offset.
        t: Kafka timestamp, UTC epoch ms: the log time.
        key: Key; empty if there is none.
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
    """Reads chosen partitions from chosen offsets, without group assignment."""

    def assign(self, positions: Mapping[Place, int]) -> None:
        """Reads from these offsets from now on; an offset that is no longer kept means the oldest that is."""

    def read(self, timeout_s: float) -> list[Record]:
        """Returns new records, waiting at most `timeout_s` for the first; in order within a partition."""

    def position(self, place: Place) -> int:
        """Returns the offset up to which a partition was read; it includes trailing holes once the end is reached."""

    def ends(self, places: Iterable[Place]) -> dict[Place, int]:
        """Returns the offset that the next record of each partition will have."""

    def close(self) -> None:
        """Closes connections."""


class CommittingReader(Reader, Protocol):
    """A reader that commits the offsets up to which everything is done, so that a restart continues there."""

    def committed(self, places: Iterable[Place]) -> dict[Place, int]:
        """Returns the committed offset of each partition, 0 if there is none."""

    def commit(self, positions: Mapping[Place, int]) -> None:
        """Commits offsets up to which everything is done."""


class Writer(Protocol):
    """Writes with acknowledgement of all in-sync replicas, in order, and without duplicates from retries."""

    def write(self, place: Place, key: bytes, value: bytes | None) -> None:
        """Queues a record; it is durable once `flush` returns."""

    def check(self) -> None:
        """Processes delivery reports; a writer with nothing to write must call it too.

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
    """Reads partitions from `positions` to their present ends.

    Raises:
        KafkaUnavailableError: No record arrived for `timeout_s`.
    """
    ends = reader.ends(positions)
    open_places = {place for place, end in ends.items() if end > max(positions[place], 0)}
    reader.assign({place: positions[place] for place in open_places})
    found: list[Record] = []
    deadline = time.monotonic() + timeout_s
    while open_places:
        records = [r for r in reader.read(0.2) if r.offset < ends[r.place]]
        found += records
        # Compaction and retention leave holes, so the last offset below the end may not exist: compare positions
        # instead.
        open_places = {place for place in open_places if reader.position(place) < ends[place]}
        if records:
            deadline = time.monotonic() + timeout_s
        elif open_places and time.monotonic() > deadline:
            raise KafkaUnavailableError(
                f"reading {sorted(open_places)} back stopped: nothing for {timeout_s} s. Is Kafka up?"
            )
    return found
