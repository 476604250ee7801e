"""Alarm events, in the terms of IEC 60601-1-8 (priorities, inactivation) and IHE ACM (kinds, phases).

An alarm *condition* is what is wrong; an alarm *signal* is what a person hears of it. An event tells of one step of one
condition. Its id is a function of what it is about and when that began, so that gateway and cloud give the same id.
"""

from enum import IntEnum, StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

from vitals.bounds import MAX_RECENT, AlarmName, Boot, Count, Line, Name, Seq, TimeOrNone, Words, decoded


class Priority(IntEnum):
    """How fast a person must respond; the higher number is the more urgent."""

    LOW = 1
    MEDIUM = 2
    HIGH = 3

    @property
    def label(self) -> str:
        """The word that a person reads."""
        return self.name.lower()


class Kind(StrEnum):
    """What raised the condition: the patient, or the equipment."""

    PHYSIOLOGICAL = "physiological"
    TECHNICAL = "technical"


class Phase(StrEnum):
    """The step that an event tells of."""

    START = "start"
    CONTINUE = "continue"
    ESCALATE = "escalate"
    """The priority rises, or what was acknowledged (or long without an extreme value) is worse again."""
    DEESCALATE = "deescalate"
    UPDATE = "update"
    END = "end"


class AlarmState(StrEnum):
    """State of the condition: active, inactive, or ended but latched until acknowledged."""

    ACTIVE = "active"
    INACTIVE = "inactive"
    LATCHED = "latched"


class Inactivation(StrEnum):
    """What a person did to this alarm's signal; it never touches another alarm."""

    NONE = "enabled"
    AUDIO_PAUSED = "audio-paused"
    ACKNOWLEDGED = "acknowledged"


class AlarmEvent(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One step of one alarm condition; the value of a record of topic `alarms`.

    Attributes:
        id: Deterministic id of the alarm (`alarm_id`).
        n: Counter of this alarm's events, from 0.
        subject: Patient id for a physiological alarm; device, gateway, bridge or "pipeline" for a technical one.
        condition: Sign's field, "vital-signs-lost", "news2-…", "sensor-off", "device-silent", "gateway-down", ….
        kind: Physiological or technical.
        priority: Priority now.
        phase: What this event tells.
        state: State after this event.
        inactivation: What a person has done to it.
        start: Event time at which the condition began, UTC epoch ms.
        t: Event time (or log time for timers) of this step, UTC epoch ms.
        log_t: Log time at which the step was decided, UTC epoch ms.
        text: What is wrong, for a person, without the patient's name.
        value: Value that decided, in the sign's unit.
        limit: Limit that it crossed.
        patient: Patient id, when one is concerned.
        ward: Ward, when known.
        bed: Bed, when known.
        device: Device, when known.
        gateway: Gateway, when known.
        boot: Identity of the reading that decided, with `seq`, so that delays are measured by identity.
        seq: See `boot`.
        handover: How many times the alarm has passed to the next contact.
        by: Who acted, for an event that a person's action caused.
        paused_until: Log time at which an audio pause ends, UTC epoch ms; 0 when it is not paused.
        recent: The sign's last values before this step, (event time in UTC epoch ms, value), oldest first: told by the
            cloud where an alarm begins or grows, for whoever reads of it away from the ward's page.
    """

    id: AlarmName
    n: Count
    subject: Name
    condition: Line
    kind: Kind
    priority: Priority
    phase: Phase
    state: AlarmState
    inactivation: Inactivation = Inactivation.NONE
    start: TimeOrNone
    t: TimeOrNone
    log_t: TimeOrNone
    text: Words
    value: float | None = None
    limit: float | None = None
    patient: Name | None = None
    ward: Name | None = None
    bed: Name | None = None
    device: Name | None = None
    gateway: Name | None = None
    boot: Boot | None = None
    seq: Seq | None = None
    handover: Count = 0
    by: Line | None = None
    paused_until: TimeOrNone = 0
    recent: Annotated[tuple[tuple[TimeOrNone, float], ...], Meta(max_length=MAX_RECENT)] = ()


def alarm_id(subject: str, condition: str, start: int) -> str:
    """Returns the id of an alarm: readable, and the same wherever the condition is computed.

    Args:
        subject: Patient, or the device, gateway or bridge that a technical alarm is about.
        condition: Sign's field or name of the condition.
        start: Event time at which it began, UTC epoch ms.
    """
    return f"{subject}.{condition}.{start}"


def technical(
    subject: str,
    condition: str,
    priority: Priority,
    *,
    start: int,
    now: int,
    text: str,
    ward: str | None = None,
    gateway: str | None = None,
    value: float | None = None,
) -> AlarmEvent:
    """Returns the start of a technical alarm that no engine judges.

    Args:
        subject: Device, gateway, bridge, contact, ward or "pipeline".
        condition: Name of the condition.
        priority: Its priority.
        start: When it began, UTC epoch ms.
        now: When it is told, UTC epoch ms.
        text: What is wrong, and what to do.
        ward: Ward that is told; None: technicians alone.
        gateway: Gateway that it concerns.
        value: How many there are, where it counts something.
    """
    return AlarmEvent(
        id=alarm_id(subject, condition, start),
        n=0,
        subject=subject,
        condition=condition,
        kind=Kind.TECHNICAL,
        priority=priority,
        phase=Phase.START,
        state=AlarmState.ACTIVE,
        start=start,
        t=now,
        log_t=now,
        text=text,
        ward=ward,
        gateway=gateway,
        value=value,
    )


def over(alarm: AlarmEvent, now: int, text: str) -> AlarmEvent:
    """Returns the end of such an alarm, at `now`, UTC epoch ms."""
    changes = {"n": alarm.n + 1, "phase": Phase.END, "state": AlarmState.INACTIVE, "t": now, "log_t": now, "text": text}
    return msgspec.structs.replace(alarm, **changes)


def pages(event: AlarmEvent) -> bool:
    """Tells whether an event calls a person: an alarm starts, calls again for being worse, or is handed over.

    A condition that comes back after its end, or turns to the other side of its limits, is an alarm that starts.
    Continuing, easing and ending are on the ward page and pull nobody from a bedside.
    """
    if event.phase is Phase.CONTINUE:
        return event.handover > 0
    return event.phase in {Phase.START, Phase.ESCALATE}


_encoder = msgspec.json.Encoder()


def encode(event: AlarmEvent) -> bytes:
    """Returns the value of an `alarms` record."""
    return _encoder.encode(event)


def decode(value: bytes) -> AlarmEvent:
    """Reads an `alarms` record.

    Raises:
        BoundError: The bytes are no alarm event.
    """
    return decoded(value, AlarmEvent)
