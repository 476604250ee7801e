"""The simulator beside recordings, in the folder that `SHARED` names: rows of `tests/bench/likeness.py`."""

import csv
import gzip
import os
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from tests.bench import likeness
from tests.bench import signal_figures as figures
from tests.bench.signal_figures import HR, PR, RR, SPO2, Floats

DATA = Path(os.environ["SHARED"]) / "data"
SAMPLES = 2000
HALF_DAY = 240
"""Minutes of a block of the 32 h record; autocorrelations reach over an hour."""
PLAUSIBLE = {"hr": (20, 250), "rr": (3, 60), "spo2": (50, 100), "temp": (32, 42), "sbp": (40, 260)}
AT_LEAST = {"temp": 4}
"""Charted values of a patient that are enough for a mean; 12 of another sign."""
NEAR = 0.02
"""A kept interval may differ from one computed anew by this share of its width or of its end."""


def interval(sample: Callable[[np.random.Generator], float]) -> tuple[float, float]:
    rng = np.random.default_rng(1)
    low, high = np.quantile([sample(rng) for _ in range(SAMPLES)], [0.025, 0.975])
    return float(low), float(high)


def of(values: Floats, statistic: Callable[[Floats], Any]) -> tuple[float, float]:
    """Values are drawn anew, as many as there are."""
    return interval(lambda rng: float(statistic(values[rng.integers(len(values), size=len(values))])))


def large(values: Floats) -> tuple[float, float]:
    """Of a spread of thousands of patients."""
    rng = np.random.default_rng(1)
    found = [figures.spread(values[rng.integers(len(values), size=len(values))]) for _ in range(200)]
    middle, sd = float(np.mean(found)), float(np.std(found))
    return middle - 1.96 * sd, middle + 1.96 * sd


def both(*found: tuple[float, float]) -> tuple[float, float]:
    return min(low for low, _ in found), max(high for _, high in found)


