import numpy as np
import pytest

from firmware_sim.patient import physiology
from firmware_sim.patient.artefact_rates import Rates
from firmware_sim.patient.calibration import CHANNELS, NEWEST, TEXTBOOK
from firmware_sim.patient.patient_group import Patient, PatientGroup
from firmware_sim.patient.physiology import DRIVES
from firmware_sim.patient.scenarios import Course
from firmware_sim.patient.stories import NAMED, STABLE
from firmware_sim.patient.variation import Variation
from vitals import breach_codes, news2
from vitals.limits import ADULT
from vitals.signs import FIELDS, INDEX

NOON_S = 43_200.0


def signs_under(**drives: float) -> dict[str, float]:
    """The mean signs of a thousand adults under the given drives."""
    rng = np.random.default_rng(1)
    base, noise = physiology.admit(rng, [{}] * 1000), Variation(TEXTBOOK, 1000, rng).noise
    rows = np.tile([drives.get(drive, 0.0) for drive in DRIVES], (1000, 1))
    values = physiology.signs(base, noise, rows, np.full(1000, NOON_S))
    return dict(zip(FIELDS, values.mean(axis=0).tolist(), strict=True))


def test_hypoxia_raises_heart_and_breathing_rate() -> None:
    well, hypoxic = signs_under(), signs_under(hypoxia=12)
    assert hypoxic["spo2"] == pytest.approx(well["spo2"] - 12, abs=0.2)
    assert hypoxic["hr"] > well["hr"] + 10
    assert hypoxic["rr"] > well["rr"] + 4


def test_fever_raises_heart_rate_by_nine_beats_a_degree() -> None:
    well, febrile = signs_under(), signs_under(fever=2)
    assert febrile["temp"] == pytest.approx(well["temp"] + 2)
    assert febrile["hr"] == pytest.approx(well["hr"] + 18)


def test_blood_loss_speeds_the_heart_before_it_drops_the_pressure() -> None:
    well, early, late = signs_under(), signs_under(loss=0.14), signs_under(loss=0.40)
    assert early["hr"] > well["hr"] + 10
    assert early["sbp"] == pytest.approx(well["sbp"])
    assert late["hr"] > early["hr"] + 20
    assert late["sbp"] < 80


def test_a_slow_heart_is_slow_in_ecg_and_oximeter_alike() -> None:
    slow = signs_under(bradycardia=0.5)
    assert slow["hr"] < 45
    assert slow["pr"] == pytest.approx(slow["hr"], abs=0.5)


@pytest.mark.parametrize("drives", [{}, {"loss": 0.42}, {"vasodilation": 1.0}, {"arrest": 1.0}, {"loss": 0.9}])
def test_diastolic_mean_and_systolic_pressure_always_ascend(drives: dict[str, float]) -> None:
    signs = signs_under(**drives)
    assert 0 < signs["dbp"] < signs["map"] < signs["sbp"]


def test_a_monitor_shows_an_arrest_as_zeros() -> None:
    rng = np.random.default_rng(1)
    arrest = np.array([[float(drive == "arrest") for drive in DRIVES]])
    true = physiology.signs(physiology.admit(rng, [{}]), np.zeros((1, len(CHANNELS))), arrest, np.array([0.0]))
    shown = physiology.shown(true)[0]
    assert [shown[INDEX[field]] for field in ("hr", "pr", "rr", "spo2")] == [0, 0, 0, 0]
    assert shown[INDEX["sbp"]] > 0


def test_a_monitor_rounds_to_whole_numbers_and_temperature_to_a_tenth() -> None:
    rng = np.random.default_rng(1)
    drives = np.zeros((50, len(DRIVES)))
    true = physiology.signs(physiology.admit(rng, [{}] * 50), Variation(NEWEST, 50, rng).noise, drives, np.zeros(50))
    shown = physiology.shown(true)
    temperature = INDEX["temp"]
    assert np.array_equal(np.delete(shown, temperature, axis=1), np.rint(np.delete(shown, temperature, axis=1)))
    assert np.allclose(shown[:, temperature] * 10, np.rint(shown[:, temperature] * 10))
    assert not np.array_equal(shown, true)


def test_noise_keeps_its_spread_whatever_the_step() -> None:
    rng = np.random.default_rng(1)
    variation = Variation(TEXTBOOK, 4000, rng)
    before = variation.noise.std(axis=0)
    for step_s in (0.5, 30.0, 3600.0):
        variation.step(step_s)
    assert variation.noise.std(axis=0) == pytest.approx(before, rel=0.08)


