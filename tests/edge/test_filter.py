"""The artefact filter."""

import math
from typing import Any

import numpy as np
import pytest

from edge.ingest import artefact_filter as artefacts
from edge.ingest.device_rows import grown, rounds
from vitals.limits import PROFILE_INDEX
from vitals.signs import INDEX, SIGNS, Suspect

START = 1_763_812_800_000


class Monitor:
    """One device's readings through the filter, one by one."""

    def __init__(self, profile: int = 0) -> None:
        self.rows = np.full((1, artefacts.COLUMNS, len(SIGNS)), math.nan)
        self.profile = profile
        self.t = START

    def read(
        self, *, after_s: float = 1.0, off: tuple[str, ...] = (), **signs: float
    ) -> dict[str, tuple[float, Suspect]]:
        """Returns (value, reason) by sign, of signs that have either."""
        self.t += int(after_s * 1000)
        values = np.full((1, len(SIGNS)), math.nan)
        disconnected = np.zeros((1, len(SIGNS)), dtype=np.bool_)
        for field, value in signs.items():
            values[0, INDEX[field]] = value
        for field in off:
            disconnected[0, INDEX[field]] = True
        values, codes, self.rows = artefacts.clean(
            self.rows, np.array([self.t]), values, disconnected, np.array([self.profile])
        )
        return {
            sign.field: (values[0, i], Suspect(codes[0, i]))
            for i, sign in enumerate(SIGNS)
            if codes[0, i] or not math.isnan(values[0, i])
        }


def reasons(read: dict[str, tuple[float, Suspect]]) -> dict[str, Suspect]:
    return {field: reason for field, (_, reason) in read.items()}


@pytest.mark.parametrize(
    ("field", "value"),
    [("hr", 300), ("hr", -1), ("spo2", 101), ("temp", 24.9), ("temp", 45.1), ("sbp", 400), ("rr", 70)],
)
def test_an_implausible_value_is_kept_and_marked(field: str, value: float) -> None:
    assert Monitor().read(**{field: value}) == {field: (value, Suspect.IMPLAUSIBLE)}


@pytest.mark.parametrize(("field", "value"), [("hr", 299), ("spo2", 100), ("temp", 25), ("temp", 45), ("rr", 69)])
def test_a_value_at_its_inclusive_bound_is_believed(field: str, value: float) -> None:
    assert Monitor().read(**{field: value}) == {field: (value, Suspect.NONE)}


@pytest.mark.parametrize(
    ("profile", "field", "value"),
    [
        # A newborn in respiratory distress; bronchiolitis in the second year; asthma at school age.
        ("infant", "rr", 120), ("toddler", "rr", 72), ("toddler", "rr", 96), ("child", "rr", 80),
        ("adolescent", "rr", 75),
        # Supraventricular tachycardia: 220 to 320 in infants, 180 to 280 later on.
        ("infant", "hr", 320), ("infant", "pr", 320), ("toddler", "hr", 280), ("child", "hr", 250),
        # An adult's: gasping in acidosis; atrial fibrillation over an accessory pathway.
        ("adult", "rr", 60), ("adult", "hr", 290),
    ],
)  # fmt: skip
def test_the_extremes_of_every_age_are_believed(profile: str, field: str, value: float) -> None:
    assert Monitor(profile=PROFILE_INDEX[profile]).read(**{field: value})[field][1] is Suspect.NONE


@pytest.mark.parametrize("profile", ["adult", "infant", "toddler", "child", "adolescent"])
def test_a_monitors_255_is_a_breath_count_of_nobody(profile: str) -> None:
    assert Monitor(profile=PROFILE_INDEX[profile]).read(rr=255)["rr"][1] is Suspect.IMPLAUSIBLE


def test_of_a_patient_who_is_not_known_a_childs_rates_are_believed_and_of_an_adult_they_are_not() -> None:
    assert Monitor(profile=-1).read(rr=110)["rr"][1] is Suspect.NONE
    assert Monitor(profile=PROFILE_INDEX["adult"]).read(rr=110)["rr"][1] is Suspect.IMPLAUSIBLE


def test_a_monitors_zero_is_absent_and_says_why_while_the_other_signs_go_on() -> None:
    read = Monitor().read(hr=0, spo2=97)
    assert math.isnan(read["hr"][0])
    assert reasons(read) == {"hr": Suspect.DROPOUT, "spo2": Suspect.NONE}


