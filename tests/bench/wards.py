"""Simulated wards with known truth, hour by hour, for the benchmarks of the filter and of the alarms.

Bodies are computed each second, whatever the cadence of the devices: so the moment at which a true breach begins is
known to the second, and what a device shows of it is a sample. Artefacts come at the device's cadence, at the rates
that were measured (`firmware_sim/patient/artefact_rates.py`). Half of the patients have an arterial line, half a cuff.

Three things are told apart, per value:

- *state*: what is so in the patient behind the variation from minute to minute. Only by it a breach is true or false;
- *truth*: what a faultless monitor shows, that variation included;
- *values*: what the device sends, artefacts included.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from firmware_sim.patient import physiology
from firmware_sim.patient.artefacts import Artefacts
from firmware_sim.patient.calibration import CHANNELS, NEWEST, Calibration
from firmware_sim.patient.patient_group import CONTINUOUS
from firmware_sim.patient.scenarios import Course
from firmware_sim.patient.variation import Display, Variation
from tests.bench.mixtures import courses_of
from vitals import news2
from vitals.breach_codes import WITHIN, breach
from vitals.limits import profile
from vitals.signs import INDEX, SIGNS

T0 = 1_763_798_400_000
"""Eight in the morning, UTC."""
TUNING_SEEDS = (101, 102, 103, 9001, 9002)
"""Every threshold was chosen on these and on the recordings. The last two were held out until a figure of theirs moved
the filter's `BOUT_MS`."""
HELD_OUT_SEEDS = (9101, 9102)
"""Only what is reported is computed from these."""
CUFF_S = 900.0
HOUR_S = 3600
DAY_S = 86_400
ADULT = profile("adult").array()
_CHART = [news2.PART_INDEX[part] for part in ("rr", "spo2_scale1", "sbp", "pulse", "temp")]
_MEDIUM_RISK, _SINGLE = 5, 3
NORMAL_SD = 1.0
"""Standard deviations of noise and drift within which a patient is two thirds of the time: the normal."""
JUDGED = [INDEX[field] for field in ("hr", "rr", "spo2", "temp", "sbp", "map")]
"""Signs whose limits have to fit: neither a diastolic pressure alone nor the oximeter's rate is a problem."""
PRESSURES = np.array([INDEX["sbp"], INDEX["dbp"], INDEX["map"]])

Floats = NDArray[np.float64]
Digits = NDArray[np.int8]


@dataclass(frozen=True, slots=True, eq=False)
class Hour:
    """One hour of a ward of n patients.

    Attributes:
        t: (rounds, n) event times, UTC epoch ms; each round has one reading of everyone.
        values: (rounds, n, signs) as sent: a zero is a zero, NaN is absent.
        off: (rounds, n, signs) whether the sensor is reported disconnected.
        truth: (rounds, n, signs) what a faultless monitor shows at that moment, NaN where it finds or measures nothing.
        state: (rounds, n, signs) what is so in the patient, rounded as a monitor shows it, NaN as above.
        pulse: (rounds, n) whether blood circulates.
        each_second: (3600, n, signs) breach digits of `truth` at every second, cuff or not.
        body: (3600, n, signs) breach digits of `state` likewise.
        at_risk: (3600, n) whether the state's NEWS2 is 5 or more, or a single 3, breathing air.
    """

    t: NDArray[np.int64]
    values: Floats
    off: NDArray[np.bool_]
    truth: Floats
    state: Floats
    pulse: NDArray[np.bool_]
    each_second: Digits
    body: Digits
    at_risk: NDArray[np.bool_]


