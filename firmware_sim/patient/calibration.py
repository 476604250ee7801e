"""Parameter sets of the simulated body and monitor, by month; the code is the same for all of them.

`2026-11` is a textbook ward: every patient is clear of the default limits, and noise is one autoregression a sign.
`2026-12` is measured on recordings of intensive-care patients. Only figures are in the project, no data:

- resting values, their tails and correlation: quantiles and correlation of 20,336 patients' means (sepsis2019_a,
  a row an hour), of patients with 12 plausible values (temperature: 4); the outer quarter per cent on each side is
  drawn in, where patients are dying;
- quick noise, heart and pulse apart, and each patient's own spread: 27 patients of BIDMC, 8 min at 1 Hz, by the
  standard deviation within a patient, its spread between patients, and the autocorrelation at 1 to 60 s;
- bouts of minutes, drift of hours, course of the day: one patient of MIMIC-II, 32 h, a sample a minute, by the standard
  deviation within an hour and of hours' means, and the autocorrelation at 1 to 240 min;
- ectopic steps: the largest step of the heart rate in 8 min in BIDMC, median and 90th percentile;
- held values: the share of seconds without a change in BIDMC;
- atrial fibrillation is assumed: one patient in twelve, with a deficit of 2 to 12 /min;
- pressures' noise and drift are assumed: the 32 h patient's cuff differs by 7 mmHg between measurements.

`tests/bench/likeness.py` compares runs of the simulator with those recordings, row by row.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from firmware_sim.patient.artefact_rates import Rates

Floats = NDArray[np.float64]
TEXTBOOK_RATES: Final = Rates()

CHANNELS: Final = ("hr", "pr", "rr", "spo2", "temp", "sbp", "dbp", "ecg")
"""Channels of noise: `hr` is the heart, `pr` and `ecg` are the errors of its two counts; `map` follows from others."""
DRAWN: Final = len(CHANNELS) - 1
"""Channels with a resting value; a count's error has none."""


@dataclass(frozen=True, slots=True, eq=False)
class Drift:
    """A slow change of the patient's own state: an autoregression of the channel, in its unit."""

    channel: str
    sd: float
    tau_s: float


@dataclass(frozen=True, slots=True)
class Bouts:
    """Minutes of unrest: the heart rate rises and breathing changes, then both return.

    Attributes:
        per_h: Bouts an hour.
        hr: Mean rise of the heart rate, /min; exponential.
        hr_tau_s: Time in which it returns.
        rr: Standard deviation of the change of breathing, /min.
        rr_tau_s: Time in which it returns.
    """

    per_h: float
    hr: float
    hr_tau_s: float
    rr: float
    rr_tau_s: float


@dataclass(frozen=True, slots=True)
class Ectopy:
    """Steps of the ECG's count by beats that are early: heavy-tailed, and frequent in a few patients.

    Attributes:
        per_h: Steps an hour of the median patient.
        between: Standard deviation of its logarithm between patients.
        size: Smallest step, /min.
        tail: Exponent of the sizes' Pareto distribution.
    """

    per_h: float
    between: float
    size: float
    tail: float


@dataclass(frozen=True, slots=True)
class Fibrillation:
    """Atrial fibrillation: an irregular heart of which the oximeter misses beats; variation, never the patient's state.

    Attributes:
        share: Share of the patients.
        deficit: Lowest and highest number of beats that the oximeter misses, /min.
        spread: Factors on the noise of channels.
    """

    share: float
    deficit: tuple[float, float]
    spread: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """One set of parameters.

    Attributes:
        name: Its name, the value of `--simulator`.
        z: (k,) standard normal quantiles of the knots; beyond them resting values are cut off.
        knots: (drawn channels, k) resting values at those quantiles.
        correlation: (drawn channels, drawn channels) of the underlying normal variables.
        noise_sd: (channels,) of the median patient; a channel with 0 has no noise.
        noise_tau_s: (channels,) times of the autoregressions.
        circadian: (channels,) amplitudes of the day's course.
        rates: Artefacts.
        lowest_sbp: Systolic pressure below which no shock falls while the heart beats, mmHg.
        spread: Standard deviation of the logarithm of each patient's own spread; 0: all patients vary alike.
        drifts: Slow changes of the state.
        bouts: Unrest; None: never.
        ectopy: Early beats; None: never.
        fibrillation: Atrial fibrillation; None: no patient.
        renewed: Share of seconds in which the monitor renews `hr`, `pr`, `rr`, `spo2`; it holds them in the others.
    """

    name: str
    z: Floats
    knots: Floats
    correlation: Floats
    noise_sd: Floats
    noise_tau_s: Floats
    circadian: Floats
    rates: Rates = TEXTBOOK_RATES
    lowest_sbp: float = 40.0
    spread: float = 0.0
    drifts: tuple[Drift, ...] = ()
    bouts: Bouts | None = None
    ectopy: Ectopy | None = None
    fibrillation: Fibrillation | None = None
    renewed: tuple[float, float, float, float] | None = None


