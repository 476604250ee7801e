"""Movement in a monitor's values: signs slide away from the truth together, tremble, and slide back."""

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from firmware_sim.patient.artefact_rates import Rates
from vitals.signs import INDEX

Floats = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int], Floats]

_AVERAGING_S: Final = 8.0
"""An oximeter averages over some 8 s, so its values move into a disturbance and out of it gradually."""
_STILL: Final = 0.5


class Shaking:
    """One kind of movement of n devices.

    Args:
        fields: Signs that it moves.
        sd: Tremble of each, in its unit.
        draw: Returns (k, fields) distances by which the signs are moved, for k new movements.
        n: Devices.
        rng: Source of randomness.
    """

    def __init__(
        self, fields: tuple[str, ...], sd: tuple[float, ...], draw: Draw, n: int, rng: np.random.Generator
    ) -> None:
        self._columns = np.array([INDEX[field] for field in fields])
        self._sd, self._draw, self._rng = np.array(sd), draw, rng
        self._target, self._moved = np.zeros((n, len(fields))), np.zeros((n, len(fields)))
        self._shaken, self._active = np.zeros(n, dtype=np.bool_), False

    def apply(self, values: Floats, new: NDArray[np.intp], going: NDArray[np.bool_], dt_s: float) -> None:
        """Moves values in place, and adds to `going` the rows in which the monitor still averages it.

        Args:
            values: (n, signs) as shown.
            new: (k,) rows in which a movement begins.
            going: (n,) flags of the rows with an ongoing movement.
            dt_s: Seconds since the reading before.
        """
        rows = np.flatnonzero(going | self._shaken) if self._active or len(new) else ()
        self._active = len(rows) > 0
        if not len(rows):
            return
        if len(new):
            self._target[new] = self._draw(self._rng, len(new))
        moving = going[rows, None]
        target = np.where(moving, self._target[rows], 0.0)
        moved = target + (self._moved[rows] - target) * np.exp(-dt_s / _AVERAGING_S)
        moved[(np.abs(moved) < _STILL) & ~moving] = 0
        self._moved[rows] = moved
        self._shaken[rows] = (moved != 0).any(axis=1)
        going[rows] |= self._shaken[rows]
        cells = np.ix_(rows, self._columns)
        shaken = np.rint(moved + np.where(moving, self._rng.standard_normal(moved.shape) * self._sd, 0.0))
        # Movement does not restore a value that the monitor does not find.
        values[cells] += np.where(values[cells] > 0, shaken, 0.0)


def oximeter(rates: Rates, n: int, rng: np.random.Generator) -> Shaking:
    """Returns the movement of a finger: saturation, pulse rate and, by the chest, breaths."""

    def draw(rng: np.random.Generator, k: int) -> Floats:
        spo2 = -rng.uniform(*rates.motion_depth, k)
        return np.stack([spo2, _either(rng, rates.motion_beats, k), rng.uniform(0, 18, k)], axis=1)

    return Shaking(("spo2", "pr", "rr"), (1.0, 3.0, 1.5), draw, n, rng)


def ecg(rates: Rates, n: int, rng: np.random.Generator) -> Shaking:
    """Returns the movement of electrodes: muscle counted as beats and breaths, or beats lost in it."""

    def draw(rng: np.random.Generator, k: int) -> Floats:
        return np.stack([_either(rng, rates.motion_beats, k), rng.uniform(0, 12, k)], axis=1)

    return Shaking(("hr", "rr"), (2.0, 1.5), draw, n, rng)


def care(n: int, rng: np.random.Generator) -> Shaking:
    """Returns turning or suction: every sign of the patient moves with it."""

    def draw(rng: np.random.Generator, k: int) -> Floats:
        effort, line = rng.uniform(0.3, 1.0, k), rng.uniform(-15, 30, k)
        return np.stack(
            [20 * effort, 20 * effort + rng.uniform(-15, 15, k), 8 * effort, -7 * effort * rng.random(k),
             line, 0.6 * line, 0.7 * line],
            axis=1,
        )  # fmt: skip

    return Shaking(("hr", "pr", "rr", "spo2", "sbp", "dbp", "map"), (4.0, 6.0, 4.0, 1.0, 8.0, 6.0, 6.0), draw, n, rng)


def _either(rng: np.random.Generator, between: tuple[float, float], k: int) -> Floats:
    moved: Floats = rng.choice([-1, 1], k) * rng.uniform(*between, k)
    return moved
