"""Scenarios: the course of a patient over time, with its ground truth. Scenario time runs in clinical seconds.

A scenario is a list of key frames. Between two of them each drive changes linearly, and the phase is that of the last
one passed. A `Course` places a scenario on a run: its start and its speed against real time.
"""

from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
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
    """State of a patient at one moment of a scenario; drives as in `physiology.DRIVES`."""

    at_s: float
    phase: str
    hypoxia: float = 0.0
    fever: float = 0.0
    loss: float = 0.0
    vasodilation: float = 0.0
    bradycardia: float = 0.0
    arrest: float = 0.0
    pressor: float = 0.0
    tachycardia: float = 0.0
    depression: float = 0.0

    def __post_init__(self) -> None:
        shares = (self.loss, self.vasodilation, self.bradycardia, self.arrest, self.pressor, self.depression)
        if not all(0 <= share <= 1 for share in shares):
            raise ValueError(
                f"key frame at {self.at_s} s: loss, vasodilation, bradycardia, arrest, pressor and depression lie "
                "from 0 to 1"
            )


class Off(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A sensor is disconnected; the device reports that, or its values are absent without a report."""

    sensor: str
    from_s: float
    to_s: float
    reported: bool = True

    def __post_init__(self) -> None:
        if self.sensor not in SENSORS:
            raise ValueError(f"unknown sensor {self.sensor!r}; known are {', '.join(sorted(SENSORS))}")
        if not self.from_s < self.to_s:
            raise ValueError(
                f"sensor {self.sensor} is off from {self.from_s} s to {self.to_s} s: that ends before it begins"
            )


class Scenario(msgspec.Struct, frozen=True, forbid_unknown_fields=True, dict=True):
    """The course of one patient.

    Attributes:
        name: Its name, as the ground truth log writes it.
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
    def _moving(self) -> list[tuple[int, Floats]]:
        """Drives that are not zero throughout, with their values in the key frames."""
        table = np.array([[getattr(frame, drive) for drive in DRIVES] for frame in self.frames])
        return [(k, column) for k, column in enumerate(table.T) if column.any()]

    @property
    def moves(self) -> bool:
        """Flag of a scenario with a drive other than zero."""
        return bool(self._moving)

    def drives(self, story_s: Floats) -> Floats:
        """Returns (n, drives) at (n,) moments of the scenario."""
        drives = np.zeros((len(DRIVES), len(story_s)))
        for k, column in self._moving:
            drives[k] = np.interp(story_s, self._times, column)
        return drives.T

    def phase(self, story_s: float) -> str:
        """Returns the phase at a moment of the scenario."""
        passed = bisect_right(self.frames, story_s, key=lambda frame: frame.at_s)
        return self.frames[passed - 1].phase if passed else BEFORE

    def sensors_off(self, story_s: float, *, reported: bool = False) -> tuple[str, ...]:
        """Returns the fields of disconnected sensors at a moment of the scenario; `reported`: only if in messages."""
        off = {o.sensor for o in self.off if o.from_s <= story_s < o.to_s and (o.reported or not reported)}
        if not off:
            return ()
        return tuple(sign.field for sign in SIGNS if sign.sensor in off)


@dataclass(frozen=True, slots=True)
class Course:
    """A scenario placed on a run.

    Attributes:
        story: The scenario.
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
        """Returns the moment of the scenario at second `t_s` of the run; negative before it begins."""
        return (t_s - self.start_s) * self.speed
