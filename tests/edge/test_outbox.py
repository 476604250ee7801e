"""The outbox on a real file."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edge.ingest.dedup import SeenSequences
from edge.store.batching import Sealed
from edge.store.open import open_outbox
from edge.store.outbox import REJECTED_KEPT, ROW, Outbox
from edge.store.sqlite import CORRUPT, NAME, is_corrupt
from vitals.readings import Readings, concat, text
from vitals.signs import SIGNS
from vitals.status import Rejected
from vitals.wire import uplink_batch

NOW = 1_763_812_800_000

WRITER = """
import sys
from pathlib import Path
import tests_outbox as t

outbox = t.open_outbox(Path(sys.argv[1]), t.NOW)
ledger = t.SeenSequences(outbox.accepted())
for _, part in outbox.journal():
    for identity in part.identities():
        ledger.add(*identity)
seq = ledger.count
while True:
    new = t.readings(seq, 3)
    for identity in new.identities():
        ledger.add(*identity)
    with outbox.transaction():
        outbox.append(outbox.row + 1, new)
        if seq % 15 == 0:
            # As the gateway's housekeeping does: what was in the journal becomes a kept batch.
            parts = [part for _, part in outbox.journal()]
            outbox.batches.keep(t.sealed(outbox, t.concat(parts)))
            outbox.settle(outbox.row + 2, ledger)
            ledger.stored()
    outbox.row += 1
    seq += 3
    print(seq, flush=True)