def test_a_disconnected_sensor_takes_all_its_missing_signs_with_it() -> None:
    read = Monitor().read(spo2=0, pr=0, hr=72, off=("spo2",))
    assert reasons(read) == {"spo2": Suspect.SENSOR_OFF, "pr": Suspect.SENSOR_OFF, "hr": Suspect.NONE}
    assert math.isnan(read["spo2"][0])


def test_a_sign_that_is_simply_missing_has_no_reason() -> None:
    assert Monitor().read(hr=72) == {"hr": (72, Suspect.NONE)}


def test_a_single_spike_is_marked_and_the_return_from_it_believed() -> None:
    monitor = Monitor()
    for _ in range(5):
        monitor.read(spo2=97)
    assert monitor.read(spo2=60) == {"spo2": (60, Suspect.RATE_OF_CHANGE)}
    assert monitor.read(spo2=97) == {"spo2": (97, Suspect.NONE)}
    assert monitor.read(spo2=96) == {"spo2": (96, Suspect.NONE)}


def test_a_smaller_spike_shows_against_the_median_of_recent_values() -> None:
    monitor = Monitor()
    for value in (97, 97, 97, 93):
        monitor.read(spo2=value)
    assert monitor.read(spo2=89)["spo2"][1] is Suspect.SPIKE


@pytest.mark.parametrize("cadence_s", [1.0, 30.0])
@pytest.mark.parametrize(("before", "after"), [(97, 70), (97, 84)])
def test_a_real_change_passes_with_its_second_reading(cadence_s: float, before: float, after: float) -> None:
    monitor = Monitor()
    for _ in range(5):
        monitor.read(after_s=cadence_s, spo2=before)
    monitor.read(after_s=cadence_s, spo2=after)
    assert monitor.read(after_s=cadence_s, spo2=after - 1)["spo2"][1] is Suspect.NONE
    assert monitor.read(after_s=cadence_s, spo2=after)["spo2"][1] is Suspect.NONE


def test_a_slow_desaturation_is_never_doubted() -> None:
    monitor = Monitor()
    seen = {monitor.read(spo2=value)["spo2"][1] for value in range(98, 70, -1)}
    assert seen == {Suspect.NONE}


def test_a_value_after_a_long_gap_is_not_measured_against_an_old_one() -> None:
    monitor = Monitor()
    monitor.read(sbp=120)
    assert monitor.read(after_s=900, sbp=240)["sbp"][1] is Suspect.NONE


def test_a_late_reading_is_not_measured_against_newer_ones_and_does_not_disturb_them() -> None:
    monitor = Monitor()
    for _ in range(5):
        monitor.read(hr=70)
    assert monitor.read(after_s=-60, hr=150)["hr"][1] is Suspect.NONE
    assert monitor.read(after_s=61, hr=71)["hr"][1] is Suspect.NONE


def test_a_heart_rate_frozen_for_ten_minutes_is_marked_until_it_moves() -> None:
    monitor = Monitor()
    frozen = [monitor.read(hr=71, spo2=98) for _ in range(602)]
    assert reasons(frozen[599]) == {"hr": Suspect.NONE, "spo2": Suspect.NONE}
    assert reasons(frozen[-1]) == {"hr": Suspect.FLAT_LINE, "spo2": Suspect.NONE}
    assert monitor.read(hr=72)["hr"][1] is Suspect.NONE


@pytest.mark.parametrize(
    ("signs", "marked"),
    [
        ({"sbp": 80, "dbp": 120, "map": 100}, {"sbp", "dbp", "map"}),
        ({"sbp": 120, "dbp": 80, "map": 130}, {"map"}),
        ({"sbp": 120, "map": 130}, {"sbp", "map"}),
        ({"dbp": 80, "map": 70}, {"dbp", "map"}),
        ({"sbp": 120, "dbp": 80, "map": 93}, set()),
    ],
)
def test_pressures_that_contradict_each_other_are_marked(signs: dict[str, float], marked: set[str]) -> None:
    read = reasons(Monitor().read(**signs))
    assert {field for field, reason in read.items() if reason is Suspect.PRESSURE_INCONSISTENT} == marked


