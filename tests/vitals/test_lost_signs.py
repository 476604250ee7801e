"""Stories of signs that vanish: an arrest is told in time, and what the device explains is no arrest (R8, Q2)."""

import pytest

from tests.vitals.build import WELL
from tests.vitals.ward import Ward, starts
from vitals.actions import Act
from vitals.alarm_events import AlarmEvent, Phase, Priority, pages
from vitals.signs import Suspect

PRESSURES = ("sbp", "dbp", "map")
PULSE = ("hr", "pr", "spo2")
EVERY = (*PULSE, "rr", *PRESSURES)
LOST = "vital-signs-lost"


def gone(code: Suspect | None, *signs: str) -> tuple[dict[str, None], dict[str, Suspect]]:
    return dict.fromkeys(signs), {} if code is None else dict.fromkeys(signs, code)


def lost(events: list[AlarmEvent]) -> list[tuple[Phase, Priority]]:
    return [(e.phase, e.priority) for e in events if e.condition == LOST]


@pytest.mark.parametrize("code", [Suspect.DROPOUT, Suspect.IMPLAUSIBLE, None])
@pytest.mark.parametrize("cadence_s", [1, 5, 10, 30, 60])
def test_pulse_and_saturation_that_vanish_together_are_high_by_the_second_reading_and_ten_seconds(
    code: Suspect | None, cadence_s: float
) -> None:
    ward = Ward(cadence_s=cadence_s)
    ward.live(10 * cadence_s)
    first = ward.t + 1000 * cadence_s
    told = [e for _ in range(14) for e in ward.live(cadence_s, *gone(code, *EVERY)) if e.phase is Phase.START]
    told = [e for e in told if e.condition == LOST]
    assert lost(told) == [(Phase.START, Priority.HIGH)]
    assert told[0].t - first == 1000 * max(cadence_s, 10)


def test_a_calm_patient_before_is_no_reason_to_wait_and_neither_are_breaths_that_go_on() -> None:
    ward = Ward(cadence_s=30)
    ward.live(3600)
    ward.live(30, *gone(Suspect.DROPOUT, *PULSE, *PRESSURES))
    assert lost(ward.live(30, *gone(Suspect.DROPOUT, *PULSE, *PRESSURES))) == [(Phase.START, Priority.HIGH)]


@pytest.mark.parametrize("off", [("hr",), ("pr", "spo2"), ("hr", "pr", "spo2")])
def test_a_loss_that_the_device_explains_for_all_of_it_is_none_and_for_a_part_of_it_is_one(
    off: tuple[str, ...],
) -> None:
    ward = Ward()
    ward.live(60)
    codes = dict.fromkeys(PULSE, Suspect.DROPOUT) | dict.fromkeys(off, Suspect.SENSOR_OFF)
    told = lost(ward.live(60, dict.fromkeys(EVERY), codes))
    assert told == ([] if off == PULSE else [(Phase.START, Priority.HIGH)])


def test_a_line_that_pulses_in_the_same_reading_rules_an_arrest_out_and_a_cuffs_last_value_does_not() -> None:
    line = Ward()
    line.live(60)
    assert lost(line.live(120, *gone(Suspect.DROPOUT, *PULSE))) == []
    assert lost(line.live(11, *gone(Suspect.DROPOUT, *PULSE, *PRESSURES))) == [(Phase.START, Priority.HIGH)]
    cuff = Ward(cuff_s=300)
    cuff.live(60)
    assert lost(cuff.live(12, *gone(Suspect.DROPOUT, *PULSE))) == [(Phase.START, Priority.HIGH)]


@pytest.mark.parametrize(("mean", "systolic", "arrest"), [(44, 60, True), (45, 50, False), (60, 69, True)])
def test_a_line_without_a_pulse_hides_no_arrest(mean: float, systolic: float, arrest: bool) -> None:
    ward = Ward()
    ward.live(60)
    diastolic = {"map": mean, "sbp": systolic, "dbp": 40 if systolic < 69 else 60}
    told = ward.live(12, {**dict.fromkeys(PULSE), **diastolic}, dict.fromkeys(PULSE, Suspect.DROPOUT))
    assert bool(lost(told)) is arrest


@pytest.mark.parametrize("other", ["hr", "pr"])
def test_one_rate_that_still_counts_is_a_circulation(other: str) -> None:
    ward = Ward()
    ward.live(60)
    assert lost(ward.live(120, *gone(Suspect.DROPOUT, *(s for s in PULSE if s != other), *PRESSURES))) == []


@pytest.mark.parametrize("sign", [*PRESSURES, "temp"])
def test_a_zero_of_what_is_measured_now_and_then_is_no_loss_even_in_its_own_alarm(sign: str) -> None:
    # An unused arterial channel shares the field with a cuff.
    ward = Ward(cuff_s=300)
    breach = {"sbp": 205, "dbp": 115, "map": 115, "temp": 39.5}[sign]
    ward.live(40, {sign: breach})
    assert lost(ward.live(120, *gone(Suspect.DROPOUT, sign))) == []


