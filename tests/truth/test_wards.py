"""Simulated wards: mixtures, patients whom default limits do not fit, what devices say of their sensors."""

import numpy as np
import pytest

from firmware_sim.patient.calibration import NEWEST, TEXTBOOK
from firmware_sim.patient.scenarios import Course
from firmware_sim.patient.stories import NAMED, STABLE
from tests.bench import wards
from tests.bench.mixtures import STORIES
from vitals.breach_codes import WITHIN
from vitals.signs import INDEX

CONTINUOUS = [INDEX[field] for field in ("hr", "pr", "rr", "spo2")]
SBP = INDEX["sbp"]


def told(courses: list[Course]) -> list[str]:
    return sorted(course.story.name for course in courses)


@pytest.mark.parametrize(("ill", "least", "most"), [(0.58, 57, 59), (0.05, 4, 6)])
def test_a_ward_has_its_share_of_ill_patients_and_in_many_wards_every_story(ill: float, least: int, most: int) -> None:
    seen: set[str] = set()
    for seed in range(40):
        names = told(list(wards.Ward(seed, 100, 30, 3600.0, ill=ill).courses))
        assert least <= sum(name != STABLE.name for name in names) <= most
        seen |= set(names)
    assert seen == {*STORIES, STABLE.name}


def test_the_old_parameters_give_the_old_ward() -> None:
    ward = wards.Ward(7, 12, 30, 4800.0, model=TEXTBOOK)
    hour = ward.hour()
    assert ward.fits.all()
    # Figures of the ward before there were parameter sets; a sum over half a million values hides no change.
    assert float(np.nansum(hour.truth)) == 637_663
    assert float(np.nansum(hour.values)) == 623_928


def test_default_limits_do_not_fit_some_patients_and_these_are_marked() -> None:
    stable = [Course(STABLE)] * 300
    ward = wards.Ward(1, 300, 30, 3600.0, stable, still=True)
    assert 0.1 < 1 - ward.fits.mean() < 0.35
    hour = ward.hour()
    beyond = (hour.body[:, :, wards.JUDGED] != WITHIN).any(axis=2)
    assert beyond[:, ward.fits].mean() < 0.02
    assert beyond[:, ~ward.fits].mean() > 0.2


def test_nine_of_ten_losses_come_with_the_devices_own_word_and_a_disconnected_monitor_shows_nothing() -> None:
    ward = wards.Ward(2, 200, 30, 3600.0, [Course(STABLE)] * 200)
    hours = [ward.hour() for _ in range(6)]
    values, off = (np.concatenate([getattr(hour, name) for hour in hours]) for name in ("values", "off"))
    lost = np.isnan(values[:, :, CONTINUOUS]) | (values[:, :, CONTINUOUS] == 0)
    said = off[:, :, CONTINUOUS]
    assert 0.8 < said.sum() / lost.sum() < 0.97
    assert not (said & ~np.isnan(values[:, :, CONTINUOUS])).any()
    whole = off.all(axis=2)
    assert whole.any()
    assert np.isnan(values[whole]).all()
    truth = np.concatenate([hour.truth for hour in hours])
    assert np.isnan(truth[off]).all()


@pytest.mark.parametrize(
    ("story", "shows"), [("sudden-arrest", 0.0), ("sudden-arrest-absent", np.nan), ("sudden-arrest-two-sensors", 0.0)]
)
def test_a_sudden_arrest_comes_out_of_calm_within_ten_seconds(story: str, shows: float) -> None:
    ward = wards.Ward(3, 20, 1, 0.0, [Course(NAMED[story], 600.0)] * 20, still=True)
    hour = ward.hour()
    before, after = slice(500, 600), slice(640, 700)
    assert hour.pulse[:600].all()
    assert not hour.pulse[615:].any()
    rates = hour.values[after][:, :, [INDEX["hr"], INDEX["spo2"]]]
    np.testing.assert_array_equal(rates, np.full(rates.shape, shows))
    assert not hour.off.any()
    assert np.isnan(hour.values[before][:, :, SBP]).all() == (story == "sudden-arrest-two-sensors")


def test_under_an_opioid_breathing_fails_before_the_saturation_and_answers_no_lack_of_oxygen() -> None:
    ward = wards.Ward(4, 20, 1, 0.0, [Course(NAMED["serial-apnoea"])] * 20, still=True, model=TEXTBOOK)
    state = ward.hour().state
    first = {
        field: int((state[:, :, INDEX[field]] < limit).all(axis=1).argmax())
        for field, limit in (("rr", 6), ("spo2", 90))
    }
    assert first["rr"] + 20 < first["spo2"]
    # At the end of the first apnoea, and at the end of the second.
    for second in (700, 1100):
        assert (state[second, :, INDEX["spo2"]] < 80).all()
        assert (state[second, :, INDEX["rr"]] < 8).all()


def test_a_reentry_is_no_fever_and_turns_into_a_block() -> None:
    ward = wards.Ward(5, 10, 30, 0.0, [Course(NAMED["tachycardia-to-block"])] * 10, still=True, model=TEXTBOOK)
    state = ward.hour().state
    fast, slow = state[60], state[100]
    assert (fast[:, INDEX["hr"]] > 115).all()
    assert (fast[:, INDEX["temp"]] < 37.5).all()
    assert (slow[:, INDEX["hr"]] < 50).all()


def test_a_line_is_flushed_sampled_and_damped_and_a_cuff_is_not() -> None:
    rates = NEWEST.rates
    assert rates.line_flush_per_h > 0
    ward = wards.Ward(6, 100, 1, 0.0, [Course(STABLE)] * 100)
    hour = ward.hour()
    high = hour.values[:, :, SBP] == 290
    assert high.any()
    assert not high[:, ward.cuff_s > 0].any()
