"""The artefact filter."""

import math
from typing import Any

import numpy as np
import pytest

from edge import filter as artefacts
from edge.slots import grown, rounds
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


def test_an_infant_may_breathe_faster_than_an_adult() -> None:
    assert Monitor(profile=artefacts.INFANT).read(rr=90)["rr"][1] is Suspect.NONE
    assert Monitor(profile=artefacts.INFANT).read(rr=120)["rr"][1] is Suspect.IMPLAUSIBLE


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
