"""Counting by identity."""

from pathlib import Path

from infra.demo.reconciliation import Seen, Sent, accepted, judge


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


def test_sent_readings_are_counted_as_the_ledger_grows_whole_lines_alone(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"
    sent = Sent(ledger)
    assert sent.count() == 0
    ledger.write_bytes(b'{"k":"run"}\n{"k":"sent","seq":0}\n{"k":"se')
    assert sent.count() == 1
    with ledger.open("ab") as file:
        file.write(b'nt","seq":1}\n{"k":"ack","seq":0}\n')
    assert sent.count() == 2
    assert sent.count() == 2
