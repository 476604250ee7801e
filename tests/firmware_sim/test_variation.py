"""Variation as on recorded patients: what belongs to the state, what a monitor holds, what differs between patients."""

import numpy as np
import pytest

from firmware_sim.patient import physiology
from firmware_sim.patient.artefact_rates import Rates
from firmware_sim.patient.calibration import CHANNELS, NEWEST, TEXTBOOK, calibration
from firmware_sim.patient.patient_group import Patient, PatientGroup, Round
from firmware_sim.patient.scenarios import Course
from firmware_sim.patient.stories import NAMED, STABLE
from firmware_sim.patient.variation import Variation
from vitals.limits import ADULT
from vitals.signs import INDEX

HR, PR, RR, SPO2, SBP = (INDEX[field] for field in ("hr", "pr", "rr", "spo2", "sbp"))


def rounds(count: int, patients: int = 60, *, story: str = "stable", cadence_s: float = 1.0) -> list[Round]:
    people = [Patient(str(i), Course(NAMED[story])) for i in range(patients)]
    group = PatientGroup(people, cadence_s, Rates(scale=0), 3, 0)
    return [group.step() for _ in range(count)]


def test_fibrillation_is_variation_and_the_oximeter_misses_beats_of_it() -> None:
    variation = Variation(NEWEST, 3000, np.random.default_rng(1))
    ill = variation.fibrillating
    assert 0.05 < ill.mean() < 0.12
    noise = np.concatenate([variation.run(1, 30.0)[0][:, 0] for _ in range(40)], axis=1)
    ill = np.tile(ill, 40)
    counts = {name: noise[CHANNELS.index(name)] for name in ("pr", "ecg")}
    assert counts["ecg"][ill].std() > 2.5 * counts["ecg"][~ill].std()
    assert counts["pr"][ill].mean() < -4
    # Its irregularity is in no patient's state.
    assert not variation.drift[:, [CHANNELS.index("pr"), CHANNELS.index("ecg")]].any()


def test_saturation_drifts_over_hours_in_the_state_and_no_faster() -> None:
    made = rounds(480, cadence_s=60.0)
    state = np.array([r.state[:, SPO2] for r in made])
    assert np.median(state.std(axis=0)) > 0.5
    assert np.abs(np.diff(state, axis=0)).max() < 1.5
    apart = np.array([r.truth[:, SPO2] for r in made]) - np.minimum(state, 100)
    assert np.median(apart.std(axis=0)) < 0.6


def test_a_monitor_holds_its_values_but_never_over_their_loss() -> None:
    made = np.array([r.truth for r in rounds(400)])
    assert (np.diff(made[:, :, RR], axis=0) == 0).mean() > 0.8
    for r in rounds(30, story="sudden-arrest"):
        gone = r.state[:, SBP] < 45
        assert (r.truth[gone, PR] == 0).all()


def test_each_patient_has_a_normal_of_their_own_and_some_lie_beyond_default_limits() -> None:
    base = physiology.admit(np.random.default_rng(1), [{}] * 4000)
    limits = ADULT.array()
    beyond = [(base[:, k] < limits[k, 1]) | (base[:, k] > limits[k, 2]) for k in (CHANNELS.index("rr"),)]
    assert 0.001 < np.mean(beyond) < 0.05
    assert base[:, CHANNELS.index("hr")].std() > 12
    textbook = physiology.admit(np.random.default_rng(1), [{}] * 4000, TEXTBOOK)
    assert textbook[:, CHANNELS.index("hr")].std() < 6


def test_steps_of_any_length_keep_the_spread() -> None:
    one, other = (Variation(NEWEST, 4000, np.random.default_rng(seed)) for seed in (1, 2))
    for _ in range(600):
        one.step(1.0)
    for _ in range(20):
        other.step(30.0)
    assert one.noise.std(axis=0) == pytest.approx(other.noise.std(axis=0), rel=0.15)


def test_a_run_is_its_steps() -> None:
    fine, coarse = (Variation(TEXTBOOK, 5, np.random.default_rng(1)) for _ in range(2))
    noise, drift = coarse.run(40, 1.0)
    for k in range(40):
        fine.step(1.0)
        np.testing.assert_array_equal(fine.noise, noise[:, k].T)
    assert not drift.any()


def test_an_unknown_parameter_set_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(ValueError, match="2026-11, 2026-12"):
        calibration("2025-01")


def test_the_stable_story_moves_nothing() -> None:
    assert not STABLE.moves
