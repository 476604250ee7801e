"""An in-memory log: the second adapter of :mod:`cloud.kafka.port`, for tests and for replay without a broker."""

from collections.abc import Callable, Iterable, Mapping

from cloud.kafka.port import Place, Record


class MemoryLog:
    """Partitions as lists.

    Args:
        clock: Gives the timestamp of a record that is written, UTC epoch ms.
    """

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._partitions: dict[Place, list[Record]] = {}

    def append(self, place: Place, key: bytes, value: bytes | None, t: int | None = None) -> Record:
        """Writes one record, at time `t` or the clock's."""
        records = self._partitions.setdefault(place, [])
        record = Record(*place, len(records), self._clock() if t is None else t, key, value)
        records.append(record)
        return record

    def records(self, topic: str) -> list[Record]:
        """Returns all records of a topic, partition by partition."""
        return [r for place in sorted(self._partitions) if place[0] == topic for r in self._partitions[place]]

    def since(self, place: Place, offset: int) -> list[Record]:
        """Returns the records of a partition from `offset` on."""
        return self._partitions.get(place, [])[max(offset, 0) :]

    def end(self, place: Place) -> int:
        """Returns the offset of the next record of a partition."""
        return len(self._partitions.get(place, []))


class MemoryWriter:
    """`cloud.kafka.port.Writer` on a `MemoryLog`."""

    def __init__(self, log: MemoryLog) -> None:
        self._log = log
        self._acked: dict[Place, int] = {}

    def write(self, place: Place, key: bytes, value: bytes | None) -> None:
        """See `cloud.kafka.port.Writer.write`."""
        self._acked[place] = self._log.append(place, key, value).offset + 1

    def check(self) -> None:
        """See `cloud.kafka.port.Writer.check`: memory refuses nothing."""

    def flush(self, timeout_s: float = 30.0) -> dict[Place, int]:
        """See `cloud.kafka.port.Writer.flush`."""
        return dict(self._acked)


class MemoryReader:
    """`cloud.kafka.port.Reader` on a `MemoryLog`."""

    def __init__(self, log: MemoryLog) -> None:
        self._log = log
        self._positions: dict[Place, int] = {}
        self._committed: dict[Place, int] = {}

    def assign(self, positions: Mapping[Place, int]) -> None:
        """See `cloud.kafka.port.Reader.assign`."""
        # In one order, whatever the order of a set was in which they were gathered.
        self._positions = dict(sorted(positions.items()))

    def read(self, timeout_s: float) -> list[Record]:
        """See `cloud.kafka.port.Reader.read`."""
        found: list[Record] = []
        for place, position in self._positions.items():
            records = self._log.since(place, position)
            found += records
            self._positions[place] = position + len(records)
        return found

    def position(self, place: Place) -> int:
        """See `cloud.kafka.port.Reader.position`."""
        return self._positions.get(place, 0)

    def ends(self, places: Iterable[Place]) -> dict[Place, int]:
        """See `cloud.kafka.port.Reader.ends`."""
        return {place: self._log.end(place) for place in places}

    def committed(self, places: Iterable[Place]) -> dict[Place, int]:
        """Returns the committed offset of each partition, 0 where none is."""
        return {place: self._committed.get(place, 0) for place in places}

    def commit(self, positions: Mapping[Place, int]) -> None:
        """Commits offsets."""
        self._committed |= positions

    def close(self) -> None:
        """See `cloud.kafka.port.Reader.close`."""
