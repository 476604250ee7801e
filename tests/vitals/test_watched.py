"""One question for each admitted patient: when was a usable value last judged?"""

from itertools import pairwise
from random import Random

import pytest

from tests.vitals.build import T0, WELL, One, columns, placement
from tests.vitals.ward import Ward
from vitals import engine
from vitals.actions import Act
from vitals.alarm_events import AlarmEvent, Kind, Phase, Priority, pages
from vitals.signs import Suspect
from vitals.status import DeviceStatus, Health, Status

NOT_JUDGED = "not-judged"
WAIT_S = 900
"""How much later one sensor that does not measure is medium while another shows a pulse."""
MEASURED = {"ecg-not-measured", "oximeter-not-measured", "impedance-not-measured"}
PRESSURES = ("sbp", "dbp", "map")
LOOK_S = 5
"""How late the question may come."""


@pytest.fixture
def ward() -> Ward:
    ward = Ward()
    ward.watched = True
    return ward


def waits(cadence_s: float) -> float:
    """Returns by when R10 has it told, in seconds after the last reading."""
    return max(3 * cadence_s, 30) + 40


@pytest.mark.requirement("R10")
@pytest.mark.parametrize("cadence_s", [0.5, 1, 10, 30, 60, 300])
def test_a_patient_without_readings_is_told_of_within_the_time_of_their_cadence(cadence_s: float) -> None:
    ward = Ward(cadence_s=cadence_s)
    ward.watched = True
    ward.live(cadence_s * 5)
    last = ward.t
    assert ward.wait(waits(cadence_s) - 1) == []
    (told,) = ward.wait(LOOK_S + 1)
    assert (told.condition, told.kind, told.priority) == (NOT_JUDGED, Kind.TECHNICAL, Priority.MEDIUM)
    assert (told.patient, told.ward, told.start) == ("p1", "w1", last + 1000 * waits(cadence_s))


@pytest.mark.requirement("R10")
def test_unanswered_for_two_minutes_it_is_high_and_handed_over(ward: Ward) -> None:
    ward.live(5)
    (told,) = ward.wait(76)
    later = ward.wait(121)
    assert [(e.id, e.phase, e.priority, e.handover) for e in later] == [(told.id, Phase.ESCALATE, Priority.HIGH, 0)]
    assert [(e.phase, e.handover) for e in ward.wait(240)] == [(Phase.CONTINUE, 1), (Phase.CONTINUE, 2)]


def test_answered_it_stays_as_it_is_and_ends_with_the_next_reading(ward: Ward) -> None:
    ward.live(5)
    (told,) = ward.wait(76)
    ward.act(Act.ACKNOWLEDGE, told.id)
    assert ward.wait(600) == []
    assert [(e.id, e.phase) for e in ward.live(LOOK_S + 1)] == [(told.id, Phase.END)]


@pytest.mark.parametrize("behind_s", [75, 130, 1800])
def test_readings_in_order_and_steadily_old_are_no_judgement(ward: Ward, behind_s: int) -> None:
    """A gateway whose clock is behind, or a line that lags: every reading is newer than the last, and all are old."""
    told = []
    for _ in range(150):
        ward.t += 1000
        told += ward.send({"spo2": 80}, t=ward.t - 1000 * behind_s)
    assert NOT_JUDGED in {e.condition for e in told if e.phase is Phase.START}


def test_whoever_was_never_heard_of_is_told_of(ward: Ward) -> None:
    (told,) = ward.wait(waits(1) + LOOK_S)
    assert (told.condition, told.start) == (NOT_JUDGED, T0 + 1000 * waits(1))
    assert "no reading since the admission" in told.text


def test_readings_without_a_usable_value_are_no_judgement(ward: Ward) -> None:
    nothing = dict.fromkeys(WELL)
    implausible = dict.fromkeys(WELL, Suspect.IMPLAUSIBLE)
    told = ward.live(waits(1) + LOOK_S, nothing)
    assert [e.condition for e in told if e.phase is Phase.START] == [NOT_JUDGED]
    assert "without a usable value" in told[0].text
    told = Ward().live(waits(1) + LOOK_S, nothing, implausible)
    assert [e.condition for e in told if e.phase is Phase.START] == ["vital-signs-lost"]


