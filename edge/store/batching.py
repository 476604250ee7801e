"""Encodes readings as payloads of numbered batches."""

from collections.abc import Iterator

from vitals.readings import Readings
from vitals.wire.uplink_batch import MAX_PAYLOAD_BYTES, Batch, encode
from vitals.wire.vitals_record import MAX_READINGS


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
