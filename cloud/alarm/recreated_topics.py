"""A topic that was made anew: snapshots and readers that go by offsets of the former one must not wait for them.

Who follows scoring's advice deletes `vitals.scored` and makes it again. Its offsets begin at 0, where every record lies
before what the snapshots want, and would be passed over for as long as the former topic had lasted.
"""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from cloud.alarm.snapshot.encoding import decode
from cloud.kafka.partitioning import Partitioning
from cloud.kafka.port import KafkaUnavailableError, Place, Reader, Record

logger = logging.getLogger(__name__)


def of_this_log(kept: Mapping[str, bytes], layout: Partitioning, reader: Reader) -> Mapping[str, bytes]:
    """Returns the snapshots, or none at all where one of them was taken on another log.

    What shows on one partition is true of the whole topic, also where the new one is longer already than the old.

    Args:
        kept: Snapshots by slice.
        layout: The deployment's.
        reader: Tells where the log ends.

    Raises:
        KafkaUnavailableError: Kafka does not answer.
    """
    wanted: dict[Place, int] = {}
    for data in kept.values():
        try:
            saved = decode(data, layout)
        except ValueError:
            # Whoever loads it says why it is of no use.
            continue
        for topic, partition, offset in saved.positions:
            wanted[topic, partition] = max(offset, wanted.get((topic, partition), 0))
    ends = reader.ends(wanted)
    beyond = sorted(place for place, offset in wanted.items() if offset > ends[place])
    if not beyond:
        return kept
    topic, partition = beyond[0]
    logger.error(
        "%s[%s] ends at offset %s, but snapshots have read it up to %s: the topic was made anew. All state is rebuilt "
        "from the log",
        *(topic, partition, ends[topic, partition], wanted[topic, partition] - 1),
    )
    return {}


@dataclass(slots=True)
class OffsetWatch:
    """Notices at work that a partition has begun again."""

    _next: dict[Place, int] = field(default_factory=dict)

    def watch(self, records: Iterable[Record]) -> None:
        """Looks at records as they are read.

        Raises:
            KafkaUnavailableError: Offsets went back, which nothing but another topic of the same name does.
        """
        for record in records:
            reached = self._next.get(record.place, 0)
            if record.offset < reached:
                raise KafkaUnavailableError(
                    f"{record.topic}[{record.partition}] began again at offset {record.offset} after {reached - 1}: "
                    "the topic was made anew; the state is rebuilt from the log"
                )
            self._next[record.place] = record.offset + 1
