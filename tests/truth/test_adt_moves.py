"""Alarms in flight while a hospital's messages move, swap, merge and discharge: the judge finds no difference."""

import random
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest

from cloud.admissions.adt.desk import Desk
from cloud.admissions.adt.locations import LocationMap, Spot
from cloud.admissions.adt.parse import Reader
from cloud.admissions.adt.records import Answer, Verdict
from tests.cloud.adt.counter import message, pid
from tests.truth.judge import judge
from tests.truth.judging.life import act_of, life_of, message_of
from tests.truth.messages import messages
from tests.truth.people import Habit, People
from tests.truth.play import GATEWAY, WARD, Product
from tests.truth.small import Small
from vitals import engine
from vitals.admissions import Admission, roster

ROUNDS, PATIENTS, BEGINS = 110, 3, 10
Said = tuple[str, ...]


def place(number: int) -> str:
    return f"PV1|1|I|W^1^{number}"


class Moving(Product):
    """The product, whose patients are moved by admissions."""

    def move(self, admission: Admission) -> None:
        if admission.discharged is not None:
            self._state, events = engine.discharge(self._state, admission.patient, self.now)
        else:
            self._names["b"][int(admission.patient[1:])] = admission.bed
            self._state, events = engine.place(
                self._state, roster(GATEWAY, [admission]).placements, self.now, admission.gateway
            )
        self._write(events)


def judged(said: dict[int, list[Said]], verdict: Verdict | None, habit: Habit) -> dict[str, float]:
    """Returns the judge's rows of a ward in which p0 is ill, with messages by the round in which they come."""
    life = Small(ROUNDS, patients=PATIENTS).put("hr", BEGINS, *[150.0] * 60).put("spo2", BEGINS + 15, *[82.0] * 30)
    people = People(habit)
    product = Moving(30, np.zeros(PATIENTS), people, life.at(0))
    spots = [Spot(f"W^1^{n}", WARD, f"b{n}", GATEWAY, (f"d{n}",)) for n in range(PATIENTS + 1)]
    desk = Desk(LocationMap(spots), lambda _: product.now)
    for n in range(PATIENTS):
        raw = message("A01", life.at(0), f"{n}", pid(f"p{n}"), place(n))
        desk.take(Reader().read(raw, life.at(0)), life.at(0))
    off, sent = np.zeros((PATIENTS, 8), dtype=np.bool_), np.ones(PATIENTS, dtype=np.bool_)
    for k in range(ROUNDS):
        now = life.at(k)
        batch = product.clean(np.full(PATIENTS, now), life.arrays["shown"][:, k].copy(), off, sent)
        for second in range(0, 30, 5):
            product.advance(batch if second == 0 else batch.part(0, 0), now + 1000 * second)
        for number, (trigger, *segments) in enumerate(said.get(k, [])):
            raw = message(trigger, product.now, f"{k}{number}", *segments)
            changes = list(desk.take(Reader().read(raw, product.now), product.now).changes)
            for who in sorted(desk.census.waiting) if verdict is not None else []:
                for question in desk.census.file(who).questions:
                    given = Answer(question=question.id, verdict=verdict or Verdict.NO, by="nurse", t=product.now)
                    changes += desk.answer(given, product.now).changes
            for admission in changes:
                product.move(admission)
    lines = messages(product.alarms(), product.notifications())
    return judge(life_of(life.arrays), [*map(message_of, lines)], [*map(act_of, people.lines)]).rows


@cache
def alone(habit: Habit) -> dict[str, float]:
    return judged({}, None, habit)


def moves(k: int) -> dict[int, list[Said]]:
    return {k: [("A02", pid("p0"), place(3))]}


def swaps(k: int) -> dict[int, list[Said]]:
    return {k: [("A17", pid("p0"), place(1), pid("p1"), place(0))]}


def merges(k: int) -> dict[int, list[Said]]:
    return {k: [("A40", pid("q0"), "MRG|p0^^^GH^MR")]}


def discharges(k: int) -> dict[int, list[Said]]:
    return {k: [("A03", pid("p0"))]}


@pytest.mark.requirement("R3", "R7")
@pytest.mark.parametrize("habit", [Habit.ACKNOWLEDGES, Habit.SILENT])
@pytest.mark.parametrize(
    ("story", "verdict"),
    [(moves, Verdict.YES), (swaps, Verdict.YES), (merges, None), (discharges, None), (discharges, Verdict.NO)],
)
def test_alarms_in_flight_survive_moves_merges_and_a_discharge_that_is_asked(
    story: Callable[[int], dict[int, list[Said]]], verdict: Verdict | None, habit: Habit
) -> None:
    undisturbed = alone(habit)
    assert undisturbed["truth.due"] >= 2
    assert undisturbed["truth.unpaged"] == 0
    for k in random.Random(25).sample(range(BEGINS - 1, BEGINS + 60), 2):  # noqa: S311 - a test's seed
        assert judged(story(k), verdict, habit) == undisturbed
