import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.truth.disputes import DISPUTES, Dispute
from tests.truth.judge import judge, main
from tests.truth.judging.life import act_of, life_of, message_of
from tests.truth.judging.points import Point
from tests.truth.judging.reasons import news2
from tests.truth.small import CALM, Small

NAN = float("nan")


def rows(made: Small) -> dict[str, float]:
    """The rows of a life by their short names; what is not listed is 0."""
    life, messages, acts = life_of(made.arrays), map(message_of, made.messages), map(act_of, made.acts)
    found = judge(life, list(messages), list(acts)).rows
    return {name.removeprefix("truth."): value for name, value in found.items()}


def counts(made: Small, *names: str) -> tuple[float, ...]:
    found = rows(made)
    return tuple(found.get(name, 0) for name in names)


def outcome(made: Small) -> tuple[float, ...]:
    return counts(made, "due", "unpaged", "late", "joined")


def test_a_calm_life_without_messages_has_nothing_due_and_nothing_missed() -> None:
    assert set(rows(Small(patients=3)).values()) == {0}


# R1
@pytest.mark.requirement("R1")
def test_the_oximeters_rate_counts_only_while_there_is_no_heart_rate() -> None:
    assert outcome(Small().put("pr", 20, *[150.0] * 4))[0] == 0
    assert outcome(Small().put("pr", 20, *[150.0] * 4).put("hr", 20, *[NAN] * 4))[0] == 1


@pytest.mark.requirement("R1")
def test_a_diastolic_pressure_alone_is_no_problem_and_a_mean_is_one() -> None:
    assert outcome(Small().put("dbp", 20, *[40.0] * 4))[0] == 0
    assert outcome(Small().put("map", 20, *[50.0] * 4))[0] == 1


# R2
@pytest.mark.parametrize(
    ("sign", "value", "seconds"),
    [
        ("hr", 130, 10),
        ("hr", 150, 5),
        ("rr", 32, 20),
        ("rr", 4, 15),
        ("spo2", 88, 15),
        ("spo2", 80, 10),
        ("sbp", 85, 15),
        ("sbp", 210, 10),
        ("temp", 39.5, 30),
    ],
)
@pytest.mark.requirement("R2")
def test_a_breach_is_due_once_it_has_lasted_the_delay_of_its_sign(sign: str, value: float, seconds: int) -> None:
    assert outcome(Small(200, 1).put(sign, 60, *[value] * seconds))[0] == 0
    assert outcome(Small(200, 1).put(sign, 60, *[value] * (seconds + 1)))[0] == 1


@pytest.mark.requirement("R2")
def test_at_a_slow_cadence_the_second_reading_in_a_row_is_due() -> None:
    assert outcome(Small().put("rr", 20, 32))[0] == 0
    assert outcome(Small().put("rr", 20, 32, 32))[0] == 1


@pytest.mark.requirement("R2")
def test_half_of_the_readings_of_a_minute_beyond_an_extreme_bound_are_high() -> None:
    assert outcome(Small(300, 1).put("rr", 100, *[38.0, 15.0] * 30))[0] == 1
    assert outcome(Small(300, 1).put("rr", 100, *[38.0, 15.0, 15.0] * 20))[0] == 0


def test_a_lost_reading_before_it_was_due_gives_30_s_more() -> None:
    made = Small().put("rr", 20, *[32.0] * 6).say(24.2, "breathing-high")
    assert outcome(made) == (1, 0, 1, 0)
    assert outcome(made.lose(21)) == (1, 0, 0, 0)


def cuff(*values: tuple[int, float]) -> Small:
    made = Small(line=False)
    for place, value in values:
        made.put("sbp", place, value)
    return made


def test_a_cuffs_value_beyond_a_limit_waits_15_min_for_its_repeat_and_one_in_the_sixteenth_still_counts() -> None:
    assert outcome(cuff((20, 84), (51, 120)))[0] == 0
    assert outcome(cuff((20, 84), (53, 120)))[0] == 1
    assert outcome(cuff((20, 84), (24, 84)))[0] == 1


