"""Lives drawn by seed: patients of ten stories, imperfect pagers, and people who answer or do not.

They serve to compare judges, so they are rich in edges rather than likely: values that swing about their limits,
readings that get lost, messages that are late, name too much, or reach nobody.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from tests.truth.judging.life import HR, MAP, PR, RR, SBP, SPO2, TEMP
from tests.truth.sent import PAGERS, PEOPLE, Array, Line, Post

T0: Final = 1_750_000_000_000
CALM: Final = np.array([78.0, 78.0, 16.0, 97.0, 36.9, 122.0, 74.0, 90.0])
SPREAD: Final = np.array([3.0, 3.0, 1.2, 0.8, 0.08, 5.0, 3.0, 4.0])
NONE: Final = np.nan
LIMITS: Final = np.array(
    [
        [40, 50, 120, 140],
        [40, 50, 120, 140],
        [6, 8, 30, 35],
        [85, 90, NONE, NONE],
        [NONE, 35, 39, NONE],
        [80, 90, 160, 200],
        [NONE, 50, 110, NONE],
        [NONE, 60, 110, NONE],
    ]
)


@dataclass
class Patient:
    """One patient being drawn; the arrays are those of a LIFE file, for one patient."""

    t: Array
    cadence_s: float
    line: bool
    rng: np.random.Generator
    state: Array = field(init=False)
    pulse: Array = field(init=False)
    arrived: Array = field(init=False)
    usable: Array = field(init=False)
    standbys: list[tuple[int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        m = len(self.t)
        self.state = np.tile(CALM, (m, 1))
        self.pulse, self.arrived = np.ones(m, bool), np.ones(m, bool)
        self.usable = self.rng.random((m, 8)) > 0.002

    def span(self, minute: float, minutes: float) -> slice:
        """Places of a time since the life's start."""
        first = int(minute * 60 / self.cadence_s)
        return slice(first, max(first + 1, int((minute + minutes) * 60 / self.cadence_s)))

    def move(self, sign: int, value: float, minute: float, minutes: float) -> None:
        """Takes a sign to a value and back, over a tenth of the time each."""
        place = self.span(minute, minutes)
        length = len(self.state[place])
        ramp = np.clip(np.minimum(np.arange(length) + 1, np.arange(length)[::-1] + 1) / max(1, length // 10), 0, 1)
        calm = self.state[place, sign]
        self.state[place, sign] = calm + (value - calm) * ramp
        if sign == HR:
            self.state[place, PR] = self.state[place, HR]

    def arrest(self, minute: float, minutes: float) -> None:
        """Stops the circulation."""
        self.pulse[self.span(minute, minutes)] = False

    @property
    def end(self) -> float:
        """Minutes of the life."""
        return len(self.t) * self.cadence_s / 60


def serial_apnoea(p: Patient) -> None:
    """Breathing stops for a minute or three, again and again."""
    at = 10.0
    while at < p.end - 10:
        length = p.rng.uniform(0.6, 3)
        p.move(RR, p.rng.choice([2.0, 5.0, 7.0]), at, length)
        p.move(SPO2, p.rng.choice([83.0, 88.0, 92.0]), at + 0.3, length)
        at += length + p.rng.choice([0.4, 1.2, 2.0, 3.0, 9.0, 30.0])


def second_arrest(p: Patient) -> None:
    """Circulation is lost, comes back for a while, and is lost again."""
    at = p.rng.uniform(15, 40)
    for _ in range(5):
        length = p.rng.uniform(0.1, 5)
        p.arrest(at, length)
        at += length + p.rng.choice([0.1, 0.5, 1.3, 4.0, 15.0])
    p.move(HR, 44, 6, 4)


def rate_turns(p: Patient) -> None:
    """A rate of 130 turns into one of 45."""
    for at in p.rng.uniform(5, p.end - 40, 2):
        p.move(HR, 130, at, 12)
        p.move(HR, 45, at + 12, 9)


def pressure_turns(p: Patient) -> None:
    """A systolic pressure of 84 turns into one of 190."""
    for at in p.rng.uniform(5, p.end - 90, 2):
        for sign, low, high in ((SBP, 84, 190), (MAP, 56, 125)):
            p.move(sign, low, at, 35)
            p.move(sign, high, at + 35, 35)


def bleed_in_fever(p: Patient) -> None:
    """Fever first; then pressure falls, rate and breathing rise."""
    p.move(TEMP, 39.6, 5, p.end - 10)
    at = p.rng.uniform(30, p.end / 2)
    for sign, value in ((HR, 144), (SBP, 76), (MAP, 52), (RR, 33)):
        p.move(sign, value, at + p.rng.uniform(0, 8), p.end - at - 12)


def swings(p: Patient) -> None:
    """Several signs go astray, some just to their bounds."""
    bounds = ((HR, 142), (HR, 121), (RR, 36), (RR, 5), (SPO2, 84), (SPO2, 89), (SBP, 78), (TEMP, 39.1), (HR, 39))
    for k in p.rng.integers(0, len(bounds), 8):
        sign, value = bounds[k]
        p.move(sign, value, p.rng.uniform(3, p.end - 20), p.rng.uniform(0.3, 18))


def lost(share: float) -> Callable[[Patient], None]:
    """Makes a story in which a share of the readings is lost."""

    def story(p: Patient) -> None:
        swings(p)
        p.arrived &= p.rng.random(len(p.t)) >= share

    return story


def silences(p: Patient) -> None:
    """Nothing is heard for minutes; or what arrives cannot be used."""
    swings(p)
    for at in p.rng.uniform(5, p.end - 30, 4):
        p.arrived[p.span(at, p.rng.choice([1.0, 2.6, 4.0, 15.0]))] = False
    p.usable[p.span(p.rng.uniform(5, p.end - 20), 6)] = False


def standby(p: Patient) -> None:
    """Silences, some of them under a standby."""
    silences(p)
    for at in p.rng.uniform(5, p.end - 40, 2):
        p.standbys.append((int(p.t[0] + at * 60_000), int(p.t[0] + (at + 20) * 60_000)))
        p.arrived[p.span(at + 1, p.rng.uniform(10, 30))] = False


def oximeter_alone(p: Patient) -> None:
    """No heart rate by ECG, ever; the oximeter falls off, and the circulation is lost."""
    swings(p)
    p.state[:, [HR, RR]] = np.nan
    second_arrest(p)
    p.state[:, HR] = np.nan


STORIES: Final[dict[str, Callable[[Patient], None]]] = {
    "serial-apnoea": serial_apnoea,
    "second-arrest": second_arrest,
    "rate-turns": rate_turns,
    "pressure-turns": pressure_turns,
    "bleed-in-fever": bleed_in_fever,
    "lost-0.5-percent": lost(0.005),
    "lost-5-percent": lost(0.05),
    "silences": silences,
    "standby": standby,
    "oximeter-alone": oximeter_alone,
}


@dataclass(frozen=True)
class Drawn:
    """A life as the arrays of a LIFE file, with the lines of its messages and its acts."""

    life: dict[str, Array]
    messages: list[Line]
    acts: list[Line]


def draw(story: str, seed: int) -> Drawn:
    """Draws a life: by seed at 1 s or 30 s, with a cuff or a line, with one of five pagers and one of three crews."""
    rng = np.random.default_rng([seed, *story.encode()])
    cadence_s = 1.0 if seed % 2 else 30.0
    count, hours = (1, 3) if cadence_s == 1 else (3, 8)
    patients = []
    for k in range(count):
        t = T0 + k * 137 + (np.arange(int(hours * 3600 / cadence_s)) * cadence_s * 1000).astype(np.int64)
        patients.append(Patient(t, cadence_s, bool(rng.random() < 0.5), rng))
        if k < 2:
            STORIES[story](patients[-1])
    shown = [_shown(p) for p in patients]
    life = _life(patients, shown, story, cadence_s, alone=seed % 5 == 4)
    post = Post(PAGERS[seed % len(PAGERS)], PEOPLE[(seed + len(story)) % len(PEOPLE)], rng)
    post.attend(life)
    for k, p in enumerate(patients):
        post.acts += [{"act": "standby", "patient": f"p{k}", "from": a, "to": b} for a, b in p.standbys]
    if seed % 5 == 1:  # what is optional in a life file
        life = {name: array for name, array in life.items() if name not in {"usable", "arrived", "alone"}}
    return Drawn(life, post.messages, post.acts)


def _shown(p: Patient) -> Array:
    """The state with an AR(1) variation of a minute; a cuff measures now and then, an arrest leaves no sign."""
    keep = np.exp(-p.cadence_s / 60)
    noise = p.rng.normal(0, np.sqrt(1 - keep**2), p.state.shape)
    for k in range(1, len(noise)):
        noise[k] += keep * noise[k - 1]
    noise[:, PR] = noise[:, HR]
    if not p.line:
        p.state[~_cuff_times(p), SBP : MAP + 1] = np.nan
    p.state[~p.pulse] = np.nan
    shown: Array = np.round(p.state + noise * SPREAD, 1)
    return shown


def _cuff_times(p: Patient) -> Array:
    measured = np.zeros(len(p.t), bool)
    at = 0.0
    while at < p.end:
        measured[min(int(at * 60 / p.cadence_s), len(measured) - 1)] = True
        at += p.rng.choice([2.0, 5.0, 15.0, 15.5, 18.0])
    return measured


def _life(
    patients: list[Patient], shown: list[Array], story: str, cadence_s: float, *, alone: bool
) -> dict[str, Array]:
    usable = np.stack([p.usable & p.arrived[:, None] & ~np.isnan(x) for p, x in zip(patients, shown, strict=True)])
    return {
        "cadence_s": np.array(cadence_s),
        "patients": np.array([f"p{k}" for k in range(len(patients))]),
        "story": np.array([story if k < 2 else "stable" for k in range(len(patients))]),
        "line": np.array([p.line for p in patients]),
        "t": np.stack([p.t for p in patients]),
        "shown": np.stack(shown),
        "state": np.stack([p.state for p in patients]),
        "pulse": np.stack([p.pulse for p in patients]),
        "heard": np.any(usable, axis=2, keepdims=True)[..., 0],
        "usable": usable,
        "arrived": np.stack([p.arrived for p in patients]),
        "alone": np.array(alone),
        "limits": np.stack([LIMITS] * len(patients)),
    }