def autocorrelation(values: Floats, lag: int) -> tuple[float, float]:
    pairs = figures.pairs(values, lag)
    blocks = (pairs[:, 0] // HALF_DAY).astype(int)
    parts = [pairs[blocks == k, 1:] for k in np.unique(blocks)]

    def sample(rng: np.random.Generator) -> float:
        drawn = np.concatenate([parts[k] for k in rng.integers(len(parts), size=len(parts))])
        return figures.correlation(drawn[:, 0], drawn[:, 1])

    return interval(sample)


def runs(lengths: list[int], hours: float, total: Callable[[Floats], float]) -> tuple[float, float]:
    """Of events an hour: a Poisson number of them, of the lengths that were found."""
    found = np.array(lengths, dtype=float)

    def sample(rng: np.random.Generator) -> float:
        # The number of events is itself uncertain: its posterior by Jeffreys' prior, without another Poisson draw.
        count = rng.gamma(len(found) + 0.5)
        return count * total(found[rng.integers(len(found), size=len(found))]) / hours

    return interval(sample)


@pytest.fixture(scope="module")
def record() -> Floats:
    """Minute course of the 32 h record."""
    with (DATA / "monitor_numerics_1min" / "patient_a_32h.csv").open() as file:
        rows = [[float(row[k] or "nan") for k in ("HR", "PULSE", "RESP", "SpO2")] for row in csv.DictReader(file)]
    course = np.array(rows)
    course[course == 0] = np.nan
    return course


@pytest.fixture(scope="module")
def bidmc() -> list[Floats]:
    """Second courses of 27 patients."""
    found: dict[str, list[list[float]]] = defaultdict(list)
    with gzip.open(DATA / "bidmc_1hz" / "bidmc_odd_1hz.csv.gz", "rt") as file:
        for row in csv.DictReader(file):
            found[row["patient"]].append([float(row[k] or "nan") for k in ("hr", "pr", "rr", "spo2")])
    courses = [np.array(rows) for rows in found.values()]
    for course in courses:
        course[course == 0] = np.nan
    return courses


def charted() -> dict[str, Floats]:
    """Each patient's own mean, by sign, of sepsis2019_a."""
    table = pq.read_table(DATA / "sepsis2019_a" / "sepsis2019_a.parquet")
    return {sign: _means(table.column("patient"), table.column(sign), sign) for sign in PLAUSIBLE}


def cinc() -> dict[str, Floats]:
    """The same of cinc2012_a; the pressure is an arterial line's."""
    table = pq.read_table(DATA / "cinc2012_ab" / "cinc2012_a.parquet")
    found = {}
    for sign, name in (("hr", "hr"), ("rr", "rr"), ("temp", "temp"), ("sbp", "sbp_art")):
        rows = table.filter(pc.equal(table.column("sign"), name))
        found[sign] = _means(rows.column("record"), rows.column("value"), sign)
    return found


def _means(patient: pa.ChunkedArray, value: pa.ChunkedArray, sign: str) -> Floats:
    low, high = PLAUSIBLE[sign]
    table = pa.table({"patient": patient, "value": pc.cast(value, pa.float64())})
    table = table.filter(pc.and_(pc.greater_equal(table["value"], low), pc.less_equal(table["value"], high)))
    by_patient = table.group_by("patient").aggregate([("value", "mean"), ("value", "count")])
    means: Floats = by_patient["value_mean"].to_numpy()[by_patient["value_count"].to_numpy() >= AT_LEAST.get(sign, 12)]
    return means


def computed(record: Floats, bidmc: list[Floats]) -> Iterator[tuple[str, tuple[float, float]]]:
    """Every interval, from the recordings."""
    sepsis, other = charted(), cinc()
    for sign in ("hr", "rr", "temp", "sbp"):
        yield f"between_patients_{sign}_sd", both(large(sepsis[sign]), large(other[sign]))
    of_bidmc = np.array([np.nanmean(course[:, SPO2]) for course in bidmc])
    yield "between_patients_spo2_sd", both(large(sepsis["spo2"]), of(of_bidmc, partial(np.std, ddof=1)))
    for name, sign in (("hr", HR), ("rr", RR), ("spo2", SPO2)):
        hours = figures.within_hours(record, sign)
        yield f"{name}_sd_within_an_hour", of(hours[np.isfinite(hours)], np.median)
    means = figures.hour_means(record, SPO2)
    yield "spo2_sd_of_hours_means", of(means[np.isfinite(means)], np.std)
    for name, sign in (("hr", HR), ("spo2", SPO2)):
        for lag in (1, 10, 60):
            yield f"{name}_autocorrelation_{lag}_min", autocorrelation(record[:, sign], lag)
    windows = likeness.complete(bidmc)
    for name, figure, statistic in (
        ("hr_autocorrelation_10_s", lambda c: figures.autocorrelation(c[:, HR], 10), np.mean),
        ("spo2_autocorrelation_10_s", lambda c: figures.autocorrelation(c[:, SPO2], 10), np.mean),
        ("pr_stands_still", lambda c: figures.still(c, PR), np.mean),
        ("rr_stands_still", lambda c: figures.still(c, RR), np.mean),
        ("hr_largest_step_median", lambda c: figures.largest_step(c, HR), np.median),
        ("hr_largest_step_p90", lambda c: figures.largest_step(c, HR), lambda found: np.quantile(found, 0.9)),
        ("hr_pr_correlation", figures.together, np.mean),
        ("hr_pr_apart_seconds", figures.apart, np.mean),
        ("hr_pr_apart_patients", lambda c: float(figures.apart(c) > 0), np.mean),
    ):
        yield name, of(figures.over(windows, figure), statistic)
    hours_ = len(record) / figures.HOUR
    losses = figures.oximeter_losses(record)
    yield "oximeter_off_runs_per_h", runs(losses, hours_, lambda _: 1.0)
    yield "oximeter_off_min_per_h", runs(losses, hours_, lambda lengths: float(lengths.mean()))
    short = [n for course in bidmc for n in figures.oximeter_losses(course) if n < likeness.SHORT_S]
    patients = [sum(n < likeness.SHORT_S for n in figures.oximeter_losses(course)) for course in bidmc]
    assert sum(patients) == len(short)
    per_h = 3600 / np.mean([len(course) for course in bidmc])
    yield "oximeter_off_short_per_h", of(np.array(patients, dtype=float), lambda found: per_h * found.mean())
    yield "rr_8_above_usual_min_per_h", of(figures.fast_breaths(record), np.mean)
    yield "hr_and_rr_up_3_min_per_day", runs(figures.unrest(record), hours_ / 24, lambda _: 1.0)
    yield "monitor_off_per_day", runs(figures.disconnections(record), hours_ / 24, lambda _: 1.0)


def test_the_kept_intervals_are_those_of_the_recordings(record: Floats, bidmc: list[Floats]) -> None:
    kept = {row.name: (row.low, row.high) for row in likeness.ROWS}
    found = dict(computed(record, bidmc))
    assert found.keys() == kept.keys() - {"monitor_off_min"}
    wrong = {
        name: (tuple(round(end, 4) for end in ends), kept[name])
        for name, ends in found.items()
        if any(abs(a - b) > NEAR * max(abs(b), ends[1] - ends[0]) for a, b in zip(ends, kept[name], strict=True))
    }
    assert wrong == {}


def test_the_records_disconnections_are_as_long_as_the_simulators(record: Floats) -> None:
    row = next(row for row in likeness.ROWS if row.name == "monitor_off_min")
    found = figures.disconnections(record)
    assert len(found) == 2
    assert all(row.low <= length <= row.high for length in found)


@pytest.mark.timeout(1800)
def test_each_row_of_the_simulator_lies_within_the_recordings_interval() -> None:
    rows = list(likeness.rows())
    for row in rows:
        print("held" if row["held"] else "OUT", row["name"], row["value"], row["note"])  # noqa: T201 - the figures are what verify is run for
    assert [row for row in rows if not row["held"]] == []
