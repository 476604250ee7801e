"""Stories from wards, each with the reason why it must go as it does."""

from tests.vitals.build import T0, WELL, One, columns, placement, zeros
from tests.vitals.ward import Ward, starts
from vitals import engine
from vitals.actions import Act
from vitals.alarm_events import AlarmEvent, AlarmState, Inactivation, Phase, Priority
from vitals.signs import FIELDS, Suspect

HOUR_S = 3600
PRESSURES = ("sbp", "dbp", "map")


def test_slow_desaturation_alarms_once_then_escalates_and_is_never_repeated() -> None:
    # A patient tires over minutes. Staff need one medium alarm, one escalation at the extreme bound, no page a breath.
    ward = Ward()
    events = []
    for spo2 in range(97, 79, -1):
        events += ward.live(20, {"spo2": spo2})
    mine = [e for e in events if e.condition == "spo2"]
    assert [e.phase for e in mine if e.phase is not Phase.UPDATE] == [Phase.START, Phase.ESCALATE]
    assert mine[0].priority is Priority.MEDIUM
    assert mine[0].value == 89
    assert len({e.id for e in mine}) == 1


def test_a_medium_alarm_waits_for_its_condition_delay_and_then_starts_where_the_breach_began() -> None:
    # Half of all non-actionable alarms are over within 14 s.
    ward = Ward()
    assert ward.live(15, {"spo2": 88}) == []
    (start,) = ward.live(1, {"spo2": 88})
    assert (start.phase, start.t - start.start) == (Phase.START, 15_000)
    assert start.id == f"p1.spo2.{start.start}"


def test_a_breach_shorter_than_its_delay_pages_nobody() -> None:
    ward = Ward()
    assert ward.live(14, {"spo2": 88}) + ward.live(5) + ward.live(14, {"spo2": 88}) + ward.live(5) == []


def test_at_a_cadence_longer_than_the_delay_one_confirming_reading_alarms() -> None:
    ward = Ward(cadence_s=30)
    assert ward.live(30, {"spo2": 88}) == []
    assert starts(ward.live(30, {"spo2": 88})) == ["spo2"]


def test_time_alone_completes_no_delay() -> None:
    ward = Ward()
    ward.live(5, {"spo2": 88})
    assert ward.wait(50) == []


def test_arrest_with_zeros_on_all_signs_is_vital_signs_lost_within_seconds() -> None:
    # The monitor sends zeros, which are dropouts: an arrest must not hide as one.
    ward = Ward()
    ward.live(60)
    assert ward.live(10, codes=zeros()) == []
    (start,) = ward.live(1, codes=zeros())
    assert (start.condition, start.priority) == ("vital-signs-lost", Priority.HIGH)


def test_at_30_s_cadence_an_arrest_is_told_with_the_second_reading() -> None:
    ward = Ward(cadence_s=30)
    ward.live(60)
    assert ward.live(30, codes=zeros()) == []
    assert starts(ward.live(30, codes=zeros())) == ["vital-signs-lost"]


def test_signs_that_stop_without_a_word_are_lost_as_zeros_are() -> None:
    silent = dict.fromkeys(("hr", "pr", "spo2", *PRESSURES))
    ward = Ward()
    ward.live(10)
    assert ward.live(10, silent) == []
    assert starts(ward.live(1, silent)) == ["vital-signs-lost"]
    slow = Ward(cadence_s=30)
    slow.live(90)
    assert slow.live(30, silent) == []
    assert starts(slow.live(30, silent)) == ["vital-signs-lost"]


def test_a_thermometer_without_a_new_value_is_no_loss_even_in_fever() -> None:
    # Temperature is measured now and then: its absence tells nothing.
    ward = Ward()
    ward.live(1, {"temp": 39.6})
    assert ward.live(30, {"temp": None}) == []


def test_probe_off_is_a_low_technical_alarm_of_the_device_and_nothing_else() -> None:
    ward = Ward()
    off = dict.fromkeys(("pr", "spo2"), Suspect.SENSOR_OFF)
    ward.live(10)
    (start,) = ward.live(40, codes=off)
    assert (start.condition, start.subject, start.priority) == ("sensor-off", "d1", Priority.LOW)
    assert start.patient == "p1"
    (end,) = ward.live(1)
    assert (end.phase, end.id) == (Phase.END, start.id)


