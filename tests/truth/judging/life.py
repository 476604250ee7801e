"""The material that is judged: patients' lives, the messages that went out, and the acts of people."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]
Times: TypeAlias = npt.NDArray[np.int64]
Flags: TypeAlias = npt.NDArray[np.bool_]

SIGNS: Final = ("hr", "pr", "rr", "spo2", "temp", "sbp", "dbp", "map")
HR, PR, RR, SPO2, TEMP, SBP, DBP, MAP = range(len(SIGNS))
LOW, MEDIUM, HIGH = 1, 2, 3
LEVELS: Final = {"low": LOW, "medium": MEDIUM, "high": HIGH}
KINDS: Final = frozenset({"page", "handover", "reminder", "technical", "proof", "digest"})
CIRCULATION, NOT_MONITORED, SCORE = "circulation", "not-monitored", "score"
SIDES: Final = (
    "rate-low",
    "rate-high",
    "breathing-low",
    "breathing-high",
    "oxygen-low",
    "pressure-low",
    "pressure-high",
    "temperature-low",
    "temperature-high",
)
PROBLEMS: Final = frozenset({*SIDES, CIRCULATION, NOT_MONITORED, SCORE})
SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000


@dataclass(frozen=True)
class Bed:
    """One patient's life, m rounds long.

    Attributes:
        name: The patient's id.
        line: Pressures come from an arterial line, else from a cuff.
        cadence: Milliseconds between rounds.
        t: Moment of each round, (m,), UTC epoch ms, rising.
        shown: Values of a faultless device, (m, 8), NaN where nothing was measured.
        state: The same without the variation from minute to minute, (m, 8).
        pulse: True where blood circulates, (m,).
        heard: True where the gateway had a reading with a usable value, (m,).
        usable: Signs that the gateway could use, (m, 8).
        arrived: True where the gateway had a reading of any kind, (m,).
        limits: Extreme low, low, high, extreme high of each sign, (8, 4), NaN for none.
        stable: Nothing is told of the patient.
    """

    name: str
    line: bool
    cadence: int
    t: Times
    shown: Floats
    state: Floats
    pulse: Flags
    heard: Flags
    usable: Flags
    arrived: Flags
    limits: Floats
    stable: bool

    @property
    def ends(self) -> int:
        """End of the last round, UTC epoch ms."""
        return int(self.t[-1]) + self.cadence


@dataclass(frozen=True)
class Life:
    """The lives of n patients over m rounds; the arrays are those of `Bed`, one row for each patient."""

    cadence_s: float
    patients: tuple[str, ...]
    story: tuple[str, ...]
    line: Flags
    t: Times
    shown: Floats
    state: Floats
    pulse: Flags
    heard: Flags
    usable: Flags
    arrived: Flags
    limits: Floats
    alone: bool = False

    def __post_init__(self) -> None:
        n = len(self.patients)
        if self.cadence_s <= 0 or not n or len(set(self.patients)) != n:
            raise ValueError("a life has a cadence above 0 and at least one patient, each with an id of its own")
        if self.t.ndim != 2 or self.t.shape[0] != n or self.t.shape[1] < 2 or (np.diff(self.t, axis=1) <= 0).any():
            raise ValueError("`t` is (n, m), m at least 2, and rises")
        m = self.t.shape[1]
        wanted = {"line": (n,), "limits": (n, len(SIGNS), 4)}
        wanted |= dict.fromkeys(("shown", "state", "usable"), (n, m, len(SIGNS)))
        wanted |= dict.fromkeys(("pulse", "heard", "arrived"), (n, m))
        for name, shape in wanted.items():
            if getattr(self, name).shape != shape:
                raise ValueError(f"`{name}` is {getattr(self, name).shape}, not {shape}")
        if len(self.story) != n:
            raise ValueError("each patient has a story")

    def __iter__(self) -> Iterator[Bed]:
        for k, name in enumerate(self.patients):
            yield Bed(
                name=name,
                line=bool(self.line[k]),
                cadence=round(self.cadence_s * SECOND),
                t=self.t[k],
                shown=self.shown[k],
                state=self.state[k],
                pulse=self.pulse[k],
                heard=self.heard[k],
                usable=self.usable[k],
                arrived=self.arrived[k],
                limits=self.limits[k],
                stable=self.story[k] == "stable",
            )

    @cached_property
    def patient_days(self) -> float:
        """Days of all patients together."""
        return float(self.t.size * self.cadence_s * SECOND / DAY)


def life_of(arrays: Mapping[str, npt.NDArray[Any]]) -> Life:
    """Makes a life of the arrays of a LIFE file; what is optional there is filled in.

    Args:
        arrays: `cadence_s` (), `patients` (n,), `story` (n,), `line` (n,), `t` (n, m), `shown` and `state` (n, m, 8),
            `pulse` and `heard` (n, m), `limits` (n, 8, 4); optional `usable` (n, m, 8), `arrived` (n, m), `alone` ().
    """
    heard = np.asarray(arrays["heard"], bool)
    shape = np.asarray(arrays["shown"]).shape
    usable = np.asarray(arrays["usable"], bool) if "usable" in arrays else np.broadcast_to(heard[..., None], shape)
    arrived = np.asarray(arrays["arrived"], bool) if "arrived" in arrays else np.ones_like(heard)
    return Life(
        cadence_s=float(arrays["cadence_s"]),
        patients=tuple(map(str, arrays["patients"])),
        story=tuple(map(str, arrays["story"])),
        line=np.asarray(arrays["line"], bool),
        t=np.asarray(arrays["t"], np.int64),
        shown=np.asarray(arrays["shown"], np.float64),
        state=np.asarray(arrays["state"], np.float64),
        pulse=np.asarray(arrays["pulse"], bool),
        heard=heard,
        usable=usable,
        arrived=arrived,
        limits=np.asarray(arrays["limits"], np.float64),
        alone=bool(arrays.get("alone", np.array(False))),
    )


def read_life(path: Path) -> Life:
    """Reads a LIFE file."""
    with np.load(path) as arrays:
        return life_of(arrays)


@dataclass(frozen=True, slots=True)
class Message:
    """One message to one person.

    Attributes:
        t: Moment at which it went, UTC epoch ms.
        to: The person.
        kind: One of KINDS.
        level: LOW, MEDIUM or HIGH.
        beds: Ids of the patients it speaks of; none for a proof or a digest of nobody.
        names: Problems that it names.
        reached: The person's device had it.
        several: It speaks of several patients and so names nothing but not monitored.
    """

    t: int
    to: str
    kind: str
    level: int
    beds: frozenset[str]
    names: frozenset[str]
    reached: bool = True
    several: bool = False

    def __post_init__(self) -> None:
        if self.kind not in KINDS or self.level not in LEVELS.values():
            raise ValueError(f"no kind {self.kind} of level {self.level}")
        if not self.names <= PROBLEMS:
            raise ValueError(f"no problems {sorted(self.names - PROBLEMS)}")


def message_of(line: Mapping[str, Any]) -> Message:
    """Makes a message of one line of a MESSAGES file."""
    patient = line.get("patient")
    return Message(
        t=int(line["t"]),
        to=str(line["to"]),
        kind=line["kind"],
        level=LEVELS[line["priority"]],
        beds=frozenset([patient] if patient is not None else line.get("patients") or ()),
        names=frozenset(line.get("problems") or ()),
        reached=bool(line.get("reached", True)),
        several=patient is None,
    )


@dataclass(frozen=True, slots=True)
class Act:
    """An act of a person: acknowledged, said *coming*, or set a standby from `t` to `until` (UTC epoch ms)."""

    t: int
    act: str
    patient: str
    problems: frozenset[str] = frozenset()
    until: int = 0

    def __post_init__(self) -> None:
        if self.act not in {"acknowledge", "coming", "standby"}:
            raise ValueError(f"no act {self.act}")
        if self.act == "standby" and self.until < self.t:
            raise ValueError("a standby ends after it began")


def act_of(line: Mapping[str, Any]) -> Act:
    """Makes an act of one line of an ACTS file."""
    if line["act"] == "standby":
        return Act(int(line["from"]), "standby", str(line["patient"]), until=int(line["to"]))
    return Act(int(line["t"]), line["act"], str(line["patient"]), frozenset(line.get("problems") or ()))


def lines_of(path: Path) -> list[dict[str, Any]]:
    """Reads a file of JSON lines."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