@pytest.mark.requirement("R2")
def test_a_cuff_beyond_an_extreme_bound_is_medium_at_once_and_high_when_confirmed() -> None:
    assert outcome(cuff((20, 76), (24, 120)).say(20.5, "pressure-low", priority="medium")) == (1, 0, 0, 0)
    assert outcome(cuff((20, 76), (24, 76)).say(20.5, "pressure-low", priority="medium")) == (2, 1, 0, 0)


# R3
@pytest.mark.requirement("R3")
def test_in_time_is_10_s_and_a_slow_cadence_after_it_was_due_and_ten_minutes_late_is_never() -> None:
    def told(place: float) -> tuple[float, ...]:
        return outcome(Small().put("rr", 20, *[32.0] * 60).say(place, "breathing-high").do(70, "acknowledge"))[1:3]

    assert told(21 + 40 / 30) == (0, 0)
    assert told(21 + 41 / 30) == (0, 1)
    assert told(21 + 600 / 30) == (0, 1)
    assert told(21 + 601 / 30) == (1, 0)


@pytest.mark.requirement("R3")
def test_two_readings_within_limits_end_a_problem_at_30_s_and_one_does_not() -> None:
    assert outcome(Small().put("rr", 20, 32, 32, 15, 32, 32))[0] == 1
    assert outcome(Small().put("rr", 20, 32, 32, 15, 15, 32, 32))[0] == 2


def test_a_medium_onset_that_is_high_within_its_time_is_one_onset() -> None:
    assert outcome(Small().put("rr", 20, 32, 38, 38).say(22, "breathing-high")) == (1, 0, 0, 0)


def test_what_was_told_to_nobody_who_was_reached_or_in_a_message_that_does_not_name_it_is_not_told() -> None:
    made = Small().put("rr", 20, 38, 38, 38)
    assert outcome(made.say(21.5, "breathing-high", reached=False)) == (1, 1, 0, 0)
    assert outcome(made.say(21.5, "breathing-high", kind="digest")) == (1, 1, 0, 0)
    assert outcome(made.say(21.5, "breathing-high", priority="medium")) == (1, 1, 0, 0)
    assert outcome(made.say(21.5, "rate-high")) == (1, 1, 0, 0)
    assert outcome(made.say(21.5, "breathing-high")) == (1, 0, 0, 0)


# R4
@pytest.mark.requirement("R4")
def test_a_medium_problem_that_becomes_high_is_told_as_high_and_again_after_ten_minutes_below() -> None:
    made = Small().put("rr", 20, *[32.0] * 6, 38, 38, *[32.0] * 22, 38, 38, 32)
    made.say(21, "breathing-high", priority="medium").say(27, "breathing-high")
    assert outcome(made) == (3, 1, 0, 0)
    assert outcome(made.say(51, "breathing-high")) == (3, 0, 0, 0)


# R5
def two_problems(second: float, minutes: int = 40) -> Small:
    made = Small(200).put("rr", 20, *[32.0] * 4).say(21, "breathing-high", priority="medium")
    return made.put("hr", 22, *[second] * (2 * minutes))


@pytest.mark.requirement("R5")
def test_a_medium_problem_joins_a_page_of_the_last_two_minutes_if_it_is_named_or_over_within_30() -> None:
    assert counts(two_problems(130, 20), "unpaged", "joined", "masked") == (0, 1, 0)
    assert counts(two_problems(130, 40), "unpaged", "joined", "masked") == (1, 0, 1)
    named = two_problems(130, 40).say(60, "rate-high", kind="reminder", priority="medium")
    assert counts(named, "unpaged", "joined", "masked") == (0, 1, 0)


@pytest.mark.requirement("R5")
def test_a_high_problem_never_joins() -> None:
    assert counts(two_problems(150, 5), "unpaged", "joined", "masked") == (1, 0, 1)


# R6
@pytest.mark.requirement("R6")
def test_a_high_problem_that_returns_is_told_each_time() -> None:
    made = Small().put("rr", 20, 38, 38, *[15.0] * 4, 38, 38).say(21, "breathing-high")
    assert counts(made, "due", "unpaged", "recurrence_untold") == (2, 1, 1)
    assert counts(made.say(27, "breathing-high"), "due", "unpaged", "recurrence_untold") == (2, 0, 0)


