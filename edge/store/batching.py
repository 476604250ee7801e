"""Numbered batches of readings: sealed, stored, dropped."""

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from vitals.readings import Readings
from vitals.wire.uplink_batch import MAX_PAYLOAD_BYTES, Batch, encode
from vitals.wire.vitals_record import MAX_READINGS


@dataclass(frozen=True, slots=True)
class Stored:
    """An unconfirmed batch: number, size of its payload in bytes."""

    n: int
    size: int


class StoredBatch(msgspec.Struct, frozen=True):
    """A stored batch: number and outbox are from its payload, the rest from its row."""

    n: int
    outbox: str
    t: int
    urgent: bool
    readings: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Sealed:
    """A sealed batch.

    Attributes:
        n: Number.
        t: Time of sealing, UTC epoch ms.
        urgent: Whether one of its readings may lead to paging.
        readings: Number of readings.
        payload: MQTT payload.
        row: Row of the journal that holds its oldest reading.
        at: Time of sealing, monotonic, s.
    """

    n: int
    t: int
    urgent: bool
    readings: int
    payload: bytes
    row: int
    at: float

    @property
    def size(self) -> int:
        """Size of the payload, bytes."""
        return len(self.payload)


@dataclass(frozen=True, slots=True)
class Trimmed:
    """Batches and readings dropped because the outbox was full, or too old and never confirmed."""

    batches: int
    readings: int


def payloads(gateway: str, outbox: str, n: int, readings: Readings) -> Iterator[tuple[Readings, bytes]]:
    """Splits readings into batches within the limits of a batch and of one publish."""
    start = 0
    size = MAX_READINGS
    while start < len(readings):
        part = readings.take(slice(start, start + size))
        payload = encode(Batch(gateway, outbox, n, part))
        if len(payload) > MAX_PAYLOAD_BYTES and len(part) > 1:
            size = max(1, size // 2)
            continue
        yield part, payload
        start += len(part)
        n += 1
