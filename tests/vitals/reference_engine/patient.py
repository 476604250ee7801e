"""What the oracle remembers of a patient, and one reading as it sees it."""

import math
from dataclasses import dataclass, field
from typing import Any

from vitals.alarm_events import AlarmEvent, Inactivation, Priority
from vitals.engine.rules import constants
from vitals.limits import Limit
from vitals.signs import SIGNS, Suspect

LOW, MEDIUM, HIGH = Priority.LOW, Priority.MEDIUM, Priority.HIGH
PRESSURES = {sign.field for sign in SIGNS if sign.sensor == "cuff"}


@dataclass
class Track:
    """Course of one problem while an alarm of it holds.

    `worst` by sign; `known` is that of the moment in which somebody acknowledged or paused it, or it last called again;
    `runs` are values worse than known by one step and by two: since when, for how long they must go on, and whether any
    was beyond an extreme bound.
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
    return "sbp" if name == "map" else name


@dataclass
class Condition:
    """What is wrong in one respect, and what was told of it."""

    name: str
    holds: bool = False
    pending_since: int | None = None
    since: int = 0
    level: int = 0
    side: int = 0
    doubt: int = 0
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

    def forget_pending(self) -> None:
        """After a gap nothing that was pending is."""
        self.pending_since, self.extreme_since, self.doubt, self.extremes = None, None, 0, []

    def extreme_pending(self, side: int, *, extreme: bool) -> bool:
        """Tells whether an extreme value follows another one on this side that is not yet high."""
        return extreme and self.extreme_since is not None and side == self.side

    def doubted(self, side: int, t: int) -> None:
        """A suspect value ends nothing, but within its limits it may be the first of a minute without the breach."""
        if self.holds:
            self.calm_since = None if side == self.side else t if self.calm_since is None else self.calm_since

    def returns(self, side: int, until: int) -> bool:
        """Tells whether a breach comes back after a minute of values within limits, as far as `until`."""
        here = self.holds and side == self.side and self.calm_since is not None
        return here and until - (self.calm_since or 0) >= constants.WITHIN_MS

    def held(self) -> bool:
        """A high alarm that nobody has acknowledged neither ends nor sinks: somebody must see it."""
        return self.alarm is not None and self.alarm.priority is HIGH and not self.acknowledged()

    def acknowledged(self) -> bool:
        """Whether somebody has acknowledged the alarm since it began or last became worse."""
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
    lost_word: bool = False
    off_word: bool = False

    def trusted(self, sign: str) -> bool:
        """Whether there is a value that is not suspect; a doubted clock does not make a value doubtful."""
        return sign in self.values and self.codes[sign] in (Suspect.NONE, Suspect.CLOCK)


@dataclass
class Patient:
    """What is remembered of one patient."""

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

    def interval(self, sign: str) -> int:
        """Time between two values of a sign, ms."""
        return self.cuff_ms if self.cuff(sign) else self.cadence_ms

    def cuff(self, sign: str) -> bool:
        """Whether the sign is measured by a cuff now and then."""
        return self.cuff_ms > 0 and sign in PRESSURES

    def acknowledged(self, name: str, now: int) -> None:
        """Notes that a person has seen a problem as it is, at log time `now`."""
        track = self.tracks.get(problem(name))
        if track is not None:
            track.known, track.at = dict(track.worst), now
            track.runs.clear()

    def condition(self, name: str) -> Condition:
        """The condition of that name, made at rest when there is none."""
        return self.conditions.setdefault(name, Condition(name))