def _textbook() -> Calibration:
    mean = np.array([74.0, 0.0, 15.5, 97.3, 36.8, 123.0, 74.0])
    sd = np.array([6.0, 0.0, 0.9, 0.5, 0.15, 6.0, 4.0])
    z = np.array([-1.8, 1.8])
    return Calibration(
        name="2026-11",
        z=z,
        knots=mean[:, None] + sd[:, None] * z,
        correlation=np.eye(DRAWN),
        # Of one recorded patient: robust deviation of minute differences; a third of the change between two cuffs.
        noise_sd=np.array([1.1, 0.5, 1.1, 0.35, 0.04, 2.4, 1.8, 0.0]),
        noise_tau_s=np.array([60.0, 5.0, 45.0, 240.0, 1800.0, 90.0, 90.0, 1.0]),
        circadian=np.array([3.0, 0.0, 0.5, 0.0, 0.25, 4.0, 3.0, 0.0]),
    )


def _recorded() -> Calibration:
    # Percentiles 0.25, 1, 5, 25, 50, 75, 95, 99 and 99.75.
    z = np.array([-2.807, -2.326, -1.645, -0.674, 0.0, 0.674, 1.645, 2.326, 2.807])
    knots = np.array(
        [
            [49.91, 54.92, 62.39, 74.71, 83.77, 93.49, 108.56, 119.38, 129.80],
            [0.0] * 9,
            [10.85, 11.97, 13.58, 16.06, 18.08, 20.54, 25.15, 29.38, 33.00],
            [89.18, 92.36, 94.43, 96.30, 97.46, 98.51, 99.63, 99.95, 100.0],
            [35.20, 35.71, 36.10, 36.58, 36.92, 37.28, 37.82, 38.23, 38.63],
            [81.83, 89.81, 98.08, 108.74, 118.18, 130.18, 149.94, 164.80, 174.35],
            [37.29, 41.28, 46.31, 53.27, 58.74, 65.27, 77.07, 85.91, 93.55],
        ]
    )
    correlation = np.eye(DRAWN)
    for one, other, value in (
        ("hr", "rr", 0.25), ("hr", "spo2", -0.07), ("hr", "temp", 0.28), ("hr", "sbp", -0.14), ("hr", "dbp", 0.22),
        ("rr", "spo2", -0.21), ("rr", "temp", 0.12), ("spo2", "sbp", 0.07), ("sbp", "dbp", 0.45),
    ):  # fmt: skip
        i, j = CHANNELS.index(one), CHANNELS.index(other)
        correlation[i, j] = correlation[j, i] = value
    return Calibration(
        name="2026-12",
        z=z,
        knots=knots,
        correlation=correlation,
        noise_sd=np.array([1.05, 0.75, 1.0, 0.28, 0.04, 2.2, 1.6, 1.0]),
        noise_tau_s=np.array([10.0, 12.0, 20.0, 10.0, 1800.0, 120.0, 120.0, 8.0]),
        circadian=np.array([1.2, 0.0, 0.4, 0.0, 0.2, 4.0, 3.0, 0.0]),
        rates=RECORDED_RATES,
        # A patient with 90 mmHg at rest who bleeds has a pulse until the heart stops.
        lowest_sbp=58.0,
        spread=0.5,
        drifts=(
            Drift("hr", 1.2, 7200.0),
            Drift("rr", 1.1, 9000.0),
            Drift("spo2", 0.95, 9000.0),
            Drift("spo2", 0.47, 1500.0),
            Drift("sbp", 5.0, 5400.0),
            Drift("dbp", 3.0, 5400.0),
        ),
        bouts=Bouts(per_h=4.5, hr=8.3, hr_tau_s=92.0, rr=6.9, rr_tau_s=90.0),
        ectopy=Ectopy(per_h=8.0, between=1.2, size=2.0, tail=1.6),
        fibrillation=Fibrillation(1 / 12, (2.0, 12.0), (("ecg", 3.5), ("pr", 3.0))),
        renewed=(0.6, 0.4, 0.12, 0.25),
    )


RECORDED_RATES: Final = Rates(
    oximeter_dropout_per_h=0.9,
    oximeter_dropout_mixture=((0.70, 8.0), (0.24, 300.0), (0.06, 4500.0)),
    ecg_dropout_per_h=0.25,
    ecg_dropout_mixture=((0.85, 5.0), (0.13, 60.0), (0.02, 1800.0)),
    monitor_dropout_per_h=1.5 / 24,
    monitor_dropout_s=1500.0,
    recorded=True,
    off_share=0.9,
    motion_per_h=2.0,
    motion_s=25.0,
    motion_depth=(0.0, 3.0),
    motion_beats=(10.0, 30.0),
    ecg_motion_per_h=0.5,
    ecg_motion_s=20.0,
    line_flush_per_h=0.25,
    line_sample_per_h=0.25,
    line_damped_per_h=0.05,
    care_per_h=0.25,
)

CALIBRATIONS: Final = {c.name: c for c in (_textbook(), _recorded())}
"""Parameter sets by name."""
TEXTBOOK, NEWEST = CALIBRATIONS["2026-11"], CALIBRATIONS["2026-12"]


def calibration(name: str) -> Calibration:
    """Returns a parameter set.

    Raises:
        ValueError: There is none of that name.
    """
    if name not in CALIBRATIONS:
        raise ValueError(f"unknown simulator {name!r}; known are {', '.join(CALIBRATIONS)}")
    return CALIBRATIONS[name]