def test_from_the_third_return_within_30_min_on_once_in_ten_minutes_is_enough() -> None:
    made = Small().put("rr", 20, *([38, 38, 15, 15, 15, 15] * 4))
    for place in (21, 27):
        made.say(place, "breathing-high")
    assert outcome(made.say(33, "breathing-high")) == (4, 0, 0, 1)


@pytest.mark.requirement("R6")
def test_a_medium_problem_that_returns_joins_when_it_was_named_in_the_last_hour() -> None:
    made = Small(200).put("rr", 20, 32, 32).say(21, "breathing-high", priority="medium")
    assert outcome(made.put("rr", 60, 32, 32)) == (2, 0, 0, 1)
    assert outcome(made.put("rr", 60, *[32.0] * 80)) == (2, 1, 0, 0)


def test_the_other_side_of_the_limits_is_another_problem() -> None:
    made = Small().put("hr", 20, 130, 130).say(21, "rate-high", priority="medium")
    assert outcome(made.put("hr", 40, 45, 45)) == (2, 1, 0, 0)


# R7
@pytest.mark.requirement("R7")
def test_a_high_problem_that_goes_on_unacknowledged_is_handed_over_to_another_person() -> None:
    made = Small().put("rr", 20, *[38.0] * 18).say(21, "breathing-high")
    assert counts(made, "not_handed_over") == (1,)
    assert counts(made.say(25, "breathing-high", kind="handover"), "not_handed_over") == (1,)
    assert counts(made.say(25, "breathing-high", kind="handover", to="doctor"), "not_handed_over") == (0,)


def test_an_acknowledged_problem_and_a_ward_of_one_need_no_handover() -> None:
    made = Small().put("rr", 20, *[38.0] * 30).say(21, "breathing-high").do(23, "acknowledge", "breathing-high")
    assert counts(made, "not_handed_over") == (0,)
    alone = Small().put("rr", 20, *[38.0] * 30).say(21, "breathing-high")
    alone.arrays["alone"] = np.array(True)
    assert counts(alone, "not_handed_over") == (0,)


# R8
@pytest.mark.requirement("R8")
def test_lost_circulation_is_told_by_a_page_within_a_minute_at_30_s() -> None:
    made = Small().stop(20, 4)
    assert counts(made, "due", "unpaged", "arrest_untold") == (1, 1, 1)
    assert outcome(made.say(21.5, "circulation", kind="technical")) == (1, 1, 0, 0)
    assert outcome(made.say(22.1, "circulation")) == (1, 0, 1, 0)
    assert outcome(made.say(22, "circulation")) == (1, 0, 0, 0)


@pytest.mark.requirement("R8")
def test_a_loss_of_an_oximeter_alone_is_medium_at_30_s_and_high_at_120_s_unless_a_breach_was_shown() -> None:
    made = Small().put("hr", 0, *[NAN] * 120).stop(20, 8)
    assert outcome(made.say(21, "circulation", priority="medium")) == (2, 1, 0, 0)
    warned = Small().put("hr", 0, *[NAN] * 120).put("spo2", 15, 88).stop(20, 8)
    assert outcome(warned.say(21, "circulation")) == (1, 0, 0, 0)


def test_no_other_sign_is_due_while_circulation_is_lost() -> None:
    made = Small().put("rr", 20, *[4.0] * 4).say(22, "circulation")
    made.arrays["pulse"][0, 20:24] = False
    assert outcome(made) == (1, 0, 0, 0)


# R9
def worse(*values: float) -> Small:
    return Small().put("hr", 20, *[130.0] * 10, *values).say(21, "rate-high").do(22, "acknowledge", "rate-high")


@pytest.mark.requirement("R9")
def test_a_step_beyond_what_was_acknowledged_is_told_again_and_less_is_not() -> None:
    assert counts(worse(*[138.0] * 10), "due", "worse_untold") == (1, 0)
    steeper = worse(*[151.0] * 4).say(31, "rate-high", priority="high")
    assert counts(worse(*[151.0] * 4), "worse_untold", "unpaged") == (1, 2)
    assert counts(steeper, "worse_untold", "unpaged") == (0, 0)