def test_a_probe_moved_from_finger_to_finger_pages_nobody() -> None:
    ward = Ward()
    ward.live(10)
    assert ward.live(20, codes={"pr": Suspect.SENSOR_OFF, "spo2": Suspect.SENSOR_OFF}) + ward.live(5) == []


def test_apnoea_pages_once_breath_counts_have_been_beyond_the_extreme_bound_for_15_s() -> None:
    # Impedance miscounts breaths for seconds; a quarter of a minute is a patient who does not breathe.
    ward = Ward()
    ward.live(10)
    assert ward.live(15, {"rr": 4}) == []
    (start,) = ward.live(1, {"rr": 4})
    assert (start.condition, start.priority) == ("rr", Priority.HIGH)


def test_breaths_that_flicker_beyond_the_extreme_bound_page_high() -> None:
    # Never 15 s in a row, and yet half of the time: the count of a patient who hardly breathes.
    ward = Ward()
    ward.live(10)
    events = [e for _ in range(40) for rr in (5, 9) for e in ward.live(1, {"rr": rr})]
    assert [(e.phase, e.priority) for e in events if e.condition == "rr"] == [(Phase.START, Priority.HIGH)]


def test_at_30_s_cadence_two_of_four_breath_counts_beyond_the_extreme_bound_page_high() -> None:
    ward = Ward(cadence_s=30)
    ward.live(300)
    events = [e for rr in (5, 7, 5) for e in ward.live(30, {"rr": rr})]
    assert [(e.phase, e.priority) for e in events if e.condition == "rr"][-1] == (Phase.ESCALATE, Priority.HIGH)


def test_breath_counts_of_before_a_loss_are_not_compared_with_those_after_it() -> None:
    ward = Ward(cadence_s=30)
    ward.live(300)
    told = ward.live(30, {"rr": 5}) + ward.live(30, {"rr": 7}) + ward.live(90, codes={"rr": Suspect.DROPOUT})
    told += ward.live(30, {"rr": 5}) + ward.live(60, {"rr": 7})
    assert [e.priority for e in told if e.condition == "rr"] == [Priority.MEDIUM]


def test_a_single_miscounted_breath_pages_nobody_even_beyond_the_extreme_bound() -> None:
    ward = Ward(cadence_s=60)
    assert ward.live(60, {"rr": 4}) + ward.live(180) == []


def test_motion_marked_suspect_neither_starts_nor_ends_an_alarm() -> None:
    ward = Ward()
    assert ward.live(60, {"spo2": 87}, {"spo2": Suspect.SPIKE}) == []
    ward.live(20, {"spo2": 88})
    assert ward.live(20, {"spo2": 97}, {"spo2": Suspect.RATE_OF_CHANGE}) == []
    assert "spo2" in ward.active()


def test_two_consecutive_suspect_values_beyond_an_extreme_bound_count() -> None:
    # A filter may be wrong about a patient who truly collapses; twice it is not given the benefit of the doubt.
    ward = Ward()
    assert ward.live(1, {"hr": 30}, {"hr": Suspect.RATE_OF_CHANGE}) == []
    assert ward.live(1, {"hr": 80}, {"hr": Suspect.SPIKE}) == []
    assert ward.live(1, {"hr": 30}, {"hr": Suspect.RATE_OF_CHANGE}) == []
    assert starts(ward.live(5, {"hr": 29}, {"hr": Suspect.RATE_OF_CHANGE})) == ["hr"]


def test_a_doubtful_extreme_value_confirms_a_trusted_one() -> None:
    ward = Ward(cadence_s=30)
    ward.live(120, {"rr": 33})
    ward.live(30, {"rr": 36})
    (high,) = [e for e in ward.live(30, {"rr": 60}, {"rr": Suspect.RATE_OF_CHANGE}) if e.condition == "rr"]
    assert (high.phase, high.priority) == (Phase.ESCALATE, Priority.HIGH)


def test_fever_with_tachycardia_gives_one_alarm_per_sign_and_one_for_the_score() -> None:
    ward = Ward()
    ward.act(Act.CHART, consciousness="A", oxygen=False)
    events = ward.live(180, {"temp": 39.4, "hr": 128, "pr": 128, "rr": 23})
    assert sorted(starts(events)) == ["hr", "news2-risk", "temp"]
    score = ward.active()["news2-risk"]
    assert (score.priority, score.value) == (Priority.MEDIUM, 6)
    assert "incomplete" not in score.text


