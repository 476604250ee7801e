"""Where scoring goes on: after the newest record that it has written itself.

`vitals.scored` is the job's only memory. Its producer is idempotent and never gives a record up, so what it wrote to a
partition is without gaps, and the last record there names the source offset up to which everything is scored. A
restart therefore repeats nothing, however long Spark's batches are, and no checkpoint can be lost or disagree.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from cloud.kafka.port import Reader, Record, read_to_end
from vitals.wire.topics import SCORED

_TAIL: Final = 50
"""Records looked at from the end of a partition: somebody else's junk there must not hide ours."""


class _Source(msgspec.Struct, frozen=True):
    partition: int
    offset: int


def scored_up_to(reader: Reader, partitions: Iterable[int]) -> dict[int, int]:
    """Returns the offset of `vitals` to be scored next, by partition; absent where nothing of ours is to be found.

    Raises:
        KafkaUnavailableError: Kafka did not answer.
    """
    ends = reader.ends([(SCORED, p) for p in partitions])
    records = read_to_end(reader, {place: max(end - _TAIL, 0) for place, end in ends.items() if end})
    found: dict[int, int] = {}
    for record in records:
        source = _source(record)
        if source is not None and source.partition == record.partition:
            found[record.partition] = max(source.offset + 1, found.get(record.partition, 0))
    return found


def _source(record: Record) -> _Source | None:
    try:
        return msgspec.json.decode(record.value or b"", type=_Source)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
