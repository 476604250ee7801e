"""Timers, and the events of a change."""

import math
from typing import Any

import msgspec

from tests.vitals.reference_engine import standby
from tests.vitals.reference_engine.incidents import Book, problem_of
from tests.vitals.reference_engine.patient import HIGH, LOW, Condition, Patient, Reading
from vitals.actions import Act, Action
from vitals.alarm_events import AlarmEvent, AlarmState, Call, Inactivation, Kind, Phase, Priority, Reason, alarm_id
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
        # Technical alarms of patients, which this engine does not judge: tests/vitals/test_watched.py.
        self.watch: list[AlarmEvent] = []
        self.books: dict[str, Book] = {}
        self.marked = 0
        self.worse: set[tuple[str, int]] = set()

    def tick(self, now: int) -> None:
        """Advances log time and runs timers (`vitals.engine.timers`)."""
        before, self.now, self.events, self.marked = self.now, max(now, self.now), [], 0
        timed = [c for p in self.patients.values() for c in p.conditions.values()]
        if self.now - before > constants.STALL_MS:
            for c in timed:
                c.paused_until = None if c.paused_until is None else c.paused_until + self.now - before
                c.handover_due = None if c.handover_due is None else c.handover_due + self.now - before
        while self.run_a_timer(timed):
            pass
        self.remind()
        self.mark()

    def run_a_timer(self, timed: list[Condition]) -> bool:
        """Runs the timer that is due first; returns whether one was due."""
        waiting = [(c.paused_until or c.handover_due, c.alarm.id, c) for c in timed if c.alarm]
        due = [(when, key, c) for when, key, c in waiting if when is not None and when <= self.now]
        if not due:
            return False
        when, _, c = min(due, key=lambda entry: entry[:2])
        if c.paused_until:
            self.tell(c, Phase.UPDATE, t=when, at=when, inactivation=Inactivation.NONE)
        elif c.alarm:
            self.hand_over(c, c.alarm, when)
        return True

    def hand_over(self, c: Condition, alarm: AlarmEvent, when: int) -> None:
        """Hands an alarm over, or reminds the first contact; the handovers of the patient's other alarms restart."""
        c.handover_due = when + self.handover_after(alarm.priority)
        unheard = self.books.get(alarm.patient or "", Book()).unheard(alarm)
        if unheard and alarm.condition == "news2-risk":
            return
        if unheard and alarm.handover == 0 and alarm.priority is not HIGH:
            self.tell(c, Phase.CONTINUE, t=when, at=when, reason=Reason.REMINDED, **UNANSWERED)
            return
        self.others_wait(c, alarm, when)
        more: dict[str, Any] = {"handover": alarm.handover + 1, "reason": Reason.HANDED_OVER}
        self.tell(c, Phase.CONTINUE, t=when, at=when, **more, **UNANSWERED)

    def others_wait(self, c: Condition, alarm: AlarmEvent, when: int) -> None:
        """Lets the patient's other alarms that are no more urgent wait for their whole time again."""
        for other in self.patients.get(alarm.patient or "", Patient()).conditions.values():
            if other is c or other.alarm is None or other.handover_due is None:
                continue
            if other.alarm.priority <= alarm.priority:
                other.handover_due = max(other.handover_due, when + self.handover_after(other.alarm.priority))

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
            self.others_wait(c, alarm, self.now)
            more: dict[str, Any] = {"handover": alarm.handover + 1, "declined": (*alarm.declined, action.by)}
            more["reason"] = Reason.HANDED_OVER
            self.tell(c, Phase.CONTINUE, t=action.t, by=action.by, **more, **UNANSWERED)

    def remind(self) -> None:
        """Reminds of what joined and was never named."""
        for name, patient in self.patients.items():
            alarm = self.books.get(name, Book()).to_remind(self.now)
            for c in patient.conditions.values():
                if alarm is not None and c.alarm is not None and c.alarm.id == alarm.id:
                    self.tell(c, Phase.CONTINUE, t=self.now, reason=Reason.REMINDED)

    def mark(self) -> None:
        """Marks the events since the last mark with incident and call: they are one moment for each patient."""
        fresh = self.events[self.marked :]
        for name in dict.fromkeys(e.patient for e in fresh if problem_of(e.condition, e.side)):
            patient = self.patients.get(name or "", Patient())
            mine = [k for k, e in enumerate(fresh) if e.patient == name and problem_of(e.condition, e.side)]
            book = self.books.setdefault(name or "", Book())
            marked = book.mark([fresh[k] for k in mine], self.now, patient.pending(), self.worse)
            for k, event in zip(mine, marked, strict=True):
                self.events[self.marked + k] = event
            last = {e.id: e for e in marked}
            for c in (*patient.conditions.values(), *patient.latched.values()):
                if c.alarm is not None and c.alarm.id in last:
                    c.alarm = last[c.alarm.id]
        self.marked = len(self.events)
        self.worse.clear()

    def tell(self, c: Condition, phase: Phase, *, t: int, at: int | None = None, **changes: Any) -> None:  # noqa: ANN401 - fields of AlarmEvent
        """Emits one step, numbered, at event time `t`; timers that it starts run from log time `at`."""
        if c.alarm is None:
            return
        fields = {"by": None, "text": "", "call": Call.NONE, "reason": Reason.NONE, "problems": ()} | changes
        if phase is Phase.ESCALATE:
            fields["raised"] = self.now
        if fields.get("inactivation", c.alarm.inactivation) is not Inactivation.AUDIO_PAUSED:
            fields["paused_until"] = 0
        if phase is Phase.ESCALATE:
            fields |= {"declined": (), **UNANSWERED}
        event = msgspec.structs.replace(c.alarm, n=c.alarm.n + 1, phase=phase, t=t, log_t=self.now, **fields)
        self.publish(c, event, self.now if at is None else at)

    def publish(self, c: Condition, event: AlarmEvent, at: int) -> None:
        """Emits an event and sets the timers; a start or an escalation restarts the handover."""
        self.events.append(event)
        if standby.loud(c.alarm) and not standby.loud(event) and event.patient in self.patients:
            self.patients[event.patient].loud_at = self.now
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
        c.unsure = False

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
        self,
        c: Condition,
        r: Reading,
        kind: Kind,
        *,
        t: int,
        value: float | None = None,
        bound: float | None = None,
        sign: str | None = None,
    ) -> None:
        """Emits the start of an alarm; its id is subject, condition and start."""
        subject = str(r.about["device" if c.name == "sensor-off" else "patient"])
        name = sign or c.name
        event = AlarmEvent(
            id=alarm_id(subject, name, c.since), n=0, subject=subject, condition=name, kind=kind,
            priority=Priority(c.level), phase=Phase.START, state=AlarmState.ACTIVE, start=c.since, t=t, log_t=self.now,
            text="", value=value, limit=bound, side=c.side, raised=self.now, **r.about,
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
        sign: str | None = None,
    ) -> None:
        """Emits the change of an active condition, if the reading is live and there is one."""
        if not r.live:
            return
        if c.alarm is None:
            c.told = math.nan if value is None else value
            self.start(c, r, kind, t=r.t, value=value, bound=bound, sign=sign)
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
