"""Alarm events, in the terms of IEC 60601-1-8 (priorities, inactivation) and IHE ACM (kinds, phases).

An alarm *condition* is a state of a patient or of equipment that calls for attention; an alarm *signal* shows it. An
event is one step of one condition. Its id follows from subject, condition and start, so that it is the same in gateway
and cloud.
"""

from enum import IntEnum, StrEnum
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from vitals.bounds import MAX_RECENT, AlarmName, Boot, Count, Line, Name, Seq, TimeOrNone, Words, decoded


class Priority(IntEnum):
    """Priority of an alarm; the higher number is the more urgent."""

    LOW = 1
    MEDIUM = 2
    HIGH = 3

    @property
    def label(self) -> str:
        """Name for texts."""
        return self.name.lower()


class Kind(StrEnum):
    """Source of the condition: the patient, or equipment."""

    PHYSIOLOGICAL = "physiological"
    TECHNICAL = "technical"


class Phase(StrEnum):
    """Step of an alarm."""

    START = "start"
    CONTINUE = "continue"
    ESCALATE = "escalate"
    """The priority rises, or an alarm that was acknowledged, or long without an extreme value, is worse again."""
    DEESCALATE = "deescalate"
    UPDATE = "update"
    END = "end"


class AlarmState(StrEnum):
    """State of an alarm: active, inactive, or latched (its condition ended) until acknowledged."""

    ACTIVE = "active"
    INACTIVE = "inactive"
    LATCHED = "latched"


class Inactivation(StrEnum):
    """A person's action on this alarm's signal; it never affects another alarm."""

    NONE = "enabled"
    AUDIO_PAUSED = "audio-paused"
    ACKNOWLEDGED = "acknowledged"


class Call(StrEnum):
    """Way in which an event calls a person."""

    NONE = ""
    PAGE = "page"
    HANDOVER = "handover"
    REMINDER = "reminder"
    """To the first contact, of a problem that was never named."""


class Reason(StrEnum):
    """Reason for which an event of an incident calls a person, or does not."""

    NONE = ""
    BEGUN = "begun"
    RAISED = "raised"
    """Its priority rises, or it is high again after a long time without an extreme value."""
    RETURNED = "returned"
    WORSE = "worse"
    """It is worse than it was acknowledged."""
    JOINED = "joined"
    """A call of this patient has covered it, or the call of this moment names it."""
    HANDED_OVER = "handed-over"
    REMINDED = "reminded"


class AlarmEvent(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One step of one alarm condition; the value of a record of topic `alarms`.

    Attributes:
        id: Deterministic id of the alarm (`alarm_id`).
        n: Counter of this alarm's events, from 0.
        subject: Patient id for a physiological alarm; device, gateway, bridge or "pipeline" for a technical one.
        condition: Sign's field, "vital-signs-lost", "news2-…", "sensor-off", "device-silent", "gateway-down", ….
        kind: Physiological or technical.
        priority: Priority now.
        phase: Step.
        state: State after this event.
        inactivation: A person's action on it.
        start: Event time at which the condition began, UTC epoch ms.
        t: Event time (or log time for timers) of this step, UTC epoch ms.
        log_t: Log time at which the step was decided, UTC epoch ms.
        text: Description for a person, without the patient's name.
        value: Deciding value, in the sign's unit.
        limit: Limit that it crossed.
        patient: Patient id, if one is concerned.
        boot: Identity of the deciding reading, with `seq`, so that delays are measured by identity.
        seq: Sequence number of that reading.
        handover: Number of times that the alarm has passed to the next contact.
        by: Name of the acting person, for an event that an action caused.
        paused_until: Log time at which an audio pause ends, UTC epoch ms; 0 without a pause.
        side: -1 if the value is below its limit, 1 if above, 0 if it has none.
        raised: Log time of the last start or escalation, UTC epoch ms; 0 in events of before version 0.2.
        incident: Id of the patient's incident (`vitals.incidents`); "" for an alarm of none.
        call: How this event calls a person; only an alarm of an incident has it.
        reason: Reason for the call, or for none.
        problems: The patient's problems that the call names.
        coming: Name of the person on the way; "" without an answer since the last call.
        held_until: Log time until which the handover waits for that person, UTC epoch ms; 0 without a wait.
        declined: Contacts that answered *cannot* since the last start or escalation.
        recent: The sign's last values before this step, (event time in UTC epoch ms, value), oldest first. The cloud
            adds them at a start or escalation, for contacts away from the ward page.
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
    side: Annotated[int, Meta(ge=-1, le=1)] = 0
    raised: TimeOrNone = 0
    incident: Line = ""
    call: Call = Call.NONE
    reason: Reason = Reason.NONE
    problems: Annotated[tuple[Line, ...], Meta(max_length=MAX_RECENT)] = ()
    coming: Line = ""
    held_until: TimeOrNone = 0
    declined: Annotated[tuple[Line, ...], Meta(max_length=MAX_RECENT)] = ()
    recent: Annotated[tuple[tuple[TimeOrNone, float], ...], Meta(max_length=MAX_RECENT)] = ()


def alarm_id(subject: str, condition: str, start: int) -> str:
    """Returns the id of an alarm: readable, and the same in every part that evaluates the condition.

    Args:
        subject: Patient, or for a technical alarm its device, gateway or bridge.
        condition: Sign's field or name of the condition.
        start: Event time of the start, UTC epoch ms.
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
    """Returns whether an event calls a person.

    An incident says so by itself. Without one, a start, an escalation or a handover does; updates, de-escalations and
    ends are only on the ward page, so that no person is called away from a bedside for them. So is all of low priority
    (Q5).
    """
    if event.priority is Priority.LOW:
        return False
    if event.incident:
        return event.call is not Call.NONE
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
