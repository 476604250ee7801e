"""What the storm at the doors decides without a stack: what it sends, and who accounts for it."""

import random
from collections import Counter

import pytest

from tests.doors.good import at
from tests.doors.hostile import wrong
from tests.faults.doors.reckoning import Seen, Sent, twice, uncounted
from vitals.wire import topics

T0 = 1_763_812_800_000


def test_a_seed_draws_the_same_rubbish_again_and_most_of_it_differs() -> None:
    drawn = [[wrong(good, random.Random(seed)) for good in at(T0).values()] for seed in (1, 1, 2)]  # noqa: S311
    assert drawn[0] == drawn[1] != drawn[2]
    chance = random.Random(3)  # noqa: S311 - rubbish, no secret
    assert len({wrong(at(T0)["status"], chance) for _ in range(200)}) > 180


def everything() -> tuple[Sent, Seen]:
    """One input of each door, and where it is found."""
    sent = Sent(frames=2)
    sent.up_refused["gateways/1/gw-1/status"] = 1
    sent.http[422] = 1
    sent.rows.update({"sent": 3, "admitted": 1, "told": 2})
    for topic in (topics.SCORED, topics.STATUS, topics.ACTIONS, topics.PATIENTS, topics.CONTACTS, topics.ALARMS):
        sent.written(topic, 0, 7, b"no record")
    sent.written(topics.REJECTED, 0, 7, b"no record")
    for offset in (4, 5):
        sent.written(topics.VITALS, 3, offset, b"no record")
    rejected = [f"{name}[0]@7" for name in ("vitals.scored", "status", "actions", "patients", "contacts")]
    rejected += ["vitals/3/4", "gateways/1/gw-1/status", "vitals.scored[3]@9"]
    seen = Seen(frames=2, rejected=Counter(rejected), scored={(3, 5)}, unusable={(3, 9)}, alarms=1, put_aside=1)
    return sent, seen


def test_what_is_found_is_counted() -> None:
    assert not uncounted(*everything())
    assert not twice(*everything())


@pytest.mark.parametrize("name", sorted(everything()[1].rejected))
def test_a_refusal_that_is_nowhere_is_not_counted_and_one_that_is_there_again_is_twice(name: str) -> None:
    sent, seen = everything()
    del seen.rejected[name]
    assert uncounted(sent, seen).total() == 1
    sent, seen = everything()
    seen.rejected[name] += 1
    assert not uncounted(sent, seen)
    assert twice(sent, seen).total() == (0 if name.startswith(("gateways", "vitals.scored[3]")) else 1)


def test_a_frame_an_alarm_a_row_an_answer_or_a_scored_record_that_is_missing_is_not_counted() -> None:
    for lost in ("frames", "alarms", "put_aside"):
        sent, seen = everything()
        setattr(seen, lost, getattr(seen, lost) - 1)
        assert uncounted(sent, seen).total() == 1, lost
    sent, seen = everything()
    seen.scored.clear()
    sent.http.update({500: 1, 0: 1})
    sent.rows["sent"] += 1
    assert uncounted(sent, seen) == {topics.VITALS: 1, "http": 2, "files": 1}