def test_the_next_step_waits_ten_minutes_and_two_at_once_do_not() -> None:
    slow = Small().put("temp", 20, *[39.2] * 10, *[40.3] * 4, *[41.4] * 4).do(22, "acknowledge", "temperature-high")
    fast = Small().put("temp", 20, *[39.2] * 10, *[40.3] * 4, *[42.4] * 4).do(22, "acknowledge", "temperature-high")
    assert counts(slow, "worse_untold") == (1,)
    assert counts(fast, "worse_untold") == (2,)


# R10
@pytest.mark.requirement("R10")
def test_a_technical_message_tells_that_a_patient_is_not_monitored_and_nothing_else() -> None:
    made = Small().lose(20, 7)
    assert counts(made, "due", "not_monitored_untold") == (1, 1)
    assert outcome(made.say(24, "not-monitored", kind="technical", priority="medium")) == (1, 0, 0, 0)
    breach = Small().put("rr", 20, 38, 38, 38)
    assert outcome(breach.say(21, "breathing-high", kind="technical")) == (1, 1, 0, 0)


def test_a_silence_that_nobody_answers_for_two_minutes_is_high() -> None:
    made = Small().lose(20, 14).say(24, "not-monitored", kind="technical", priority="medium")
    assert outcome(made) == (2, 1, 0, 0)
    assert outcome(made.do(25, "acknowledge", "not-monitored")) == (1, 0, 0, 0)


def test_a_standby_covers_a_silence_and_its_end_begins_it_anew() -> None:
    assert outcome(Small().lose(20, 20).standby(19, 38))[0] == 0
    made = Small().lose(20, 20).standby(19, 30).say(34, "not-monitored")
    assert outcome(made) == (2, 0, 0, 0)


def test_one_message_of_several_patients_tells_of_each_that_they_are_not_monitored_and_nothing_else() -> None:
    made = Small(patients=2)
    made.arrays["heard"][:, 20:27] = False
    both = {"patient": None, "patients": ["p0", "p1"]}
    assert outcome(made.say(24, "not-monitored", **both)) == (2, 0, 0, 0)
    breach = Small(patients=2).put("rr", 20, 38, 38, 38)
    assert outcome(breach.say(21, "breathing-high", **both)) == (1, 1, 0, 0)


# R11
@pytest.mark.requirement("R11")
def test_a_message_that_the_state_does_not_bear_out_is_false_by_variation_or_by_artefact() -> None:
    names = ("false_per_patient_day", "false_high_per_patient_day", "false_by_variation_per_patient_day")
    day = 24.0  # one message in the hour that this life lasts
    assert counts(Small().say(20, "rate-high"), *names) == (day, day, 0)
    assert counts(Small().put("hr", 20, 121, shown_only=True).say(20, "rate-high"), *names) == (day, day, day)
    assert counts(Small().put("hr", 20, 121).say(20, "rate-high"), *names) == (0, 0, 0)


def test_a_message_is_borne_out_from_90_s_and_a_cadence_before_it_to_60_s_after_it() -> None:
    made = Small().put("hr", 20, 121)
    for place, false in ((24, 0), (24.1, 24), (18.1, 0), (18, 24)):
        made.messages.clear()
        assert counts(made.say(place, "rate-high"), "false_per_patient_day") == (false,)


def test_what_was_due_is_no_false_message_whatever_the_state_was() -> None:
    made = Small().put("hr", 20, *[130.0] * 3, shown_only=True).say(21, "rate-high")
    assert counts(made, "false_per_patient_day") == (0,)


@pytest.mark.requirement("R11")
def test_a_true_message_overstates_when_nothing_high_was_there_and_misnames_what_was_not() -> None:
    made = Small().put("rr", 20, 32, 32, 32).say(21, "breathing-high", "oxygen-low")
    assert counts(made, "overstated_per_patient_day", "misnamed_per_patient_day") == (24, 24)
    right = Small().put("rr", 20, 38, 38, 38).say(21, "breathing-high")
    assert counts(right, "overstated_per_patient_day", "misnamed_per_patient_day") == (0, 0)


