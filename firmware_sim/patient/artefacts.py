"""Artefacts, that is values that a monitor shows but the patient does not have. Rows are devices.

`artefact_rates` has their rates with the sources. The size of movements is assumed, not measured: in the recorded
minutes the rates are 10 to 25 /min apart and the breaths up to 10 /min too many, but the saturation hardly moves.
"""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from firmware_sim.patient import shaking
from firmware_sim.patient.artefact_rates import Mixture, Rates
from vitals.signs import INDEX, SIGNS

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

_HOUR_S: Final = 3600.0
KINDS: Final = (
    "dropout-oximeter",
    "dropout-ecg",
    "dropout-monitor",
    "motion",
    "spike-breath",
    "spike",
    "flat-line",
    "motion-ecg",
    "line-flush",
    "line-sample",
    "line-damped",
    "care",
    "cuff-error",
)
_OXIMETER, _ECG, _MONITOR, _MOTION, _BREATH, _SPIKE, _FLAT, _MUSCLE, _FLUSH, _SAMPLE, _DAMPED, _CARE, CUFF = range(
    len(KINDS)
)
"""Indices in `KINDS`; the cuff's is the last, since it occurs per measurement and not per time."""
_ZEROED: Final = {
    kind: np.array([INDEX[field] for field in fields])
    for kind, fields in (
        (_OXIMETER, ("pr", "spo2")), (_ECG, ("hr", "rr")), (_MONITOR, ("hr", "pr", "rr", "spo2")),
    )
}  # fmt: skip
_ABSENT: Final = {**_ZEROED, _MONITOR: np.arange(len(SIGNS))}
_ZERO, _GONE, _OFF = range(3)
"""A dropout's form: zeros, no value, no value and the device reports `off`."""
_RATES_AND_SPIKES: Final = np.array([INDEX["hr"], INDEX["pr"], INDEX["spo2"]])
_CAN_STAND_STILL: Final = np.array([INDEX["hr"], INDEX["pr"], INDEX["rr"]])
_PRESSURES: Final = np.array([INDEX["sbp"], INDEX["dbp"], INDEX["map"]])
_SBP, _DBP, _MAP = _PRESSURES
_NOT_CONTINUOUS: Final = np.array([INDEX["temp"], *_PRESSURES])
_OF_LINES: Final = frozenset((_FLUSH, _SAMPLE, _DAMPED))
_BAG: Final = (290.0, 270.0, 280.0)
"""Pressures while a line is flushed from a bag at 300 mmHg."""
_FLUSH_S, _SAMPLE_S, _DAMPED_S, _CARE_S = 5.0, 60.0, 600.0, 180.0
_HIGHEST: Final = np.array([sign.maximum - (1 if sign.open_maximum else 0) for sign in SIGNS])


