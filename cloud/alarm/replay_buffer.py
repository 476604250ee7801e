"""What came before its time: while a shard catches up, actions, admissions and statuses wait for readings as old."""

import heapq
from collections.abc import Iterable
from dataclasses import dataclass, field

from cloud.alarm.decoded_records import DecodedRecord, timed
from cloud.kafka.port import Place


@dataclass(slots=True)
class ReplayBuffer:
    """Entries of one slice that wait for their log time.

    After a long absence they are as many as all patients, so each is looked at when it comes and when it goes.
    """

    _heap: list[tuple[int, int, DecodedRecord]] = field(default_factory=list)
    _newest: dict[Place, int] = field(default_factory=dict)
    _count: int = 0

    def put(self, entries: Iterable[DecodedRecord]) -> None:
        """Keeps entries; those of one partition come in its order."""
        for t, entry in timed(entries, self._newest):
            self._count += 1
            heapq.heappush(self._heap, (t, self._count, entry))

    def due(self, t: int) -> list[DecodedRecord]:
        """Returns, and forgets, those up to a log time, by time."""
        found = []
        while self._heap and self._heap[0][0] <= t:
            found.append(heapq.heappop(self._heap)[2])
        return found
