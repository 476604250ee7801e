"""Histories of a hospital, late, shuffled and doubled: the end is that of the ordered ones."""

import random
from datetime import datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cloud.adt.hospital import Arrivals, Hospital, history, late_and_doubled


def shuffled(made: Hospital, seed: int, window_s: float) -> list[tuple[datetime, str]]:
    return late_and_doubled(made, random.Random(seed), window_s)  # noqa: S311 - a seed, no secret


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), window_s=st.sampled_from([0.0, 60.0, 1800.0, 86_400.0]))
def test_late_shuffled_and_doubled_messages_end_in_the_census_of_the_ordered_ones(seed: int, window_s: float) -> None:
    made = history(seed, 12, 40)
    taken = Arrivals(made)
    ordered = taken.take([(sent.t, sent.text) for sent in made.sent])
    assert taken.wrong(ordered) == []
    assert taken.wrong(taken.take(shuffled(made, seed, window_s))) == []


def test_a_ward_of_200_ends_in_the_census_of_the_ordered_messages() -> None:
    made = history(4, 200, 100)
    taken = Arrivals(made)
    assert taken.wrong(taken.take(shuffled(made, 4, 1800.0))) == []
