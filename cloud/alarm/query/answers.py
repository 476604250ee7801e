"""A shard's answers to queries, as MessagePack that any process can decode without NumPy or Ray.

    ray = cluster.join("127.0.0.1:6379", token)
    shard = ray.get_actor("shard-0")
    now = answers.decode_now(ray.get(shard.now.remote(wards=("icu",))))
    later = answers.decode_now(ray.get(shard.now.remote(wards=("icu",), epoch=now.epoch, since=now.revision)))

Each of the WATCH_SHARDS shards has its own patients; shard 0 also has the equipment. A patient without any reading is
in no answer.
"""

from typing import Final

import msgspec

from vitals.alarm_events import AlarmEvent


class SignNow(msgspec.Struct, frozen=True, omit_defaults=True):
    """One sign of one patient.

    Attributes:
        value: Newest value, in the sign's unit; None if the device only ever reported the sign without a value (sensor
            off).
        t: Event time of the value, UTC epoch ms; 0 without one.
        suspect: Newest suspect mark (`vitals.signs.Suspect`), which may be later than the value: a sensor that is off
            keeps the old value, with this reason.
        breach: Digit of the value against the limits in force (`vitals.breach_codes`); 7 without a value.
        limits: Extreme low, low, high, extreme high at the newest reading; None is no limit.
        slope: Trend, unit per minute; None before there is one.
    """

    value: float | None
    t: int
    suspect: int = 0
    breach: int = 0
    limits: tuple[float | None, float | None, float | None, float | None] = (None, None, None, None)
    slope: float | None = None


class News2Now(msgspec.Struct, frozen=True):
    """NEWS2 at the answer's log time.

    Attributes:
        total: Sum of the fresh inputs; with `missing` ones it may be falsely low.
        risk: "low", "low-medium", "medium" or "high", of that total.
        parts: Score of each input that counts: rr, spo2, oxygen, sbp, pulse, consciousness, temp.
        ages_s: Age of each input, s; None if it was never measured.
        missing: Inputs that are absent or too old to count.
        incomplete: Whether any is missing.
    """

    total: int
    risk: str
    parts: dict[str, int]
    ages_s: dict[str, int | None]
    missing: tuple[str, ...]
    incomplete: bool


class PatientNow(msgspec.Struct, frozen=True, omit_defaults=True):
    """One patient.

    Attributes:
        patient: Patient id.
        ward: Ward of the admission or, without one, of the first reading.
        t: Event time of the newest reading, UTC epoch ms.
        signs: By field, without signs that were never reported.
        news2: None for a patient who is not scored.
        oxygen: Whether the patient breathes supplemental oxygen, as charted or as admitted.
        consciousness: A, C, V, P or U as charted; None if never charted.
    """

    patient: str
    ward: str | None
    t: int
    signs: dict[str, SignNow]
    news2: News2Now | None = None
    oxygen: bool = False
    consciousness: str | None = None


class StandbyNow(msgspec.Struct, frozen=True):
    """Standby of one patient.

    Attributes:
        patient: Patient id.
        until: Planned end, UTC epoch ms. If it has passed, no value has come since.
        by: Name of the person.
    """

    patient: str
    until: int
    by: str


class ShardSnapshot(msgspec.Struct, frozen=True):
    """Patients and alarms of a shard at one moment.

    Attributes:
        shard: Number of the shard.
        epoch: Drawn at the shard's start. If it differs from the last answer's, `revision` restarts and everything must
            be queried again.
        revision: Newest change in this answer; pass it as `since` to get only later changes.
        clock: Newest log time, UTC epoch ms; 0 before there is one. Ages are against it.
        catching_up: Whether the shard still judges records from before its start.
        patients: Queried patients, limited to those that a reading changed since `since`.
        alarms: Last event of every alarm in the queried wards that has not ended, always all of them; an alarm without
            a ward is in every answer.
        standbys: Every standby of the queried wards and patients.
    """

    shard: int
    epoch: str
    revision: int
    clock: int
    catching_up: bool
    patients: tuple[PatientNow, ...]
    alarms: tuple[AlarmEvent, ...]
    standbys: tuple[StandbyNow, ...] = ()


_encoder: Final = msgspec.msgpack.Encoder()
_now: Final = msgspec.msgpack.Decoder(ShardSnapshot)


def encode(answer: ShardSnapshot) -> bytes:
    """Encodes an answer as MessagePack."""
    return _encoder.encode(answer)


def decode_now(data: bytes) -> ShardSnapshot:
    """Decodes the answer of `ShardActor.now`."""
    return _now.decode(data)