def test_a_pulse_of_less_than_a_minute_does_not_end_an_arrest_and_one_of_a_minute_does() -> None:
    ward = Ward()
    ward.live(60)
    (start,) = [e for e in ward.live(11, *gone(Suspect.DROPOUT, *EVERY)) if e.condition == LOST]
    ward.act(Act.ACKNOWLEDGE, start.id)
    told = ward.live(59) + ward.live(30, *gone(Suspect.DROPOUT, *EVERY)) + ward.live(59)
    assert lost(told) == []
    assert lost(ward.live(1)) == [(Phase.END, Priority.HIGH)]
    assert lost(ward.live(11, *gone(Suspect.DROPOUT, *EVERY))) == [(Phase.START, Priority.HIGH)]


def oximeter_alone(**changes: object) -> Ward:
    return Ward(**changes)


ALONE = dict.fromkeys(set(WELL) - {"pr", "spo2"})
SLIPPED = dict.fromkeys(WELL)


@pytest.mark.parametrize(("cadence_s", "steps"), [(1, (1, 30, 120)), (10, (10, 30, 120)), (30, (30, 120))])
def test_an_oximeter_alone_is_at_the_bed_at_once_medium_after_half_a_minute_and_high_after_two(
    cadence_s: float, steps: tuple[int, ...]
) -> None:
    ward = Ward(cadence_s=cadence_s)
    ward.live(600, ALONE)
    first = ward.t + 1000 * cadence_s
    codes = dict.fromkeys(("pr", "spo2"), Suspect.DROPOUT)
    told = [e for e in ward.live(180, SLIPPED, codes) if e.condition == LOST]
    assert [round((e.t - first) / 1000) for e in told] == list(steps)
    assert [e.priority for e in told] == [Priority.LOW, Priority.MEDIUM, Priority.HIGH][-len(steps) :]
    assert [pages(e) for e in told] == [e.priority > Priority.LOW for e in told]


def test_a_probe_that_slips_for_twenty_seconds_pages_nobody() -> None:
    ward = Ward()
    ward.live(600, ALONE)
    told = ward.live(20, SLIPPED, dict.fromkeys(("pr", "spo2"), Suspect.DROPOUT)) + ward.live(90, ALONE)
    assert not any(pages(e) for e in told)


@pytest.mark.parametrize("before_s", [10, 290, 400])
def test_an_oximeter_alone_after_a_breach_is_high_as_with_two_sensors(before_s: int) -> None:
    ward = Ward()
    ward.live(600, ALONE)
    ward.live(3, ALONE | {"spo2": 88})
    ward.live(before_s, ALONE)
    told = lost(ward.live(15, SLIPPED, dict.fromkeys(("pr", "spo2"), Suspect.DROPOUT)))
    assert told == ([(Phase.START, Priority.HIGH)] if before_s <= 300 else [(Phase.START, Priority.LOW)])


def test_a_patient_who_had_an_ecg_once_has_two_sensors_also_after_it_was_taken_off() -> None:
    ward = Ward()
    ward.live(60)
    ward.live(600, ALONE, dict.fromkeys(("hr", "rr"), Suspect.SENSOR_OFF))
    codes = dict.fromkeys(("pr", "spo2"), Suspect.DROPOUT) | dict.fromkeys(("hr", "rr"), Suspect.SENSOR_OFF)
    assert lost(ward.live(12, SLIPPED, codes)) == [(Phase.START, Priority.HIGH)]


def test_devices_that_send_by_turns_lose_nothing() -> None:
    ward = Ward(cadence_s=30)
    told = []
    for _ in range(20):
        for part in (("hr", "rr"), ("pr", "spo2"), ("temp",)):
            ward.t += 10_000
            told += ward.send({s: None for s in WELL if s not in part})
    assert told == []


@pytest.mark.parametrize(("sign", "value"), [("rr", 4), ("spo2", 80)])
def test_a_zero_after_two_values_beyond_the_extreme_limit_counts_as_a_third(sign: str, value: float) -> None:
    # A patient who stops breathing is counted 4, 4, and then 0.
    ward = Ward()
    ward.live(60)
    ward.live(2, {sign: value})
    told = ward.live(16, *gone(Suspect.DROPOUT, sign))
    assert [(e.condition, e.priority) for e in told if e.phase is Phase.START] == [(sign, Priority.HIGH)]


def test_a_zero_after_one_value_between_losses_counts_for_nothing() -> None:
    # A lead that touches for a moment.
    ward = Ward()
    ward.live(60)
    told = []
    for _ in range(5):
        told += ward.live(10, *gone(Suspect.DROPOUT, "rr")) + ward.live(1, {"rr": 4})
        told += ward.live(30, *gone(Suspect.DROPOUT, "rr")) + ward.live(30)
    assert starts(told) == []
