"""What a monitor shows that the patient does not have: artefacts, at rates measured on recordings. Rows are devices.

The default rates come from a recorded ICU patient's monitor numerics (32.3 h at one sample a minute), counted thus:

| artefact | counted as | found | default |
|---|---|---|---|
| dropout of the oximeter | runs of zero in SpO2 or PULSE with HR present | 7, median 6 min | 0.22 /h, 360 s |
| dropout of ECG and breathing | runs of zero in HR or RESP with SpO2 present | 1, 1 min | 0.03 /h, 60 s |
| dropout of the whole monitor | runs in which HR and SpO2 are zero together | 6, median 4.5 min | 0.19 /h, 270 s |
| motion | HR and PULSE more than 10 /min apart | 6, mean 1.5 min | 0.19 /h, 90 s |
| spike of breathing | RESP over 6 /min from its 11 min median | 16, 14 of them one sample | 0.50 /h, one reading |
| spike of a rate or SpO2 | HR, PULSE over 15 /min, SpO2 over 4 % away | 6, mostly one sample | 0.19 /h, one reading |
| flat line | HR, PULSE, RESP equal to 0.1 for 5 min | none | 0.03 /h ((0 + 1) / 32 h), 300 s |
| cuff error | pressure over 20 % from the median of seven | 2 of 152 | 0.013 per measurement |

Of 8,084 nurse-charted cuff pressures of 100 patients 10 contradict themselves: a tenth, as nurses leave bad ones out.
A minute's mean hides what is shorter than a minute, so spikes and motion are lower bounds at 1 s cadence, and a single
patient's rates carry an uncertainty of a factor of about two.

How far motion moves a value is assumed, not measured: in those nine minutes the rates are 10 to 25 /min apart and the
breaths up to 10 /min too many, but the saturation hardly moves, as a minute's mean has room for what a second shows.
The oximeter averages over some 8 s, so its values slide into the disturbance and out of it.
"""

import math
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from firmware_sim.patient.physiology import Floats
from vitals.signs import INDEX, SIGNS

_HOUR_S: Final = 3600.0