def test_devices_judged_together_get_what_each_gets_alone() -> None:
    rng = np.random.default_rng(4)
    n, steps = 40, 60
    walk = 97 + np.cumsum(rng.integers(-6, 7, (steps, n)), axis=0) % 40 - 20
    together = np.full((n, artefacts.COLUMNS, len(SIGNS)), math.nan)
    alone = [together[[i]].copy() for i in range(n)]
    off = np.zeros((n, len(SIGNS)), dtype=np.bool_)
    profile = np.zeros(n, dtype=np.int64)
    for k in range(steps):
        values = np.full((n, len(SIGNS)), math.nan)
        values[:, INDEX["hr"]] = walk[k]
        t = np.full(n, START + 1000 * k)
        _, codes, together = artefacts.clean(together, t, values, off, profile)
        for i in range(n):
            _, one, alone[i] = artefacts.clean(alone[i], t[[i]], values[[i]], off[[i]], profile[[i]])
            np.testing.assert_array_equal(one[0], codes[i])


def at_rest(monitor: Monitor, readings: int = 5, **signs: float) -> None:
    for _ in range(readings):
        monitor.read(**{"hr": 72, "pr": 72, "rr": 15, "spo2": 97} | signs)


def test_a_moving_patients_oximeter_and_breath_count_wait_while_the_ecg_goes_on() -> None:
    monitor = Monitor()
    at_rest(monitor)
    read = reasons(monitor.read(hr=72, pr=95, rr=20, spo2=91, temp=36.8, sbp=120, dbp=75, map=90))
    doubted = {field for field, reason in read.items() if reason is Suspect.CONTRADICTED}
    assert doubted == {"pr", "rr", "spo2"}
    assert {read[field] for field in read.keys() - doubted} == {Suspect.NONE}
    assert set(reasons(monitor.read(hr=72, pr=74, rr=15, spo2=96)).values()) == {Suspect.NONE}


@pytest.mark.parametrize(("hr", "pr"), [(72, 79), (150, 138), (150, 162)])
def test_rates_that_differ_by_little_contradict_nothing(hr: float, pr: float) -> None:
    monitor = Monitor()
    at_rest(monitor, hr=hr, pr=hr)
    assert monitor.read(hr=hr, pr=pr, spo2=91)["spo2"][1] is Suspect.NONE


def test_a_spike_of_the_heart_rate_puts_no_doubt_on_the_oximeter() -> None:
    monitor = Monitor()
    at_rest(monitor)
    assert reasons(monitor.read(hr=180, pr=72, spo2=97)) == {
        "hr": Suspect.RATE_OF_CHANGE,
        "pr": Suspect.NONE,
        "spo2": Suspect.NONE,
    }


def test_a_pulse_deficit_that_stays_holds_a_low_saturation_back_for_seven_minutes_at_most() -> None:
    monitor = Monitor()
    at_rest(monitor)
    held = [monitor.read(hr=95, pr=80, spo2=88)["spo2"][1] is not Suspect.NONE for _ in range(500)]
    assert held.index(False) <= 421
    assert not any(held[421:])


def test_a_pulse_deficit_that_comes_and_goes_gains_no_second_wait() -> None:
    monitor = Monitor()
    at_rest(monitor, readings=500)
    held = 0
    for _ in range(60):
        held += sum(monitor.read(hr=72, pr=60, spo2=97)["spo2"][1] is not Suspect.NONE for _ in range(20))
        at_rest(monitor, readings=10)
    assert held <= 421


class Told:
    """The rules as a person would tell them of one value after another; slow, and written apart from the filter."""

    def __init__(self, step: float, *, varies: bool) -> None:
        self.step, self.varies = step, varies
        self.believed: list[float] = []
        self.candidate: float | None = None
        self.at: int | None = None
        self.since = 0

    def judge(self, t: int, value: float) -> Suspect:
        if self.at is not None and t < self.at:
            return Suspect.NONE
        age = None if self.at is None else t - self.at
        self.at = t
        if age is None or age > 300_000:
            self.believed, self.candidate, self.since = [value] * 3, None, t
            return Suspect.NONE
        standing = self.varies and value == self.believed[-1]
        self.since = self.since if standing else t
        allowed = self.step * min(max(age / 1000, 1.0), 4.0) ** 0.5
        fast = abs(value - self.believed[-1]) > allowed
        spike = abs(value - sorted(self.believed)[1]) > 0.75 * allowed
        if (fast or spike) and (self.candidate is None or abs(value - self.candidate) > allowed):
            self.candidate = value
            return Suspect.RATE_OF_CHANGE if fast else Suspect.SPIKE
        self.believed = [value] * 3 if fast or spike else [*self.believed[1:], value]
        self.candidate = None
        flat = standing and t - self.since >= max(600_000, 20 * age)
        return Suspect.FLAT_LINE if flat else Suspect.NONE


