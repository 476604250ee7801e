"""Signs of one problem are one alarm: heart and pulse rate, systolic and mean pressure (R1)."""

import pytest

from tests.vitals.build import T0, WELL, One, columns, placement
from tests.vitals.ward import Ward, starts
from vitals import engine
from vitals.actions import Act
from vitals.alarm_events import Phase, Priority, pages
from vitals.limits import Limit, profile, with_overrides
from vitals.signs import Suspect

PRESSURES = ("sbp", "dbp", "map")


@pytest.mark.parametrize("cadence_s", [1, 30])
@pytest.mark.parametrize("pr", [30, 38, 45, 130, 170])
def test_while_the_heart_rate_is_believed_a_pulse_rate_starts_no_alarm(cadence_s: float, pr: float) -> None:
    # The oximeter counts 38 while the ECG says 74.
    ward = Ward(cadence_s=cadence_s)
    ward.live(60)
    told = ward.live(300, {"pr": pr})
    # The score still reads the pulse rate; a single 3 of it is of low priority.
    assert set(starts(told)) <= {"news2-risk"}
    assert not any(pages(e) for e in told)


def test_a_doubted_pulse_rate_twice_beyond_the_extreme_limit_starts_nothing_beside_a_believed_heart_rate() -> None:
    ward = Ward()
    ward.live(60)
    assert starts(ward.live(60, {"pr": 30}, {"pr": Suspect.CONTRADICTED})) == []


def test_one_rate_beyond_its_limit_is_one_alarm_and_not_two() -> None:
    ward = Ward()
    assert starts(ward.live(60, {"hr": 36, "pr": 36})) == ["hr"]


@pytest.mark.parametrize("how", [None, Suspect.DROPOUT, Suspect.SENSOR_OFF])
def test_without_a_heart_rate_the_pulse_rate_alarms_with_the_same_delay(how: Suspect | None) -> None:
    ward = Ward()
    ward.live(60)
    codes = {} if how is None else {"hr": how}
    ward.live(30, {"hr": None}, codes)
    assert [s for s in starts(ward.live(5, {"hr": None, "pr": 36}, codes)) if s != "sensor-off"] == []
    (start,) = [e for e in ward.live(1, {"hr": None, "pr": 36}, codes) if pages(e)]
    assert (start.condition, start.priority) == ("pr", Priority.HIGH)


def test_a_frozen_heart_rate_hides_no_slow_pulse() -> None:
    ward = Ward()
    ward.live(60)
    assert starts(ward.live(6, {"pr": 36}, {"hr": Suspect.FLAT_LINE})) == ["pr"]


def test_the_pulse_rate_takes_the_problem_over_with_its_history_and_hands_it_back() -> None:
    ward = Ward()
    ward.live(60)
    (start,) = ward.live(6, {"hr": 36, "pr": 36})
    ward.act(Act.ACKNOWLEDGE, start.id)
    assert [e for e in ward.live(300, {"hr": None, "pr": 36}, {"hr": Suspect.DROPOUT}) if pages(e)] == []
    # Worse than acknowledged by a step, whichever sensor shows it.
    (worse,) = [e for e in ward.live(15, {"hr": None, "pr": 15}, {"hr": Suspect.DROPOUT}) if pages(e)]
    assert (worse.id, worse.phase) == (start.id, Phase.ESCALATE)
    ward.act(Act.ACKNOWLEDGE, start.id)
    assert [(e.id, e.phase) for e in ward.live(60, {"pr": 36}) if e.phase is Phase.END] == [(start.id, Phase.END)]


def test_a_pulse_alarm_ends_when_the_heart_rate_is_back_within_limits() -> None:
    ward = Ward()
    ward.live(60, {"hr": None})
    (start,) = [e for e in ward.live(16, {"hr": None, "pr": 45}) if pages(e)]
    told = ward.live(61, {"pr": 45})
    assert [(e.id, e.phase) for e in told] == [(start.id, Phase.END)]


def test_devices_that_send_by_turns_have_one_rate() -> None:
    ward = Ward(cadence_s=30)
    told = []
    for _ in range(20):
        for part in ({"hr": 75, "rr": 15}, {"pr": 38, "spo2": 97}):
            ward.t += 15_000
            told += ward.send(dict.fromkeys(WELL) | part)
    assert starts(told) == []


@pytest.mark.parametrize(
    ("pressures", "condition"),
    [
        ({"sbp": 85, "map": 55}, "sbp"),
        ({"sbp": 95, "map": 55}, "map"),
        ({"sbp": 85, "map": 65}, "sbp"),
        ({"sbp": 170, "map": 120}, "sbp"),
        ({"sbp": 150, "map": 115}, "map"),
    ],
)
def test_systolic_or_mean_beyond_its_limit_is_the_one_pressure_alarm(pressures: dict, condition: str) -> None:
    ward = Ward()
    ward.live(30)
    (start,) = [e for e in ward.live(60, pressures) if e.condition != "news2-risk"]
    assert (start.condition, start.priority, start.value) == (condition, Priority.MEDIUM, pressures[condition])


def test_the_pressure_alarm_goes_on_while_either_is_beyond_and_rises_by_either() -> None:
    ward = Ward()
    told = ward.live(60, {"sbp": 95, "map": 55}) + ward.live(120, {"sbp": 85, "map": 62})
    told += ward.live(60, {"sbp": 95, "map": 55})
    told = [e for e in told if e.condition != "news2-risk" and e.phase is not Phase.UPDATE]
    (start,) = told
    high = [e for e in ward.live(20, {"sbp": 75, "map": 50}) if pages(e) and e.condition != "news2-risk"]
    assert [(e.id, e.priority) for e in high] == [(start.id, Priority.HIGH)]
    assert "SBP 75" in high[0].text