class Artefacts:
    """Artefacts of n devices over time; the only state is the ongoing artefacts.

    Args:
        rates: Their rates.
        n: Devices.
        rng: Source of randomness.
        lines: (n,) flags of the devices with an arterial line; None: no device has one.
    """

    def __init__(self, rates: Rates, n: int, rng: np.random.Generator, lines: Flags | None = None) -> None:
        per_h, mean_s = _plan(rates)
        per_s = per_h * rates.scale / _HOUR_S
        self._per_s = float(per_s.sum())
        self._up_to = np.cumsum(per_s) / self._per_s if self._per_s else np.ones(CUFF)
        self._mean_s = mean_s
        self._rates, self._rng = rates, rng
        self._cuff_error_share = rates.cuff_error_share * rates.scale
        self._lines = np.zeros(n, dtype=np.bool_) if lines is None else lines
        self._ends_s = np.full((n, CUFF), -np.inf)
        self._busy_s = np.full(n, -np.inf)
        self._form = np.zeros((n, len(_ZEROED)), dtype=np.int8)
        self._flat_sign = np.zeros(n, dtype=np.int64)
        self._flat_value = np.zeros(n)
        self._shaking = {
            _MOTION: shaking.oximeter(rates, n, rng),
            _MUSCLE: shaking.ecg(rates, n, rng),
            _CARE: shaking.care(n, rng),
        }

    def apply(self, shown: Floats, measured: Flags, t_s: Floats, dt_s: float) -> tuple[Floats, Flags, Flags]:
        """Adds artefacts to the values that the monitors show.

        Args:
            shown: (n, signs) values without artefact; not changed.
            measured: (n,) whether a cuff measures with this reading.
            t_s: (n,) second of the run.
            dt_s: Seconds since the reading before.

        Returns:
            (n, signs) values as sent, NaN if absent; (n, kinds) flags of the artefacts (`KINDS`) in them; (n, signs)
            flags of the sensors reported as off.
        """
        going, off = np.zeros((len(shown), len(KINDS)), dtype=np.bool_), np.zeros(shown.shape, dtype=np.bool_)
        i, k = self._begin(t_s, dt_s)
        # Only rows with an artefact of any kind that ends later than now; most patients have none.
        rows = np.flatnonzero(self._busy_s > t_s)
        going[rows, :CUFF] = self._ends_s[rows] > t_s[rows, None]
        going[i, k] = True
        measuring = np.flatnonzero(measured)
        going[measuring, CUFF] = self._rng.random(len(measuring)) < self._cuff_error_share
        values = shown.copy()
        for kind, movement in self._shaking.items():
            movement.apply(values, i[k == kind], going[:, kind], dt_s)
        spoilt = np.flatnonzero(going.any(axis=1))
        if not len(spoilt):
            return values, going, off
        there = frozenset(np.flatnonzero(going[spoilt].any(axis=0)).tolist())
        if _BREATH in there:
            self._spike(values, np.flatnonzero(going[:, _BREATH]), np.array([INDEX["rr"]]))
        if _SPIKE in there:
            self._spike(values, np.flatnonzero(going[:, _SPIKE]), _RATES_AND_SPIKES)
        if _FLAT in there:
            self._stand_still(values, shown, i[k == _FLAT], going[:, _FLAT])
        if there & _OF_LINES:
            _disturb_lines(values, going)
        if CUFF in there:
            self._squeeze(values, np.flatnonzero(going[:, CUFF]))
        values[spoilt] = np.clip(values[spoilt], 0, _HIGHEST)
        for kind in there & _ZEROED.keys():
            self._drop(values, off, kind, np.flatnonzero(going[:, kind]))
        return values, going, off

    def _begin(self, t_s: Floats, dt_s: float) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Starts artefacts, at most one per patient and call, none of an ongoing kind; returns rows and kinds."""
        rng = self._rng
        i = np.flatnonzero(rng.random(len(t_s), dtype=np.float32) < -math.expm1(-self._per_s * dt_s))
        k = np.searchsorted(self._up_to, rng.random(len(i)), side="right").clip(max=CUFF - 1)
        free = (self._ends_s[i, k] <= t_s[i]) & (self._lines[i] | (k < _FLUSH) | (k > _DAMPED))
        i, k = i[free], k[free]
        length = rng.exponential(1.0, len(i)) * self._mean_s[k]
        if self._rates.recorded and len(i):
            self._shape(i, k, length)
            length -= np.where(self._mean_s[k] > 0, rng.random(len(i)) * dt_s, 0.0)
            seen = length >= 0
            i, k, length = i[seen], k[seen], length[seen]
        self._ends_s[i, k] = t_s[i] + length
        self._busy_s[i] = np.maximum(self._busy_s[i], self._ends_s[i, k])
        return i, k

    def _shape(self, i: NDArray[np.intp], k: NDArray[np.intp], length: Floats) -> None:
        """Draws dropouts' lengths, in place, and their forms."""
        rng, rates = self._rng, self._rates
        for kind, mixture in ((_OXIMETER, rates.oximeter_dropout_mixture), (_ECG, rates.ecg_dropout_mixture)):
            here = np.flatnonzero(k == kind)
            if mixture:
                shares, means = np.array(mixture).T
                drawn = np.searchsorted(np.cumsum(shares), rng.random(len(here)), side="right")
                length[here] *= means[drawn.clip(max=len(means) - 1)] / self._mean_s[kind]
        here = np.flatnonzero(k == _MONITOR)
        length[here] = rates.monitor_dropout_s * rng.uniform(0.4, 1.6, len(here))
        here = np.flatnonzero(k <= _MONITOR)
        silent = np.where(rng.random(len(here)) < 0.5, _ZERO, _GONE)  # noqa: PLR2004 - as often as not
        self._form[i[here], k[here]] = np.where(rng.random(len(here)) < rates.off_share, _OFF, silent)

    def _drop(self, values: Floats, off: Flags, kind: int, rows: NDArray[np.intp]) -> None:
        form = self._form[rows, kind]
        values[np.ix_(rows[form == _ZERO], _ZEROED[kind])] = 0
        if not self._rates.recorded:
            return
        values[np.ix_(rows[form != _ZERO], _ABSENT[kind])] = np.nan
        off[np.ix_(rows[form == _OFF], _ABSENT[kind])] = True
        if kind == _MONITOR:
            values[np.ix_(rows, _NOT_CONTINUOUS)] = np.nan

    def _spike(self, values: Floats, rows: NDArray[np.intp], columns: NDArray[np.int64]) -> None:
        column = self._rng.choice(columns, len(rows))
        saturation = column == INDEX["spo2"]
        factor = np.where(
            saturation, self._rng.uniform(0.5, 0.9, len(rows)), self._rng.choice([0.4, 1.8, 2.5], len(rows))
        )
        values[rows, column] = np.rint(values[rows, column] * factor)

    def _stand_still(self, values: Floats, shown: Floats, new: NDArray[np.intp], going: Flags) -> None:
        self._flat_sign[new] = self._rng.choice(_CAN_STAND_STILL, len(new))
        self._flat_value[new] = shown[new, self._flat_sign[new]]
        rows = np.flatnonzero(going)
        values[rows, self._flat_sign[rows]] = self._flat_value[rows]

    def _squeeze(self, values: Floats, rows: NDArray[np.intp]) -> None:
        # Half of the wrong measurements lose the pulse (40/10 and the like), half measure a tensed muscle.
        factor = self._rng.choice([0.33, 1.4], len(rows))
        values[np.ix_(rows, _PRESSURES)] = np.rint(values[np.ix_(rows, _PRESSURES)] * factor[:, None])


