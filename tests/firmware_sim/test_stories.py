from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from firmware_sim.patient import stories
from firmware_sim.patient.artefact_rates import Rates
from firmware_sim.patient.calibration import TEXTBOOK
from firmware_sim.patient.patient_group import Patient, PatientGroup, Sample
from firmware_sim.patient.physiology import DRIVES
from firmware_sim.patient.scenarios import SENSORS, Course, Keyframe, Scenario
from firmware_sim.patient.stories import NAMED
from vitals import breach_codes, news2
from vitals.limits import ADULT
from vitals.signs import FIELDS, INDEX


def told(name: str, *, start_s: float = 0.0, speed: float = 1.0, seed: int = 1, for_s: float = 90.0) -> list[Sample]:
    cohort = PatientGroup(
        [Patient("mon", Course(NAMED[name], start_s, speed))], 2.0, Rates(scale=0), seed, 43_200, TEXTBOOK
    )
    return [sample for _ in range(int(for_s / 2)) for sample in cohort.next()]


def value(sample: Sample, field: str) -> float:
    shown = sample.values[INDEX[field]]
    assert shown is not None
    return shown


def score(sample: Sample) -> int:
    return news2.score(
        rr=value(sample, "rr"),
        spo2=value(sample, "spo2"),
        sbp=value(sample, "sbp"),
        pulse=value(sample, "pr"),
        temp=value(sample, "temp"),
    ).total


def test_every_drive_has_a_key_in_a_key_frame_and_every_sign_a_sensor() -> None:
    assert set(DRIVES) <= set(Keyframe.__struct_fields__)
    assert sorted(field for fields in SENSORS.values() for field in fields) == sorted(FIELDS)


@pytest.mark.parametrize("seed", range(5))
def test_a_hastened_desaturation_crosses_90_by_25_s_and_85_by_40_s(seed: int) -> None:
    samples = told("desaturation", start_s=5, speed=10, seed=seed)
    assert all(value(s, "spo2") >= 90 for s in samples if s.at_s < 10)
    assert next(s.at_s for s in samples if value(s, "spo2") < 90) <= 26
    assert next(s.at_s for s in samples if value(s, "spo2") < 85) <= 40
    assert value(samples[-1], "hr") > value(samples[0], "hr") + 20


@pytest.mark.parametrize("seed", range(5))
def test_a_hastened_sepsis_scores_7_by_50_s_and_crosses_a_limit_by_55_s(seed: int) -> None:
    samples = told("sepsis", start_s=5, speed=400, seed=seed)
    assert score(samples[0]) < 3
    assert next(s.at_s for s in samples if score(s) >= 7) <= 50
    breached = breach_codes.breach(np.array([s.values for s in samples], dtype=np.float64), ADULT.array()).any(axis=1)
    assert not breached[:5].any()
    assert samples[int(breached.argmax())].at_s <= 55
    assert value(samples[-1], "sbp") < 90


def test_blood_loss_ends_in_shock() -> None:
    end = told("haemorrhage", speed=40)[-1]
    assert value(end, "sbp") < 80
    assert value(end, "hr") > 115
    assert end.phase == "shock"


def test_bradycardia_falls_below_40_and_comes_back() -> None:
    rates = [value(s, "hr") for s in told("bradycardia", speed=15)]
    assert min(rates) < 42
    assert rates[-1] > 50


def test_an_arrest_ends_in_zeros_and_its_phase_says_so() -> None:
    end = told("arrest")[-1]
    assert [value(end, field) for field in ("hr", "pr", "rr", "spo2")] == [0, 0, 0, 0]
    assert end.phase == "arrest"


def test_recovery_starts_ill_and_ends_well() -> None:
    samples = told("recovery", speed=60)
    assert score(samples[0]) >= 5
    assert score(samples[-1]) <= 2


def test_a_fallen_probe_is_absent_and_reported_while_the_ecg_goes_on() -> None:
    before, after = told("probe-off", start_s=10)[0], told("probe-off", start_s=10)[-1]
    assert before.off == ()
    assert after.off == ("pr", "spo2")
    assert after.values[INDEX["spo2"]] is None
    assert after.values[INDEX["pr"]] is None
    assert value(after, "hr") > 0


def test_the_truth_of_a_fallen_probe_stays_the_patients() -> None:
    assert told("probe-off")[-1].truth[INDEX["spo2"]] >= 95  # type: ignore[operator] # a simulated truth has no gaps


def test_a_story_has_not_begun_before_its_start() -> None:
    assert told("haemorrhage", start_s=80, speed=100)[0].phase == "stable"


def test_drives_change_linearly_between_key_frames_and_hold_after_the_last() -> None:
    story = Scenario("s", (Keyframe(0, "a"), Keyframe(10, "b", hypoxia=8)))
    assert story.drives(np.array([-5.0, 5.0, 99.0]))[:, 0].tolist() == [0.0, 4.0, 8.0]


def test_a_story_is_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "faint.toml"
    path.write_text('name="faint"\n[[frames]]\nat_s=0\nphase="pale"\nbradycardia=0.4\n')
    assert stories.load(str(path)).frames[0].bradycardia == 0.4


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('name="x"\nframes=[]\n', "needs key frames"),
        ('name="x"\n[[frames]]\nat_s=0\nphase="p"\nloss=2\n', "from 0 to 1"),
        ('name="x"\n[[frames]]\nat_s=0\nphase="p"\nspo3=2\n', "spo3"),
        ("name=", "cannot be read"),
    ],
)
def test_a_story_that_makes_no_sense_is_refused_with_the_reason(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "s.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=reason):
        stories.load(str(path))


def test_an_unknown_story_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(ValueError, match="desaturation"):
        stories.load("flu")


def test_a_cuff_measures_with_the_first_reading_and_then_at_its_interval() -> None:
    cohort = PatientGroup([Patient("mon", Course(stories.STABLE), cuff_s=60)], 2.0, Rates(scale=0), 1, 0)
    at = [s.at_s for _ in range(300) for s in cohort.next() if s.values[INDEX["sbp"]] is not None]
    assert at[0] < 2
    assert len(at) == 11
    assert all(58 <= b - a <= 62 for a, b in pairwise(at[1:]))


def test_a_sign_that_a_device_does_not_measure_is_absent() -> None:
    cohort = PatientGroup([Patient("mon", Course(stories.STABLE), signs=("hr", "spo2"))], 2.0, Rates(scale=0), 1, 0)
    sample = cohort.next()[0]
    assert [f for f, v in zip(FIELDS, sample.values, strict=True) if v is not None] == ["hr", "spo2"]