def test_a_bleeding_patients_cuff_is_confirmed_by_a_repeat() -> None:
    # One cuff reading of 40/10 is more often a bent arm than a shock; the second tells.
    ward = Ward(cadence_s=30, cuff_s=300)
    ward.live(300, dict.fromkeys(PRESSURES))
    (first,) = ward.live(30, {"sbp": 72, "dbp": 45, "map": 54})
    assert (first.condition, first.priority) == ("sbp", Priority.MEDIUM)
    assert first.text.endswith("measure again now")
    assert [e for e in ward.live(270, dict.fromkeys(PRESSURES)) if e.condition != "news2-risk"] == []
    (second,) = [e for e in ward.live(30, {"sbp": 74, "dbp": 46, "map": 55}) if e.condition != "news2-risk"]
    assert (second.id, second.phase, second.priority) == (first.id, Phase.ESCALATE, Priority.HIGH)


def test_a_copd_patient_on_scale_2_at_90_percent_is_where_they_should_be() -> None:
    # Chronic hypercapnia: 88-92 % is the target; on scale 1 the same value alone would score 3.
    copd = Ward(profile="copd", scale2=True, oxygen=True)
    assert copd.live(180, {"spo2": 90}) == []
    too_much = copd.live(180, {"spo2": 98})
    assert starts(too_much) == ["news2-risk"]
    adult = Ward()
    assert starts(adult.live(180, {"spo2": 90})) == ["news2-risk"]


def outage(
    ward: Ward, spo2_in_history: float, spo2_now: float, *, history_first: bool
) -> tuple[list[AlarmEvent], list[AlarmEvent]]:
    """Six hours without a link: the gateway kept every minute of it, and sends live readings and history."""
    cut = ward.t
    ward.t += 6 * HOUR_S * 1000
    history = [cut + 60_000 * k for k in range(1, 6 * 60 - 2)]

    def past() -> list[AlarmEvent]:
        events = []
        for t in history:
            events += ward.send({"spo2": spo2_in_history}, t=t)
        return events

    before = past() if history_first else []
    live = ward.send({"spo2": spo2_now})
    after = [] if history_first else past()
    return before + after, live


def test_after_a_six_hour_outage_a_patient_still_low_alarms_with_the_first_live_reading_that_is_not_alone() -> None:
    for history_first in (True, False):
        ward = Ward(cadence_s=60)
        ward.live(60)
        history, live = outage(ward, 87, 87, history_first=history_first)
        assert [e for e in history if e.condition == "spo2"] == []
        # Without the history it is the first value after a silence, which a second one confirms.
        live += [] if history_first else ward.live(60, {"spo2": 87})
        assert starts([e for e in live if e.condition == "spo2"]) == ["spo2"]


def test_after_a_six_hour_outage_a_patient_who_has_recovered_pages_nobody() -> None:
    for history_first in (True, False):
        ward = Ward(cadence_s=60)
        ward.live(60)
        history, live = outage(ward, 82, 97, history_first=history_first)
        for spo2 in (97, 97, 97):
            live += ward.live(30, {"spo2": spo2})
        assert [e for e in history + live if e.phase is Phase.START and e.condition in FIELDS] == []


def test_an_alarm_active_at_the_cut_ends_when_history_shows_the_recovery() -> None:
    ward = Ward(cadence_s=60)
    ward.live(120, {"spo2": 88})
    history, live = outage(ward, 97, 97, history_first=True)
    assert [(e.phase, e.condition) for e in history] == [(Phase.END, "spo2"), (Phase.END, "news2-risk")]
    assert live == []


def test_acknowledged_then_worse_calls_again() -> None:
    ward = Ward()
    (start,) = ward.live(16, {"spo2": 88})
    (acknowledged,) = ward.act(Act.ACKNOWLEDGE, start.id)
    assert acknowledged.inactivation is Inactivation.ACKNOWLEDGED
    *_, worse = ward.live(11, {"spo2": 83})
    assert (worse.phase, worse.priority, worse.inactivation) == (Phase.ESCALATE, Priority.HIGH, Inactivation.NONE)


def test_acknowledging_one_of_two_alarms_leaves_the_other_calling() -> None:
    ward = Ward()
    ward.live(11, {"spo2": 83, "hr": 36})
    spo2, hr = ward.active()["spo2"], ward.active()["hr"]
    ward.act(Act.ACKNOWLEDGE, spo2.id)
    handovers = [e for e in ward.wait(125) if e.phase is Phase.CONTINUE]
    assert [e.id for e in handovers] == [hr.id]