@pytest.mark.parametrize(
    ("absent", "condition"),
    [
        (("spo2", "pr"), "oximeter-not-measured"),
        (("hr",), "ecg-not-measured"),
        (("rr",), "impedance-not-measured"),
    ],
)
@pytest.mark.parametrize("how", ["missing", "zero", "off"])
def test_a_sensor_that_goes_away_alone_is_on_the_page_and_calls_somebody_after_a_quarter_of_an_hour(
    ward: Ward, absent: tuple[str, ...], condition: str, how: str
) -> None:
    ward.live(20)
    code = {"zero": Suspect.DROPOUT, "off": Suspect.SENSOR_OFF}.get(how)
    away = dict.fromkeys(absent), dict.fromkeys(absent, code) if code else {}
    (start,) = [e for e in ward.live(waits(1) + LOOK_S + 4, *away) if e.condition == condition]
    assert (start.phase, start.priority, start.kind) == (Phase.START, Priority.LOW, Kind.TECHNICAL)
    told = [e for e in ward.live(WAIT_S - LOOK_S - 4, *away) if e.condition == condition]
    assert told == []
    (raised,) = [e for e in ward.live(2 * LOOK_S + 4, *away) if e.condition == condition]
    assert (raised.id, raised.phase, raised.priority) == (start.id, Phase.ESCALATE, Priority.MEDIUM)
    back = ward.live(LOOK_S + 1)
    assert [(e.id, e.phase) for e in back if e.condition == condition] == [(start.id, Phase.END)]


@pytest.mark.parametrize("absent", [("spo2", "pr"), ("hr",), ("rr",), ("hr", "rr")])
@pytest.mark.parametrize("code", [Suspect.DROPOUT, Suspect.SENSOR_OFF])
def test_a_sensor_that_is_back_within_a_quarter_of_an_hour_while_others_measure_calls_nobody(
    ward: Ward, absent: tuple[str, ...], code: Suspect
) -> None:
    told = []
    for _ in range(2):
        told += ward.live(60)
        told += ward.live(WAIT_S, dict.fromkeys(absent), dict.fromkeys(absent, code))
    told += ward.live(60)
    assert {e.condition for e in told} <= {"sensor-off", *MEASURED}
    assert {e.priority for e in told} <= {Priority.LOW}
    assert not any(pages(e) for e in told)


def away(*signs: str) -> tuple[dict[str, None], dict[str, Suspect]]:
    return dict.fromkeys(signs), dict.fromkeys(signs, Suspect.SENSOR_OFF)


def test_without_a_pulse_from_any_sensor_a_sensor_calls_without_a_wait(ward: Ward) -> None:
    ward.live(20)
    first = ward.live(100, *away("spo2", "pr", *PRESSURES))
    assert {e.priority for e in first if e.condition in MEASURED} == {Priority.LOW}
    told = ward.live(waits(1) + LOOK_S + 4, *away("spo2", "pr", "hr", *PRESSURES))
    calls = {e.condition: e.t - T0 for e in told if e.condition in MEASURED and pages(e)}
    # The oximeter's wait ends with the ECG, and the ECG has none.
    assert calls["oximeter-not-measured"] <= 1000 * (120 + 2 * LOOK_S)
    assert calls["ecg-not-measured"] <= 1000 * (120 + waits(1) + LOOK_S + 4)


def test_a_line_that_measures_shows_a_pulse(ward: Ward) -> None:
    ward.live(20)
    told = ward.live(300, *away("spo2", "pr", "hr"))
    assert {e.priority for e in told if e.condition in MEASURED} == {Priority.LOW}