@pytest.mark.parametrize("dbp", [20, 45, 115, 140])
def test_a_diastolic_pressure_alone_is_no_problem(dbp: float) -> None:
    assert starts(Ward().live(300, {"dbp": dbp})) == []


def test_a_ward_that_sets_diastolic_limits_of_its_own_has_them() -> None:
    own = with_overrides(profile("adult"), {"dbp": Limit(None, 40, 100, None, 15)})
    other = with_overrides(profile("adult"), {"hr": Limit(None, 45, 120, None, 10)})
    for limits, told in ((own, ["dbp"]), (other, [])):
        state, events = engine.place(engine.empty(), [placement()], T0)
        for k in range(30):
            row = One(T0 + 1000 * k, {**WELL, "dbp": 35}, seq=k, limits=-1)
            state, more = engine.advance(state, columns([row], (limits,)), row.t)
            events += more
        assert starts(list(events)) == told


def test_a_line_flushed_or_sampled_for_less_than_the_delay_pages_nobody() -> None:
    ward = Ward()
    told = []
    for wild, seconds in (({"sbp": 290, "dbp": 285, "map": 288}, 9), ({"sbp": 60, "dbp": 55, "map": 57}, 9)):
        told += ward.live(60) + ward.live(seconds, wild)
    told += ward.live(60) + ward.live(14, {"sbp": 85, "map": 58}) + ward.live(60)
    assert starts(told) == []


@pytest.mark.parametrize("cadence_s", [1, 30])
def test_a_cuffs_first_value_beyond_a_limit_is_low_and_medium_after_a_quarter_of_an_hour_without_a_repeat(
    cadence_s: float,
) -> None:
    ward = Ward(cadence_s=cadence_s, cuff_s=1800)
    ward.live(60, dict.fromkeys(PRESSURES))
    (start,) = ward.live(cadence_s, {"sbp": 85, "map": 65})
    assert (start.priority, pages(start)) == (Priority.LOW, False)
    told = [e for e in ward.live(900, dict.fromkeys(PRESSURES)) if e.condition != "news2-risk"]
    assert told == []
    (raised,) = ward.live(cadence_s, dict.fromkeys(PRESSURES))
    assert (raised.id, raised.phase, raised.priority) == (start.id, Phase.ESCALATE, Priority.MEDIUM)
    assert raised.t - start.t <= 940_000
    assert raised.text.endswith("measure again now")


def test_a_cuffs_repeat_within_limits_ends_it_without_a_page() -> None:
    ward = Ward(cadence_s=30, cuff_s=300)
    ward.live(60, dict.fromkeys(PRESSURES))
    told = ward.live(30, {"sbp": 85, "map": 65}) + ward.live(270, dict.fromkeys(PRESSURES)) + ward.live(30)
    assert not any(pages(e) for e in told if e.condition == "sbp")
    assert told[-1].phase is Phase.END


def test_a_ward_without_news2_has_the_score_and_no_alarm_of_it() -> None:
    ill = {"rr": 24, "spo2": 92, "hr": 115, "pr": 115}
    ward = Ward(news2=False)
    assert starts(ward.live(300, ill)) == []
    score = engine.score(ward.state, "p1", ward.t)
    assert score is not None
    assert score.total == 6
    ward.admit(news2=True)
    assert starts(ward.live(120, ill)) == ["news2-risk"]
    ward.admit(news2=False)
    assert "news2-risk" not in ward.active()


def test_the_first_value_after_a_silence_alone_starts_nothing() -> None:
    ward = Ward()
    ward.live(60)
    ward.t += 600_000
    assert starts(ward.live(1, {"hr": 12, "spo2": 60}) + ward.live(60)) == []


@pytest.mark.parametrize("year", [2087, 2088, 2100, 9999])
def test_times_after_2088_overflow_nothing(year: int) -> None:
    ward = Ward()
    ward.t = T0 + (year - 2025) * 31_557_600_000
    assert starts(ward.live(6, {"hr": 36})) == ["hr"]
    assert "news2-risk" in starts(ward.live(120, {"hr": 36, "spo2": 90}))


def test_a_high_alarm_of_doubted_values_alone_calls_again_when_trusted_values_bear_it_out() -> None:
    # A moving patient's breath count was doubted and too high, twice; the true rise comes minutes later.
    ward = Ward(cadence_s=30)
    ward.live(120, {"rr": 33})
    (early,) = [e for e in ward.live(60, {"rr": 41}, {"rr": Suspect.CONTRADICTED}) if e.condition == "rr"]
    assert (early.phase, early.priority) == (Phase.ESCALATE, Priority.HIGH)
    ward.act(Act.ACKNOWLEDGE, early.id)
    assert [e for e in ward.live(120, {"rr": 34}) if pages(e)] == []
    assert [e for e in ward.live(60, {"rr": 41}, {"rr": Suspect.CONTRADICTED}) if pages(e)] == []
    assert [e for e in ward.live(60, {"rr": 34}) if pages(e)] == []
    again = [e for e in ward.live(300, {"rr": 37}) if pages(e) and e.phase is not Phase.CONTINUE]
    assert [(e.id, e.phase, e.priority) for e in again] == [(early.id, Phase.ESCALATE, Priority.HIGH)]


def test_a_high_alarm_of_doubted_values_that_trusted_ones_confirm_at_once_calls_once() -> None:
    ward = Ward(cadence_s=30)
    ward.live(120, {"rr": 33})
    told = ward.live(60, {"rr": 41}, {"rr": Suspect.CONTRADICTED}) + ward.live(120, {"rr": 37})
    told += ward.live(120, {"rr": 34}) + ward.live(120, {"rr": 37})
    assert [e.priority for e in told if e.condition == "rr" and e.phase is Phase.ESCALATE] == [Priority.HIGH]