def test_temperature_is_higher_in_the_afternoon_than_before_dawn() -> None:
    base, noise = physiology.admit(np.random.default_rng(1), [{}]), np.zeros((1, len(CHANNELS)))
    still = np.zeros((1, len(DRIVES)))
    dawn, afternoon = (physiology.signs(base, noise, still, np.array([h * 3600.0])) for h in (5, 17))
    assert afternoon[0, INDEX["temp"]] > dawn[0, INDEX["temp"]] + 0.25


def test_a_baseline_can_be_given_and_an_unknown_one_is_refused() -> None:
    assert physiology.admit(np.random.default_rng(1), [{"spo2": 90}])[0].tolist()[3] == 90
    with pytest.raises(ValueError, match="'etco2'"):
        physiology.admit(np.random.default_rng(1), [{"etco2": 5}])


@pytest.mark.parametrize("seed", range(4))
def test_stable_patients_breach_no_limit_and_score_no_three_for_a_day(seed: int) -> None:
    cohort = PatientGroup([Patient(str(i), Course(STABLE)) for i in range(24)], 120, Rates(scale=0), seed, 0, TEXTBOOK)
    values = np.array([sample.values for _ in range(720) for sample in cohort.next()], dtype=np.float64)
    assert not breach_codes.breach(values, ADULT.array()).any()
    scored = news2.digits(values)[:, [i for p, i in news2.PART_INDEX.items() if not p.startswith("spo2_scale2")]]
    assert scored.max() < 3
    assert scored.sum(axis=1).max() < 5


def test_the_same_seed_tells_the_same_day_and_another_seed_another() -> None:
    def day(seed: int) -> list[object]:
        cohort = PatientGroup([Patient(str(i), Course(STABLE)) for i in range(8)], 30, Rates(), seed, 0)
        return [sample for _ in range(100) for sample in cohort.next()]

    assert day(1) == day(1)
    assert day(1) != day(2)


def test_the_state_is_the_body_without_its_variation_and_the_story_moves_both() -> None:
    patients = [Patient(str(i), Course(NAMED["desaturation"])) for i in range(30)]
    cohort = PatientGroup(patients, 1.0, Rates(scale=0), 3, 0, TEXTBOOK)
    made = [cohort.step() for _ in range(420)]
    steps = np.diff(np.array([r.state[:, INDEX["spo2"]] for r in made]), axis=0)
    assert steps.max() < 0.01
    assert made[0].state[:, INDEX["spo2"]].mean() - made[-1].state[:, INDEX["spo2"]].mean() > 15
    apart = np.array([r.truth[:, INDEX["spo2"]] - r.state[:, INDEX["spo2"]] for r in made])
    assert abs(apart.mean()) < 0.2
    assert 0.1 < apart.std() < 0.8


def test_a_round_as_columns_is_the_round_as_samples() -> None:
    def cohort() -> PatientGroup:
        patients = [Patient(str(i), Course(NAMED["sepsis"]), cuff_s=60.0 * (i % 2)) for i in range(12)]
        return PatientGroup(patients, 5.0, Rates(scale=40, cuff_error_share=0.02), 9, 0)

    columns, samples = cohort(), cohort()
    for _ in range(60):
        made = columns.step()
        for sample in samples.next():
            i = int(sample.device)
            values = [np.nan if value is None else value for value in sample.values]
            np.testing.assert_array_equal(values, made.values[i])
            np.testing.assert_allclose(sample.state, made.state[i], atol=0.006)
            assert len(sample.artefacts) == made.artefacts[i].sum()


def test_the_ledger_can_tell_what_a_faultless_device_would_not_have_shown() -> None:
    patient = Patient("mon", Course(NAMED["probe-off"]), cuff_s=60.0)
    cuff = PatientGroup([patient], 10.0, Rates(scale=0), 1, 0)
    made = [cuff.next()[0] for _ in range(30)]
    pressures = [not {"sbp", "dbp", "map"} & set(sample.unmeasured) for sample in made]
    assert 0 < sum(pressures) < 10
    for sample in made:
        shown = {field for field, value in zip(FIELDS, sample.values, strict=True) if value is not None}
        assert shown == set(FIELDS) - set(sample.unmeasured)
    assert "spo2" in made[-1].unmeasured