def test_an_audio_pause_is_of_one_alarm_and_ends_by_itself() -> None:
    ward = Ward()
    ward.live(11, {"spo2": 83, "hr": 36})
    spo2, hr = ward.active()["spo2"], ward.active()["hr"]
    (paused,) = ward.act(Act.AUDIO_PAUSE, spo2.id, pause_s=60)
    assert paused.inactivation is Inactivation.AUDIO_PAUSED
    assert ward.active()["hr"].inactivation is Inactivation.NONE
    (again,) = [e for e in ward.wait(60) if e.id == spo2.id]
    assert (again.id, again.inactivation, again.t) == (spo2.id, Inactivation.NONE, paused.log_t + 60_000)
    assert hr.id != spo2.id


def test_a_high_alarm_that_nobody_acknowledges_passes_on_every_two_minutes() -> None:
    ward = Ward()
    ward.live(6, {"hr": 36})
    assert [e.handover for e in ward.wait(250)] == [1, 2]
    ward.act(Act.ACKNOWLEDGE, ward.active()["hr"].id)
    assert ward.wait(250) == []


def test_a_medium_alarm_that_nobody_acknowledges_passes_on_every_ten_minutes() -> None:
    ward = Ward()
    ward.live(16, {"spo2": 88})
    assert ward.wait(599) == []
    assert [e.handover for e in ward.wait(601)] == [1, 2]
    ward.act(Act.ACKNOWLEDGE, ward.active()["spo2"].id)
    assert ward.wait(601) == []


def test_a_high_alarm_that_nobody_saw_stays_latched_until_acknowledged() -> None:
    ward = Ward()
    ward.live(6, {"hr": 36})
    (latched,) = ward.live(60)
    assert (latched.phase, latched.state, latched.priority) == (Phase.UPDATE, AlarmState.LATCHED, Priority.HIGH)
    (end,) = ward.act(Act.ACKNOWLEDGE, latched.id)
    assert (end.phase, end.state, end.by) == (Phase.END, AlarmState.INACTIVE, "nurse")
    assert ward.active() == {}


def test_what_comes_back_after_a_latched_alarm_is_an_alarm_of_its_own_and_the_latched_one_stays() -> None:
    ward = Ward()
    (start,) = ward.live(6, {"hr": 36})
    ward.live(60)
    (back,) = ward.live(6, {"hr": 36})
    assert (back.phase, back.condition, back.priority) == (Phase.START, "hr", Priority.HIGH)
    states = {e.id: e.state for e in engine.active(ward.state)}
    assert states == {start.id: AlarmState.LATCHED, back.id: AlarmState.ACTIVE}
    (end,) = ward.act(Act.ACKNOWLEDGE, start.id)
    assert (end.id, end.phase) == (start.id, Phase.END)


def test_of_one_sign_one_latched_alarm_is_kept_for_somebody_to_see() -> None:
    ward = Ward()
    ids = []
    for _ in range(4):
        (start,) = [e for e in ward.live(6, {"hr": 36}) if e.phase is Phase.START]
        ids.append(start.id)
        ward.live(60)
    assert [e.id for e in engine.active(ward.state)] == ids[-2:]


def test_what_comes_back_within_a_minute_is_the_same_alarm() -> None:
    ward = Ward()
    ward.live(6, {"hr": 36})
    assert ward.live(59) + ward.live(6, {"hr": 36}) == []


def test_a_value_at_its_limit_does_not_flap() -> None:
    ward = Ward()
    ward.live(20, {"spo2": 89})
    events = [e for v in (90, 89, 90, 89, 91) for e in ward.live(50, {"spo2": v})]
    assert [e for e in events if e.condition == "spo2"] == []
    assert [e.phase for e in ward.live(10, {"spo2": 90}) if e.condition == "spo2"] == [Phase.END]


