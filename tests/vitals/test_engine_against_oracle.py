"""The engine is held to the oracle: same events, whatever comes, in whatever batches."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from random import Random

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.vitals.build import T0, WELL, One, columns, placement
from tests.vitals.reference_engine import Oracle
from vitals import engine
from vitals.actions import Act, Action
from vitals.admissions import DeviceAssignment
from vitals.alarm_events import AlarmEvent, Call, Phase, Reason
from vitals.engine import batch
from vitals.engine.rules.not_judged import WATCH
from vitals.limits import Limit, profile, with_overrides
from vitals.readings import Readings
from vitals.signs import Suspect

PROPERTY = settings(
    max_examples=60,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    database=None,
)
LIMIT_SETS = (
    with_overrides(profile("adult"), {"hr": Limit(None, 60, 62, None, 2), "temp": Limit(34, None, None, 41)}),
)
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
        what = draw(st.integers(0, 10))
        if what < 6:
            values[name] = draw(st.sampled_from(POINTS[name]))
        elif what == 6:
            values.pop(name, None)
        else:
            code = (Suspect.DROPOUT, Suspect.SENSOR_OFF, Suspect.SPIKE, Suspect.IMPLAUSIBLE)[what - 7]
            codes[name] = code
            if code in {Suspect.SPIKE, Suspect.IMPLAUSIBLE}:
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
    limits, flush = draw(st.sampled_from((0, 0, 1, -1))), draw(st.integers(0, 2)) == 0
    return "reading", patient, device, values, codes, shift, again, limits, flush


ANSWERS = (Act.ACKNOWLEDGE, Act.AUDIO_PAUSE, Act.COMING, Act.CANNOT, Act.NOT_ACTIONABLE)
SIMPLE = (Act.ACKNOWLEDGE, Act.AUDIO_PAUSE, Act.CHART)
WORSE = (
    ("hr", 130),
    ("hr", 141),
    ("pr", 121),
    ("spo2", 89),
    ("spo2", 80),
    ("rr", 31),
    ("rr", 36),
    ("sbp", 85),
    ("map", 55),
)
CODES = (Suspect.DROPOUT, Suspect.SENSOR_OFF, Suspect.SPIKE, Suspect.CLOCK, Suspect.IMPLAUSIBLE)
KEEPS = (Suspect.SPIKE, Suspect.CLOCK, Suspect.IMPLAUSIBLE)
STEP = st.one_of(
    one(),
    one(),
    # From now on a sign of a patient has this value, or this code, or is absent.
    st.sampled_from(list(POINTS)).flatmap(
        lambda name: st.tuples(
            st.just("set"),
            st.sampled_from(("p1", "p1", "p2")),
            st.just(name),
            st.sampled_from((*POINTS[name], None, *CODES)),
        )
    ),
    st.sampled_from(list(POINTS)).flatmap(
        lambda name: st.tuples(st.just("set"), st.just("p1"), st.just(name), st.sampled_from(POINTS[name]))
    ),
    st.tuples(st.just("run"), st.integers(1, 20), st.sampled_from((1_000, 1_000, 5_000, 30_000))),
    st.tuples(st.just("run"), st.integers(1, 20), st.sampled_from((1_000, 1_000, 5_000, 30_000))),
    st.tuples(st.just("wait"), st.sampled_from((0, 1_000, 1_000, 5_000, 15_000, 30_000, 55_000, 125_000, 4_000_000))),
    st.tuples(st.just("lag"), st.sampled_from((0, 0, 40_000, 150_000, 3_600_000))),
    st.tuples(st.just("act"), st.sampled_from(SIMPLE), st.integers(0, 5), st.sampled_from("AVU"), st.booleans()),
    st.tuples(
        st.just("standby"),
        st.sampled_from((Act.STANDBY, Act.STANDBY, Act.STANDBY_END)),
        st.sampled_from(("p1", "p1", "p2")),
        st.sampled_from((300, 900)),
        st.sampled_from(("ann", "bea")),
        st.sampled_from(("p1", "p1", "p2")),
    ),
    # The incident of an event, as somebody saw it at that event.
    st.tuples(st.just("acknowledge"), st.integers(0, 9)),
    # Several problems begin at once, or go.
    st.tuples(st.just("all"), st.sampled_from(("p1", "p1", "p2")), st.lists(st.sampled_from(WORSE), max_size=4)),
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


def play(steps: list[tuple]) -> Iterator[tuple]:
    """Turns drawn steps into what happens: ("advance", rows, now), ("act", …, now), … in log order."""
    now, lag, seq = T0, 0, 0
    last: dict[str | None, One] = {}
    rows: list[One] = []
    now_is: dict[str, dict[str, float | Suspect | None]] = {"p1": dict(WELL), "p2": dict(WELL)}
    for step in steps:
        if step[0] == "reading":
            _, patient, device, values, codes, shift, again, limits, flush = step
            now += 1_000
            seq += 1
            row = One(now - lag + shift, values, codes, patient, f"{device}-{patient}", seq, limits)
            if again and patient in last:
                row = last[patient]
            last[patient] = row
            rows.append(row)
            if flush:
                yield "advance", rows, now
                rows = []
            continue
        if rows:
            yield "advance", rows, now
            rows = []
        if step[0] == "set":
            now_is[step[1]][step[2]] = step[3]
        elif step[0] == "all":
            now_is[step[1]] |= {**WELL, **dict(step[2])}
        elif step[0] == "run":
            for _ in range(step[1]):
                now += step[2]
                seq += 1
                rows += [_ongoing(patient, now_is[patient], now - lag, seq) for patient in ("p1", "p2")]
            yield "advance", rows, now
            rows = []
        elif step[0] == "wait":
            now += step[1]
            yield "advance", [], now
        elif step[0] == "lag":
            lag = step[1]
        else:
            yield (*step, now)
    yield "advance", rows, now


def _ongoing(patient: str, signs: Mapping[str, float | Suspect | None], t: int, seq: int) -> One:
    codes = {name: value for name, value in signs.items() if isinstance(value, Suspect)}
    values = {name: value for name, value in signs.items() if value is not None and name not in codes}
    # A code that leaves its value in place comes with one that is beyond every limit.
    values |= {name: POINTS[name][0] for name, code in codes.items() if code in KEEPS}
    return One(t, values, codes, patient, f"d1-{patient}", seq)


def blank(events: Iterable[AlarmEvent]) -> list[AlarmEvent]:
    return [msgspec.structs.replace(e, text="") for e in events]


def action_of(step: tuple, events: list[AlarmEvent]) -> Action:
    event = events[-1 - step[1 if step[0] == "acknowledge" else 2] % len(events)] if events else None
    if step[0] == "acknowledge":
        seen = {"incident": event.incident, "shown": event.log_t} if event else {}
        who = event.subject if event else "p1"
        alarm = event.id if event else "none"
        return Action(id="a", act=Act.ACKNOWLEDGE, patient=who, t=step[-1], by="nurse", alarm=alarm, **seen)
    _, act, _, mind, oxygen, now = step
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


def standby_of(step: tuple) -> Action:
    _, act, patient, seconds, by, bed, now = step
    about = {"pause_s": seconds} if act is Act.STANDBY else {}
    return Action(id=f"s{now}", act=act, patient=patient, t=now, by=by, bed=f"bed-{bed}", **about)


def placement_of(step: tuple) -> DeviceAssignment:
    _, patient, cadence, cuff, name, flag, _ = step
    return placement(patient, cadence_s=cadence, cuff_s=cuff, profile=name, scale2=flag, oxygen=flag)


class Engine:
    """The engine, with the oracle's verbs."""

    def __init__(self) -> None:
        self.state = engine.empty()
        self.watch: list[AlarmEvent] = []

    def _keep(self, outcome: engine.Outcome) -> list[AlarmEvent]:
        self.state, events = outcome
        # Who is not judged is told apart: tests/vitals/test_watched.py.
        self.watch += [event for event in events if event.condition in WATCH]
        return [event for event in events if event.condition not in WATCH]

    def advance(self, readings: Readings, now: int) -> list[AlarmEvent]:
        return self._keep(engine.advance(self.state, readings, now))

    def place(self, placements: list[DeviceAssignment], now: int) -> list[AlarmEvent]:
        return self._keep(engine.place(self.state, placements, now))

    def discharge(self, patient: str, now: int) -> list[AlarmEvent]:
        return self._keep(engine.discharge(self.state, patient, now))

    def act(self, action: Action, now: int) -> list[AlarmEvent]:
        return self._keep(engine.act(self.state, action, now))


