"""Incidents of one patient, from docs/alarms.md: which events belong to one, and how each calls a person."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from vitals.alarm_events import AlarmEvent, AlarmState, Call, Inactivation, Phase, Priority, Reason

MEDIUM, HIGH = Priority.MEDIUM, Priority.HIGH
SECOND, MINUTE = 1000, 60_000
GROUPS = {
    "hr": "rate",
    "pr": "rate",
    "rr": "breathing",
    "spo2": "oxygen",
    "sbp": "pressure",
    "map": "pressure",
    "dbp": "diastolic",
    "temp": "temperature",
    "vital-signs-lost": "circulation",
    "news2-risk": "score",
}


def problem_of(condition: str, side: int) -> str:
    """Returns the problem of a condition, "" for a technical one."""
    if condition not in GROUPS:
        return ""
    return GROUPS[condition] + {-1: "-low", 0: "", 1: "-high"}[side]


@dataclass(frozen=True)
class Called:
    """One call of the past: log time, kind, priority and names."""

    t: int
    how: Call
    priority: Priority
    names: frozenset[str]


@dataclass
class Problem:
    """Memory of one problem; all times are log times.

    `begun_high` holds the first rise to high after each end. `unnamed` is the time at which the problem began as
    medium and joined, until a call names it; of a score, the time at which its last rise joined, until it calls.
    """

    ended: int | None = None
    ends: list[int] = field(default_factory=list)
    began: int = 0
    long: bool = False
    named: int | None = None
    acknowledged: int | None = None
    begun_high: list[int] = field(default_factory=list)
    high_since_end: bool = False
    unnamed: int | None = None


@dataclass
class Book:
    """All that is known of one patient's incidents."""

    incident: str = ""
    last_event: int = 0
    highest: int = 0
    alarms: dict[str, AlarmEvent] = field(default_factory=dict)
    problems: dict[str, Problem] = field(default_factory=dict)
    calls: list[Called] = field(default_factory=list)

    def problem(self, name: str) -> Problem:
        """Returns what is known of a problem."""
        return self.problems.setdefault(name, Problem())

    def active(self, least: int) -> set[str]:
        """Returns the problems with an active alarm of this priority at least."""
        return {name_of(a) for a in self.alarms.values() if a.priority >= least}

    def unheard(self, alarm: AlarmEvent) -> bool:
        """Returns whether the alarm's problem joined as medium and no call has named it since."""
        return self.problem(name_of(alarm)).unnamed is not None

    def to_remind(self, now: int) -> AlarmEvent | None:
        """Returns an alarm of the problem that has waited for a name for 27 min, of several the first that joined."""
        waiting = [(p.unnamed, name) for name, p in self.problems.items() if p.unnamed is not None and name != "score"]
        for t, name in sorted(waiting):
            own = [a for a in self.alarms.values() if name_of(a) == name and a.priority >= MEDIUM]
            if now - t >= 27 * MINUTE and own:
                return min(own, key=lambda a: list(GROUPS).index(a.condition))
        return None

    def mark(
        self, events: list[AlarmEvent], now: int, pending: Iterable[str], worse: set[tuple[str, int]]
    ) -> list[AlarmEvent]:
        """Returns the events of one moment with incident, call, reason and problems.

        Args:
            events: Events of the patient that one reading, act or timer run decided, in their order.
            now: Log time, ms.
            pending: Problems beyond their limits for two readings, without an alarm.
            worse: (id, n) of the events that say that a problem is worse than it was acknowledged.
        """
        marked = [self.mark_one(e, now, is_worse=(e.id, e.n) in worse) for e in events]
        wanting = {call: [e for e in marked if e.call is call] for call in Call if call is not Call.NONE}
        would = {name_of(e) for e in wanting[Call.PAGE]}
        for call, several in wanting.items():
            if not several:
                continue
            first = max(several, key=lambda e: e.priority)
            names = frozenset(self.active(MEDIUM) | set(pending) | would)
            for k, e in enumerate(marked):
                if e is first:
                    marked[k] = changed(e, problems=tuple(sorted(names)))
                elif e in several:
                    marked[k] = changed(e, call=Call.NONE, reason=Reason.JOINED)
            self.calls.append(Called(now, call, first.priority, names))
            self.highest = max(self.highest, first.priority)
            for name in names:
                self.problem(name).named = now
                if name != "score":
                    self.problem(name).unnamed = None
        for e in marked:
            if e.id in self.alarms:
                self.alarms[e.id] = e
            if name_of(e) == "score" and rises(e):
                self.problem("score").unnamed = now if e.reason is Reason.JOINED else None
        return marked

    def mark_one(self, e: AlarmEvent, now: int, *, is_worse: bool) -> AlarmEvent:
        """Returns one event as it would call if it were alone, and takes note of it."""
        name = name_of(e)
        if not name:
            return e
        p = self.problem(name)
        rise = rises(e)
        others = [a for a in self.alarms.values() if a.priority >= MEDIUM and name_of(a) != name]
        mine = bool(self.incident) and e.incident == self.incident
        if not (mine or (self.incident and (others or lately(self.last_event, now, 30 * MINUTE)))):
            if not rise:
                return e
            self.incident, self.highest = e.id, 0
        call, reason = (Call.NONE, e.reason) if not rise else self.call_of(e, p, now, is_worse=is_worse)
        if e.reason in (Reason.HANDED_OVER, Reason.REMINDED):
            call = Call.HANDOVER if e.reason is Reason.HANDED_OVER else Call.REMINDER
        e = changed(e, incident=self.incident, call=call, reason=reason)
        self.note(e, p, now)
        self.last_event = now
        return e

    def call_of(self, e: AlarmEvent, p: Problem, now: int, *, is_worse: bool) -> tuple[Call, Reason]:
        """Returns call and reason of a rise to medium or high."""
        if is_worse:
            return Call.PAGE, Reason.WORSE
        if self.joins(e, p, now):
            return Call.NONE, Reason.JOINED
        if e.phase is Phase.ESCALATE:
            return Call.PAGE, Reason.RAISED
        return Call.PAGE, Reason.RETURNED if lately(p.ended, now, 59 * MINUTE) else Reason.BEGUN

    def joins(self, e: AlarmEvent, p: Problem, now: int) -> bool:
        """Returns whether a rise is covered by what was said before."""
        name = name_of(e)
        if name == "score":
            return e.priority is not HIGH or self.highest is HIGH
        if e.priority is HIGH:
            pages = [c for c in self.calls if c.how is Call.PAGE and c.priority is HIGH]
            as_high = [c.t for c in pages if name in c.names]
            since = [t for t in as_high if p.ended is None or t > p.ended]
            serial = len([t for t in p.begun_high if now - t < 30 * MINUTE]) >= 5
            return any(lately(t, now, 118 * SECOND) for t in since) or (
                serial and any(lately(t, now, 590 * SECOND) for t in as_high)
            )
        told = (c.t for c in self.calls if c.how in (Call.PAGE, Call.HANDOVER))
        known = lately(p.named, now, 59 * MINUTE) or lately(p.acknowledged, now, 59 * MINUTE)
        borne_out = p.long or len([t for t in p.ends if lately(t, now, 59 * MINUTE)]) >= 2
        returns = lately(p.ended, now, 59 * MINUTE) and borne_out
        return any(lately(t, now, 118 * SECOND) for t in told) or (returns and known)

    def note(self, e: AlarmEvent, p: Problem, now: int) -> None:
        """Records what an event says of its problem."""
        mine = [a for a in self.alarms.values() if name_of(a) == name_of(e) and a.priority >= MEDIUM]
        others = [a for a in mine if a.id != e.id]
        self.alarms.pop(e.id, None)
        if e.state is AlarmState.ACTIVE:
            self.alarms[e.id] = e
        if rises(e) and e.priority is HIGH and not p.high_since_end:
            p.begun_high.append(now)
            p.high_since_end = True
        if rises(e) and e.priority is MEDIUM and not mine and e.reason is Reason.JOINED:
            p.unnamed = now
        if e.by is not None and e.inactivation is Inactivation.ACKNOWLEDGED and e.priority >= MEDIUM:
            p.acknowledged = now
        if not mine and e.state is AlarmState.ACTIVE and e.priority >= MEDIUM:
            p.began = now
        if mine and not others and (e.state is not AlarmState.ACTIVE or e.priority < MEDIUM):
            p.ended, p.unnamed, p.high_since_end = now, None, False
            p.long = now - p.began >= 10 * MINUTE
            p.ends.append(now)


def rises(e: AlarmEvent) -> bool:
    """Returns whether an event is a rise to medium or high."""
    return e.phase in (Phase.START, Phase.ESCALATE) and e.priority >= MEDIUM


def name_of(e: AlarmEvent) -> str:
    """Returns the problem of an alarm."""
    return problem_of(e.condition, e.side)


def lately(t: int | None, now: int, within: int) -> bool:
    """Returns whether a moment is known and at most so long ago, ms."""
    return t is not None and now - t <= within


def changed(e: AlarmEvent, **changes: object) -> AlarmEvent:
    """Returns the event with other marks."""
    return msgspec.structs.replace(e, **changes)
