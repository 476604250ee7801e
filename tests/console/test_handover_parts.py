"""Parts of the hand-over report, each against a plain reading of the same invented hours."""

import random

import msgspec
import pytest

from cloud.alarm.query.answers import News2Now
from cloud.console.handover.contents import Present
from cloud.console.handover.due import observation
from cloud.console.handover.entries import limit_changes
from cloud.console.handover.incident_lines import incident_lines
from cloud.console.handover.measured import course, extremes, gaps
from cloud.console.handover.report import known_until, patient_report
from cloud.console.ward_rows import Minute, WardRows
from tests.console.stage import admission, event, seen
from vitals.actions import Act, Action
from vitals.alarm_events import AlarmEvent, AlarmState, Call, Inactivation, Phase, Priority
from vitals.contacts import Channel, DeliveryState, Notification
from vitals.limits import Limit

NOW = 1_763_812_800_000
HOUR, MINUTE = 3_600_000, 60_000
BEGIN = NOW - 12 * HOUR
PERSON = admission(1, "icu", NOW)
WELL = {"hr": 76.0, "pr": 76.0, "rr": 15.0, "spo2": 97.0, "temp": 36.8, "sbp": 122.0}
CALM = 0
"""Total of `WELL` with consciousness alert, on air."""


def minute(t: int, **values: float) -> Minute:
    return Minute(t, {name: (value, value, value) for name, value in values.items()})


def minutes(begin: int, end: int, **values: float) -> list[Minute]:
    return [minute(t, **values) for t in range(begin, end, MINUTE)]


def charted(t: int, **facts: object) -> Action:
    return Action(id=f"c{t}", act=Act.CHART, patient=PERSON.patient, t=t, by="bela", **facts)


