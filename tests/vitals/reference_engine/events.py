"""Timers, and the events of a change."""

import math
from typing import Any

import msgspec

from tests.vitals.reference_engine.patient import HIGH, LOW, Condition, Patient, Reading
from vitals.actions import Act, Action
from vitals.alarm_events import AlarmEvent, AlarmState, Inactivation, Kind, Phase, Priority, alarm_id
from vitals.engine import constants

UNANSWERED: dict[str, Any] = {"coming": "", "held_until": 0}


class Teller:
    """All patients, log time, and the events of the present call."""

    def __init__(self, handover_ms: int = constants.HANDOVER_MS) -> None:
        self.handover_ms = handover_ms
        self.now = 0
        self.patients: dict[str, Patient] = {}
        self.left: dict[str, int] = {}
        self.events: list[AlarmEvent] = []

    def tick(self, now: int) -> None:
        """Advances log time and runs timers (`vitals.engine.timers`)."""
        before, self.now, self.events = self.now, max(now, self.now), []
        timed = [c for p in self.patients.values() for c in p.conditions.values()]
        if self.now - before > constants.STALL_MS:
            for c in timed:
                c.paused_until = None if c.paused_until is None else c.paused_until + self.now - before
                c.handover_due = None if c.handover_due is None else c.handover_due + self.now - before
        while True:
            waiting = [(c.paused_until or c.handover_due, c.alarm.id, c) for c in timed if c.alarm]
            due = [(when, key, c) for when, key, c in waiting if when is not None and when <= self.now]
            if not due:
                return
            when, _, c = min(due, key=lambda entry: entry[:2])
            if c.paused_until:
                self.tell(c, Phase.UPDATE, t=when, at=when, inactivation=Inactivation.NONE)
            elif c.alarm:
                c.handover_due = when + self.handover_after(c.alarm.priority)
                self.tell(c, Phase.CONTINUE, t=when, at=when, handover=c.alarm.handover + 1, **UNANSWERED)

    def answered(self, c: Condition, action: Action) -> None:
        """Waits three or ten minutes for who is coming; passes the alarm on at once for who cannot come (Q8)."""
        alarm = c.alarm
        if alarm is None or c.handover_due is None or c.paused_until is not None:
            return
        if action.act is Act.COMING and not alarm.coming:
            minutes = 3 if alarm.priority is HIGH else 10
            until = self.now + minutes * 60_000
            self.tell(c, Phase.UPDATE, t=action.t, by=action.by, coming=action.by, held_until=until)
            c.handover_due = max(c.handover_due, until)
        elif action.act is Act.CANNOT and action.by not in alarm.declined:
            c.handover_due = self.now + self.handover_after(alarm.priority)
            more: dict[str, Any] = {"handover": alarm.handover + 1, "declined": (*alarm.declined, action.by)}
            self.tell(c, Phase.CONTINUE, t=action.t, by=action.by, **more, **UNANSWERED)

    def tell(self, c: Condition, phase: Phase, *, t: int, at: int | None = None, **changes: Any) -> None:  # noqa: ANN401 - fields of AlarmEvent
        """Emits one step, numbered, at event time `t`; timers that it starts run from log time `at`."""
        if c.alarm is None:
            return
        fields = {"by": None, "text": ""} | changes
        if fields.get("inactivation", c.alarm.inactivation) is not Inactivation.AUDIO_PAUSED:
            fields["paused_until"] = 0
        if phase is Phase.ESCALATE:
            fields |= {"declined": (), **UNANSWERED}
        event = msgspec.structs.replace(c.alarm, n=c.alarm.n + 1, phase=phase, t=t, log_t=self.now, **fields)
        self.publish(c, event, self.now if at is None else at)

    def publish(self, c: Condition, event: AlarmEvent, at: int) -> None:
        """Emits an event and sets the timers; a start or an escalation restarts the handover."""
        self.events.append(event)
        c.alarm = None if event.state is AlarmState.INACTIVE else event
        if event.inactivation is not Inactivation.AUDIO_PAUSED:
            c.paused_until = None
        calls = event.priority > LOW and event.state is AlarmState.ACTIVE and event.inactivation is Inactivation.NONE
        if not calls:
            c.handover_due = None
        elif c.handover_due is None or event.phase in (Phase.START, Phase.ESCALATE):
            c.handover_due = at + self.handover_after(event.priority)

    def handover_after(self, priority: Priority) -> int:
        """Returns the time to the next handover, ms: for a medium alarm five times that of a high one."""
        return self.handover_ms if priority is HIGH else 5 * self.handover_ms

    def begin(self, patient: Patient, c: Condition, level: int) -> None:
        """Makes a pending condition active; its latched alarm is kept apart, and an earlier latched one ends."""
        if c.alarm is not None:
            earlier = patient.latched.get(c.name)
            if earlier is not None and earlier.alarm is not None:
                self.tell(earlier, Phase.END, t=c.alarm.t, state=AlarmState.INACTIVE)
            patient.latched[c.name] = Condition(c.name, alarm=c.alarm)
            c.alarm = None
        c.since, c.level, c.pending_since, c.holds = c.pending_since or 0, level, None, True
        c.calm_since = c.sunk_since = None

    def over(self, c: Condition, r: Reading, value: float | None) -> None:
        """Ends a condition and its alarm, or latches the alarm; history ends alarms as well, as an end pages no one."""
        c.holds = False
        c.calm_since = c.sunk_since = None
        if c.alarm is None:
            return
        about = decider(r) | {"value": value}
        if not c.held():
            self.tell(c, Phase.END, t=r.t, state=AlarmState.INACTIVE, **about)
        elif c.alarm.state is AlarmState.ACTIVE:
            self.tell(c, Phase.UPDATE, t=r.t, state=AlarmState.LATCHED, inactivation=Inactivation.NONE, **about)

    def start(
        self, c: Condition, r: Reading, kind: Kind, *, t: int, value: float | None = None, bound: float | None = None
    ) -> None:
        """Emits the start of an alarm; its id is subject, condition and start."""
        subject = str(r.about["device" if c.name == "sensor-off" else "patient"])
        event = AlarmEvent(
            id=alarm_id(subject, c.name, c.since), n=0, subject=subject, condition=c.name, kind=kind,
            priority=Priority(c.level), phase=Phase.START, state=AlarmState.ACTIVE, start=c.since, t=t, log_t=self.now,
            text="", value=value, limit=bound, **r.about,
        )  # fmt: skip
        self.publish(c, event, self.now)

    def tell_difference(
        self,
        c: Condition,
        r: Reading,
        kind: Kind,
        value: float | None,
        bound: float | None,
        *,
        news: bool = False,
        again: bool = False,
    ) -> None:
        """Emits the change of an active condition, if the reading is live and there is one."""
        if not r.live:
            return
        if c.alarm is None:
            c.told = math.nan if value is None else value
            self.start(c, r, kind, t=r.t, value=value, bound=bound)
            return
        before = c.alarm.priority
        changes: dict[str, Any] = {"priority": Priority(c.level), "value": value, "limit": bound}
        if c.level > before or again:
            phase = Phase.ESCALATE
            changes |= {"inactivation": Inactivation.NONE, "handover": 0}
        elif c.level < before:
            phase = Phase.DEESCALATE
        elif news:
            phase = Phase.UPDATE
        else:
            return
        c.told = math.nan if value is None else value
        self.tell(c, phase, t=r.t, **changes, **decider(r))


def decider(r: Reading) -> dict[str, Any]:
    """Returns the fields of an event that come from the deciding reading, without the patient."""
    return {k: v for k, v in r.about.items() if k != "patient"}
