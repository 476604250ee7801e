"""Vital signs that hang together, for many patients at once: drives in, signs out. Pure; rows are patients.

A *drive* is what goes wrong inside a patient; the signs answer to it together, as the body does:

- hypoxia raises heart and breathing rate (about 2 beats and 0.6 breaths per point of saturation lost beyond 2);
- fever raises heart rate by some 9 beats and breathing by some 3 breaths per degree (Liebermeister's rule);
- blood loss follows the ATLS classes: up to 15 % of the volume only the pulse pressure narrows, at 30 % the systolic
  pressure falls, the heart is above 110 and breathing faster, at 40 % breathing is above 33 /min and it is in shock;
- vasodilation is the failing of resistance in septic shock; bradycardia slows the sinus node; arrest stops it all;
  a pressor raises the pressure.

Minute-to-minute noise and its correlation were measured on a recorded adult ICU patient (32 h of monitor numerics):
robust standard deviation of minute differences over sqrt 2 of HR 1.05, pulse 1.15, RESP 1.26 /min and SpO2 0.21 %,
lag-1 autocorrelation 0.57-0.91. That patient's cuff (7 mmHg between measurements) holds his real change in 10 min, so
pressures take a third of it.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vitals.signs import INDEX, SIGNS

Floats = NDArray[np.float64]

DRIVES: Final = ("hypoxia", "fever", "loss", "vasodilation", "bradycardia", "arrest", "pressor")
"""Points of SpO2 lost; degrees above normal; share of blood volume lost; and four shares from 0 to 1."""

CHANNELS: Final = ("hr", "pr", "rr", "spo2", "temp", "sbp", "dbp")
"""What varies of itself; `pr` is the oximeter's error against the heart rate, `map` follows from the pressures."""
_NOISE_SD: Final = np.array([1.1, 0.5, 1.1, 0.35, 0.04, 2.4, 1.8])
_NOISE_TAU_S: Final = np.array([60.0, 5.0, 45.0, 240.0, 1800.0, 90.0, 90.0])
_BASE_MEAN: Final = np.array([74.0, 0.0, 15.5, 97.3, 36.8, 123.0, 74.0])
_BASE_SD: Final = np.array([6.0, 0.0, 0.9, 0.5, 0.15, 6.0, 4.0])
# Amplitude of the day's course: highest in the late afternoon, lowest before dawn.
_CIRCADIAN: Final = np.array([3.0, 0.0, 0.5, 0.0, 0.25, 4.0, 3.0])
_DAY_S: Final = 86_400.0
_PEAK_S: Final = 17 * 3600.0

_HR, _PR, _RR, _SPO2, _TEMP, _SBP, _DBP = range(len(CHANNELS))
_DECIMALS: Final = np.array([sign.decimals for sign in SIGNS])
_LOWEST_SHOWN: Final = {"hr": 15.0, "pr": 20.0, "rr": 3.0, "spo2": 40.0}
PULSELESS_SBP: Final = 50.0
"""Systolic pressure, mmHg, below which an oximeter finds no pulse."""


def admit(rng: np.random.Generator, n: int, baseline: Mapping[str, float] | None = None) -> Floats:
    """Draws stable adults.

    Args:
        rng: Source of randomness.
        n: How many.
        baseline: Channels that are given instead of drawn, in the sign's unit.

    Returns:
        (n, channels) baselines, each within 1.8 standard deviations of the mean: a stable patient stays clear of
        NEWS2 points and alarm limits, noise included.

    Raises:
        ValueError: `baseline` names no channel.
    """
    base: Floats = _BASE_MEAN + _BASE_SD * np.clip(rng.standard_normal((n, len(CHANNELS))), -1.8, 1.8)
    for field, value in (baseline or {}).items():
        if field not in CHANNELS or field == "pr":
            raise ValueError(f"baseline {field!r} is none of {', '.join(c for c in CHANNELS if c != 'pr')}")
        base[:, CHANNELS.index(field)] = value
    return base


def settle(rng: np.random.Generator, n: int) -> Floats:
    """Returns (n, channels) of noise in its stationary state."""
    noise: Floats = rng.standard_normal((len(CHANNELS), n)).T * _NOISE_SD
    return noise


def wander(noise: Floats, dt_s: float, rng: np.random.Generator) -> Floats:
    """Takes the noise `dt_s` seconds on: a first-order autoregression, whatever the step."""
    keep = np.exp(-dt_s / _NOISE_TAU_S)
    # Column by column in memory, as `signs` reads it.
    fresh = rng.standard_normal(noise.shape[::-1])
    fresh *= (_NOISE_SD * np.sqrt(1 - keep * keep))[:, None]
    fresh += noise.T * keep[:, None]
    return fresh.T


def signs(base: Floats, noise: Floats, drives: Floats, day_s: Floats) -> Floats:
    """Computes the true signs.

    Args:
        base: (n, channels) baselines from `admit`.
        noise: (n, channels) from `settle` and `wander`.
        drives: (n, drives).
        day_s: (n,) seconds since midnight, for the circadian course.

    Returns:
        (n, signs) in the signs' units, digit order.
    """
    hypoxia, fever, loss, vasodilation, bradycardia, arrest, pressor = drives.T
    alive = 1 - arrest
    # Column by column in memory: everything below works on whole columns.
    own = np.add(base, noise, order="F")
    course = np.cos((day_s - _PEAK_S) * (2 * np.pi / _DAY_S))
    for k in np.flatnonzero(_CIRCADIAN):
        own[:, k] += _CIRCADIAN[k] * course
    air_hunger = np.maximum(hypoxia - 2, 0)
    late_loss = np.maximum(loss - 0.15, 0)

    values = np.empty((len(base), len(SIGNS)), order="F")
    heart = own[:, _HR] + 1.9 * air_hunger + 9 * fever + 130 * loss + 25 * vasodilation
    heart *= (1 - bradycardia) * alive
    values[:, INDEX["hr"]] = heart
    values[:, INDEX["pr"]] = heart + own[:, _PR]
    values[:, INDEX["rr"]] = (own[:, _RR] + 0.6 * air_hunger + 3 * fever + 75 * late_loss + 8 * vasodilation) * alive
    values[:, INDEX["spo2"]] = np.minimum(own[:, _SPO2] - hypoxia, 100) - 60 * arrest
    values[:, INDEX["temp"]] = own[:, _TEMP] + fever
    # A slow heart fills longer, but the output still falls; a stopped one leaves the filling pressure.
    systolic = own[:, _SBP] - 220 * late_loss - 50 * vasodilation - 30 * np.maximum(bradycardia - 0.3, 0) + 90 * pressor
    diastolic = own[:, _DBP] + 30 * np.minimum(loss, 0.15) - 120 * late_loss - 30 * vasodilation + 40 * pressor
    systolic = np.maximum(systolic, 40) * alive + 18 * arrest
    diastolic = np.clip(diastolic, 20, systolic - 6) * alive + 12 * arrest
    values[:, INDEX["sbp"]] = systolic
    values[:, INDEX["dbp"]] = diastolic
    values[:, INDEX["map"]] = diastolic + (systolic - diastolic) / 3
    return values


def shown(values: Floats) -> Floats:
    """Returns what a monitor shows of true values: rounded, and zero for what it cannot find.

    Without a pulse an oximeter finds neither rate nor saturation; below its range a monitor shows zero.
    """
    rounded: Floats = values.copy()
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