@pytest.mark.parametrize("seed", range(20))
def test_gaps_are_the_times_of_three_minutes_or_more_without_a_value(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - invented gaps
    lit, t = [], BEGIN - 5 * MINUTE
    while t < NOW:
        length = chance.randint(1, 40)
        lit += [t + k * MINUTE for k in range(length) if t + k * MINUTE < NOW]
        t += (length + chance.choice([1, 2, 3, 4, 30])) * MINUTE
    dark = [t for t in range(BEGIN, NOW, MINUTE) if t not in lit]
    runs: list[list[int]] = []
    for t in dark:
        if runs and runs[-1][1] == t:
            runs[-1][1] = t + MINUTE
        else:
            runs.append([t, t + MINUTE])
    # A minute with suspect values alone is as dark as one without a reading.
    known = sorted([minute(t, hr=70.0) for t in lit] + [minute(t) for t in dark[::2]], key=lambda m: m.t)
    found = [[gap.begin, gap.end] for gap in gaps(known, BEGIN, NOW, 30.0)]
    assert found == [run for run in runs if run[1] - run[0] >= 3 * MINUTE]


def test_a_slow_cadence_is_no_gap() -> None:
    slow = [minute(t, hr=70.0) for t in range(BEGIN, NOW, 5 * MINUTE)]
    assert gaps(slow, BEGIN, NOW, 300.0) == []


def test_the_worst_values_are_those_of_the_reported_time_with_their_minute() -> None:
    rows = [minute(BEGIN - HOUR, hr=30.0), *minutes(BEGIN, NOW, hr=70.0), Minute(NOW, {"hr": (71.0, 60.0, 140.0)})]
    low, high = extremes(rows, BEGIN)["hr"]
    assert ((low.value, low.t), (high.value, high.t)) == ((60.0, NOW), (140.0, NOW))


def test_a_score_uses_each_input_for_as_long_as_it_counts() -> None:
    """SBP by a cuff each quarter of an hour, a temperature of five hours ago, and an oximeter that stopped."""
    person = msgspec.structs.replace(PERSON, cuff_s=900.0)
    rows = minutes(BEGIN, NOW, hr=76.0, rr=22.0)
    rows += [minute(BEGIN, temp=38.5), *[minute(t, sbp=85.0) for t in range(BEGIN, NOW, 15 * MINUTE)]]
    rows += minutes(BEGIN, BEGIN + 2 * HOUR, spo2=93.0)
    rows.sort(key=lambda m: m.t)
    times = [BEGIN + 2 * HOUR, BEGIN + 5 * HOUR, BEGIN + 7 * HOUR]
    points = course(rows, [], person, [charted(BEGIN, consciousness="A")], times)
    # Chart: RR 22 is 2, SBP 85 is 3, temperature 38.5 is 1, SpO2 93 is 2.
    assert [(p.total, p.risk, p.missing) for p in points] == [
        (8, "high", ()),
        (6, "medium", ("spo2",)),
        (5, "medium", ("spo2", "temp", "consciousness")),
    ]


def test_a_score_uses_oxygen_scale_and_profile_as_they_were() -> None:
    versions = [
        (BEGIN - HOUR, msgspec.structs.replace(PERSON, scale2=True)),
        (BEGIN + 4 * HOUR, PERSON),
        (BEGIN + 6 * HOUR, msgspec.structs.replace(PERSON, profile="child")),
    ]
    acts = [charted(BEGIN, consciousness="A", oxygen=True), charted(BEGIN + 2 * HOUR, oxygen=False)]
    rows = minutes(BEGIN, NOW, **WELL | {"spo2": 90.0})
    points = course(rows, versions, PERSON, acts, [BEGIN + k * HOUR for k in (1, 3, 5, 7)])
    # 90 % is 0 on scale 2 with oxygen (2 for the oxygen) and on air; on scale 1 it is 3.
    assert [p.total for p in points] == [2, 0, 3]


def test_changed_limits_are_told_with_their_time_and_a_readmission_is_no_change() -> None:
    tight = msgspec.structs.replace(PERSON, overrides={"spo2": Limit(85, 92, None, None, 15)})
    left = msgspec.structs.replace(tight, discharged=BEGIN + 3 * HOUR)
    home = msgspec.structs.replace(PERSON, profile="home")
    versions = [(BEGIN - HOUR, PERSON), (BEGIN + HOUR, tight), (BEGIN + 3 * HOUR, left), (BEGIN + 4 * HOUR, home)]
    (change,) = limit_changes(versions, BEGIN)
    assert (change.t, change.field, change.before, change.after) == (
        BEGIN + HOUR,
        "spo2",
        Limit(85, 90, None, None, 15),
        Limit(85, 92, None, None, 15),
    )
    assert limit_changes(versions, BEGIN + 2 * HOUR) == []


def step(alarm: AlarmEvent, after_ms: int, **changes: object) -> AlarmEvent:
    known = {
        "n": alarm.n + 1,
        "phase": Phase.UPDATE,
        "t": alarm.t + after_ms,
        "log_t": alarm.log_t + after_ms,
        "by": None,
    }
    return msgspec.structs.replace(alarm, **(known | changes))


def message(alarm: AlarmEvent, contact: str, **changes: object) -> Notification:
    values = {"alarm": alarm.id, "n": 0, "patient": PERSON.patient, "contact": contact, "handover": 0}
    values |= {"channels": (Channel.SMS,), "sns": f"m-{contact}", "t": alarm.t, "accepted": alarm.t + 300, "sms": "x"}
    return Notification(**(values | changes))


def test_an_incident_has_its_answers_in_order_and_the_people_who_were_told() -> None:
    start = BEGIN + HOUR
    low = event(PERSON, "spo2", start, "SpO2 84 %", incident="i", call=Call.PAGE)
    fast = event(PERSON, "hr", start + MINUTE, "HR 130", incident="i", priority=Priority.MEDIUM)
    cannot = step(low, 20_000, by="anna", declined=("anna",))
    coming = step(cannot, 20_000, by="ben", coming="ben")
    acknowledged = step(coming, 60_000, by="ben", inactivation=Inactivation.ACKNOWLEDGED)
    worse = step(acknowledged, 60_000)
    ends = [step(each, HOUR, phase=Phase.END, state=AlarmState.INACTIVE) for each in (worse, fast)]
    told = [message(low, "anna"), message(low, "ben"), message(low, "ben", state=DeliveryState.OPENED)]
    told += [message(low, "chidi", sns=None), message(fast, "ben", sns="m-ben")]
    mark = Action(id="m", act=Act.NOT_ACTIONABLE, patient=PERSON.patient, t=NOW, by="bela", alarm=fast.id)
    events = [low, fast, cannot, coming, acknowledged, worse, *ends]
    random.Random(1).shuffle(events)  # noqa: S311 - an order
    (line,) = incident_lines([*events, *events], told, [mark], [])
    assert (line.begin, line.end, line.priority, line.conditions) == (
        start,
        max(e.t for e in ends),
        Priority.HIGH,
        ("spo2", "hr"),
    )
    assert [(a.act, a.by) for a in line.answers] == [("cannot", "anna"), ("coming", "ben"), ("acknowledge", "ben")]
    assert (line.messages, line.people, line.reached, line.marked_by) == (2, 2, 1, "bela")


def test_an_alarm_that_goes_on_from_before_the_shift_is_there_and_one_of_low_priority_is_not() -> None:
    old = event(PERSON, "hr", BEGIN - 5 * HOUR, "HR 125", priority=Priority.MEDIUM)
    low = event(PERSON, "sensor-off", NOW - HOUR, "sensor off", priority=Priority.LOW)
    (line,) = incident_lines([low], [], [], [old, low])
    assert (line.begin, line.end, line.conditions) == (BEGIN - 5 * HOUR, None, ("hr",))


@pytest.mark.parametrize(
    ("total", "risk", "wait_h"), [(0, "low", 12), (4, "low", 4), (3, "low-medium", 1), (5, "medium", 1), (7, "high", 1)]
)
def test_the_next_observation_is_due_by_the_charts_frequency(total: int, risk: str, wait_h: int) -> None:
    score = News2Now(total, risk, {}, {}, ("temp", "consciousness"), incomplete=True)
    found = observation(score, BEGIN)
    assert found is not None
    assert (found.due, found.missing) == (BEGIN + wait_h * HOUR, ("temp",))
    never = observation(score, 0)
    assert never is not None
    assert never.due is None
    assert observation(None, BEGIN) is None


def present(t: int, *, down: bool = False) -> Present:
    return Present(NOW, {PERSON.patient: seen(PERSON, WELL, t)}, (), {}, down)


def test_history_that_the_warehouse_does_not_have_yet_is_no_gap() -> None:
    rows = WardRows({PERSON.patient: minutes(BEGIN, NOW - HOUR, **WELL)})
    behind = known_until(rows, [PERSON], present(NOW))
    assert behind == NOW - HOUR
    report = patient_report(PERSON, "", rows, present(NOW), begin=BEGIN, until=behind)
    assert report.history is not None
    assert report.history.gaps == ()
    # If the alarm engine has no later reading either, nobody was monitored.
    assert known_until(rows, [PERSON], present(NOW - HOUR - MINUTE)) == NOW
    assert known_until(rows, [PERSON], present(NOW, down=True)) == NOW - HOUR
    silent = patient_report(PERSON, "", rows, present(NOW - HOUR - MINUTE), begin=BEGIN, until=NOW)
    assert silent.history is not None
    assert [(g.begin, g.end) for g in silent.history.gaps] == [(NOW - HOUR, NOW)]


def test_the_history_of_an_earlier_stay_is_left_out() -> None:
    since = NOW - 2 * HOUR
    back = msgspec.structs.replace(PERSON, since=since, version=since)
    left = msgspec.structs.replace(PERSON, discharged=NOW - 6 * HOUR)
    rows = WardRows(
        {PERSON.patient: [*minutes(BEGIN, NOW - 6 * HOUR, hr=150.0), *minutes(since, NOW, hr=70.0)]},
        {PERSON.patient: [(BEGIN, PERSON), (NOW - 6 * HOUR, left), (since, back)]},
        events=[event(PERSON, "hr", BEGIN + HOUR, "HR 150")],
    )
    report = patient_report(back, "", rows, Present(NOW, {}, (), {}, down=False), begin=BEGIN, until=NOW)
    assert report.history is not None
    assert (report.history.begin, report.history.gaps, report.incidents) == (since, (), ())
    assert [row.high.value for row in report.signs if row.high] == [70.0]


def test_without_the_warehouse_the_worst_values_are_not_known() -> None:
    report = patient_report(PERSON, "", None, present(NOW), begin=BEGIN, until=NOW)
    assert report.history is None
    assert {(row.low, row.high) for row in report.signs} == {(None, None)}
    assert report.signs[0].now is not None
