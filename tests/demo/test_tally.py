"""Counting by identity."""

from infra.demo.tally import Seen, accepted, judge


def seen(*identities: tuple[str, int, int]) -> Seen:
    place = Seen()
    place.add(identities)
    return place


def test_accepted_ranges_are_expanded_to_identities() -> None:
    lines = ['{"device":"d1","boot":7,"ranges":[[0,2],[5,5]]}', '{"device":"d2","boot":1,"ranges":[[0,0]]}']
    assert accepted(lines) == {("d1", 7, 0), ("d1", 7, 1), ("d1", 7, 2), ("d1", 7, 5), ("d2", 1, 0)}


def test_a_reading_that_either_store_lacks_is_lost() -> None:
    everything = {("d", 1, 0), ("d", 1, 1), ("d", 1, 2)}
    lake = seen(("d", 1, 0), ("d", 1, 1))
    warehouse = seen(("d", 1, 0), ("d", 1, 2))
    assert judge(everything, lake, warehouse).lost == 2


def test_a_second_warehouse_row_is_a_duplicate_and_a_second_lake_row_a_repeat() -> None:
    one = ("d", 1, 0)
    verdict = judge({one}, seen(one, one, one), seen(one, one))
    assert (verdict.lost, verdict.duplicated, verdict.lake_repeats) == (0, 1, 2)