@pytest.mark.parametrize("cadence_s", [1, 30])
def test_every_sensor_off_by_the_devices_own_word_is_a_patient_who_is_not_judged(cadence_s: float) -> None:
    ward = Ward(cadence_s=cadence_s)
    ward.watched = True
    ward.live(120)
    last = ward.t
    told = ward.live(waits(cadence_s) + LOOK_S + cadence_s, *away(*WELL))
    assert [(e.condition, e.priority) for e in told if pages(e)] == [(NOT_JUDGED, Priority.MEDIUM)]
    assert told[-1].t - last <= 1000 * (waits(cadence_s) + LOOK_S + cadence_s)
    assert [e.phase for e in ward.live(cadence_s + LOOK_S) if e.condition == NOT_JUDGED] == [Phase.END]


def test_a_sign_that_goes_while_its_own_alarm_is_active_calls_somebody_though_its_sensor_still_measures(
    ward: Ward,
) -> None:
    ward.live(30, {"spo2": 88})
    told = ward.live(waits(1) + LOOK_S + 4, {"spo2": None})
    (start,) = [e for e in told if e.condition in MEASURED]
    assert (start.condition, start.priority) == ("oximeter-not-measured", Priority.MEDIUM)
    assert "look at the patient" in start.text
    assert "spo2" in ward.active()


@pytest.mark.parametrize("off_first", [("rr",), ("spo2", "pr"), ("hr",)])
def test_a_sensor_that_waits_hides_no_arrest(ward: Ward, off_first: tuple[str, ...]) -> None:
    ward.live(20)
    ward.live(100, dict.fromkeys(off_first), dict.fromkeys(off_first, Suspect.DROPOUT))
    every = ("hr", "pr", "spo2", "rr", *PRESSURES)
    told = ward.live(15, dict.fromkeys(every), dict.fromkeys(every, Suspect.DROPOUT))
    assert ("vital-signs-lost", Priority.HIGH) in {(e.condition, e.priority) for e in told}


def test_one_sign_of_a_sensor_is_enough(ward: Ward) -> None:
    ward.live(20)
    assert [e for e in ward.live(300, {"pr": None}) if "not-measured" in e.condition] == []


def test_signs_lost_says_more_than_that_a_sensor_does_not_measure(ward: Ward) -> None:
    ward.live(20)
    told = ward.live(200, dict.fromkeys(("hr", "pr", "spo2", "rr", *PRESSURES)))
    assert [e.condition for e in told if e.phase is Phase.START] == ["vital-signs-lost"]


def test_a_patient_without_that_sensor_is_not_asked_for_it(ward: Ward) -> None:
    told = ward.live(300, dict.fromkeys(("hr", "rr", "temp")))
    assert told == []


def gateway(t: int, health: Health = Health.UP, device: Health = Health.UP) -> Status:
    devices = (DeviceStatus(device="d1", health=device, t=t, patient="p1"),)
    return Status(id="g1", kind="gateway", health=health, t=t, devices=devices if health is Health.UP else ())


@pytest.mark.parametrize("what", ["device", "gateway", "bridge"])
def test_what_is_known_to_be_down_covers_the_patients_behind_it(what: str) -> None:
    state, _ = engine.place(engine.empty(), [placement()], T0, "g1")
    told: list[AlarmEvent] = []
    for s in range(1, 500):
        t, silent = T0 + 1000 * s, s > 10
        rows = [] if silent else [One(t, WELL, seq=s)]
        state, events = engine.advance(state, columns(rows), t)
        told += events
        down = silent and what == "gateway"
        status = gateway(t, Health.SILENT if down else Health.UP, Health.SILENT if silent else Health.UP)
        if s % 5 == 0 and not (silent and what == "bridge"):
            state, events = engine.report(state, status, t, own=True)
            told += events
        if s == 11 and what == "bridge":
            state, events = engine.report(state, Status(id="b", kind="bridge", health=Health.OFFLINE, t=t), t)
            told += events
    assert {"device": "device-silent", "gateway": "gateway-down", "bridge": "bridge-down"}[what] in {
        e.condition for e in told
    }
    assert NOT_JUDGED not in {e.condition for e in told}


def test_log_time_that_stood_still_is_nobodys_silence(ward: Ward) -> None:
    ward.live(20)
    ward.t += 900_000
    assert ward.live(60) == []
    ward.t += 900_000
    assert ward.wait(60) == []
    assert [e.condition for e in ward.wait(20)] == [NOT_JUDGED]