@pytest.mark.parametrize("field", ["hr", "rr", "spo2", "temp"])
def test_the_filter_says_what_the_rules_told_one_by_one_say(field: str) -> None:
    rng = np.random.default_rng(INDEX[field])
    sign = SIGNS[INDEX[field]]
    middle = {"hr": 80.0, "rr": 20.0, "spo2": 80.0, "temp": 36.5}[field]
    codes = set()
    for _ in range(25):
        told = Told(sign.max_step * (0.5 if field == "rr" else 1), varies=field in {"hr", "rr"})
        monitor = Monitor()
        for _ in range(80):
            after_s = float(rng.choice([1, 1, 1, 2, 5, 30, 60, 310, -20]))
            wild = rng.choice([0, 0, 0, 0.3, 1, 2.5])
            value = float(
                np.clip(
                    round(middle + wild * rng.uniform(-1, 1) * sign.max_step, sign.decimals),
                    1,
                    60 if field == "rr" else 100,
                )
            )
            if field == "temp":
                value = float(np.clip(value, 26, 44))
            got = monitor.read(after_s=after_s, **{field: value})[field][1]
            assert got is told.judge(monitor.t, value)
            codes.add(got)
    assert {Suspect.NONE, Suspect.SPIKE, Suspect.RATE_OF_CHANGE} <= codes


def test_a_batch_larger_than_a_block_is_judged_like_its_parts() -> None:
    rng = np.random.default_rng(11)
    n = 2 * artefacts.BLOCK + 3
    rows = np.moveaxis(np.full((artefacts.COLUMNS, n, len(SIGNS)), math.nan), 0, 1)
    off, profile = np.zeros((n, len(SIGNS)), dtype=np.bool_), np.zeros(n, dtype=np.int64)
    cut = slice(artefacts.BLOCK - 5, artefacts.BLOCK + 7)
    part = rows[cut].copy()
    for k in range(12):
        values = np.round(rng.normal(80, 25, (n, len(SIGNS))))
        t = np.full(n, START + 1000 * k)
        _, whole, rows = artefacts.clean(rows, t, values, off, profile)
        _, alone, part = artefacts.clean(part, t[cut], values[cut], off[cut], profile[cut])
        np.testing.assert_array_equal(whole[cut], alone)
        np.testing.assert_array_equal(rows[cut], part)


def test_rounds_hold_each_device_once_and_keep_its_order() -> None:
    slots = np.array([3, 1, 3, 3, 2, 1])
    parts: list[Any] = [part.tolist() for part in rounds(slots)]
    assert parts == [[0, 1, 4], [2, 5], [3]]
    assert rounds(np.array([], dtype=np.intp)) == []


def test_growing_keeps_what_was_known() -> None:
    rows = grown(np.ones((2, 3)), 40, -1.0)
    assert rows.shape[0] >= 40
    assert (rows[:2] == 1).all()
    assert (rows[2:] == -1).all()


def test_a_line_without_a_pulse_is_not_measured_while_the_oximeter_counts_one() -> None:
    sampled = {"sbp": 77.0, "dbp": 75.0, "map": 76.0}
    read = Monitor().read(pr=80, spo2=97, **sampled)
    assert {field: read[field][1] for field in sampled} == dict.fromkeys(sampled, Suspect.DROPOUT)
    assert all(math.isnan(read[field][0]) for field in sampled)
    # Without a pulse at the finger either, it may be the heart.
    stopped = Monitor().read(pr=0, spo2=0, **sampled)
    assert {field: stopped[field] for field in sampled} == {f: (v, Suspect.NONE) for f, v in sampled.items()}
    shock = Monitor().read(pr=140, spo2=93, sbp=62, dbp=50, map=54)
    assert shock["sbp"] == (62, Suspect.NONE)
