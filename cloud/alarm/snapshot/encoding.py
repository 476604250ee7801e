"""The form of a snapshot: what a slice was at one moment."""

import hashlib
from typing import Final

import msgspec

from cloud.kafka.partitioning import Partitioning
from vitals.alarm_events import AlarmEvent

FORMAT: Final = 2
_SUM_BYTES: Final = 16


class EngineSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """A slice at one moment: what a snapshot holds.

    Attributes:
        format: Version of this form.
        layout: Lanes and partitions of the deployment; another layout makes the snapshot useless.
        positions: (topic, partition, next offset).
        alarms: (partition of `alarms`, offset) from which own events are read back.
        marks: Source partition and the highest source offset applied.
        clock: Log time, UTC epoch ms.
        uneasy: Gateways with a silent device of this slice.
        engine: `engine.snapshot`.
        heard: Alarms of the watchdog and the notifier that stand.
        trends: `trend.snapshot`; empty in a snapshot of before there were any.
    """

    layout: tuple[int, int]
    positions: tuple[tuple[str, int, int], ...]
    alarms: tuple[tuple[int, int], ...]
    marks: tuple[tuple[int, int], ...]
    clock: int
    uneasy: tuple[str, ...]
    engine: bytes
    trends: bytes = b""
    heard: tuple[AlarmEvent, ...] = ()
    format: int = FORMAT


def encode(saved: EngineSnapshot) -> bytes:
    """Returns a snapshot's bytes."""
    body = msgspec.msgpack.encode(saved)
    # Damage that still decodes would be a wrong state of a patient.
    return _sum(body) + body


def _sum(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=_SUM_BYTES).digest()


def decode(data: bytes, layout: Partitioning) -> EngineSnapshot:
    """Reads a snapshot.

    Raises:
        ValueError: It is no snapshot of this program and layout; the state is then rebuilt from the log.
    """
    body = data[_SUM_BYTES:]
    if _sum(body) != data[:_SUM_BYTES]:
        raise ValueError("not a snapshot of this format, or damaged")
    try:
        saved = msgspec.msgpack.decode(body, type=EngineSnapshot)
    except msgspec.DecodeError as error:
        raise ValueError(f"not a snapshot: {error}") from error
    wanted = (layout.lanes, layout.partitions)
    if saved.format != FORMAT or saved.layout != wanted:
        raise ValueError(f"snapshot is of format {saved.format} and layout {saved.layout}, not {FORMAT}, {wanted}")
    return saved