def test_an_acknowledged_high_alarm_sinks_after_ten_minutes_without_an_extreme_value() -> None:
    ward = Ward()
    ward.live(11, {"spo2": 83})
    ward.act(Act.ACKNOWLEDGE, ward.active()["spo2"].id)
    # It sinks and rises within a step and ten minutes: that is no news to whoever has acknowledged it.
    assert [e for spo2 in (88, 83, 88) for e in ward.live(190, {"spo2": spo2}) if e.condition == "spo2"] == []
    assert [e for e in ward.live(410, {"spo2": 88}) if e.condition == "spo2"] == []
    (better,) = [e for e in ward.live(2, {"spo2": 88}) if e.condition == "spo2"]
    assert (better.phase, better.priority, better.inactivation) == (
        Phase.DEESCALATE,
        Priority.MEDIUM,
        Inactivation.ACKNOWLEDGED,
    )


def test_discharge_ends_an_active_alarm_and_stray_readings_page_nobody() -> None:
    ward = Ward()
    (start,) = ward.live(6, {"hr": 36})
    state, events = engine.discharge(ward.state, "p1", ward.t)
    assert [(e.id, e.phase, e.state) for e in events] == [(start.id, Phase.END, AlarmState.INACTIVE)]
    stray = ward.live(30, {"hr": 36})
    assert stray == []
    assert engine.active(state) == ()


def test_a_patient_who_returns_is_watched_again_but_not_by_what_was_sent_before() -> None:
    ward = Ward()
    ward.live(5)
    engine.discharge(ward.state, "p1", ward.t)
    old = ward.t - 500
    ward.t += 5_000
    ward.admit()
    assert ward.send({"hr": 36}, t=old) == []
    assert starts(ward.live(6, {"hr": 36})) == ["hr"]


def test_a_clock_that_jumps_ahead_does_not_blind_the_engine() -> None:
    ward = Ward()
    ward.live(10)
    ahead = 3_600_000
    for _ in range(5):
        ward.t += 1000
        ward.send(t=ward.t + ahead)
    told = []
    for _ in range(6):
        ward.t += 1000
        told += ward.send({"hr": 36}, t=ward.t + ahead)
    (start,) = told
    assert start.t <= ward.t + 1000
    ward.act(Act.ACKNOWLEDGE, start.id)
    # The clock is set right again: nothing counts as late.
    assert [e.phase for e in ward.live(60)] == [Phase.END]
    assert starts(ward.live(6, {"hr": 36})) == ["hr"]


def test_a_reading_from_a_clock_ahead_counts_once_however_often_it_comes() -> None:
    ward = Ward()
    ward.live(10)
    first = ward.send({"hr": 30}, {"hr": Suspect.SPIKE}, t=ward.t + 3_600_000)
    ward.t += 1000
    assert first + ward.send({"hr": 30}, {"hr": Suspect.SPIKE}, t=ward.t - 1000 + 3_600_000) == []


def test_a_clock_that_jumps_back_is_told_instead_of_leaving_the_patient_unwatched() -> None:
    ward = Ward()
    ward.watched = True
    ward.live(10)
    events = []
    for _ in range(100):
        ward.t += 1000
        events += ward.send({"hr": 36}, t=ward.t - 3_600_000)
    (late,) = events
    assert (late.condition, late.priority, "come too late" in late.text) == ("not-judged", Priority.MEDIUM, True)
    assert [e.condition for e in ward.live(6) if e.phase is Phase.END] == ["not-judged"]


def test_log_time_that_stood_still_lets_no_timer_run() -> None:
    ward = Ward()
    ward.live(6, {"hr": 36})
    ward.t += 3_600_000
    assert ward.wait(1) == []
    assert [e.handover for e in ward.wait(120)] == [1]


def test_one_patients_alarm_never_carries_another_patients_name() -> None:
    ward = Ward()
    ward.admit("p2")
    ward.live(6, {"hr": 36}, patient="p2")
    (alarm,) = engine.active(ward.state)
    assert (alarm.subject, alarm.patient, alarm.bed) == ("p2", "p2", "bed-p2")
    assert ward.act(Act.ACKNOWLEDGE, alarm.id, patient="p1") == []


def test_a_gateway_with_the_same_readings_gives_the_same_ids() -> None:
    cloud, gateway = engine.empty(), engine.empty()
    rows = [One(T0 + 1000 * k, {**WELL, "spo2": 88}, seq=k) for k in range(30)]
    told_there, told_here = [], []
    for row in rows:
        told_here += engine.advance(gateway, columns([row]), row.t)[1]
    engine.place(cloud, [placement(cadence_s=1.0)], T0)
    told_there += engine.advance(cloud, columns(rows), T0 + 60_000)[1]
    assert [(e.id, e.n) for e in told_there] == [(e.id, e.n) for e in told_here]
