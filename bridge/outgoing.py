"""The records that the bridge writes: where each goes, under which key. Pure."""

import msgspec

from bridge.coalesce import Load, TooLarge
from bridge.intake import Refusal, Why
from bridge.log import Record
from vitals import topics
from vitals.batches import MAX_PAYLOAD_BYTES
from vitals.readings import empty
from vitals.records import encode_vitals
from vitals.status import Rejected, Status

_encode = msgspec.json.Encoder().encode
_NO_READINGS = encode_vitals(empty())


def vitals(lane: int, value: bytes, partitions: int) -> Record:
    """Readings of one lane."""
    return Record(topics.VITALS, topics.partition(lane, partitions), str(lane).encode(), value)


def heartbeat(lane: int, partitions: int) -> Record:
    """No readings: it lets time pass in a lane."""
    return vitals(lane, _NO_READINGS, partitions)


def load(carried: Load, partitions: int) -> Record:
    """A record's worth of readings."""
    return vitals(carried.lane, carried.value, partitions)


def too_large(reading: TooLarge) -> Refusal:
    """A reading that no record can hold becomes a refusal."""
    return Refusal(Why.READING, f"reading of {len(reading.value)} bytes fits into no record", reading.value, 1)


def rejected(topic: str, gateway: str, refusal: Refusal, t: int) -> Record:
    """What cannot be used, kept with its reason; one partition, by gateway."""
    value = Rejected(
        topic=topic,
        reason=refusal.reason,
        t=t,
        payload=refusal.payload[:MAX_PAYLOAD_BYTES],
        readings=refusal.readings,
    )
    return Record(topics.REJECTED, 0, gateway.encode(), _encode(value))


def status(state: Status) -> Record:
    """The state of a gateway or of this bridge; one partition, so that each id's order holds."""
    return Record(topics.STATUS, 0, state.id.encode(), _encode(state))
