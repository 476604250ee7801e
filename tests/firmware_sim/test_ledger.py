import json
from pathlib import Path

import pytest

from firmware_sim.ground_truth_log import GroundTruthLog

A, B, C = ("mon", 1, 0), ("mon", 1, 1), ("mon", 1, 2)


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_every_reading_is_acknowledged_dropped_or_pending(tmp_path: Path) -> None:
    with GroundTruthLog(tmp_path / "l") as ledger:
        for identity in (A, B, C):
            ledger.sent(identity, now=1)
        ledger.acknowledged(A, now=2)
        ledger.dropped(B, now=2, reason="full")
        summary = ledger.summary(now=3, late_max_s=0.0)
    assert (summary.sent, summary.acknowledged, summary.dropped, summary.pending) == (3, 1, 1, 1)
    assert lines(tmp_path / "l")[-1] == {"k": "summary", "t": 3, "sent": 3, "acknowledged": 1, "pending": 1,
                                         "dropped": 1, "garbage": 0, "late_max_s": 0.0}  # fmt: skip


def test_the_second_acknowledgement_of_a_duplicate_counts_nothing(tmp_path: Path) -> None:
    with GroundTruthLog(tmp_path / "l") as ledger:
        ledger.sent(A, now=1)
        ledger.acknowledged(A, now=2)
        ledger.acknowledged(A, now=3)
        assert ledger.summary(now=4, late_max_s=0).acknowledged == 1
    assert [line["k"] for line in lines(tmp_path / "l")] == ["sent", "ack", "summary"]


def test_what_was_flushed_is_in_the_file_before_the_ledger_is_closed(tmp_path: Path) -> None:
    with GroundTruthLog(tmp_path / "l") as ledger:
        ledger.sent(A, now=1, phase="falling")
        ledger.flush()
        assert lines(tmp_path / "l")[0]["phase"] == "falling"


def test_a_line_cut_short_by_a_kill_does_not_spoil_the_next_run(tmp_path: Path) -> None:
    path = tmp_path / "l"
    path.write_bytes(b'{"k":"sent","dev')
    with GroundTruthLog(path) as ledger:
        ledger.run(seed=1, devices=["mon"], now=1)
    assert json.loads(path.read_text().splitlines()[-1])["k"] == "run"
    assert len(path.read_text().splitlines()) == 2


def test_a_new_run_keeps_the_runs_before(tmp_path: Path) -> None:
    for seed in (1, 2):
        with GroundTruthLog(tmp_path / "l") as ledger:
            ledger.run(seed=seed, devices=[], now=1)
    assert [line["seed"] for line in lines(tmp_path / "l")] == [1, 2]


def test_a_ledger_that_cannot_be_written_is_an_error_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        GroundTruthLog(tmp_path / "file" / "l")