"""


def readings(first: int, n: int, *, device: str = "dev-1", t: int = NOW) -> Readings:
    def number(value: int) -> np.ndarray:
        return np.full(n, value, dtype=np.int64)

    values = np.full((n, len(SIGNS)), np.nan)
    values[:, 0] = 70 + np.arange(n) % 9
    return Readings(
        patient=text(["p-1"] * n),
        device=text([device] * n),
        gateway=text(["gw-1"] * n),
        ward=text(["W"] * n),
        bed=text(["W-1"] * n),
        boot=number(7),
        seq=first + np.arange(n, dtype=np.int64),
        t=number(t),
        t_gw=number(t),
        roster=number(1),
        suspect=number(0),
        limits=number(0),
        values=values,
    )


def sealed(outbox: Outbox, part: Readings, *, urgent: bool = False, now: int = NOW) -> list[Sealed]:
    return outbox.seal("gw-1", part, row=1, now=now, clock_s=0.0, urgent=urgent)


def accept(outbox: Outbox, part: Readings, *, urgent: bool = False, now: int = NOW) -> list[int]:
    """Keeps readings as batches; returns their numbers."""
    made = sealed(outbox, part, urgent=urgent, now=now)
    with outbox.transaction():
        outbox.batches.keep(made)
    return [s.n for s in made]


def test_what_was_kept_is_there_after_reopening_and_decodes_to_itself(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path, NOW)
    assert accept(outbox, readings(0, 5)) == [1]
    outbox.close()
    again = open_outbox(tmp_path, NOW)
    assert again.id == outbox.id
    assert again.batches.count == 1
    batch = uplink_batch.decode(again.batches.payload(1) or b"")
    assert (batch.gateway, batch.outbox, batch.n) == ("gw-1", outbox.id, 1)
    assert batch.readings.seq.tolist() == [0, 1, 2, 3, 4]
    again.close()


def test_a_number_is_never_given_twice_even_when_nothing_of_it_was_kept(tmp_path: Path) -> None:
    given: set[int] = set()
    for _ in range(3):
        outbox = open_outbox(tmp_path, NOW)
        numbers = {s.n for k in range(5) for s in sealed(outbox, readings(k, 1))}
        assert len(numbers) == 5
        assert not numbers & given
        given |= numbers
        outbox.close()
    assert min(given) == 1


def test_a_row_of_the_journal_is_never_numbered_twice(tmp_path: Path) -> None:
    outbox, ledger = open_outbox(tmp_path, NOW), SeenSequences()
    with outbox.transaction():
        outbox.append(1, readings(0, 3))
        outbox.settle(2, ledger)
        outbox.save(ROW, b"1")
    outbox.close()
    again = open_outbox(tmp_path, NOW)
    assert (again.row, list(again.journal())) == (1, [])
    again.close()


def test_only_the_confirmed_ranges_are_deleted(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path, NOW)
    for seq in range(6):
        accept(outbox, readings(seq, 1))
    with outbox.transaction():
        outbox.batches.delete([(2, 3), (5, 5), (9, 12)])
    assert [s.n for s in outbox.batches.after(0, 10)] == [1, 4, 6]
    assert outbox.batches.count == 3
    assert outbox.batches.nbytes == sum(s.size for s in outbox.batches.after(0, 10))
    outbox.close()


def test_a_transaction_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path, NOW)

    def fail() -> None:
        with outbox.transaction():
            outbox.batches.keep(sealed(outbox, readings(0, 2)))
            outbox.append(1, readings(0, 2))
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert (outbox.batches.count, outbox.batches.nbytes, list(outbox.journal())) == (0, 0, [])
    assert accept(outbox, readings(0, 2)) == [2]
    outbox.close()


def test_more_readings_than_one_batch_may_hold_become_several_in_order(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path, NOW)
    assert accept(outbox, readings(0, 2_300)) == [1, 2, 3]
    parts = [uplink_batch.decode(outbox.batches.payload(n) or b"").readings for n in (1, 2, 3)]
    assert max(len(part) for part in parts) <= 1_000
    assert concat(parts).seq.tolist() == list(range(2_300))
    outbox.close()


def test_a_full_outbox_drops_the_oldest_quiet_batches_first_and_urgent_ones_last(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path, NOW)
    for seq, urgent in enumerate([True, False, False, True, False]):
        accept(outbox, readings(seq, 1), urgent=urgent)
    size = outbox.batches.nbytes // 5
    with outbox.transaction():
        assert outbox.batches.trim(max_bytes=3 * size + size // 2, oldest=0).readings == 2
    assert [s.n for s in outbox.batches.after(0, 10)] == [1, 4, 5]
    with outbox.transaction():
        outbox.batches.trim(max_bytes=size + size // 2, oldest=0)
    assert [s.n for s in outbox.batches.after(0, 10)] == [4]
    assert outbox.batches.count == 1
    outbox.close()


def test_a_batch_that_is_too_old_and_was_offered_in_vain_goes_whatever_it_holds(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path, NOW)
    accept(outbox, readings(0, 2), urgent=True, now=NOW - 1000)
    accept(outbox, readings(2, 1), now=NOW)
    with outbox.transaction():
        assert outbox.batches.trim(max_bytes=10**9, oldest=NOW).batches == 0
        trimmed = outbox.batches.trim(max_bytes=10**9, oldest=NOW, offered={1, 2})
    assert (trimmed.batches, trimmed.readings) == (1, 2)
    assert outbox.batches.oldest() == NOW
    outbox.close()


def test_damage_found_while_running_condemns_the_database_and_a_full_disk_does_not(tmp_path: Path) -> None:
    damaged = sqlite3.DatabaseError("database disk image is malformed")
    damaged.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    full = sqlite3.OperationalError("database or disk is full")
    full.sqlite_errorcode = sqlite3.SQLITE_FULL
    assert not is_corrupt(tmp_path, full)
    assert not (tmp_path / CORRUPT).exists()
    assert is_corrupt(tmp_path, damaged)
    assert (tmp_path / CORRUPT).exists()


def test_refused_messages_are_kept_cut_and_bounded(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path, NOW)
    refused = [Rejected(topic="t", reason=f"r{i}", t=NOW, payload=b"x" * 9_000) for i in range(REJECTED_KEPT + 50)]
    with outbox.transaction():
        outbox.reject(refused)
    outbox.close()
    with sqlite3.connect(tmp_path / NAME) as db:
        rows = db.execute("SELECT count(*), max(length(payload)), max(reason) FROM rejected").fetchone()
    db.close()
    assert rows[:2] == (REJECTED_KEPT, 4_096)


def test_kill_9_at_any_moment_loses_nothing_that_was_committed(tmp_path: Path) -> None:
    """A writer is killed four times in the middle of its work; what it had reported as committed is always there."""
    module = tmp_path / "tests_outbox.py"
    module.write_text(Path(__file__).read_text())
    reported = 0
    for lines in (3, 8, 21, 34):
        with subprocess.Popen(  # noqa: S603 - this module's own words
            [sys.executable, "-c", WRITER, str(tmp_path / "data")],
            stdout=subprocess.PIPE,
            env={"PYTHONPATH": f"{tmp_path}:{Path(__file__).parents[2]}"},
        ) as writer:
            assert writer.stdout is not None
            for _ in range(lines):
                reported = int(writer.stdout.readline())
            writer.kill()
        outbox = open_outbox(tmp_path / "data", NOW)
        assert outbox.originals == ()
        kept = [uplink_batch.decode(outbox.batches.payload(s.n) or b"").readings for s in outbox.batches.after(0, -1)]
        seqs = concat([*kept, *(part for _, part in outbox.journal())]).seq.tolist()
        assert seqs == list(range(len(seqs)))
        assert len(seqs) >= reported
        assert list(outbox.accepted()) == [("dev-1", 7, 0, sum(map(len, kept)) - 1)]
        outbox.close()
