"""Detects a topic that was deleted and recreated, so that its offsets restart at 0.

Scoring advises to recreate `vitals.scored` in some cases. Snapshots and readers hold offsets of the former topic: they
would drop every record as already read until the new topic had grown past them.
"""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from cloud.alarm.snapshot.encoding import decode
from cloud.kafka.partitioning import Partitioning
from cloud.kafka.port import KafkaUnavailableError, Place, Reader, Record

logger = logging.getLogger(__name__)


def of_this_log(kept: Mapping[str, bytes], layout: Partitioning, reader: Reader) -> Mapping[str, bytes]:
    """Returns the snapshots, or none at all if one of them was made from a former topic.

    One affected partition proves it for the whole topic, even if another partition is already longer than the former
    one.

    Args:
        kept: Snapshots by slice.
        layout: Lanes and partitions of the deployment.
        reader: Returns the end offsets of the log.

    Raises:
        KafkaUnavailableError: Kafka does not answer.
    """
    wanted: dict[Place, int] = {}
    for data in kept.values():
        try:
            saved = decode(data, layout)
        except ValueError:
            # Loading it reports the reason.
            continue
        for topic, partition, offset in saved.positions:
            wanted[topic, partition] = max(offset, wanted.get((topic, partition), 0))
    ends = reader.ends(wanted)
    beyond = sorted(place for place, offset in wanted.items() if offset > ends[place])
    if not beyond:
        return kept
    topic, partition = beyond[0]
    logger.error(
        "%s[%s] ends at offset %s, but snapshots have read it up to %s: the topic was recreated. All state is rebuilt "
        "from the log",
        *(topic, partition, ends[topic, partition], wanted[topic, partition] - 1),
    )
    return {}


@dataclass(slots=True)
class OffsetWatch:
    """Detects offsets of a partition that go back while the shard runs."""

    _next: dict[Place, int] = field(default_factory=dict)

    def watch(self, records: Iterable[Record]) -> None:
        """Checks the offsets of records as they are read.

        Raises:
            KafkaUnavailableError: Offsets went back, which only happens if the topic was recreated.
        """
        for record in records:
            reached = self._next.get(record.place, 0)
            if record.offset < reached:
                raise KafkaUnavailableError(
                    f"{record.topic}[{record.partition}] restarts at offset {record.offset} after {reached - 1}: "
                    "the topic was recreated; the state is rebuilt from the log"
                )
            self._next[record.place] = record.offset + 1
