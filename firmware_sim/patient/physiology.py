"""Correlated vital signs of many patients at once: drives in, signs out. Pure; rows are patients.

A *drive* is a disturbance in a patient; the signs respond to it together, as the body does:

- hypoxia raises heart and breathing rate (about 2 beats and 0.6 breaths per point of saturation lost beyond 2);
- fever raises heart rate by some 9 beats and breathing by some 3 breaths per degree (Liebermeister's rule);
- blood loss follows the ATLS classes: up to 15 % of the volume only the pulse pressure narrows, at 30 % the systolic
  pressure falls, the heart is above 110 and breathing faster, at 40 % breathing is above 33 /min and it is in shock;
- vasodilation is the loss of vascular resistance in septic shock; bradycardia slows the sinus node; arrest stops the
  heart; a pressor raises the pressure;
- tachycardia is a re-entry that fills the ventricles less; depression is the share of
  breathing suppressed by an opioid.

Resting values, noise and the day's course are parameters (`calibration`).
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from firmware_sim.patient.calibration import CHANNELS, DRAWN, NEWEST, Calibration
from vitals.signs import INDEX, SIGNS

Floats = NDArray[np.float64]

DRIVES: Final = (
    "hypoxia", "fever", "loss", "vasodilation", "bradycardia", "arrest", "pressor", "tachycardia", "depression",
)  # fmt: skip
"""Points of SpO2 lost; degrees above normal; share of blood volume lost; four shares from 0 to 1; beats a minute above
the sinus rhythm's; and the share of breathing lost."""

_DAY_S: Final = 86_400.0
_PEAK_S: Final = 17 * 3600.0

_HR, _PR, _RR, _SPO2, _TEMP, _SBP, _DBP, _ECG = range(len(CHANNELS))
_RESTING: Final = tuple(channel for channel in CHANNELS[:DRAWN] if channel != "pr")
_DECIMALS: Final = np.array([sign.decimals for sign in SIGNS])
_LOWEST_SHOWN: Final = {"hr": 15.0, "pr": 20.0, "rr": 3.0, "spo2": 40.0}
PULSELESS_SBP: Final = 50.0
"""Systolic pressure, mmHg, below which an oximeter finds no pulse."""


def admit(rng: np.random.Generator, given: Sequence[Mapping[str, float]], model: Calibration = NEWEST) -> Floats:
    """Draws stable adults.

    Args:
        rng: Source of randomness.
        given: For each patient the channels that are given instead of drawn, in the sign's unit.
        model: Distribution of resting values.

    Returns:
        (n, channels) resting values.

    Raises:
        ValueError: A patient's given values name no channel.
    """
    z = rng.standard_normal((len(given), DRAWN)) @ np.linalg.cholesky(model.correlation).T
    base: Floats = np.zeros((len(given), len(CHANNELS)))
    for k in range(DRAWN):
        base[:, k] = np.interp(z[:, k], model.z, model.knots[k])
    for i, values in enumerate(given):
        for field, value in values.items():
            if field not in _RESTING:
                raise ValueError(f"baseline {field!r} is none of {', '.join(_RESTING)}")
            base[i, CHANNELS.index(field)] = value
    return base


def signs(base: Floats, noise: Floats, drives: Floats, day_s: Floats, model: Calibration = NEWEST) -> Floats:
    """Computes the true signs.

    Args:
        base: (n, channels) resting values from `admit`, with the drift of `Variation`.
        noise: (n, channels) from `Variation`.
        drives: (n, drives).
        day_s: (n,) seconds since midnight, for the circadian course.
        model: The circadian course, and the lowest systolic pressure of a beating heart.

    Returns:
        (n, signs) in the signs' units, digit order.
    """
    hypoxia, fever, loss, vasodilation, bradycardia, arrest, pressor, tachycardia, depression = drives.T
    alive = 1 - arrest
    # Column by column in memory: everything below works on whole columns.
    own = np.add(base, noise, order="F")
    course = np.cos((day_s - _PEAK_S) * (2 * np.pi / _DAY_S))
    for k in np.flatnonzero(model.circadian):
        own[:, k] += model.circadian[k] * course
    air_hunger = np.maximum(hypoxia - 2, 0)
    late_loss = np.maximum(loss - 0.15, 0)

    values = np.empty((len(base), len(SIGNS)), order="F")
    heart = own[:, _HR] + 1.9 * air_hunger + 9 * fever + 130 * loss + 25 * vasodilation + tachycardia
    beats = (1 - bradycardia) * alive
    heart *= beats
    values[:, INDEX["hr"]] = heart + own[:, _ECG] * beats
    values[:, INDEX["pr"]] = heart + own[:, _PR]
    breaths = own[:, _RR] + 0.6 * air_hunger + 3 * fever + 75 * late_loss + 8 * vasodilation
    values[:, INDEX["rr"]] = breaths * (1 - depression) * alive
    values[:, INDEX["spo2"]] = np.minimum(own[:, _SPO2] - hypoxia, 100) - 60 * arrest
    values[:, INDEX["temp"]] = own[:, _TEMP] + fever
    # A slow heart fills longer, but the output still falls; a stopped one leaves the filling pressure.
    systolic = own[:, _SBP] - 220 * late_loss - 50 * vasodilation - 30 * np.maximum(bradycardia - 0.3, 0) + 90 * pressor
    systolic -= 0.2 * tachycardia
    diastolic = own[:, _DBP] + 30 * np.minimum(loss, 0.15) - 120 * late_loss - 30 * vasodilation + 40 * pressor
    systolic = np.maximum(systolic, model.lowest_sbp) * alive + 18 * arrest
    diastolic = np.clip(diastolic, 20, systolic - 6) * alive + 12 * arrest
    values[:, INDEX["sbp"]] = systolic
    values[:, INDEX["dbp"]] = diastolic
    values[:, INDEX["map"]] = diastolic + (systolic - diastolic) / 3
    return values


def shown(values: Floats) -> Floats:
    """Returns the values that a monitor shows for true ones: rounded, and zero for a sign that it cannot find.

    Without a pulse an oximeter finds neither rate nor saturation; below its range a monitor shows zero.
    """
    rounded: Floats = values.copy(order="K")
    for field, lowest in _LOWEST_SHOWN.items():
        column = rounded[:, INDEX[field]]
        column[column < lowest] = 0
    pulseless = values[:, INDEX["sbp"]] < PULSELESS_SBP
    rounded[pulseless, INDEX["pr"]] = 0
    rounded[pulseless, INDEX["spo2"]] = 0
    for column_index in np.flatnonzero(_DECIMALS):
        scale = 10.0 ** _DECIMALS[column_index]
        rounded[:, column_index] = np.rint(rounded[:, column_index] * scale) / scale
    whole = _DECIMALS == 0
    rounded[:, whole] = np.rint(rounded[:, whole])
    return rounded
