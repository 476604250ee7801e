"""What a shard answers to those who ask: the one form, as MessagePack, which any process reads without NumPy or Ray.

    ray = cluster.join("127.0.0.1:6379", token)
    shard = ray.get_actor("shard-0")
    now = answers.decode_now(ray.get(shard.now.remote(wards=("icu",))))
    later = answers.decode_now(ray.get(shard.now.remote(wards=("icu",), epoch=now.epoch, since=now.revision)))

Each of the WATCH_SHARDS shards knows its own patients; shard 0 knows the equipment too. A patient whom no reading ever
named is in no answer.
"""

from typing import Final

import msgspec

from vitals.alarm_events import AlarmEvent


class SignNow(msgspec.Struct, frozen=True, omit_defaults=True):
    """One sign of one patient.

    Attributes:
        value: Newest value, in the sign's unit; None when there was only ever a word without one (sensor off).
        t: Its event time, UTC epoch ms; 0 without one.
        suspect: The newest word's doubt (`vitals.signs.Suspect`), which may be later than the value: a sensor that is
            off leaves the old value standing with this reason.
        breach: Digit of the value against the limits in force (`vitals.breach_codes`); 7 without a value.
        limits: Extreme low, low, high, extreme high of the newest reading; None is no bound.
        slope: Trend, unit per minute; None before there is one.
        expected: Lower end, middle and upper end (80 %) of what is expected in 30 minutes; None before there is one.
    """

    value: float | None
    t: int
    suspect: int = 0
    breach: int = 0
    limits: tuple[float | None, float | None, float | None, float | None] = (None, None, None, None)
    slope: float | None = None
    expected: tuple[float, float, float] | None = None


class News2Now(msgspec.Struct, frozen=True):
    """NEWS2 at the answer's log time.

    Attributes:
        total: Sum of the inputs that are fresh; with `missing` ones it may be falsely low.
        risk: "low", "low-medium", "medium" or "high", of that total.
        parts: Score of each input that counts: rr, spo2, oxygen, sbp, pulse, consciousness, temp.
        ages_s: Age of each input, s; None when it was never there.
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
        ward: Ward that the admission or the first reading named.
        t: Event time of the newest reading, UTC epoch ms.
        signs: By field; a sign without any word is left out.
        news2: None for a patient who is not scored.
        oxygen: Whether they breathe supplemental oxygen, as charted or as admitted.
        consciousness: A, C, V, P or U as charted; None when it never was.
    """

    patient: str
    ward: str | None
    t: int
    signs: dict[str, SignNow]
    news2: News2Now | None = None
    oxygen: bool = False
    consciousness: str | None = None


class ShardSnapshot(msgspec.Struct, frozen=True):
    """What a shard knows at one moment.

    Attributes:
        shard: Its number.
        epoch: Drawn at the shard's start: with another one, `revision` begins anew and everything is to be asked for.
        revision: What was asked for up to here; give it as `since` to get only what changed after it.
        clock: Newest log time, UTC epoch ms; 0 before there is one. Ages are against it.
        catching_up: Whether the shard still judges what came before its start.
        patients: Those asked for, and of these those that a reading changed since.
        alarms: Last event of every alarm of the wards asked for that has not ended, always all of them; one that
            belongs to no ward is in every answer.
    """

    shard: int
    epoch: str
    revision: int
    clock: int
    catching_up: bool
    patients: tuple[PatientNow, ...]
    alarms: tuple[AlarmEvent, ...]


_encoder: Final = msgspec.msgpack.Encoder()
_now: Final = msgspec.msgpack.Decoder(ShardSnapshot)


def encode(answer: ShardSnapshot) -> bytes:
    """Returns an answer's bytes."""
    return _encoder.encode(answer)


def decode_now(data: bytes) -> ShardSnapshot:
    """Reads the answer of `ShardActor.now`."""
    return _now.decode(data)
