"""The engine is held to the oracle: same events, whatever comes, in whatever batches."""

import msgspec
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.vitals.build import T0, WELL, One, columns, placement
from vitals import engine
from vitals.actions import Act, Action
from vitals.alarms import AlarmEvent
from vitals.limits import Limit, profile, with_overrides
from vitals.oracle import Oracle
from vitals.signs import Suspect

PROPERTY = settings(
    max_examples=120, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None
)
LIMIT_SETS = (with_overrides(profile("adult"), {"hr": Limit(None, 60, 62, None, 2, 5), "temp": Limit(34, None, None, 41)}),)
PATIENTS = ("p1", "p2", "p3")
POINTS = {
    "hr": (30, 39, 45, 51, 52, 75, 119, 121, 130, 139, 141, 170),
    "pr": (30, 45, 75, 121, 141),
    "rr": (5, 7, 8, 9, 15, 24, 26, 31, 36),
    "spo2": (80, 84, 85, 86, 89, 90, 91, 93, 97, 100),
    "temp": (34.8, 35.05, 35.2, 36.8, 38.9, 39.2),
    "sbp": (70, 85, 92, 94, 125, 165, 205),
    "dbp": (45, 75, 115),
    "map": (55, 92, 115),
}


@st.composite
def one(draw: st.DrawFn) -> tuple:
    values = dict(WELL) if draw(st.integers(0, 3)) else {}
    codes = {}
    for name in draw(st.lists(st.sampled_from(list(POINTS)), max_size=3)):
        what = draw(st.integers(0, 9))
        if what < 6:
            values[name] = draw(st.sampled_from(POINTS[name]))
        elif what == 6:
            values.pop(name, None)
        else:
            code = (Suspect.DROPOUT, Suspect.SENSOR_OFF, Suspect.SPIKE)[what - 7]
            codes[name] = code
            if code is Suspect.SPIKE:
                values[name] = draw(st.sampled_from(POINTS[name]))
            else:
                values.pop(name, None)
    if draw(st.integers(0, 11)) == 0:
        codes |= dict.fromkeys(("hr", "pr", "spo2"), Suspect.DROPOUT)
        values = {k: v for k, v in values.items() if k not in codes}
    patient = draw(st.sampled_from((*PATIENTS, "p1", "p1", None)))
    device = draw(st.sampled_from(("d1", "d1", "d2")))
    # Mostly the next reading in time, sometimes late, a duplicate, or from a clock that is wrong.
    shift = draw(st.sampled_from((0, 0, 0, 0, 0, 0, -1_000, -7_000, -130_000, 30_000, 90_000, 3_600_000)))
    again = draw(st.integers(0, 9)) == 0
    return "reading", patient, device, values, codes, shift, again, draw(st.sampled_from((0, 0, 1, -1)))


STEP = st.one_of(
    one(),
    one(),
    one(),
    one(),
    one(),
    one(),
    st.tuples(st.just("wait"), st.sampled_from((0, 1_000, 1_000, 5_000, 15_000, 30_000, 55_000, 125_000, 4_000_000))),
    st.tuples(st.just("lag"), st.sampled_from((0, 0, 40_000, 150_000, 3_600_000))),
    st.tuples(st.just("act"), st.sampled_from(list(Act)), st.integers(0, 5), st.sampled_from("AVU"), st.booleans()),
    st.tuples(st.just("discharge"), st.sampled_from(PATIENTS)),
    st.tuples(
        st.just("place"),
        st.sampled_from(PATIENTS),
        st.sampled_from((1.0, 10.0, 30.0)),
        st.sampled_from((0.0, 60.0)),
        st.sampled_from(("adult", "copd", "child")),
        st.booleans(),
    ),
)


def play(steps: list[tuple]):
    """Turns drawn steps into what happens: ("advance", readings rows, now), ("act", …), … in log order."""
    now, lag, seq = T0, 0, 0
    last: dict[str | None, One] = {}
    for step in steps:
        if step[0] == "wait":
            now += step[1]
            yield "advance", [], now
        elif step[0] == "lag":
            lag = step[1]
        elif step[0] == "reading":
            _, patient, device, values, codes, shift, again, limits = step
            now += 1_000
            seq += 1
            row = One(now - lag + shift, values, codes, patient, device, seq, limits)
            if again and patient in last:
                row = last[patient]
            last[patient] = row
            yield "advance", [row], now
        else:
            yield (*step, now)


def blank(events) -> list[AlarmEvent]:
    return [msgspec.structs.replace(e, text="") for e in events]


def action_of(step: tuple, events: list[AlarmEvent]) -> Action:
    _, act, nth, mind, oxygen, now = step
    event = events[-1 - nth % len(events)] if events else None
    return Action(
        id="a",
        act=act,
        patient=event.subject if event and act is not Act.CHART else "p1",
        t=now,
        by="nurse",
        alarm=event.id if event else "none",
        pause_s=60,
        oxygen=oxygen,
        consciousness=mind,
    )


def placement_of(step: tuple):
    _, patient, cadence, cuff, name, flag, _ = step
    return placement(patient, cadence_s=cadence, cuff_s=cuff, profile=name, scale2=flag, oxygen=flag)


class Engine:
    """The engine, with the oracle's verbs."""

    def __init__(self) -> None:
        self.state = engine.empty()

    def _keep(self, outcome):
        self.state, events = outcome
        return list(events)

    def advance(self, readings, now):
        return self._keep(engine.advance(self.state, readings, now))

    def place(self, placements, now):
        return self._keep(engine.place(self.state, placements, now))

    def discharge(self, patient, now):
        return self._keep(engine.discharge(self.state, patient, now))

    def act(self, action, now):
        return self._keep(engine.act(self.state, action, now))


def run(model, steps: list[tuple]) -> list[AlarmEvent]:
    told: list[AlarmEvent] = []
    for step in play(steps):
        if step[0] == "advance":
            told += model.advance(columns(step[1], LIMIT_SETS), step[2])
        elif step[0] == "act":
            told += model.act(action_of(step, told), step[-1])
        elif step[0] == "discharge":
            told += model.discharge(step[1], step[-1])
        else:
            told += model.place([placement_of(step)], step[-1])
    return blank(told)


@PROPERTY
@given(st.lists(STEP, min_size=5, max_size=60))
def test_the_engine_tells_what_the_oracle_tells(steps: list[tuple]) -> None:
    assert run(Engine(), steps) == run(Oracle(), steps)