def test_it_ends_with_the_stay_and_outlives_a_snapshot(ward: Ward) -> None:
    ward.live(20)
    (told,) = ward.wait(80)
    state = engine.restore(engine.snapshot(ward.state))
    assert [e.id for e in engine.active(state)] == [told.id]
    _, events = engine.advance(state, columns([One(ward.t, WELL, seq=900)]), ward.t + 5000)
    assert [(e.id, e.phase) for e in events] == [(told.id, Phase.END)]
    _, events = engine.discharge(ward.state, "p1", ward.t)
    assert [(e.id, e.phase) for e in events if e.condition == NOT_JUDGED] == [(told.id, Phase.END)]
    again = engine.advance(ward.state, columns([]), ward.t + 600_000)[1]
    assert again == ()


@pytest.mark.requirement("R10")
@pytest.mark.parametrize("seed", range(6))
def test_silences_of_any_length_are_told_of_when_they_are_long_enough_and_only_then(seed: int) -> None:
    """Many patients at their own cadences with holes of their own, against a list of when each was heard."""
    draw = Random(seed)  # noqa: S311 - a drawn story, no secret
    cadences = {f"p{k}": draw.choice((1, 5, 30)) for k in range(12)}
    state = engine.empty()
    for p, cadence in cadences.items():
        state, _ = engine.place(state, [placement(p, cadence_s=float(cadence), device=p)], T0)
    heard: dict[str, list[int]] = {p: [] for p in cadences}
    silent = dict.fromkeys(cadences, 0)
    told: list[AlarmEvent] = []
    for s in range(1, 1500):
        rows = []
        for p, cadence in cadences.items():
            if silent[p] < s and draw.random() < 0.004:
                silent[p] = s + draw.choice((10, 40, 65, 90, 140, 200, 400))
            if s % cadence == 0 and silent[p] <= s:
                rows.append(One(T0 + 1000 * s, WELL, {}, p, p, s))
                heard[p].append(s)
        state, events = engine.advance(state, columns(rows), T0 + 1000 * s)
        told += events
    for p, cadence in cadences.items():
        wait = waits(cadence)
        times = [0, *heard[p], 1500]
        long = [a for a, b in pairwise(times) if b - a > wait + LOOK_S]
        short = [a for a, b in pairwise(times) if b - a <= wait]
        starts = [round(e.start / 1000 - T0 / 1000 - wait) for e in told if e.patient == p and e.phase is Phase.START]
        assert set(long) <= set(starts)
        assert not set(short) & set(starts)


BLANK = dict.fromkeys(WELL)


@pytest.mark.requirement("R10")
@pytest.mark.parametrize("cadence_s", [1, 30])
@pytest.mark.parametrize("how", ["no reading", "readings without a value", "sensors off"])
def test_whoever_is_disconnected_in_an_acknowledged_arrest_is_told_as_not_monitored(how: str, cadence_s: float) -> None:
    ward = Ward(cadence_s=cadence_s)
    ward.watched = True
    ward.live(120)
    ward.live(180, BLANK)
    lost = ward.active()["vital-signs-lost"]
    ward.act(Act.ACKNOWLEDGE, lost.id)
    gone = ward.t
    if how == "no reading":
        told = ward.wait(600)
    else:
        told = ward.live(600, BLANK, dict.fromkeys(WELL, Suspect.SENSOR_OFF) if how == "sensors off" else None)
    calls = [e for e in told if e.condition == NOT_JUDGED and pages(e) and e.phase is not Phase.CONTINUE]
    assert [(e.phase, e.priority) for e in calls] == [(Phase.START, Priority.MEDIUM), (Phase.ESCALATE, Priority.HIGH)]
    assert calls[0].log_t - gone <= 1000 * max(30, cadence_s), "the wait has passed before"


def test_an_arrest_that_nobody_has_acknowledged_is_told_by_its_own_alarm_alone(ward: Ward) -> None:
    ward.live(120)
    told = ward.live(600, BLANK)
    assert {e.condition for e in told if pages(e)} == {"vital-signs-lost"}
