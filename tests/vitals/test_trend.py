"""Trends and their advisories, on stories whose end is known."""

import msgspec
import numpy as np
import pytest

from tests.vitals.build import T0, WELL, One, columns
from vitals import trend
from vitals.actions import Act, Action
from vitals.alarm_events import AlarmEvent, AlarmState, Inactivation, Phase, Priority
from vitals.signs import SIGNS, Suspect

MINUTE = 60_000


def play(
    course: dict[str, np.ndarray], *, seed: int = 1, every_s: int = 30, advisories: bool = True
) -> tuple[trend.Trends, list[AlarmEvent]]:
    """Plays courses (value per half minute) with each sign's own noise."""
    rng = np.random.default_rng(seed)
    state, told = trend.empty(), []
    for k in range(len(next(iter(course.values())))):
        t = T0 + k * every_s * 1000
        noise = {f: rng.normal(0, trend.NOISE[i] / 2) for i, f in enumerate(s.field for s in SIGNS)}
        values = {
            f: float(v[k] + noise[f]) for f, v in ({f: np.full(k + 1, x) for f, x in WELL.items()} | course).items()
        }
        values["spo2"] = min(values["spo2"], 100.0)
        told += trend.advance(state, columns([One(t, values, seq=k)]), t, advisories=advisories)[1]
    return state, told


def estimate(state: trend.Trends, patient: str, field: str) -> trend.Estimate:
    return trend.estimates(state, [patient])[0][field]


def steady(value: float, minutes: int) -> np.ndarray:
    return np.full(minutes * 2, value)


def ramp(start: float, end: float, minutes: int) -> np.ndarray:
    return np.linspace(start, end, minutes * 2)


STORIES = {
    "slow desaturation": ("spo2", 97, 89, 60, 90),
    "haemorrhage": ("map", 85, 55, 50, 60),
    "fever rising": ("temp", 37.5, 39.5, 80, 39),
    "tachycardia building": ("hr", 90, 130, 60, 120),
    "tiring breaths": ("rr", 18, 34, 60, 30),
}


@pytest.mark.parametrize("story", list(STORIES))
def test_a_limit_that_will_be_crossed_is_announced_at_least_five_minutes_before_and_not_an_hour(story: str) -> None:
    field, start, end, minutes, limit = STORIES[story]
    ahead = []
    for seed in range(5):
        course = np.concatenate([steady(start, 60), ramp(start, end, minutes)])
        _, told = play({field: course}, seed=seed)
        crossing = T0 + (60 * 2 + int(np.argmax(np.abs(course[120:] - start) >= abs(limit - start)))) * 30_000
        mine = [e for e in told if e.condition == f"trend-{field}" and e.phase is Phase.START and e.t <= crossing]
        assert mine, (story, seed)
        ahead.append((crossing - mine[-1].t) / MINUTE)
    assert 5 <= np.median(ahead) <= 45, ahead


def test_a_steady_patient_hears_of_nothing_for_eight_hours() -> None:
    told = [event for seed in range(3) for event in play({"hr": steady(75, 8 * 60)}, seed=seed)[1]]
    assert len(told) <= 1, [(e.condition, e.value) for e in told]


def test_an_advisory_is_low_priority_and_ends_when_the_limit_is_crossed() -> None:
    _, told = play({"map": np.concatenate([steady(85, 60), ramp(85, 50, 50)])})
    mine = [e for e in told if e.condition == "trend-map"]
    assert [e.phase for e in mine][-2:] == [Phase.START, Phase.END]
    assert {e.priority for e in mine} == {Priority.LOW}
    assert "its limit is crossed" in mine[-1].text


def test_the_switch_turns_advisories_off_and_trends_go_on() -> None:
    state, told = play({"map": np.concatenate([steady(85, 60), ramp(85, 50, 50)])}, advisories=False)
    assert told == []
    assert estimate(state, "p1", "map").slope < -0.3


def test_artefacts_move_no_trend() -> None:
    state = trend.empty()
    for k in range(240):
        value, codes = (75.0, {}) if k % 20 else (180.0, {"hr": Suspect.SPIKE})
        trend.advance(state, columns([One(T0 + k * 30_000, {"hr": value}, codes, seq=k)]), T0 + k * 30_000)
    assert abs(estimate(state, "p1", "hr").level - 75) < 1
    # Even when nobody has marked them.
    for k in range(240, 480):
        value = 180.0 if k % 40 == 0 else 75.0
        trend.advance(state, columns([One(T0 + k * 30_000, {"hr": value}, seq=k)]), T0 + k * 30_000)
    assert abs(estimate(state, "p1", "hr").level - 75) < 3


def test_late_readings_and_duplicates_move_nothing() -> None:
    state, _ = play({"hr": ramp(70, 90, 60)})
    before = estimate(state, "p1", "hr")
    late = columns([One(T0 + 60_000, {"hr": 20}), One(T0 + 119 * 30_000, {"hr": 20})])
    trend.advance(state, late, T0 + 60 * MINUTE)
    assert estimate(state, "p1", "hr") == before


