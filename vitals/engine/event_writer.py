"""Writes alarm events: numbers them, keeps the active alarms, arms timers, and holds back events of before a crash."""

from collections.abc import Callable, Iterable
from operator import itemgetter
from typing import Any, Final

import msgspec

from vitals.alarm_events import AlarmEvent, AlarmState, Call, Inactivation, Kind, Phase, Priority, Reason, alarm_id
from vitals.engine.recovered_alarms import unseen
from vitals.engine.state import UNTIMED, Condition, State

_OF_ONE_EVENT: Final[dict[str, Any]] = {"by": None, "call": Call.NONE, "reason": Reason.NONE, "problems": ()}
"""Fields of an event that the next one of the alarm does not keep."""
NOBODY_COMES: Final[dict[str, Any]] = {"coming": "", "held_until": 0}
"""Fields of a call: it ends an earlier *coming*."""


class EventWriter:
    """Collects the events of one call.

    Attributes:
        state: The engine's state.
        now: Log time, ms.
        place: Index in the batch of the reading that is evaluated, so that rounds do not change the order of events.
        offset: Index in the whole batch of a reading that is evaluated as a batch of its own.
    """

    def __init__(self, state: State, now: int) -> None:
        self.state = state
        self.now = now
        self.place = -1
        self.offset = 0
        self._events: list[tuple[int, AlarmEvent]] = []
        self._marked = 0

    def events(self) -> tuple[AlarmEvent, ...]:
        """Returns the events, in the order of the deciding readings."""
        return tuple(event for _, event in sorted(self._events, key=itemgetter(0)))

    def told(self) -> int:
        """Returns the number of events, for `take_back`."""
        return len(self._events)

    def take_back(self, told: int) -> None:
        """Drops all events after the first `told`."""
        del self._events[told:]
        self._marked = min(self._marked, told)

    def mark(self, marked: Callable[[list[AlarmEvent]], Iterable[AlarmEvent]]) -> None:
        """Replaces the events since the last call of this method by `marked` of them, in the order of emission."""
        fresh = self._events[self._marked :]
        if fresh:
            places = [place for place, _ in fresh]
            self._events[self._marked :] = zip(places, marked([event for _, event in fresh]), strict=True)
            self._marked = len(self._events)

    def start(self, c: Condition, *, subject: str, condition: str, kind: Kind, t: int, text: str, **about: Any) -> None:  # noqa: ANN401 - fields of AlarmEvent, which checks them
        """Emits the start of an alarm; `about` holds the further fields of the event."""
        event = AlarmEvent(
            id=alarm_id(subject, condition, c.since),
            n=0,
            subject=subject,
            condition=condition,
            kind=kind,
            priority=Priority(c.level),
            phase=Phase.START,
            state=AlarmState.ACTIVE,
            start=c.since,
            t=t,
            log_t=self.now,
            raised=self.now,
            side=c.side,
            text=text,
            **about,
        )
        self._emit(c, event, self.now)

    def step(self, c: Condition, phase: Phase, *, t: int, at: int | None = None, **changes: Any) -> None:  # noqa: ANN401 - see `start`
        """Emits a further step of an alarm; `at` is the log time from which its next timer runs."""
        if c.alarm is None:
            raise ValueError("a step of an alarm that has not started")
        changes = dict(_OF_ONE_EVENT, handover=c.alarm.handover) | changes
        if phase is Phase.ESCALATE:
            changes |= {"raised": self.now, "declined": (), **NOBODY_COMES}
        if changes.get("inactivation", c.alarm.inactivation) is not Inactivation.AUDIO_PAUSED:
            changes["paused_until"] = 0
        event = msgspec.structs.replace(c.alarm, n=c.alarm.n + 1, phase=phase, t=t, log_t=self.now, **changes)
        self._emit(c, event, self.now if at is None else at)

    def _emit(self, c: Condition, event: AlarmEvent, at: int) -> None:
        state = self.state
        ended = event.state is AlarmState.INACTIVE
        if _calls(c.alarm) and (ended or not _calls(event)) and event.patient in state.index:
            state.loud[state.index[event.patient]] = self.now
        c.alarm = None if ended else event
        if ended:
            state.alarms.pop(event.id, None)
            if state.latched.get((c.row, c.index)) is c:
                del state.latched[c.row, c.index]
        else:
            state.alarms[event.id] = c
        self.arm(c, event, at)
        if not state.recalled or not state.recalled.awaits(event, known=event.id in state.known):
            self.renumber(event, event.n)
        elif state.recalled.comes_to(event):
            self._go_on(c, event, at)
        else:
            state.recalled.hold(event)

    def renumber(self, event: AlarmEvent, n: int) -> None:
        """Emits an event under a number, unless that number was emitted before a crash."""
        if n > self.state.known.get(event.id, (-1, 0, 0))[0]:
            self._events.append(
                (self.place + self.offset, event if event.n == n else msgspec.structs.replace(event, n=n))
            )

    def _go_on(self, c: Condition, event: AlarmEvent, at: int) -> None:
        """Continues from an alarm's last event before the crash, which the replay has reached."""
        told, held = self.state.recalled.done(event.id)
        if c.alarm is not None:
            c.alarm = told[-1]
            self.arm(c, c.alarm, at)
            if event.inactivation is Inactivation.ACKNOWLEDGED:
                self.acknowledge(c, unseen(told, held))

    def acknowledge(self, c: Condition, act: AlarmEvent | None) -> None:
        """Emits an acknowledgement that the replay has found and that was not emitted before the crash, if any."""
        if act is None or c.alarm is None or c.alarm.inactivation is not Inactivation.NONE:
            return
        done: dict[str, Any] = {"inactivation": Inactivation.ACKNOWLEDGED, "by": act.by}
        if c.alarm.state is AlarmState.ACTIVE:
            self.step(c, Phase.UPDATE, t=act.t, **done)
        else:
            self.step(c, Phase.END, t=act.t, state=AlarmState.INACTIVE, **done)

    def set_aside(self, c: Condition) -> None:
        """Keeps a latched alarm apart, so that a new breach is an alarm of its own.

        One latched alarm per condition is enough to notify a person: an earlier one ends.
        """
        if c.alarm is None:
            return
        key = c.row, c.index
        earlier = self.state.latched.pop(key, None)
        if earlier is not None:
            self.step(earlier, Phase.END, t=c.alarm.t, state=AlarmState.INACTIVE, text="ended: a later one is latched")
        aside = self.state.latched[key] = Condition(c.row, c.index, level=c.level, side=c.side, alarm=c.alarm)
        self.state.alarms[c.alarm.id] = aside
        c.alarm = None

    def arm(self, c: Condition, event: AlarmEvent, at: int) -> None:
        """Sets the timers of an alarm after an event, counted from log time `at`."""
        if event.inactivation is not Inactivation.AUDIO_PAUSED:
            c.paused_until = 0
        after = self.state.calls_again_after_ms(event)
        if not after or event.state is not AlarmState.ACTIVE or event.inactivation is not Inactivation.NONE:
            c.due = 0
        elif not c.due or event.phase in (Phase.START, Phase.ESCALATE):
            c.due = at + after
        if c.due:
            c.due = max(c.due, event.held_until)
        self.state.next_due = min(self.state.next_due, c.due or UNTIMED, c.paused_until or UNTIMED)


def _calls(event: AlarmEvent | None) -> bool:
    """Returns whether an alarm is high and not acknowledged."""
    if event is None or event.priority is not Priority.HIGH:
        return False
    return event.inactivation is not Inactivation.ACKNOWLEDGED
