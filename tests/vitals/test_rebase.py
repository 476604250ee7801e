"""A clock that is set: a state moved with it judges the same life as before, at the moved times."""

import random
from typing import Any

import pytest

from tests.vitals.build import T0, WELL, One, columns, placement
from vitals import engine
from vitals.actions import Act, Action
from vitals.alarm_events import AlarmEvent
from vitals.signs import Suspect
from vitals.status import DeviceStatus, Health, Status

HOUR_MS = 3_600_000
PATIENTS = [f"p{k}" for k in range(6)]


def steps(seed: int, count: int) -> list[dict[str, Any]]:
    """Seconds of a ward in which something is always wrong: readings late, ahead and doubted, silence, and acts."""
    rng = random.Random(seed)  # noqa: S311 - a life to be lived twice
    bad: dict[str, dict[str, float]] = {}
    course: list[dict[str, Any]] = []
    for _ in range(count):
        for patient in PATIENTS:
            if rng.random() < 0.05:
                choice = [{}, {"hr": 135.0}, {"spo2": 80.0}, {"spo2": 86.0, "rr": 27.0}, {"hr": 0.0, "spo2": 0.0}]
                bad[patient] = rng.choice(choice)
        course.append(
            {
                "readings": [
                    (p, rng.choice((0, 0, 0, 0, -3_000, 90_000)), {**WELL, **bad.get(p, {})}, rng.random() < 0.1)
                    for p in PATIENTS
                    if rng.random() < 0.9 and not (p == "p4" and len(course) % 200 > 60)
                ],
                "silent": rng.random() < 0.3,
                "act": rng.random() if rng.random() < 0.1 else None,
                "away": 90_000 if rng.random() < 0.004 else 0,
            }
        )
    return course


class Life:
    """An engine on a clock of its own."""

    def __init__(self, t: int) -> None:
        self.state, self.t, self.seq = engine.empty(), t, 0
        self.told: list[AlarmEvent] = []

    def admit(self) -> None:
        placements = [placement(p, device=f"d-{p}") for p in PATIENTS]
        self._keep(engine.place(self.state, placements, self.t, "g1"))

    def _keep(self, outcome: engine.Outcome) -> None:
        self.state, events = outcome
        self.told += events

    def live(self, course: list[dict[str, Any]]) -> None:
        for step in course:
            self.t += 1000 + step["away"]
            self.seq += 1
            readings = [
                One(
                    self.t + off,
                    values,
                    {"spo2": Suspect.SPIKE} if doubted else {},
                    patient,
                    f"d-{patient}",
                    self.seq,
                )
                for patient, off, values, doubted in step["readings"]
            ]
            self._keep(engine.advance(self.state, columns(readings), self.t))
            health = Health.SILENT if step["silent"] else Health.UP
            devices = (DeviceStatus(device="d-p5", health=health, t=self.t, patient="p5"),)
            status = Status(id="g1", kind="gateway", health=Health.UP, t=self.t, devices=devices)
            self._keep(engine.report(self.state, status, self.t))
            active = engine.active(self.state)
            if step["act"] is not None and active:
                of = sorted(active, key=lambda a: (a.subject, a.condition, a.n))[int(step["act"] * len(active))]
                kind = Act.ACKNOWLEDGE if self.seq % 2 else Act.AUDIO_PAUSE
                subject = of.patient or of.subject
                action = Action(id=f"a{self.seq}", act=kind, patient=subject, t=self.t, by="nurse", alarm=of.id)
                self._keep(engine.act(self.state, action, self.t))
            if self.seq % 40 == 0:
                of = PATIENTS[self.seq // 40 % len(PATIENTS)]
                action = Action(
                    id=f"s{self.seq}", act=Act.STANDBY, patient=of, t=self.t, by="nurse", bed=f"bed-{of}", pause_s=300
                )
                self._keep(engine.act(self.state, action, self.t))


def seen(told: list[AlarmEvent], by_ms: int) -> list[tuple[object, ...]]:
    return [
        (
            *(e.subject, e.condition, e.n, e.phase, e.priority, e.state, e.inactivation, e.value, e.handover, e.text),
            *(e.start - by_ms, e.t - by_ms, e.log_t - by_ms, tuple((t - by_ms, v) for t, v in e.recent)),
            e.paused_until and e.paused_until - by_ms,
        )
        for e in told
    ]


@pytest.mark.parametrize("by_ms", [HOUR_MS, -HOUR_MS, 3_000, 40 * 24 * HOUR_MS, -(T0 // 1000 - 86_400) * 1000])
def test_a_state_moved_with_the_clock_judges_the_same_life_at_the_moved_times(by_ms: int) -> None:
    before, after = steps(11, 400), steps(12, 400)
    straight = Life(T0)
    straight.admit()
    straight.live(before)
    set_ = Life(straight.t + by_ms)
    set_.seq, set_.state = straight.seq, engine.rebase(engine.restore(engine.snapshot(straight.state)), by_ms)
    begun = len(straight.told)
    straight.live(after)
    set_.live(after)
    assert len(straight.told) - begun > 100, "the life is one in which much happens"
    assert seen(set_.told, by_ms) == seen(straight.told[begun:], 0)
    assert {a.condition for a in straight.told} >= {"hr", "spo2", "device-silent", "news2-risk", "not-judged"}


def test_alarms_keep_their_ids_when_the_clock_is_set() -> None:
    life = Life(T0)
    life.admit()
    life.live(steps(3, 120))
    ids = [a.id for a in engine.active(life.state)]
    assert ids
    assert sorted(a.id for a in engine.active(engine.rebase(life.state, -HOUR_MS))) == sorted(ids)