def test_batches_of_many_readings_give_what_single_ones_give() -> None:
    rows = [One(T0 + k * 30_000, {"hr": 70 + k / 3, "map": 85 - k / 4}, patient=f"p{k % 2}", seq=k) for k in range(120)]
    now = T0 + 120 * 30_000
    one, many = trend.empty(), trend.empty()
    told_one = [e for row in rows for e in trend.advance(one, columns([row]), now)[1]]
    told_many = list(trend.advance(many, columns(rows), now)[1])
    assert sorted(e.id for e in told_one) == sorted(e.id for e in told_many)
    assert estimate(one, "p1", "hr") == estimate(many, "p1", "hr")


def test_level_and_slope_of_many_are_those_of_each_and_nothing_is_known_of_a_stranger() -> None:
    rows = [One(T0 + k * 30_000, {"hr": 70 + k / 3}, patient=f"p{k % 2}", seq=k) for k in range(120)]
    state, now = trend.empty(), T0 + 130 * 30_000
    trend.advance(state, columns([*rows, One(now, {"spo2": 99}, patient="p2", seq=1)]), now)
    first, nobody, second, third = trend.estimates(state, ["p0", "nobody", "p1", "p2"])
    assert nobody == {}
    assert (first.keys(), second.keys(), third.keys()) == ({"hr"}, {"hr"}, {"spo2"})
    assert first["hr"] == estimate(state, "p0", "hr") != second["hr"]
    assert 100 < first["hr"].level < 112
    assert first["hr"].slope > 0.2
    assert trend.estimates(state, []) == []


def test_history_gives_no_advisory() -> None:
    state = trend.empty()
    told = []
    for k in range(240):
        batch = columns([One(T0 + k * 30_000, {"map": 95 - k / 8}, seq=k)])
        told += trend.advance(state, batch, T0 + 6 * 3_600_000)[1]
    assert told == []


def _falling(minutes: int) -> tuple[trend.Trends, list[AlarmEvent], np.ndarray]:
    course = np.concatenate([steady(97, 60), ramp(97, 91, minutes)])
    state, told = play({"spo2": course})
    assert [e.phase for e in told if e.condition == "trend-spo2"][-1:] == [Phase.START]
    return state, told, course


def test_a_recovered_trend_tells_nothing_twice_and_ends_what_was_open() -> None:
    state, told, course = _falling(40)
    later = T0 + len(course) * 30_000
    back = trend.restore(trend.snapshot(state))
    ends = {}
    for name, kept in (("went on", state), ("recovered", back)):
        trend.resume(kept, told if name == "recovered" else [])
        times = [later + k * 30_000 for k in range(30)]
        readings = [columns([One(t, WELL | {"spo2": 99.0}, seq=1000 + k)]) for k, t in enumerate(times)]
        events = [e for one, t in zip(readings, times, strict=True) for e in trend.advance(kept, one, t)[1]]
        ends[name] = [(e.id, e.n, e.phase) for e in events]
    assert ends["recovered"] == ends["went on"]
    assert [phase for _, _, phase in ends["recovered"]] == [Phase.END]


@pytest.mark.parametrize("over", [False, True])
def test_a_replay_that_forgot_an_acknowledgement_ends_an_advisory_once_and_under_a_number_of_its_own(
    over: bool,
) -> None:
    state, told, course = _falling(40)
    kept = trend.snapshot(state)
    advisory = told[-1]
    seen = Action(id="a", act=Act.ACKNOWLEDGE, patient="p1", t=T0, by="nurse", alarm=advisory.id)
    told += trend.act(state, seen, advisory.log_t + 1)
    if over:
        ended = {"phase": Phase.END, "state": AlarmState.INACTIVE, "n": 2}
        told.append(msgspec.structs.replace(told[-1], **ended))
    back = trend.restore(kept)
    trend.resume(back, told)
    later = T0 + len(course) * 30_000
    events: list[AlarmEvent] = []
    for k in range(30):
        batch = columns([One(later + k * 30_000, WELL | {"spo2": 99.0}, seq=1000 + k)])
        events += trend.advance(back, batch, later + k * 30_000)[1]
    assert [(e.id, e.n, e.phase) for e in events] == ([] if over else [(advisory.id, 2, Phase.END)])
    assert trend.active(back) == ()


def test_an_advisory_can_be_acknowledged_and_a_discharge_ends_it() -> None:
    state, told, _ = _falling(40)
    advisory = next(e for e in reversed(told) if e.condition == "trend-spo2")
    seen = Action(id="a", act=Act.ACKNOWLEDGE, patient="p1", t=T0, by="nurse", alarm=advisory.id)
    (update,) = trend.act(state, seen, T0)
    assert (update.n, update.inactivation, update.by) == (1, Inactivation.ACKNOWLEDGED, "nurse")
    assert trend.act(state, seen, T0) == ()
    assert [(e.n, e.phase) for e in trend.discharge(state, "p1", T0)] == [(2, Phase.END)]
    assert trend.active(state) == ()
    assert trend.estimates(state, ["p1"]) == [{}]


def test_bytes_that_are_no_trends_are_refused() -> None:
    with pytest.raises(ValueError, match="not a snapshot of trends"):
        trend.restore(b"no")