def run(model: Engine | Oracle, steps: list[tuple], *, each: bool = False, reopen: int = -1) -> list[AlarmEvent]:
    """Plays the steps; `each` sends every reading alone, `reopen` snapshots and restores after that many steps."""
    told: list[AlarmEvent] = []
    for k, step in enumerate(play(steps)):
        if k == reopen:
            model.state = engine.restore(engine.snapshot(model.state))
        parts = [("advance", [row], step[2]) for row in step[1]] if each and step[0] == "advance" else []
        for part in parts or [step]:
            told += do(model, part, told)
    return blank(told)


def both(steps: list[tuple], **how: int) -> tuple[list[AlarmEvent], list[AlarmEvent]]:
    """Plays the steps on the engine and on the oracle, which takes the technical alarms of patients as given."""
    model, oracle = Engine(), Oracle()
    told = run(model, steps, **how)
    oracle.watch = model.watch
    return told, run(oracle, steps)


@pytest.fixture(params=[0, 10**9], ids=["by-numpy", "one-by-one"])
def few(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Both halves of the engine must do all of it."""
    monkeypatch.setattr(batch, "FEW", request.param)
    monkeypatch.setattr(batch, "MANY", request.param)
    return request.param


@pytest.mark.usefixtures("few")
@PROPERTY
@given(st.lists(STEP, min_size=5, max_size=60))
def test_the_engine_tells_what_the_oracle_tells(steps: list[tuple]) -> None:
    told, expected = both(steps)
    assert told == expected


def bouts(
    seed: int,
    cadence_s: int,
    *,
    incidents: float = 0.0,
    calm: int = 1,
    answers: float = 0.02,
    count: int = 0,
    acts: Sequence[Act] = (Act.ACKNOWLEDGE, Act.ACKNOWLEDGE, Act.AUDIO_PAUSE),
) -> list[tuple]:
    """Hours in which signs stay for minutes where they are, with a monitor's unrest, and a nurse who answers.

    Args:
        seed: Seed of the story.
        cadence_s: Time between readings, s.
        incidents: Chance in each reading that an incident is acknowledged.
        calm: Weight of a value within limits against one that may be beyond.
        answers: Chance in each reading of one of `acts`.
        count: Readings; 0: some half an hour's at 1 s, five hours' at 30 s.
        acts: Acts to draw from.
    """
    random = Random(seed)  # noqa: S311 - a drawn story, no secret
    steps: list[tuple] = [("place", "p1", float(cadence_s), random.choice((0.0, 300.0)), "adult", False)]
    until = dict.fromkeys(POINTS, 0)
    level: dict[str, float] = dict(WELL)
    for k in range(count or (1500 if cadence_s == 1 else 600)):
        for name, points in POINTS.items():
            if k >= until[name]:
                until[name] = k + random.choice((1, 2, 20, 70, 130, 400))
                level[name] = random.choice((*[WELL[name]] * calm, random.choice(points)))
            steps.append(("set", "p1", name, level[name] + random.choice((0, 0, 0, -1, 1))))
        steps.append(("run", 1, 1000 * cadence_s))
        if random.random() < answers:
            act = random.choice(acts)
            steps.append(("act", act, random.randrange(6), "A", False))
        elif incidents and random.random() < incidents:
            steps.append(("acknowledge", random.randrange(4)))
    return steps


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("cadence_s", [1, 30])
def test_bouts_that_come_back_turn_and_grow_worse_are_told_as_the_oracle_tells_them(cadence_s: int) -> None:
    again = 0
    for seed in range(6):
        steps = bouts(seed, cadence_s, acts=ANSWERS)
        told, expected = both(steps, reopen=700)
        assert told == expected
        before: dict[str, AlarmEvent] = {}
        for event in told:
            known = before.get(event.id)
            again += known is not None and event.phase is Phase.ESCALATE and event.priority is known.priority
            before[event.id] = event
    assert again > 0


def away(seed: int, cadence_s: int) -> list[tuple]:
    """Hours in which a patient is taken off the monitor and brought back, with and without a standby, ill and well."""
    random = Random(seed)  # noqa: S311 - a drawn story, no secret
    steps: list[tuple] = [("place", "p1", float(cadence_s), 0.0, "adult", False)]
    for _ in range(12):
        for name, points in POINTS.items():
            steps.append(
                ("set", "p1", name, random.choice((WELL[name], WELL[name], WELL[name], random.choice(points))))
            )
        steps.append(("run", random.randrange(5, 400 // cadence_s + 6), 1000 * cadence_s))
        steps += [("act", Act.ACKNOWLEDGE, n, "A", False) for n in range(random.randrange(4))]
        for _ in range(random.randrange(4)):
            act = random.choice((Act.STANDBY, Act.STANDBY, Act.STANDBY, Act.STANDBY_END))
            bed = random.choice(("p1", "p1", "p1", "p2"))
            steps.append(("standby", act, "p1", random.choice((300, 300, 900)), random.choice(("ann", "bea")), bed))
            code = random.choice((Suspect.DROPOUT, Suspect.DROPOUT, Suspect.SENSOR_OFF, None))
            steps += [("set", "p1", name, code) for name in POINTS if random.random() < 0.9]
            steps.append(("run", random.randrange(1, 500 // cadence_s + 2), 1000 * cadence_s))
        if random.random() < 0.1:
            steps.append(("wait", 125_000))
    return steps


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("cadence_s", [1, 30])
def test_standbys_that_begin_end_and_are_refused_hide_what_the_oracle_hides(cadence_s: int) -> None:
    for seed in range(3):
        told, expected = both(away(seed, cadence_s), reopen=100)
        assert told == expected
    assert any(e.condition == "vital-signs-lost" for e in told)


@pytest.mark.usefixtures("few")
def test_incidents_of_hours_are_opened_joined_named_and_acknowledged_as_the_oracle_does() -> None:
    met: set[object] = set()
    several = 0
    for cadence_s, seed in ((1, 103), (1, 105), (30, 102), (30, 103), (30, 105)):
        chance = 0.001 * cadence_s
        count = 4500 if cadence_s == 1 else 600
        steps = bouts(seed, cadence_s, incidents=chance, calm=3, answers=chance, count=count)
        told = run(Engine(), steps, reopen=900)
        assert told == run(Oracle(), steps)
        met |= {x for e in told for x in (e.call, e.reason)}
        several += sum(len(e.problems) > 1 for e in told)
    assert met >= {*Call, *Reason}
    assert several > 0


@pytest.mark.usefixtures("few")
def test_a_step_that_was_reached_before_and_lasts_only_now_calls_again() -> None:
    # The worst value is no news any more, and yet it is a step beyond what was acknowledged.
    steps: list[tuple] = [("place", "p1", 1.0, 0.0, "adult", False)]
    for spo2, seconds in ((81, 60), (77, 5), (78, 150), (77, 15)):
        steps += [("set", "p1", "spo2", spo2), *[("run", 1, 1000)] * seconds]
        if spo2 == 81:
            steps.append(("act", Act.ACKNOWLEDGE, 0, "A", False))
    told, expected = both(steps)
    assert told == expected
    assert [e.phase for e in told if e.condition == "spo2"][-1] is Phase.ESCALATE


@PROPERTY
@given(st.lists(STEP, min_size=5, max_size=60), st.integers(0, 40))
def test_batch_splits_snapshots_and_restores_change_nothing(steps: list[tuple], reopen: int) -> None:
    assert run(Engine(), steps, each=True, reopen=reopen) == run(Engine(), steps)


@PROPERTY
@given(st.lists(one(), min_size=5, max_size=40), st.randoms(use_true_random=False))
def test_interleaving_of_patients_changes_no_event(steps: list[tuple], random: Random) -> None:
    rows = [One(T0 + 1000 * k, s[3], s[4], s[1], f"{s[2]}-{s[1]}", k, s[7]) for k, s in enumerate(steps)]
    now = T0 + 1000 * len(rows)
    queues = {p: [row for row in rows if row.patient == p] for p in PATIENTS}
    mixed = []
    while any(queues.values()):
        mixed.append(queues[random.choice([p for p in PATIENTS if queues[p]])].pop(0))
    told = [Engine().advance(columns(order, LIMIT_SETS), now) for order in (rows, mixed)]
    by_patient = [{p: [e for e in events if e.patient == p] for p in PATIENTS} for events in told]
    assert by_patient[0] == by_patient[1]


@PROPERTY
@given(st.lists(one(), min_size=5, max_size=40))
def test_readings_sent_twice_change_no_event(steps: list[tuple]) -> None:
    rows = [One(T0 + 1000 * k, s[3], s[4], s[1], f"{s[2]}-{s[1]}", k, s[7]) for k, s in enumerate(steps)]
    now = T0 + 1000 * len(rows)
    once, twice = Engine(), Engine()
    for k in range(0, len(rows), 5):
        batch = columns(rows[k : k + 5], LIMIT_SETS)
        again = columns(rows[max(0, k - 5) : k + 5], LIMIT_SETS)
        assert twice.advance(batch, now) + twice.advance(again, now) == once.advance(batch, now)


@PROPERTY
@given(st.lists(STEP, min_size=10, max_size=60), st.integers(1, 20), st.integers(0, 30))
def test_a_shard_that_recovers_from_snapshot_and_log_tells_nothing_twice_and_loses_nothing(
    steps: list[tuple], kept: int, lost: int
) -> None:
    whole = Engine()
    happened = []
    for step in play(steps):
        events = do(whole, step, [e for _, past in happened for e in past])
        happened.append((step, events))
        if len(happened) == kept:
            data = engine.snapshot(whole.state)
    if len(happened) <= kept:
        return
    crash = min(len(happened), kept + lost)
    back = Engine()
    back.state = engine.restore_reported(engine.restore(data), [e for _, past in happened[:crash] for e in past])
    replayed = []
    for k in range(kept, len(happened)):
        past = [e for _, events in happened[:k] for e in events]
        replayed += do(back, happened[k][0], past)
    assert replayed == [e for _, events in happened[crash:] for e in events]
    assert engine.active(back.state) == engine.active(whole.state)


def coarser(steps: list[tuple], most: int) -> Iterator[tuple]:
    """Judges what came in so many calls at one stroke, as catching up does."""
    rows: list[One] = []
    held = now = 0
    for step in steps:
        if step[0] == "advance" and held < most and (not held or step[2] - now < 60_000):
            rows, now, held = [*rows, *step[1]], step[2], held + 1
            continue
        if held:
            yield "advance", rows, now
        rows, now, held = (list(step[1]), step[2], 1) if step[0] == "advance" else ([], 0, 0)
        if step[0] != "advance":
            yield step
    if held:
        yield "advance", rows, now


@PROPERTY
@given(
    st.lists(STEP, min_size=10, max_size=60), st.integers(0, 20), st.integers(0, 30), st.integers(1, 8), st.booleans()
)
def test_a_coarser_replay_that_may_forget_what_people_did_opens_doubles_and_leaves_nothing(
    steps: list[tuple], kept: int, lost: int, most: int, forgets: bool
) -> None:
    recover(list(play(steps)), kept, lost, most, forgets=forgets)


@pytest.mark.parametrize("forgets", [False, True])
def test_bouts_that_a_coarser_replay_meets_are_opened_doubled_and_left_by_none(forgets: bool) -> None:
    for seed in range(6):
        happened = list(play(bouts(seed, 1)))
        for kept in range(50, 1200, 150):
            recover(happened[: kept + 300], kept, 60 + seed * 20, 1 + 9 * seed, forgets=forgets)


def recover(happened: list[tuple], kept: int, lost: int, most: int, *, forgets: bool) -> None:
    """Crashes after `kept + lost` calls, goes on from the snapshot after `kept`, and in the end discharges all."""
    whole, told = Engine(), list[AlarmEvent]()
    data = engine.snapshot(whole.state)
    past: list[list[AlarmEvent]] = []
    for k, step in enumerate(happened[: kept + lost]):
        past.append(list(told))
        told += do(whole, step, told)
        if k + 1 == kept:
            data = engine.snapshot(whole.state)
    back = Engine()
    back.state = engine.restore_reported(engine.restore(data), told)
    again = [step for step in happened[kept : kept + lost] if not (forgets and step[0] in {"act", "acknowledge"})]
    for step in coarser(again, most):
        told += do(back, step, past[-1])
        if most % 2:
            back.state = engine.restore(engine.snapshot(back.state))
    for step in happened[kept + lost :]:
        told += do(back, step, told)
    end = max([T0, *(step[-1] for step in happened)])
    told += back.advance(columns([]), end + 1_000)
    for patient in PATIENTS:
        told += back.discharge(patient, end + 2_000)
    told += back.advance(columns([]), end + 3_000)
    over: set[str] = set()
    for event in told:
        assert event.id not in over, event
        over.update({event.id} if event.phase is Phase.END else ())
    assert len({(e.id, e.n) for e in told}) == len(told)
    assert {e.id for e in told} == over
    assert engine.active(back.state) == ()


def do(model: Engine | Oracle, step: tuple, told: list[AlarmEvent]) -> list[AlarmEvent]:
    if step[0] == "advance":
        return model.advance(columns(step[1], LIMIT_SETS), step[2])
    if step[0] in {"act", "acknowledge"}:
        return model.act(action_of(step, told), step[-1])
    if step[0] == "standby":
        return model.act(standby_of(step), step[-1])
    if step[0] == "discharge":
        return model.discharge(step[1], step[-1])
    return model.place([placement_of(step)], step[-1])
