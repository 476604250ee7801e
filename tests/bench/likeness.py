"""The simulator beside recordings of patients: rows `simulator.*`, held while it lies within the recordings' interval.

Runs need no recording: intervals are kept here as numbers, and `make verify` computes them again from the recordings
(`tests/verify/test_likeness.py`). While a row is out, the rows of `make bench ONLY=truth` are void.

An interval is the middle 95 % of 2,000 bootstrap samples: of hours, or blocks of four hours, of the one patient of the
32 h record; of patients elsewhere; counts of events are Poisson's. If two sets measure a figure, it is over both.
One patient's interval holds what another time would change, not what another patient would.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np

from firmware_sim.patient import physiology
from firmware_sim.patient.calibration import NEWEST, Calibration
from firmware_sim.patient.patient_group import CONTINUOUS, Patient, PatientGroup
from firmware_sim.patient.scenarios import Course
from firmware_sim.patient.stories import STABLE
from tests.bench import signal_figures as figures
from tests.bench.signal_figures import HR, PR, RR, SPO2, Floats, over

PATIENTS, HOURS, SEED = 60, 32, 20261201
WINDOW_S: Final = 480
"""A record of BIDMC lasts 8 minutes."""
SHORT_S: Final = 120
"""A loss of the oximeter that a record of minutes does not count for sure."""
COMPLETE: Final = 0.95
"""Share of a window's seconds that have values: its authors chose good stretches."""


@dataclass(frozen=True, slots=True)
class Run:
    """A run of stable patients.

    Attributes:
        resting: (many, channels) resting values.
        minutes: A minute course of each patient.
        windows: Second courses of 8 min, complete as the recorded ones are.
        seconds: Second courses of whole hours, losses included.
    """

    resting: Floats
    minutes: list[Floats]
    windows: list[Floats]
    seconds: list[Floats]


@dataclass(frozen=True, slots=True)
class Row:
    """One figure.

    Attributes:
        name: Without `simulator.`.
        low: Lower end of the recordings' interval.
        high: Upper end.
        source: Recordings.
        figure: Computes it from a run.
    """

    name: str
    low: float
    high: float
    source: str
    figure: Callable[[Run], float]


def simulated(model: Calibration = NEWEST, patients: int = PATIENTS, hours: int = HOURS) -> Run:
    """Runs stable patients at 1 Hz."""
    people = [Patient(f"d{i}", Course(STABLE)) for i in range(patients)]
    group = PatientGroup(people, 1.0, model.rates, SEED, 8 * 3600.0, model)
    count = hours * 3600
    shown = np.empty((count, patients, len(CONTINUOUS)), dtype=np.float32)
    for k in range(count):
        shown[k] = group.step().values[:, CONTINUOUS]
    shown[shown == 0] = np.nan
    seconds = [np.asarray(shown[:, i], dtype=np.float64) for i in range(patients)]
    windows = [course[k : k + WINDOW_S + 1] for course in seconds for k in range(0, count - WINDOW_S, 3600)]
    resting = physiology.admit(np.random.default_rng(SEED), [{}] * 20_000, model)
    return Run(resting, [_minutes(course) for course in seconds], complete(windows), seconds)


def complete(windows: list[Floats]) -> list[Floats]:
    """Returns the windows with few values missing."""
    return [window for window in windows if np.isfinite(window).mean() >= COMPLETE]


def _minutes(course: Floats) -> Floats:
    """Returns the mean of each minute; NaN where less than half of it has values."""
    by_minute = course.reshape(-1, 60, course.shape[1])
    known = np.isfinite(by_minute)
    count = known.sum(axis=1)
    means: Floats = np.where(known, by_minute, 0).sum(axis=1) / np.maximum(count, 1)
    means[count < 30] = np.nan
    return means


def _resting(channel: int) -> Callable[[Run], float]:
    return lambda run: figures.spread(run.resting[:, channel])


def _median_hour(sign: int) -> Callable[[Run], float]:
    return lambda run: float(np.nanmedian(np.concatenate([figures.within_hours(c, sign) for c in run.minutes])))


def _minute_ac(sign: int, lag: int) -> Callable[[Run], float]:
    return lambda run: float(np.median(over(run.minutes, lambda c: figures.autocorrelation(c[:, sign], lag))))


def _windows(figure: Callable[[Floats], float], summary: Callable[[Floats], Any] = np.mean) -> Callable[[Run], float]:
    return lambda run: float(summary(over(run.windows, figure)))


def _second_ac(sign: int) -> Callable[[Run], float]:
    return _windows(lambda c: figures.autocorrelation(c[:, sign], 10))


def _per_hour(losses: Callable[[Floats], list[int]], total: Callable[[list[int]], float]) -> Callable[[Run], float]:
    return lambda run: float(
        sum(total(losses(course)) for course in run.minutes) / (sum(map(len, run.minutes)) / figures.HOUR)
    )


def _short(run: Run) -> float:
    """Returns losses of the oximeter of less than two minutes an hour, seen each second."""
    found = [length for course in run.seconds for length in figures.oximeter_losses(course)]
    return sum(length < SHORT_S for length in found) / (sum(map(len, run.seconds)) / 3600)


def _disconnected_min(run: Run) -> float:
    return float(np.mean([length for course in run.minutes for length in figures.disconnections(course)]))


