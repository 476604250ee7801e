"""Alarm events, in the terms of IEC 60601-1-8 (priorities, inactivation) and IHE ACM (kinds, phases).

An alarm *condition* is what is wrong; an alarm *signal* is what a person hears of it. An event tells of one step of one
condition. Its id is a function of what it is about and when that began, so that gateway and cloud give the same id.
"""

from enum import IntEnum, StrEnum
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from msgspec.structs import replace

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


def started(
    subject: str,
    condition: str,
    kind: Kind,
    priority: Priority,
    *,
    start: int,
    now: int,
    text: str,
    t: int | None = None,
    **about: Any,  # noqa: ANN401 - fields of AlarmEvent, which checks them
) -> AlarmEvent:
    """Returns the first event of an alarm.

    Args:
        subject: Patient, device, gateway, bridge, contact, ward or "pipeline".
        condition: Name of the condition.
        kind: Physiological or technical.
        priority: Its priority.
        start: Event time at which it began, UTC epoch ms.
        now: Log time, UTC epoch ms.
        text: Text for a person.
        t: Event time of this step, UTC epoch ms; None: `now`.
        about: Further fields of the event.
    """
    return AlarmEvent(
        id=alarm_id(subject, condition, start),
        n=0,
        subject=subject,
        condition=condition,
        kind=kind,
        priority=priority,
        phase=Phase.START,
        state=AlarmState.ACTIVE,
        start=start,
        t=now if t is None else t,
        log_t=now,
        text=text,
        **about,
    )


def continued(alarm: AlarmEvent, phase: Phase, now: int, t: int | None = None, **changes: object) -> AlarmEvent:
    """Returns an alarm's next event, of log time `now` and event time `t` (default `now`), both UTC epoch ms."""
    return replace(alarm, n=alarm.n + 1, phase=phase, t=now if t is None else t, log_t=now, **changes)


def ended(alarm: AlarmEvent, now: int, text: str, t: int | None = None) -> AlarmEvent:
    """Returns the end of an alarm; times as in `continued`."""
    return continued(alarm, Phase.END, now, t, state=AlarmState.INACTIVE, text=text)


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
