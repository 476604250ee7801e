from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.tracker import InOrder, Tracker, Turns

carried = st.lists(st.lists(st.integers(1, 12), max_size=6, unique=True), max_size=20)


@given(carried, st.randoms(use_true_random=False))
def test_a_batch_is_done_exactly_once_and_only_when_all_of_its_records_are_delivered(
    records: list[list[int]], random: Random
) -> None:
    tracker = Tracker()
    tracker.carry([(number, tuple(batches)) for number, batches in enumerate(records)])
    order = list(range(len(records)))
    random.shuffle(order)
    missing = set(order)
    done = []
    for number in order:
        missing.remove(number)
        for batch in tracker.delivered(number):
            assert not any(batch in records[m] for m in missing)
            done.append(batch)
    assert sorted(done) == sorted({b for batches in records for b in batches})
    assert len(tracker) == 0


def test_a_repeated_report_does_not_count_twice() -> None:
    tracker = Tracker()
    tracker.carry([(1, (10,)), (2, (10,))])
    assert tracker.delivered(1) == []
    assert tracker.delivered(1) == []
    assert tracker.delivered(2) == [10]


def test_a_batch_whose_records_come_in_two_calls_is_refused_because_it_could_be_confirmed_too_early() -> None:
    tracker = Tracker()
    tracker.carry([(1, (10,))])
    with pytest.raises(ValueError, match="too early"):
        tracker.carry([(2, (10,))])
    with pytest.raises(ValueError, match="number each record once"):
        tracker.carry([(1, (11,))])


@given(st.permutations(range(15)))
def test_acknowledgements_leave_in_the_order_of_arrival_and_none_stays(order: list[int]) -> None:
    acks: InOrder[str] = InOrder()
    for n in range(15):
        acks.arrived(n, f"mid {n}")
    left = [receipt for n in order for receipt in acks.done(n)]
    assert left == [f"mid {n}" for n in range(15)]
    assert len(acks) == 0


def test_what_arrived_on_a_connection_that_is_gone_is_never_acknowledged() -> None:
    acks: InOrder[str] = InOrder()
    acks.arrived(1, "old")
    acks.clear()
    acks.arrived(2, "new")
    assert acks.done(1) == []
    assert acks.done(2) == ["new"]


@given(st.lists(st.sampled_from("abc"), max_size=60))
def test_each_gateways_messages_stay_in_order_and_none_is_lost_within_the_window(arrivals: list[str]) -> None:
    turns: Turns[tuple[str, int]] = Turns(window=100)
    for i, gateway in enumerate(arrivals):
        assert turns.put(gateway, (gateway, i))
    taken = []
    while (message := turns.take()) is not None:
        taken.append(message)
    for gateway in "abc":
        assert [i for g, i in taken if g == gateway] == [i for i, g in enumerate(arrivals) if g == gateway]
    assert len(turns) == 0


def test_a_flooding_gateway_waits_behind_itself_alone() -> None:
    turns: Turns[str] = Turns(window=50)
    taken = [turns.put("flood", "flood") for _ in range(80)]
    assert taken == [True] * 50 + [False] * 30
    assert turns.put("quiet", "quiet")
    assert "quiet" in [turns.take(), turns.take()]
