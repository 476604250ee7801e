"""The records that the bridge writes: where each goes, under which key. Pure."""

import msgspec

from bridge.kafka.port import Record
from bridge.up.batching import LaneRecord
from bridge.up.validate import Refusal
from vitals.actions import Action
from vitals.bounds import MAX_ASIDE, MAX_REFUSED
from vitals.readings import empty
from vitals.status import Rejected, Status
from vitals.wire import topics
from vitals.wire.vitals_record import encode_vitals

_encode = msgspec.json.Encoder().encode
_NO_READINGS = encode_vitals(empty())


def vitals(lane: int, value: bytes, partitions: int) -> Record:
    """Readings of one lane."""
    return Record(topics.VITALS, topics.partition(lane, partitions), str(lane).encode(), value)


def heartbeat(lane: int, partitions: int) -> Record:
    """No readings: it lets time pass in a lane."""
    return vitals(lane, _NO_READINGS, partitions)


def lane_record(carried: LaneRecord, partitions: int) -> Record:
    """A record's worth of readings."""
    return vitals(carried.lane, carried.value, partitions)


def rejected(topic: str, gateway: str, refusal: Refusal, t: int) -> Record:
    """What cannot be used, kept with its reason; one partition, by gateway."""
    payload = refusal.payload[:MAX_ASIDE]
    return dead_letter(
        gateway.encode(), Rejected(topic=topic, reason=refusal.reason, t=t, payload=payload, readings=refusal.readings)
    )


def dead_letter(key: bytes, refused: Rejected) -> Record:
    """A refusal of this bridge or of the gateway itself, whose name is its key."""
    return Record(topics.REJECTED, 0, key, _encode(refused))


def refused(record: Record, why: str, t: int) -> Record:
    """What stands in the log for a record that it refuses for good: its beginning, with the reason."""
    reason = f"{len(record.value)} bytes were refused for good: {why}"
    place = f"{record.topic}[{record.partition}]"
    payload = record.value[:MAX_REFUSED]
    return dead_letter(record.key, Rejected(topic=place, reason=reason, t=t, payload=payload))


def action(done: Action, lanes: int, partitions: int) -> Record:
    """What somebody did at a bed, in the lane of its patient."""
    place = topics.partition(topics.lane(done.patient, lanes), partitions)
    return Record(topics.ACTIONS, place, done.patient.encode(), _encode(done))


def status(state: Status) -> Record:
    """The state of a gateway or of this bridge; one partition, so that each id's order holds."""
    return Record(topics.STATUS, 0, state.id.encode(), _encode(state))
