"""The artefact filter and the simulator's replay against a recorded patient, in the folder that `SHARED` names."""

import math
import os
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.ingest import artefact_filter as artefacts
from firmware_sim.patient import replay
from vitals.breach_codes import ABSENT, WITHIN, breach
from vitals.limits import profile
from vitals.signs import FIELDS, INDEX, SIGNS, Suspect

RECORDING = Path(os.environ["SHARED"]) / "data" / "monitor_numerics_1min" / "patient_a_32h.csv"
LIMITS = profile("adult").array()
SPO2 = INDEX["spo2"]

Floats = NDArray[np.float64]
Codes = NDArray[np.int8]


@pytest.fixture(scope="module")
def recording() -> tuple[NDArray[np.int64], Floats]:
    """(n,) ms and (n, signs) as the simulator's replay sends them, zeros and all."""
    rows = replay.read(RECORDING)
    t = np.array([1_763_812_800_000 + round(1000 * t_s) for t_s, _ in rows])
    return t, np.array([[math.nan if v is None else v for v in values] for _, values in rows])


def filtered(t: NDArray[np.int64], values: Floats) -> tuple[Floats, Codes]:
    rows = np.full((1, artefacts.COLUMNS, len(SIGNS)), math.nan)
    off, adult = np.zeros((1, len(SIGNS)), dtype=np.bool_), np.zeros(1, dtype=np.int64)
    cleaned, codes = np.empty_like(values), np.zeros(values.shape, dtype=np.int8)
    for k in range(len(t)):
        cleaned[[k]], codes[[k]], rows = artefacts.clean(rows, t[[k]], values[[k]], off, adult)
    return cleaned, codes


def beyond(values: Floats) -> NDArray[np.bool_]:
    digits = breach(values, LIMITS)
    return (digits != WITHIN) & (digits != ABSENT)


def test_a_recorded_zero_never_breaches(recording: tuple[NDArray[np.int64], Floats]) -> None:
    t, values = recording
    zeros = values == 0
    cleaned, codes = filtered(t, values)
    assert zeros.sum() > 1000
    assert np.isnan(cleaned[zeros]).all()
    assert (codes[zeros] == Suspect.DROPOUT).all()


def test_the_filter_doubts_few_of_a_recorded_patients_values(recording: tuple[NDArray[np.int64], Floats]) -> None:
    t, values = recording
    cleaned, codes = filtered(t, values)
    doubted = (codes != 0) & ~np.isnan(cleaned)
    shares = {f: float(doubted[:, i].sum() / max(1, (~np.isnan(cleaned[:, i])).sum())) for f, i in INDEX.items()}
    assert max(shares[f] for f in ("hr", "pr", "spo2")) < 0.015
    assert shares["rr"] < 0.02


def test_two_readings_of_a_desaturation_are_never_both_doubted(recording: tuple[NDArray[np.int64], Floats]) -> None:
    t, values = recording
    rng = np.random.default_rng(7)
    spoilt, injected = values.copy(), []
    for first in range(20, len(t) - 20, 40):
        length, depth = int(rng.integers(2, 6)), float(rng.integers(70, 90))
        stretch = slice(first, first + length)
        if (values[stretch, SPO2] > 0).all():
            injected.append(stretch)
            spoilt[stretch, SPO2] = depth
    _, codes = filtered(t, spoilt)
    assert len(injected) > 30
    assert [s for s in injected if (codes[s, SPO2][:2] != 0).all()] == []


def test_no_recorded_breach_that_lasts_three_minutes_is_doubted_throughout(
    recording: tuple[NDArray[np.int64], Floats],
) -> None:
    t, values = recording
    cleaned, codes = filtered(t, values)
    out = beyond(cleaned)
    for i, field in enumerate(FIELDS):
        lasting = np.flatnonzero(out[:-2, i] & out[1:-1, i] & out[2:, i])
        lost = [k for k in lasting if (codes[k : k + 3, i] != 0).all()]
        assert lost == [], field
