"""What the oracle remembers of a patient, and one reading as it sees it."""

import math
from dataclasses import dataclass, field
from typing import Any

from vitals.alarms import AlarmEvent, Inactivation, Priority
from vitals.limits import Limit
from vitals.signs import SIGNS, Suspect

LOW, MEDIUM, HIGH = Priority.LOW, Priority.MEDIUM, Priority.HIGH
PRESSURES = {sign.field for sign in SIGNS if sign.sensor == "cuff"}


@dataclass
class Acknowledged:
    """What whoever acknowledged (or paused) an alarm has seen of it; `runs` are values worse by one and two steps."""

    worst: float
    at: int
    again: int = 0
    runs: dict[int, tuple[int, int, bool]] = field(default_factory=dict)


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
    worst: float = math.nan
    seen: Acknowledged | None = None

    def forget_pending(self) -> None:
        """After a gap nothing that was pending is."""
        self.pending_since, self.extreme_since, self.doubt, self.extremes = None, None, 0, []
        self.end_runs()

    def end_runs(self) -> None:
        """A value that is not worse than what was acknowledged begins anew."""
        if self.seen is not None:
            self.seen.runs.clear()

    def acknowledge(self, now: int) -> None:
        """Somebody has seen it as it is, at log time `now`."""
        self.seen = Acknowledged(self.worst, now, self.seen.again if self.seen else 0)

    def worse_of(self, value: float) -> float:
        """Returns the worse of a value and the worst so far."""
        return min(self.worst, value) if self.side < 0 else max(self.worst, value)

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
    late_since: int | None = None
    ahead: dict[str, int] = field(default_factory=dict)

    def interval(self, sign: str) -> int:
        """Time between two values of a sign, ms."""
        return self.cuff_ms if self.cuff(sign) else self.cadence_ms

    def cuff(self, sign: str) -> bool:
        """Whether the sign is measured by a cuff now and then."""
        return self.cuff_ms > 0 and sign in PRESSURES

    def condition(self, name: str) -> Condition:
        """The condition of that name, made at rest when there is none."""
        return self.conditions.setdefault(name, Condition(name))