def test_a_score_of_5_or_a_single_3_bears_a_message_out_and_7_is_high() -> None:
    calm = np.array([CALM] * 4)
    calm[1, 3] = 91  # 3 for oxygen
    calm[2, [0, 2, 4]] = 115, 22, 38.5  # 2 + 2 + 1
    calm[3, [0, 2, 3, 4]] = 115, 22, 93, 38.5  # and 2
    assert news2(calm).tolist() == [0, 2, 2, 3]


def test_pages_of_stable_patients_are_counted_by_themselves() -> None:
    made = Small(patients=2).say(20, "rate-high")
    made.arrays["story"][:] = ["stable", "made"]
    assert counts(made, "stable_pages_per_patient_day") == (24,)


# R12
@pytest.mark.requirement("R12")
def test_the_load_counts_all_messages_to_the_most_told_person_and_the_most_in_an_hour_of_one_patient() -> None:
    made = Small(240)
    for place, kind in ((0, "proof"), (10, "technical"), (20, "page"), (140, "digest")):
        made.say(place, kind=kind)
    made.say(20, to="doctor")
    names = ("messages_per_patient_day", "messages_to_all_per_patient_day", "technical_per_patient_day")
    assert counts(made, *names, "most_in_an_hour_of_one_patient") == (48, 60, 12, 3)


def test_problems_less_than_30_min_apart_are_one_deterioration() -> None:
    made = Small(240).put("rr", 20, 38, 38).put("hr", 50, 150, 150).put("hr", 150, 150, 150)
    made.say(21, "breathing-high").say(51, "rate-high").say(151, "rate-high")
    assert counts(made, "pages_per_deterioration_median", "pages_per_deterioration_p90") == (1.5, 1.9)


def test_the_share_on_standby_is_counted() -> None:
    assert counts(Small().standby(20, 50), "standby_share") == (0.25,)


# What the judge refuses, what it disputes, and how it is run
def test_a_life_whose_arrays_do_not_fit_and_a_message_of_no_kind_are_refused() -> None:
    made = Small()
    made.arrays["limits"] = made.arrays["limits"][:, :7]
    with pytest.raises(ValueError, match="limits"):
        life_of(made.arrays)
    with pytest.raises(ValueError, match="telegram"):
        message_of({"t": 0, "to": "nurse", "kind": "telegram", "priority": "high", "patient": "p0", "problems": []})


@pytest.mark.parametrize("dispute", DISPUTES, ids=lambda dispute: dispute.point.name)
def test_each_disputed_life_has_the_rows_that_the_text_asks_for(dispute: Dispute) -> None:
    names = [name.removeprefix("truth.") for name in dispute.rows]
    assert counts(dispute.life(), *names) == tuple(ours for ours, _ in dispute.rows.values())


def test_each_disputed_point_has_a_life() -> None:
    assert {dispute.point for dispute in DISPUTES} == set(Point)


def test_the_command_writes_rows_and_lines_and_fails_where_somebody_was_not_told(tmp_path: Path) -> None:
    made = Small().put("rr", 20, 38, 38, 38)
    made.save(tmp_path / "life.npz")
    (tmp_path / "messages.jsonl").write_text("")
    names = [str(tmp_path / name) for name in ("life.npz", "messages.jsonl", "rows.json", "lines.jsonl")]
    assert main([*names[:2], "--json", names[2], "--list", names[3]]) == 1
    assert json.loads(Path(names[2]).read_text())["truth.unpaged"] == 1
    assert [json.loads(line)["what"] for line in Path(names[3]).read_text().splitlines()] == ["unpaged"]


def test_the_judge_loads_nothing_of_the_product() -> None:
    code = "import sys, tests.truth.judge; print(*{name.split('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()  # noqa: S603
    assert not {"vitals", "edge", "bridge", "cloud", "firmware_sim", "infra"} & set(loaded)