class Rates(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How often artefacts begin and how long they last on average; see the module for where the defaults come from.

    Attributes:
        scale: Factor on all rates; 0 switches artefacts off.
        oximeter_dropout_per_h: Zero in place of `pr` and `spo2`.
        oximeter_dropout_s: Mean length.
        ecg_dropout_per_h: Zero in place of `hr` and `rr`.
        ecg_dropout_s: Mean length.
        monitor_dropout_per_h: Zero in all four.
        monitor_dropout_s: Mean length.
        motion_per_h: Oximeter and breathing disturbed by movement.
        motion_s: Mean length.
        breath_spike_per_h: One wild `rr`.
        spike_per_h: One wild `hr`, `pr` or `spo2`.
        flat_per_h: A sign stands still.
        flat_s: Mean length.
        cuff_error_share: Share of cuff measurements that are wrong.
    """

    scale: float = 1.0
    oximeter_dropout_per_h: float = 0.22
    oximeter_dropout_s: float = 360.0
    ecg_dropout_per_h: float = 0.03
    ecg_dropout_s: float = 60.0
    monitor_dropout_per_h: float = 0.19
    monitor_dropout_s: float = 270.0
    motion_per_h: float = 0.19
    motion_s: float = 90.0
    breath_spike_per_h: float = 0.50
    spike_per_h: float = 0.19
    flat_per_h: float = 0.03
    flat_s: float = 300.0
    cuff_error_share: float = 0.013

    def __post_init__(self) -> None:
        if any(getattr(self, field) < 0 for field in self.__struct_fields__):
            raise ValueError("artefact rates and lengths must not be negative")
        if self.cuff_error_share * self.scale > 1:
            raise ValueError("cuff_error_share * scale is a share: at most 1")


KINDS: Final = (
    "dropout-oximeter",
    "dropout-ecg",
    "dropout-monitor",
    "motion",
    "spike-breath",
    "spike",
    "flat-line",
    "cuff-error",
)
_OXIMETER, _ECG, _MONITOR, _MOTION, _BREATH, _SPIKE, _FLAT, CUFF = range(len(KINDS))
"""Places in `KINDS`; the cuff's is the last, as it comes with a measurement and not with time."""
_ZEROED: Final = {_OXIMETER: ("pr", "spo2"), _ECG: ("hr", "rr"), _MONITOR: ("hr", "pr", "rr", "spo2")}
_RATES_AND_SPIKES: Final = np.array([INDEX["hr"], INDEX["pr"], INDEX["spo2"]])
_CAN_STAND_STILL: Final = np.array([INDEX["hr"], INDEX["pr"], INDEX["rr"]])
_PRESSURES: Final = np.array([INDEX["sbp"], INDEX["dbp"], INDEX["map"]])
_MOVED: Final = np.array([INDEX["spo2"], INDEX["pr"], INDEX["rr"]])
_MOVED_SD: Final = np.array([1.0, 3.0, 1.5])
_AVERAGING_S: Final = 8.0
_STILL: Final = 0.5
_HIGHEST: Final = np.array([sign.maximum - (1 if sign.open_maximum else 0) for sign in SIGNS])


class Artefacts:
    """Artefacts of n devices over time; the only state is what is going on now."""

    def __init__(self, rates: Rates, n: int, rng: np.random.Generator) -> None:
        per_h = (
            rates.oximeter_dropout_per_h,
            rates.ecg_dropout_per_h,
            rates.monitor_dropout_per_h,
            rates.motion_per_h,
            rates.breath_spike_per_h,
            rates.spike_per_h,
            rates.flat_per_h,
        )
        # A spike lasts one reading: it is over before the next.
        length = (rates.oximeter_dropout_s, rates.ecg_dropout_s, rates.monitor_dropout_s, rates.motion_s, 0, 0)
        per_s = np.array(per_h) * rates.scale / _HOUR_S
        self._per_s = float(per_s.sum())
        self._up_to = np.cumsum(per_s) / self._per_s if self._per_s else np.ones(CUFF)
        self._mean_s = np.array([*length, rates.flat_s])
        self._cuff_error_share = rates.cuff_error_share * rates.scale
        self._rng = rng
        self._ends_s = np.full((n, CUFF), -np.inf)
        self._busy_s = np.full(n, -np.inf)
        self._flat_sign = np.zeros(n, dtype=np.int64)
        self._flat_value = np.zeros(n)
        self._target = np.zeros((n, len(_MOVED)))
        self._moved = np.zeros((n, len(_MOVED)))
        self._shaken = np.zeros(n, dtype=np.bool_)

    def apply(
        self, shown: Floats, measured: NDArray[np.bool_], t_s: Floats, dt_s: float
    ) -> tuple[Floats, NDArray[np.bool_]]:
        """Spoils what the monitors show.

        Args:
            shown: (n, signs) values without artefact; not changed.
            measured: (n,) whether a cuff measures with this reading.
            t_s: (n,) second of the run.
            dt_s: Seconds since the reading before.

        Returns:
            (n, signs) values as sent, and (n, kinds) which of `KINDS` is in them.
        """
        going = np.zeros((len(shown), len(KINDS)), dtype=np.bool_)
        i, k = self._begin(t_s, dt_s)
        # Whatever goes on has ended later than now in one kind at least; most patients have nothing.
        rows = np.flatnonzero(self._busy_s > t_s)
        going[rows, :CUFF] = self._ends_s[rows] > t_s[rows, None]
        going[i, k] = True
        measuring = np.flatnonzero(measured)
        going[measuring, CUFF] = self._rng.random(len(measuring)) < self._cuff_error_share
        values = shown.copy()
        self._move(values, i[k == _MOTION], going[:, _MOTION], dt_s)
        if len(rows) or len(i):
            self._spike(values, np.flatnonzero(going[:, _BREATH]), np.array([INDEX["rr"]]))
            self._spike(values, np.flatnonzero(going[:, _SPIKE]), _RATES_AND_SPIKES)
            self._stand_still(values, shown, i[k == _FLAT], going[:, _FLAT])
            for kind, fields in _ZEROED.items():
                values[np.ix_(going[:, kind], np.array([INDEX[f] for f in fields]))] = 0
        self._squeeze(values, np.flatnonzero(going[:, CUFF]))
        spoilt = np.flatnonzero(going.any(axis=1))
        values[spoilt] = np.clip(values[spoilt], 0, _HIGHEST)
        return values, going

    def _begin(self, t_s: Floats, dt_s: float) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Lets artefacts begin, at most one in a patient at a time, none that goes on; returns rows and kinds."""
        i = np.flatnonzero(self._rng.random(len(t_s), dtype=np.float32) < -math.expm1(-self._per_s * dt_s))
        k = np.searchsorted(self._up_to, self._rng.random(len(i)), side="right").clip(max=CUFF - 1)
        free = self._ends_s[i, k] <= t_s[i]
        i, k = i[free], k[free]
        self._ends_s[i, k] = t_s[i] + self._rng.exponential(1.0, len(i)) * self._mean_s[k]
        self._busy_s[i] = np.maximum(self._busy_s[i], self._ends_s[i, k])
        return i, k

    def _move(self, values: Floats, new: NDArray[np.intp], going: NDArray[np.bool_], dt_s: float) -> None:
        """Moves what moves, and adds to `going` those whose oximeter has yet to forget the motion."""
        rng, rows = self._rng, np.flatnonzero(going | self._shaken)
        if not len(rows):
            return
        self._target[new, 0] = -rng.uniform(3, 14, len(new))
        self._target[new, 1] = rng.choice([-1, 1], len(new)) * rng.uniform(10, 60, len(new))
        self._target[new, 2] = rng.uniform(0, 18, len(new))
        moving = going[rows, None]
        target = np.where(moving, self._target[rows], 0.0)
        moved = target + (self._moved[rows] - target) * np.exp(-dt_s / _AVERAGING_S)
        moved[(np.abs(moved) < _STILL) & ~moving] = 0
        self._moved[rows] = moved
        self._shaken[rows] = (moved != 0).any(axis=1)
        going[rows] |= self._shaken[rows]
        cells = np.ix_(rows, _MOVED)
        shaken = np.rint(moved + np.where(moving, rng.standard_normal(moved.shape) * _MOVED_SD, 0.0))
        # What a monitor does not find, motion does not bring back.
        values[cells] += np.where(values[cells] > 0, shaken, 0.0)

    def _spike(self, values: Floats, rows: NDArray[np.intp], columns: NDArray[np.int64]) -> None:
        column = self._rng.choice(columns, len(rows))
        saturation = column == INDEX["spo2"]
        factor = np.where(
            saturation, self._rng.uniform(0.5, 0.9, len(rows)), self._rng.choice([0.4, 1.8, 2.5], len(rows))
        )
        values[rows, column] = np.rint(values[rows, column] * factor)

    def _stand_still(self, values: Floats, shown: Floats, new: NDArray[np.intp], going: NDArray[np.bool_]) -> None:
        self._flat_sign[new] = self._rng.choice(_CAN_STAND_STILL, len(new))
        self._flat_value[new] = shown[new, self._flat_sign[new]]
        rows = np.flatnonzero(going)
        values[rows, self._flat_sign[rows]] = self._flat_value[rows]

    def _squeeze(self, values: Floats, rows: NDArray[np.intp]) -> None:
        # Half of the wrong measurements lose the pulse (40/10 and the like), half see a muscle tensed.
        factor = self._rng.choice([0.33, 1.4], len(rows))
        values[np.ix_(rows, _PRESSURES)] = np.rint(values[np.ix_(rows, _PRESSURES)] * factor[:, None])


def names(kinds: NDArray[np.bool_]) -> tuple[str, ...]:
    """Returns the names of the artefacts that (kinds,) flags say."""
    return tuple(KINDS[k] for k in np.flatnonzero(kinds))
