"""Variation of patients: the noise from second to second, and the slow drift that belongs to a patient's state.

Noise is an autoregression for each channel, with heavy-tailed steps (ectopy), bouts of unrest and, in some patients,
atrial fibrillation. A monitor shows it; the state behind it does not have it. Drift over hours is part of the state.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from firmware_sim.patient.calibration import CHANNELS, Bouts, Calibration, Ectopy

Floats = NDArray[np.float64]

_HOUR_S: Final = 3600.0
_HR, _PR, _RR, _ECG = (CHANNELS.index(channel) for channel in ("hr", "pr", "rr", "ecg"))
_DRIFT_STEP_S: Final = 30.0
"""Drift over hours needs no finer step."""
_RISE_S: Final = 6.0
"""A monitor averages over some seconds, so a bout is seen to begin within them."""
_LARGEST_STEP: Final = 30.0
_NO_LONGER: Final = 1e-3


class Variation:
    """Noise and drift of n patients.

    Attributes:
        noise: (n, channels) variation that a monitor shows and the state does not have.
        drift: (n, channels) slow change of the state.
        usual: (n, channels) standard deviation of both together, without bouts and early beats.
        fibrillating: (n,) whether the patient has atrial fibrillation.
    """

    def __init__(self, model: Calibration, n: int, rng: np.random.Generator) -> None:
        self._model, self._n, self._rng = model, n, rng
        self._noisy = np.flatnonzero(model.noise_sd)
        fresh = rng.standard_normal((len(self._noisy), n))
        scale = np.broadcast_to(model.noise_sd[self._noisy, None], fresh.shape)
        self.fibrillating = np.zeros(n, dtype=np.bool_)
        self._deficit = np.zeros(n)
        if model.spread:
            scale = scale * np.exp(model.spread * rng.standard_normal(fresh.shape))
        if model.fibrillation is not None:
            self.fibrillating = rng.random(n) < model.fibrillation.share
            for channel, factor in model.fibrillation.spread:
                scale[self._row(CHANNELS.index(channel)), self.fibrillating] *= factor
            self._deficit = np.where(self.fibrillating, rng.uniform(*model.fibrillation.deficit, n), 0.0)
        self._scale, self._early = scale, _weights(model.ectopy, n, rng)
        tau_s = model.noise_tau_s[self._noisy]
        self._x = fresh * scale
        if model.bouts is not None:
            # A bout is the difference of two exponentials with one beginning, so its rows are two for each sign.
            hr_s, rr_s = model.bouts.hr_tau_s, model.bouts.rr_tau_s
            tau_s = np.concatenate([tau_s, [hr_s, _RISE_S, rr_s, _RISE_S]])
            self._x = np.concatenate([self._x, np.zeros((4, n))])
        self._tau_s = tau_s
        self._drift_sd = np.array([drift.sd for drift in model.drifts])[:, None]
        self._drift_tau_s = np.array([drift.tau_s for drift in model.drifts])[:, None]
        self._drifts = (
            rng.standard_normal((len(model.drifts), n)) * self._drift_sd if model.drifts else np.empty((0, n))
        )
        self._waited_s, self._dt_s = 0.0, 0.0
        self._keep, self._fresh = np.ones((len(tau_s), 1)), np.zeros((1, 1, 1))
        self.drift, self.noise, self.usual = self._drifted().T, self._noise(self._x[:, None])[:, 0].T, self._usual()

    def step(self, dt_s: float) -> bool:
        """Advances by `dt_s` seconds, of any number; returns whether `drift` is new."""
        self._x = self._advance(1, dt_s)[:, 0]
        self.noise = self._noise(self._x[:, None])[:, 0].T
        return self._wait(dt_s)

    def run(self, steps: int, dt_s: float) -> tuple[Floats, Floats]:
        """Advances step by step; returns (channels, steps, n) noise and drift."""
        course = self._advance(steps, dt_s)
        self._x = course[:, -1].copy()
        noise = self._noise(course)
        self.noise = noise[:, -1].T
        drift = np.empty((len(CHANNELS), steps, self._n))
        first = 0
        for k in range(steps):
            before = self.drift
            if self._wait(dt_s):
                drift[:, first:k] = before.T[:, None]
                first = k
        drift[:, first:] = self.drift.T[:, None]
        return noise, drift

    def _advance(self, steps: int, dt_s: float) -> Floats:
        """Returns (rows, steps, n) autoregressions from the state on, which is left as it is."""
        model, rng, noisy = self._model, self._rng, len(self._noisy)
        if dt_s != self._dt_s:
            self._dt_s, self._keep = dt_s, np.exp(-dt_s / self._tau_s)[:, None]
            self._fresh = (self._scale * np.sqrt(1 - self._keep[:noisy] * self._keep[:noisy]))[:, None]
        keep = self._keep
        course = np.empty((len(keep), steps, self._n))
        course[noisy:] = 0
        fresh = rng.standard_normal((steps, noisy, self._n))
        np.multiply(fresh.swapaxes(0, 1), self._fresh, out=course[:noisy])
        if model.ectopy is not None:
            self._beat_early(model.ectopy, course, dt_s)
        if model.bouts is not None:
            self._begin_bouts(model.bouts, course, dt_s)
        before = self._x
        for k in range(steps):
            now = course[:, k]
            now += before * keep
            before = now
        return course

    def _noise(self, course: Floats) -> Floats:
        """Returns (channels, steps, n) of noise from (rows, steps, n) autoregressions."""
        model, noisy = self._model, len(self._noisy)
        if noisy == len(CHANNELS):
            noise = course[:noisy].copy()
        else:
            noise = np.zeros((len(CHANNELS), *course.shape[1:]))
            noise[self._noisy] = course[:noisy]
        if model.bouts is not None:
            noise[_HR] += course[noisy] - course[noisy + 1]
            noise[_RR] += course[noisy + 2] - course[noisy + 3]
        if model.fibrillation is not None:
            noise[_PR] -= self._deficit
        return noise

    def _wait(self, dt_s: float) -> bool:
        """Advances the drift if it is time; returns whether it did."""
        self._waited_s += dt_s
        if not self._model.drifts or self._waited_s < _DRIFT_STEP_S:
            return False
        keep = np.exp(-self._waited_s / self._drift_tau_s)
        fresh = self._rng.standard_normal(self._drifts.shape) * (self._drift_sd * np.sqrt(1 - keep * keep))
        self._drifts, self._waited_s = self._drifts * keep + fresh, 0.0
        self.drift = self._drifted().T
        return True

    def _usual(self) -> Floats:
        variance = np.zeros((len(CHANNELS), self._n))
        variance[self._noisy] = self._scale**2
        for drift in self._model.drifts:
            variance[CHANNELS.index(drift.channel)] += drift.sd**2
        return np.sqrt(variance).T

    def _drifted(self) -> Floats:
        drift = np.zeros((len(CHANNELS), self._n))
        for k, course in enumerate(self._model.drifts):
            drift[CHANNELS.index(course.channel)] += self._drifts[k]
        return drift

    def _begin_bouts(self, bouts: Bouts, course: Floats, dt_s: float) -> None:
        """Adds bouts, each from any moment of its step on."""
        rng, steps = self._rng, course.shape[1]
        count = rng.poisson(steps * self._n * bouts.per_h * dt_s / _HOUR_S)
        if not count:
            return
        step, i, ago_s = rng.integers(steps, size=count), rng.integers(self._n, size=count), rng.uniform(0, dt_s, count)
        sizes = (rng.exponential(bouts.hr, count), rng.normal(0, bouts.rr, count))
        row = len(self._noisy)
        for k, tau_s in enumerate(self._tau_s[row:]):
            np.add.at(course[row + k], (step, i), sizes[k // 2] * np.exp(-ago_s / tau_s))

    def _beat_early(self, ectopy: Ectopy, course: Floats, dt_s: float) -> None:
        rng, steps, total = self._rng, course.shape[1], self._early[-1]
        count = rng.poisson(steps * total * dt_s / _HOUR_S)
        if not count:
            return
        i = np.searchsorted(self._early, rng.random(count) * total, side="right").clip(max=self._n - 1)
        size = np.minimum(ectopy.size * (1 + rng.pareto(ectopy.tail, count)), _LARGEST_STEP)
        row = self._row(_ECG)
        gone = np.exp(-rng.uniform(0, dt_s, count) / self._tau_s[row])
        np.add.at(course[row], (rng.integers(steps, size=count), i), size * rng.choice([-1, 1, 1], count) * gone)

    def _row(self, channel: int) -> int:
        return int(np.searchsorted(self._noisy, channel))


def _weights(ectopy: Ectopy | None, n: int, rng: np.random.Generator) -> Floats:
    """Returns (n,) cumulated steps an hour."""
    if ectopy is None:
        return np.zeros(n)
    weights: Floats = np.cumsum(ectopy.per_h * np.exp(ectopy.between * rng.standard_normal(n)))
    return weights


class Display:
    """A monitor's held values: it averages and renews some signs only now and then."""

    def __init__(self, model: Calibration, columns: tuple[int, ...], n: int, rng: np.random.Generator) -> None:
        """Admits n monitors; `columns` are the places of the signs that `model.renewed` names."""
        self._renewed = list(zip(columns, model.renewed, strict=True)) if model.renewed is not None else []
        self._rng = rng
        self._held: list[Floats] = [np.zeros(n) for _ in self._renewed]

    def hold(self, shown: Floats, dt_s: float) -> None:
        """Holds values in (rounds, n, signs) of successive rounds, in place; a sign that vanishes or is back is new."""
        keeps = [1 - share for _, share in self._renewed]
        if not keeps or max(keeps) ** dt_s < _NO_LONGER:
            return
        draw = self._rng.random(shown.shape[:2], dtype=np.float32)
        places = np.arange(len(shown), dtype=np.int32)[:, None]
        for k, (column, share) in enumerate(self._renewed):
            fresh, held = shown[:, :, column], self._held[k]
            new = draw >= np.float32((1 - share) ** dt_s)
            if len(shown) == 1:
                new[0] |= fresh[0] * held == 0
                self._held[k] = shown[0, :, column] = np.where(new[0], fresh[0], held)
                continue
            new |= fresh == 0
            new[0] |= held == 0
            new[1:] |= fresh[:-1] == 0
            last = np.maximum.accumulate(np.where(new, places, -1), axis=0)
            kept = np.take_along_axis(fresh, np.maximum(last, 0), axis=0)
            shown[:, :, column] = np.where(last < 0, held, kept)
            self._held[k] = shown[-1, :, column].copy()
