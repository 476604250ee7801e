"""The ledger of accepted identities."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from edge.ingest.dedup import BOOTS, SeenSequences

IDENTITIES = st.lists(st.tuples(st.sampled_from(["a", "b"]), st.integers(0, 1), st.integers(0, 30)), max_size=200)


def test_a_reading_is_new_once() -> None:
    ledger = SeenSequences()
    assert ledger.add("a", 1, 5)
    assert not ledger.add("a", 1, 5)
    assert ledger.add("a", 2, 5)
    assert ledger.count == 2


@given(IDENTITIES)
def test_runs_hold_exactly_what_was_added_and_never_touch(identities: list[tuple[str, int, int]]) -> None:
    ledger = SeenSequences()
    new = [ledger.add(*identity) for identity in identities]
    assert sum(new) == ledger.count == len(set(identities))
    runs = list(ledger.ranges())
    assert {(d, b, n) for d, b, first, last in runs for n in range(first, last + 1)} == set(identities)
    assert all(x[:2] != y[:2] or x[3] + 1 < y[2] for x, y in itertools.pairwise(runs))


@given(st.lists(IDENTITIES, max_size=5))
def test_stored_changes_rebuild_the_ledger(groups: list[list[tuple[str, int, int]]]) -> None:
    ledger = SeenSequences()
    stored: dict[tuple[str, int, int], int] = {}
    for group in groups:
        for identity in group:
            ledger.add(*identity)
        for (device, boot, first, last), exists in ledger.changes():
            if exists:
                stored[device, boot, first] = last
            else:
                stored.pop((device, boot, first), None)
        ledger.stored()
    assert sorted((*key, last) for key, last in stored.items()) == list(ledger.ranges())
    again = SeenSequences((*key, last) for key, last in stored.items())
    assert again.count == ledger.count


@given(st.lists(st.integers(0, 2**32 - 1), min_size=BOOTS, max_size=BOOTS + 8, unique=True), st.integers(1, BOOTS))
def test_the_oldest_boot_is_forgotten_first_also_after_a_restart(boots: list[int], restart: int) -> None:
    ledger = SeenSequences()
    for boot in boots[:restart]:
        ledger.add("a", boot, 0)
    ledger = SeenSequences(ledger.ranges(), ledger.count, ledger.begun())
    for boot in boots[restart:]:
        ledger.add("a", boot, 0)
    assert {boot for _, boot, _, _ in ledger.ranges()} == set(boots[-BOOTS:])
    assert ledger.count == len(boots)
