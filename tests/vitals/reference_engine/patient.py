"""State of one patient in the reference engine, and one reading."""

import math
from dataclasses import dataclass, field
from typing import Any

from tests.vitals.reference_engine.incidents import problem_of
from vitals.alarm_events import AlarmEvent, Inactivation, Priority
from vitals.engine import constants
from vitals.limits import Limit
from vitals.signs import FIELDS, SIGNS, Suspect

LOW, MEDIUM, HIGH = Priority.LOW, Priority.MEDIUM, Priority.HIGH
PRESSURES = {sign.field for sign in SIGNS if sign.sensor == "cuff"}


@dataclass
class Track:
    """Course of one problem while its condition is active.

    `worst` is by sign; `known` is that of the last acknowledgement, pause or escalation for worsening. `runs` are
    values worse than known by one step and by two: start, delay, and whether any was beyond an extreme limit.
    """

    side: int
    worst: dict[str, float] = field(default_factory=dict)
    known: dict[str, float] = field(default_factory=dict)
    at: int = 0
    again: int = 0
    seen: int = 0
    runs: dict[int, tuple[int, int, bool]] = field(default_factory=dict)


def problem(name: str) -> str:
    """Returns the problem that a condition belongs to: a systolic and a mean pressure are one."""
    return {"map": "sbp", "pr": "hr"}.get(name, name)


@dataclass
class Condition:
    """An alarm condition and the last event of its alarm."""

    name: str
    holds: bool = False
    pending_since: int | None = None
    since: int = 0
    level: int = 0
    side: int = 0
    doubt: int = 0
    hinted: int = 0
    goal: int = 0
    mentioned: set[str] = field(default_factory=set)
    alarm: AlarmEvent | None = None
    told: float = math.nan
    paused_until: int | None = None
    handover_due: int | None = None
    extreme_since: int | None = None
    extremes: list[bool] = field(default_factory=list)
    calm_since: int | None = None
    sunk_since: int | None = None
    unsure: bool = False

    def forget_pending(self) -> None:
        """Clears a pending condition, after a gap."""
        self.pending_since, self.extreme_since, self.doubt, self.extremes = None, None, 0, []
        self.hinted = 0

    def extreme_pending(self, side: int, *, extreme: bool) -> bool:
        """Returns whether an extreme value follows another one on this side that is not yet high."""
        return extreme and self.extreme_since is not None and side == self.side

    def doubted(self, side: int, t: int) -> None:
        """Records a suspect value: within limits it may be the first of a minute without the breach."""
        if self.holds:
            self.calm_since = None if side == self.side else t if self.calm_since is None else self.calm_since

    def returns(self, side: int, until: int) -> bool:
        """Returns whether a breach returns after a minute of values within limits up to `until`."""
        here = self.holds and side == self.side and self.calm_since is not None
        return here and until - (self.calm_since or 0) >= constants.WITHIN_MS

    def held(self) -> bool:
        """Returns whether the alarm is high and unacknowledged, so that it neither ends nor falls."""
        return self.alarm is not None and self.alarm.priority is HIGH and not self.acknowledged()

    def acknowledged(self) -> bool:
        """Returns whether the alarm was acknowledged since its start or last escalation."""
        return self.alarm is not None and self.alarm.inactivation is Inactivation.ACKNOWLEDGED


@dataclass
class Reading:
    """One reading, without the values that are late."""

    t: int
    values: dict[str, float]
    codes: dict[str, int]
    limits: dict[str, Limit]
    live: bool
    about: dict[str, Any]
    blind: bool = False
    off_word: bool = False

    def trusted(self, sign: str) -> bool:
        """Returns whether there is a value that is not suspect; a suspect clock does not make the value so."""
        return sign in self.values and self.codes[sign] in (Suspect.NONE, Suspect.CLOCK)


@dataclass
class Patient:
    """State of one patient."""

    cadence_ms: int = 30_000
    cuff_ms: int = 0
    ward: str | None = None
    scored: bool = False
    scale2: bool = False
    oxygen: bool = False
    placed_oxygen: bool = False
    mind: tuple[str, int] | None = None
    seen: int = 0
    newest: dict[str, int] = field(default_factory=dict)
    had: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)
    off: set[str] = field(default_factory=set)
    inputs: dict[str, tuple[float, int]] = field(default_factory=dict)
    conditions: dict[str, Condition] = field(default_factory=dict)
    latched: dict[str, Condition] = field(default_factory=dict)
    tracks: dict[str, Track] = field(default_factory=dict)
    ahead: dict[str, int] = field(default_factory=dict)
    breached: int | None = None
    measured: dict[str, int] = field(default_factory=dict)

    bed: str = ""
    spans: list[Any] = field(default_factory=list)
    loud_at: int | None = None

    def lacks(self, r: Reading, sign: str) -> bool:
        """Returns whether a sign that was measured before is missing without a word, though its turn has come."""
        due = r.t - self.newest.get(sign, 0) >= constants.DUE_SHARE * self.cadence_ms
        return sign in self.had and sign not in self.off and due

    def interval(self, sign: str) -> int:
        """Returns the time between two values of a sign, ms."""
        return self.cuff_ms if self.cuff(sign) else self.cadence_ms

    def cuff(self, sign: str) -> bool:
        """Returns whether a cuff measures the sign at intervals."""
        return self.cuff_ms > 0 and sign in PRESSURES

    def pending(self) -> set[str]:
        """Returns the problems beyond their limits for two readings of which there is no alarm yet."""
        names = set()
        for f in FIELDS:
            c = self.conditions.get(f)
            if c is None:
                continue
            if c.holds and c.alarm is None and c.level >= MEDIUM:
                names.add(problem_of(f, c.side))
            again = c.pending_since is not None and self.newest[f] > c.pending_since
            if again and f not in self.gone | self.off:
                # While one side is active, the other one is pending.
                names.add(problem_of(f, -c.side if c.holds else c.side))
        return names

    def acknowledged(self, name: str, now: int) -> None:
        """Records that a person has seen a problem in its present state, at log time `now`."""
        track = self.tracks.get(problem(name))
        if track is not None:
            track.known, track.at = dict(track.worst), now
            track.runs.clear()

    def condition(self, name: str) -> Condition:
        """Returns the condition of that name, and creates a missing one as idle."""
        return self.conditions.setdefault(name, Condition(name))
