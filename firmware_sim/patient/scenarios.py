"""Stories: what happens to a patient over time, with the truth of it. Story time runs in clinical seconds.

A story is key frames; between two of them each drive changes linearly, and the phase is that of the last one passed. A
`Course` places a story on a run: when it starts and how much faster than life it is told.
"""

import tomllib
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from firmware_sim.patient.physiology import DRIVES, Floats
from vitals.signs import SIGNS

SENSORS: Final[dict[str, tuple[str, ...]]] = {
    sensor: tuple(sign.field for sign in SIGNS if sign.sensor == sensor) for sensor in {s.sensor for s in SIGNS}
}
"""Signs of each sensor."""
BEFORE: Final = "stable"
"""Phase before a story begins."""


class Keyframe(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """State of a patient at one moment of a story; drives as in `physiology.DRIVES`."""

    at_s: float
    phase: str
    hypoxia: float = 0.0
    fever: float = 0.0
    loss: float = 0.0
    vasodilation: float = 0.0
    bradycardia: float = 0.0
    arrest: float = 0.0
    pressor: float = 0.0

    def __post_init__(self) -> None:
        shares = (self.loss, self.vasodilation, self.bradycardia, self.arrest, self.pressor)
        if not all(0 <= share <= 1 for share in shares):
            raise ValueError(
                f"key frame at {self.at_s} s: loss, vasodilation, bradycardia, arrest and pressor lie from 0 to 1"
            )


class Off(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A sensor is disconnected, and the device says so."""

    sensor: str
    from_s: float
    to_s: float

    def __post_init__(self) -> None:
        if self.sensor not in SENSORS:
            raise ValueError(f"unknown sensor {self.sensor!r}; known are {', '.join(sorted(SENSORS))}")
        if not self.from_s < self.to_s:
            raise ValueError(
                f"sensor {self.sensor} is off from {self.from_s} s to {self.to_s} s: that ends before it begins"
            )


class Scenario(msgspec.Struct, frozen=True, forbid_unknown_fields=True, dict=True):
    """What happens to one patient.

    Attributes:
        name: Its name, as the ledger writes it.
        frames: Key frames, ascending in time.
        off: Times at which a sensor is disconnected.
    """

    name: str
    frames: tuple[Keyframe, ...]
    off: tuple[Off, ...] = ()

    def __post_init__(self) -> None:
        times = [frame.at_s for frame in self.frames]
        if not times or times != sorted(times):
            raise ValueError(f"story {self.name}: it needs key frames, in ascending time")

    @cached_property
    def _times(self) -> Floats:
        return np.array([frame.at_s for frame in self.frames])

    @cached_property
    def _table(self) -> Floats:
        return np.array([[getattr(frame, drive) for drive in DRIVES] for frame in self.frames])

    def drives(self, story_s: Floats) -> Floats:
        """Returns (n, drives) at (n,) moments of the story."""
        return np.stack([np.interp(story_s, self._times, column) for column in self._table.T], axis=1)

    def phase(self, story_s: float) -> str:
        """Returns the phase at a moment of the story."""
        passed = bisect_right(self.frames, story_s, key=lambda frame: frame.at_s)
        return self.frames[passed - 1].phase if passed else BEFORE

    def sensors_off(self, story_s: float) -> tuple[str, ...]:
        """Returns the fields of the signs whose sensor is off at a moment of the story."""
        off = {o.sensor for o in self.off if o.from_s <= story_s < o.to_s}
        if not off:
            return ()
        return tuple(sign.field for sign in SIGNS if sign.sensor in off)


@dataclass(frozen=True, slots=True)
class Course:
    """A story placed on a run.

    Attributes:
        story: The story.
        start_s: Second of the run at which it begins.
        speed: Clinical seconds per second of the run.
    """

    story: Scenario
    start_s: float = 0.0
    speed: float = 1.0

    def __post_init__(self) -> None:
        if not self.speed > 0:
            raise ValueError(f"story {self.story.name}: speed {self.speed} is not positive")

    def story_s(self, t_s: float | NDArray[np.float64]) -> Any:  # noqa: ANN401 - a number for a number, an array for an array
        """Returns the moment of the story at second `t_s` of the run; negative before it begins."""
        return (t_s - self.start_s) * self.speed


_FOREVER_S: Final = 1e9
_HOUR_S: Final = 3600.0
STABLE: Final = Scenario("stable", (Keyframe(0, BEFORE),))
NAMED: Final[dict[str, Scenario]] = {
    story.name: story
    for story in (
        STABLE,
        # Airway slowly closing: below 90 % after about 160 s, below 85 % after about 280 s, then treated.
        Scenario(
            "desaturation",
            (
                Keyframe(0, "falling"),
                Keyframe(420, "hypoxic", hypoxia=19),
                Keyframe(1800, "recovering", hypoxia=19),
                Keyframe(2400, "recovered"),
            ),
        ),
        # Six hours from fever over organ dysfunction to septic shock.
        Scenario(
            "sepsis",
            (
                Keyframe(0, "infection"),
                Keyframe(2 * _HOUR_S, "sepsis", fever=1.6, hypoxia=2),
                Keyframe(4 * _HOUR_S, "worsening", fever=2.5, hypoxia=4, vasodilation=0.5),
                Keyframe(6 * _HOUR_S, "shock", fever=2.6, hypoxia=6, vasodilation=0.95),
            ),
        ),
        Scenario(
            "haemorrhage",
            (
                Keyframe(0, "bleeding"),
                Keyframe(600, "compensated", loss=0.15),
                Keyframe(1500, "decompensating", loss=0.30),
                Keyframe(2400, "shock", loss=0.42),
            ),
        ),
        Scenario(
            "bradycardia",
            (
                Keyframe(0, "slowing"),
                Keyframe(120, "bradycardic", bradycardia=0.52),
                Keyframe(900, "recovering", bradycardia=0.52),
                Keyframe(1080, "recovered"),
            ),
        ),
        # A slow heart for a minute, then none.
        Scenario(
            "arrest",
            (
                Keyframe(0, "agonal"),
                Keyframe(60, "agonal", bradycardia=0.6, hypoxia=6),
                Keyframe(70, "arrest", bradycardia=0.6, hypoxia=10, arrest=1),
            ),
        ),
        # Found ill, treated, well again.
        Scenario(
            "recovery",
            (
                Keyframe(0, "ill", hypoxia=9, fever=1.8, vasodilation=0.2),
                Keyframe(300, "improving", hypoxia=9, fever=1.8, vasodilation=0.2),
                Keyframe(3600, "recovered"),
            ),
        ),
        Scenario("probe-off", (Keyframe(0, "probe-off"),), (Off("oximeter", 0, _FOREVER_S),)),
        Scenario(
            "probe-off-and-on",
            (Keyframe(0, "probe-off"), Keyframe(120, "probe-on")),
            (Off("oximeter", 0, 120),),
        ),
    )
}


def load(source: str, own: dict[str, Scenario] | None = None) -> Scenario:
    """Returns a story by name, or reads it from a TOML or JSON file.

    Raises:
        ValueError: There is no such name or file, or the file is no story; the message says which.
    """
    known = NAMED | (own or {})
    if source in known:
        return known[source]
    path = Path(source)
    if path.suffix not in {".toml", ".json"}:
        raise ValueError(f"unknown story {source!r}; known are {', '.join(known)}, or a .toml or .json file")
    try:
        raw = tomllib.loads(path.read_text()) if path.suffix == ".toml" else msgspec.json.decode(path.read_bytes())
        return msgspec.convert(raw, Scenario)
    except FileNotFoundError as error:
        raise ValueError(f"story file {source} does not exist") from error
    except (tomllib.TOMLDecodeError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"story file {source} cannot be read: {error}") from error
