"""Small hand-made lives: calm patients whose values are set for some rounds, and messages by the round."""

from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tests.truth.judging.life import SIGNS

T0: Final = 1_750_000_000_000
CALM: Final = (75.0, 75.0, 15.0, 97.0, 36.8, 120.0, 75.0, 90.0)
NAN: Final = np.nan
LIMITS: Final = np.array(
    [
        [40, 50, 120, 140],
        [40, 50, 120, 140],
        [6, 8, 30, 35],
        [85, 90, NAN, NAN],
        [NAN, 35, 39, NAN],
        [80, 90, 160, 200],
        [NAN, 50, 110, NAN],
        [NAN, 60, 110, NAN],
    ]
)
Line = dict[str, Any]


class Small:
    """Lives of a few patients, `p0`, `p1` and so on; each method changes them and returns them.

    Attributes:
        arrays: Those of a LIFE file.
        messages: The lines of a MESSAGES file.
        acts: The lines of an ACTS file.
    """

    def __init__(self, rounds: int = 120, cadence_s: float = 30, patients: int = 1, *, line: bool = True) -> None:
        self.cadence = round(cadence_s * 1000)
        values = np.tile(np.array(CALM), (patients, rounds, 1))
        if not line:
            values[..., 5:] = NAN
        self.arrays: dict[str, npt.NDArray[Any]] = {
            "cadence_s": np.array(cadence_s),
            "patients": np.array([f"p{k}" for k in range(patients)]),
            "story": np.array(["made"] * patients, "U16"),
            "line": np.full(patients, line),
            "t": np.tile(T0 + np.arange(rounds) * self.cadence, (patients, 1)),
            "shown": values,
            "state": values.copy(),
            "pulse": np.ones((patients, rounds), bool),
            "heard": np.ones((patients, rounds), bool),
            "limits": np.stack([LIMITS] * patients),
        }
        self.messages: list[Line] = []
        self.acts: list[Line] = []

    def at(self, place: float) -> int:
        """Moment of a round, UTC epoch ms; 20.5 lies between two."""
        return T0 + round(place * self.cadence)

    def put(self, sign: str, first: int, *values: float, shown_only: bool = False) -> "Small":
        """Sets a sign of the first patient from a round on."""
        rounds = slice(first, first + len(values))
        for name in ("shown",) if shown_only else ("shown", "state"):
            self.arrays[name][0, rounds, SIGNS.index(sign)] = values
        return self

    def stop(self, first: int, count: int) -> "Small":
        """Stops the first patient's circulation for some rounds; the device shows nothing."""
        rounds = slice(first, first + count)
        self.arrays["pulse"][0, rounds] = False
        for name in ("shown", "state"):
            self.arrays[name][0, rounds] = NAN
        return self

    def lose(self, first: int, count: int = 1) -> "Small":
        """Loses some of the first patient's readings."""
        self.arrays["heard"][0, first : first + count] = False
        return self

    def say(self, place: float, *problems: str, **more: Any) -> "Small":  # noqa: ANN401 - any field of a line
        """Sends a message about the first patient: a high page to the nurse, unless told otherwise."""
        line = {"to": "nurse", "kind": "page", "priority": "high", "patient": "p0", "reached": True, **more}
        self.messages.append({"t": self.at(place), "problems": list(problems), **line})
        return self

    def do(self, place: float, act: str, *problems: str) -> "Small":
        """Acknowledges, or says *coming*."""
        self.acts.append({"t": self.at(place), "act": act, "patient": "p0", "problems": list(problems)})
        return self

    def standby(self, first: float, last: float) -> "Small":
        """Sets a standby of the first patient."""
        self.acts.append({"act": "standby", "patient": "p0", "from": self.at(first), "to": self.at(last)})
        return self

    def save(self, path: Path) -> None:
        """Writes the arrays as a LIFE file."""
        np.savez(path, allow_pickle=False, **self.arrays)