class Ward:
    """n patients; the same seed gives the same bodies at every cadence.

    Attributes:
        courses: The patients' stories.
        cuff_s: (n,) seconds between cuff pressures, 0 with a line.
        fits: (n,) whether the default limits fit the patient's normal.
    """

    def __init__(
        self,
        seed: int,
        n: int,
        cadence_s: int,
        last_s: float,
        courses: Sequence[Course] | None = None,
        *,
        still: bool = False,
        model: Calibration = NEWEST,
        ill: float = 0.58,
    ) -> None:
        """Admits the patients.

        Args:
            seed: Of bodies, stories and artefacts.
            n: Patients.
            cadence_s: Seconds between two readings of a device.
            last_s: Second before which stories begin.
            courses: The patients' stories; None for a mixture.
            still: Devices are free of artefacts.
            model: Parameter set of bodies and monitors.
            ill: Share of the patients in a mixture who have a story.
        """
        rng = np.random.default_rng([seed, 1])
        self.courses = courses or courses_of(model.name, rng, n, last_s, ill)
        self._model = model
        self.n, self.cadence_s = n, cadence_s
        self.cuff_s = np.where(np.arange(n) % 2 == 0, CUFF_S, 0.0)
        self._cuffs_done = np.full(n, -1.0)
        self._cuff_phase_s = rng.uniform(0, CUFF_S, n)
        self._phase_s = rng.permutation(n) % cadence_s
        self._ms = rng.integers(0, 1000, n)
        self._base = physiology.admit(rng, [{}] * n, model)
        self._variation = Variation(model, n, rng)
        self._display = Display(model, CONTINUOUS, n, rng)
        rates = msgspec.structs.replace(model.rates, scale=float(not still))
        self._artefacts = Artefacts(rates, n, np.random.default_rng([seed, 2, cadence_s]), self.cuff_s == 0)
        self.fits = self._fits()
        self._second = 0

    def hour(self) -> Hour:
        """Lives the next hour."""
        seconds = self._second + np.arange(HOUR_S)
        truth, state = self._bodies(seconds)
        found, shown_state = _found(truth), _found(physiology.shown(state.reshape(-1, len(SIGNS))).reshape(state.shape))
        pulse = state[:, :, INDEX["sbp"]] >= physiology.PULSELESS_SBP
        rounds = []
        for start in range(0, HOUR_S, self.cadence_s):
            rounds.append(self._round(start, truth, found, shown_state, pulse))
        self._second += HOUR_S
        columns = [np.stack(column) for column in zip(*rounds, strict=True)]
        return Hour(*columns, _digits(found), _digits(shown_state), _at_risk(shown_state))

    def _bodies(self, seconds: NDArray[np.int64]) -> tuple[Floats, Floats]:
        """Returns (seconds, n, signs) what a faultless monitor shows, and the state behind it."""
        noise, own = self._variation.run(len(seconds), 1.0)
        own += self._base.T[:, None]
        drives = np.stack([c.story.drives(c.story_s(seconds.astype(float))) for c in self.courses], axis=1)
        shape = (len(seconds), self.n, len(SIGNS))
        base, noise = own.reshape(len(CHANNELS), -1).T, noise.reshape(len(CHANNELS), -1).T
        flat, day_s = drives.reshape(-1, drives.shape[-1]), np.repeat((T0 / 1000 + seconds) % DAY_S, self.n)
        truth = physiology.shown(physiology.signs(base, noise, flat, day_s, self._model)).reshape(shape)
        self._display.hold(truth, 1.0)
        return truth, physiology.signs(base, np.zeros_like(base), flat, day_s, self._model).reshape(shape)

    def _fits(self) -> NDArray[np.bool_]:
        """Returns (n,) whether a patient's normal lies within the default limits, a minute's variation included."""
        drives = np.zeros((self.n, len(physiology.DRIVES)))
        fits = np.ones(self.n, dtype=np.bool_)
        for hour in range(24):
            for swing in (-NORMAL_SD, NORMAL_SD):
                own = self._base + swing * self._variation.usual
                at = np.full(self.n, hour * float(HOUR_S))
                shown = physiology.shown(physiology.signs(own, np.zeros_like(own), drives, at, self._model))
                fits &= (breach(shown, ADULT)[:, JUDGED] == WITHIN).all(axis=1)
        return fits

    def _round(
        self, start: int, truth: Floats, found: Floats, state: Floats, pulse: NDArray[np.bool_]
    ) -> tuple[Any, ...]:
        at, mine = start + self._phase_s, np.arange(self.n)
        t_s = (self._second + at).astype(float)
        turn = np.floor_divide(t_s + self._cuff_phase_s, np.where(self.cuff_s > 0, self.cuff_s, np.inf))
        measured = (self.cuff_s == 0) | (turn > self._cuffs_done)
        self._cuffs_done = turn
        measuring = measured & (self.cuff_s > 0)
        values, _, off = self._artefacts.apply(truth[at, mine], measuring, t_s, float(self.cadence_s))
        hidden = off.copy()
        for i, course in enumerate(self.courses):
            if course.story.off:
                story_s = course.story_s(t_s[i])
                hidden[i, [INDEX[field] for field in course.story.sensors_off(story_s)]] = True
                off[i, [INDEX[field] for field in course.story.sensors_off(story_s, reported=True)]] = True
        hidden[np.ix_(~measured, PRESSURES)] = True
        values[hidden] = np.nan
        parts = [np.where(hidden, np.nan, part[at, mine]) for part in (found, state)]
        return T0 + (1000 * t_s).astype(np.int64) + self._ms, values, off, *parts, pulse[at, mine]


def hours(seed: int, n: int, cadence_s: int, count: int) -> Iterator[Hour]:
    """Yields the hours of a ward whose stories begin within its first two thirds."""
    ward = Ward(seed, n, cadence_s, count * HOUR_S * 2 / 3)
    for _ in range(count):
        yield ward.hour()


def _at_risk(state: Floats) -> NDArray[np.bool_]:
    parts = news2.digits(state.reshape(-1, len(SIGNS)))[:, _CHART]
    parts = np.where(parts == news2.NOT_SCORED, 0, parts)
    risk: NDArray[np.bool_] = (parts.sum(axis=1) >= _MEDIUM_RISK) | (parts == _SINGLE).any(axis=1)
    return risk.reshape(state.shape[:2])


def _found(shown: Floats) -> Floats:
    return np.where(shown == 0, np.nan, shown)


def _digits(values: Floats) -> Digits:
    return breach(values.reshape(-1, len(SIGNS)), ADULT).reshape(values.shape)
