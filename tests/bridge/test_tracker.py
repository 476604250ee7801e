from dataclasses import dataclass
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.up.acks import AckOrder, FairQueue, Tracker

writes = st.lists(st.tuples(st.integers(1, 4), st.integers(1, 3)), max_size=12)


@given(writes, st.randoms(use_true_random=False))
def test_a_message_is_done_exactly_once_and_only_when_all_records_of_its_write_are_delivered(
    sizes: list[tuple[int, int]], random: Random
) -> None:
    tracker: Tracker[tuple[int, int]] = Tracker()
    of: dict[int, int] = {}
    for write, (records, messages) in enumerate(sizes):
        numbers = range(len(of), len(of) + records)
        of.update(dict.fromkeys(numbers, write))
        tracker.register(numbers, [(write, k) for k in range(messages)])
    missing = list(of)
    random.shuffle(missing)
    done: list[tuple[int, int]] = []
    while missing:
        found = tracker.delivered(missing.pop())
        assert not {of[m] for m in missing} & {write for write, _ in found}
        done += found
    assert sorted(done) == [(write, k) for write, (_, messages) in enumerate(sizes) for k in range(messages)]
    assert len(tracker) == 0


def test_a_repeated_report_does_not_count_twice() -> None:
    tracker: Tracker[str] = Tracker()
    tracker.register((1, 2), ["a"])
    assert list(tracker.delivered(1)) == []
    assert list(tracker.delivered(1)) == []
    assert list(tracker.delivered(2)) == ["a"]


def test_a_write_that_could_be_done_too_early_or_never_is_refused() -> None:
    tracker: Tracker[str] = Tracker()
    tracker.register((1,), ["a"])
    with pytest.raises(ValueError, match="number each record once"):
        tracker.register((1,), ["b"])
    with pytest.raises(ValueError, match="never be done"):
        tracker.register((), ["c"])


@dataclass
class Entry:
    number: int
    done: bool = False


@given(st.permutations(range(15)))
def test_acknowledgements_leave_in_the_order_of_arrival_and_none_stays(order: list[int]) -> None:
    line: AckOrder[Entry] = AckOrder()
    entries = [Entry(n) for n in range(15)]
    for entry in entries:
        line.arrived(entry)
    left = []
    for n in order:
        entries[n].done = True
        left += [entry.number for entry in line.pop_acknowledgeable()]
    assert left == list(range(15))
    assert line.first() is None
    assert len(line) == 0


@given(st.lists(st.sampled_from("abc"), max_size=60))
def test_each_gateways_messages_stay_in_order_and_none_is_lost_within_the_window(arrivals: list[str]) -> None:
    turns: FairQueue[tuple[str, int]] = FairQueue(window=100)
    for i, gateway in enumerate(arrivals):
        assert turns.put(gateway, (gateway, i))
    taken = []
    while (message := turns.take()) is not None:
        taken.append(message)
    for gateway in "abc":
        assert [i for g, i in taken if g == gateway] == [i for i, g in enumerate(arrivals) if g == gateway]
    assert len(turns) == 0


def test_a_flooding_gateway_waits_behind_itself_alone() -> None:
    turns: FairQueue[str] = FairQueue(window=50)
    taken = [turns.put("flood", "flood") for _ in range(80)]
    assert taken == [True] * 50 + [False] * 30
    assert turns.put("quiet", "quiet")
    assert "quiet" in [turns.take(), turns.take()]