_CHARTED: Final = "20,336 and 4,000 patients (sepsis2019_a, cinc2012_a): sd of patients' own means"
_RECORD: Final = "32 h record, one sample a minute"
_BIDMC: Final = "27 patients of BIDMC, 8 min at 1 Hz"
ROWS: Final = (
    Row("between_patients_hr_sd", 13.84, 14.93, _CHARTED, _resting(0)),
    Row("between_patients_rr_sd", 3.524, 4.111, _CHARTED, _resting(2)),
    Row("between_patients_spo2_sd", 1.627, 4.478, "sepsis2019_a, BIDMC", _resting(3)),
    Row("between_patients_temp_sd", 0.521, 0.582, _CHARTED, _resting(4)),
    Row("between_patients_sbp_sd", 15.78, 17.01, _CHARTED, _resting(5)),
    Row("hr_sd_within_an_hour", 2.478, 2.795, _RECORD, _median_hour(HR)),
    Row("rr_sd_within_an_hour", 1.774, 2.142, _RECORD, _median_hour(RR)),
    Row("spo2_sd_within_an_hour", 0.377, 0.540, _RECORD, _median_hour(SPO2)),
    Row("spo2_sd_of_hours_means", 0.709, 1.134, _RECORD,
        lambda run: float(np.median([np.nanstd(figures.hour_means(c, SPO2)) for c in run.minutes]))),
    Row("hr_autocorrelation_1_min", 0.668, 0.762, _RECORD, _minute_ac(HR, 1)),
    Row("hr_autocorrelation_10_min", 0.052, 0.392, _RECORD, _minute_ac(HR, 10)),
    Row("hr_autocorrelation_60_min", -0.018, 0.231, _RECORD, _minute_ac(HR, 60)),
    Row("spo2_autocorrelation_1_min", 0.830, 0.944, _RECORD, _minute_ac(SPO2, 1)),
    Row("spo2_autocorrelation_10_min", 0.609, 0.819, _RECORD, _minute_ac(SPO2, 10)),
    Row("spo2_autocorrelation_60_min", 0.228, 0.601, _RECORD, _minute_ac(SPO2, 60)),
    Row("hr_autocorrelation_10_s", 0.266, 0.458, _BIDMC, _second_ac(HR)),
    Row("spo2_autocorrelation_10_s", 0.287, 0.515, _BIDMC, _second_ac(SPO2)),
    Row("pr_stands_still", 0.709, 0.850, _BIDMC, _windows(lambda c: figures.still(c, PR))),
    Row("rr_stands_still", 0.890, 0.936, _BIDMC, _windows(lambda c: figures.still(c, RR))),
    Row("hr_largest_step_median", 2, 6, _BIDMC, _windows(lambda c: figures.largest_step(c, HR), np.median)),
    Row("hr_largest_step_p90", 6, 24.6, _BIDMC,
        _windows(lambda c: figures.largest_step(c, HR), lambda found: np.quantile(found, 0.9))),
    Row("hr_pr_correlation", 0.329, 0.541, _BIDMC, _windows(figures.together)),
    Row("hr_pr_apart_seconds", 0.009, 0.060, _BIDMC, _windows(figures.apart)),
    Row("hr_pr_apart_patients", 0.200, 0.600, _BIDMC, _windows(lambda c: float(figures.apart(c) > 0))),
    Row("oximeter_off_runs_per_h", 0.096, 0.409, _RECORD, _per_hour(figures.oximeter_losses, len)),
    Row("oximeter_off_min_per_h", 1.345, 27.91, _RECORD, _per_hour(figures.oximeter_losses, sum)),
    Row("oximeter_off_short_per_h", 0.277, 8.039, _BIDMC, _short),
    Row("rr_8_above_usual_min_per_h", 0.062, 0.594, _RECORD,
        lambda run: float(np.mean(np.concatenate([figures.fast_breaths(c) for c in run.minutes])))),
    Row("hr_and_rr_up_3_min_per_day", 0.309, 4.772, _RECORD,
        _per_hour(figures.unrest, lambda found: 24.0 * len(found))),
    Row("monitor_off_per_day", 0.304, 4.749, _RECORD,
        _per_hour(figures.disconnections, lambda found: 24.0 * len(found))),
    Row("monitor_off_min", 10.0, 40.0, "32 h record: two, of 20 and 22 min; not an interval", _disconnected_min),
)  # fmt: skip
"""All rows, in the order in which they are printed."""


@cache
def values(model: Calibration = NEWEST) -> dict[str, float]:
    """Returns each row's figure of the simulator."""
    run = simulated(model)
    return {row.name: row.figure(run) for row in ROWS}


def held(row: Row, value: float) -> bool:
    """Returns whether a figure lies within the recordings' interval."""
    return row.low <= value <= row.high


def rows(model: Calibration = NEWEST) -> Iterator[dict[str, Any]]:
    """Yields rows as `measure.table` prints them."""
    found = values(model)
    for row in ROWS:
        value = found[row.name]
        yield {
            "name": f"simulator.{row.name}", "value": round(value, 3), "unit": "", "goal": None, "better": "lower",
            "held": held(row, value), "note": f"recordings {row.low:g} to {row.high:g}: {row.source}",
        }  # fmt: skip


if __name__ == "__main__":
    for line in rows():
        sys.stdout.write(f"{'held' if line['held'] else 'OUT '} {line['name']:42} {line['value']:8} {line['note']}\n")
