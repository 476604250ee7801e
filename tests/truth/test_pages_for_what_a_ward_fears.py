"""Stories in which nobody was paged once, told as a ward would: from values to the person whose phone rings.

Engine and `pages` are the product's; who had to be called is written down here by hand.
"""

from itertools import pairwise

import pytest

from tests.vitals.ward import Ward
from vitals.actions import Act
from vitals.alarm_events import AlarmEvent, Priority, pages

FIRST = 0
"""Handover step of the first contact."""


def calls(events: list[AlarmEvent], *conditions: str) -> list[tuple[str, Priority]]:
    """Returns what the first contact is paged for."""
    told = [e for e in events if pages(e) and e.handover == FIRST and e.condition in conditions]
    return [(e.condition, e.priority) for e in told]


def acknowledge(ward: Ward, condition: str) -> None:
    ward.act(Act.ACKNOWLEDGE, ward.active()[condition].id)


def test_of_twenty_apnoeas_each_calls_the_first_contact_and_from_the_fifth_return_on_one_in_ten_minutes() -> None:
    ward = Ward()
    ward.live(30)
    assert calls(ward.live(20, {"spo2": 80}), "spo2")[-1] == ("spo2", Priority.HIGH)
    ward.live(600)
    called = []
    for _ in range(20):
        begun = ward.t
        bout = ward.live(100, {"spo2": 65}) + ward.live(300)
        called += [begun] if ("spo2", Priority.HIGH) in calls(bout, "spo2") else []
    assert called[:2] == [called[0], called[0] + 400_000]
    assert all(after - before <= 800_000 for before, after in pairwise([*called, begun]))


@pytest.mark.requirement("R8")
def test_a_second_arrest_ten_minutes_after_a_lead_slipped_calls_the_first_contact() -> None:
    ward = Ward()
    # A line that still shows a pulse would say that nothing is lost (Q2).
    gone = dict.fromkeys(("hr", "pr", "spo2", "sbp", "dbp", "map"))
    ward.live(60)
    ward.live(20, gone)
    ward.live(600)
    assert calls(ward.live(115, gone), "vital-signs-lost") == [("vital-signs-lost", Priority.HIGH)]


@pytest.mark.parametrize("cadence_s", [1, 30])
@pytest.mark.parametrize(
    ("sign", "before", "after", "priority"),
    [
        ("hr", 35, 180, Priority.HIGH),
        ("hr", 45, 135, Priority.MEDIUM),
        ("hr", 130, 45, Priority.MEDIUM),
        ("sbp", 84, 190, Priority.MEDIUM),
    ],
)
@pytest.mark.requirement("R6", "Q6")
@pytest.mark.parametrize("acknowledged", [True, False])
def test_a_turn_to_the_other_side_of_the_limits_calls_the_first_contact(
    *, cadence_s: int, sign: str, before: float, after: float, priority: Priority, acknowledged: bool
) -> None:
    ward = Ward(cadence_s=cadence_s)
    ward.live(60)
    ward.live(120, {sign: before})
    if acknowledged:
        acknowledge(ward, sign)
    assert calls(ward.live(90, {sign: after}), sign)[-1] == (sign, priority)


@pytest.mark.requirement("R9", "Q6")
@pytest.mark.parametrize("act", [Act.ACKNOWLEDGE, Act.AUDIO_PAUSE])
def test_what_grows_worse_by_a_step_than_was_acknowledged_or_paused_calls_again(act: Act) -> None:
    ward = Ward()
    ward.live(30)
    ward.live(60, {"spo2": 84})
    ward.act(act, ward.active()["spo2"].id, pause_s=600)
    assert calls(ward.live(240, {"spo2": 83}), "spo2") == []
    assert calls(ward.live(60, {"spo2": 60}), "spo2") == [("spo2", Priority.HIGH)]
    assert calls(ward.live(1200, {"spo2": 40}), "spo2") == [("spo2", Priority.HIGH)]


@pytest.mark.requirement("R9")
def test_whoever_has_just_acknowledged_is_not_called_for_two_minutes() -> None:
    ward = Ward()
    ward.live(60, {"spo2": 84})
    acknowledge(ward, "spo2")
    assert calls(ward.live(119, {"spo2": 78}), "spo2") == []
    assert calls(ward.live(3, {"spo2": 78}), "spo2") == [("spo2", Priority.HIGH)]


def test_a_mean_pressure_that_sinks_by_a_step_calls_though_only_the_systolic_one_was_acknowledged() -> None:
    ward = Ward()
    ward.live(60, {"sbp": 85, "map": 75})
    acknowledge(ward, "sbp")
    ward.live(180, {"sbp": 85, "map": 74})
    assert calls(ward.live(30, {"sbp": 85, "map": 64}), "sbp", "map") == [("sbp", Priority.MEDIUM)]


def test_an_acknowledged_alarm_that_sinks_and_rises_within_a_step_and_ten_minutes_calls_nobody() -> None:
    ward = Ward()
    ward.live(60, {"spo2": 83})
    acknowledge(ward, "spo2")
    told = [e for _ in range(20) for spo2 in (87, 83) for e in ward.live(100, {"spo2": spo2})]
    assert calls(told, "spo2") == []


@pytest.mark.requirement("R4")
def test_a_high_alarm_that_is_high_again_after_ten_milder_minutes_calls_again() -> None:
    ward = Ward()
    ward.live(60, {"spo2": 83})
    assert calls(ward.live(700, {"spo2": 88}) + ward.live(20, {"spo2": 83}), "spo2") == [("spo2", Priority.HIGH)]


@pytest.mark.requirement("R7")
def test_a_medium_alarm_nobody_answers_reaches_the_next_contact_after_ten_minutes() -> None:
    ward = Ward()
    ward.live(20, {"spo2": 88})
    handed = [e.handover for e in ward.live(1300, {"spo2": 88}) if pages(e) and e.condition == "spo2"]
    assert handed == [1, 2]