def _plan(rates: Rates) -> tuple[Floats, Floats]:
    """Returns (kinds but the cuff's,) rates an hour and mean lengths in seconds; a spike lasts one reading."""
    table = {
        _OXIMETER: (rates.oximeter_dropout_per_h, _mean(rates.oximeter_dropout_mixture, rates.oximeter_dropout_s)),
        _ECG: (rates.ecg_dropout_per_h, _mean(rates.ecg_dropout_mixture, rates.ecg_dropout_s)),
        _MONITOR: (rates.monitor_dropout_per_h, rates.monitor_dropout_s),
        _MOTION: (rates.motion_per_h, rates.motion_s),
        _BREATH: (rates.breath_spike_per_h, 0.0),
        _SPIKE: (rates.spike_per_h, 0.0),
        _FLAT: (rates.flat_per_h, rates.flat_s),
        _MUSCLE: (rates.ecg_motion_per_h, rates.ecg_motion_s),
        _FLUSH: (rates.line_flush_per_h, _FLUSH_S),
        _SAMPLE: (rates.line_sample_per_h, _SAMPLE_S),
        _DAMPED: (rates.line_damped_per_h, _DAMPED_S),
        _CARE: (rates.care_per_h, _CARE_S),
    }
    both = np.array([table[kind] for kind in range(CUFF)])
    return both[:, 0], both[:, 1]


def _mean(mixture: Mixture, otherwise: float) -> float:
    return sum(share * mean for share, mean in mixture) if mixture else otherwise


def _disturb_lines(values: Floats, going: Flags) -> None:
    """Changes pressures of arterial lines, in place."""
    rows = np.flatnonzero(going[:, _DAMPED])
    middle = values[rows, _MAP]
    for column, share in ((_SBP, 0.5), (_DBP, 0.5)):
        values[rows, column] = np.rint(middle + share * (values[rows, column] - middle))
    rows = np.flatnonzero(going[:, _SAMPLE])
    values[np.ix_(rows, _PRESSURES)] = values[rows, _MAP][:, None] + np.array([1, -1, 0])
    rows = np.flatnonzero(going[:, _FLUSH])
    values[np.ix_(rows, _PRESSURES)] = _BAG


def names(kinds: Flags) -> tuple[str, ...]:
    """Returns the names of the artefacts in (kinds,) flags."""
    return tuple(KINDS[k] for k in np.flatnonzero(kinds))
