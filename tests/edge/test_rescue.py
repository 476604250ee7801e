"""A damaged outbox on a real file: set aside, gone on with, taken over piece by piece, whenever that is interrupted."""

import os
import shutil
import signal
import sqlite3
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest

from edge.clock.boot_clock import MOVES, Move
from edge.ingest.dedup import SeenSequences
from edge.status import cli, health
from edge.store.damaged import takeover
from edge.store.damaged.rescue import Rescue
from edge.store.open import open_outbox
from edge.store.outbox import Outbox
from edge.store.sqlite import CORRUPT, NAME, PAGE_BYTES
from vitals.readings import Readings, concat, text
from vitals.signs import SIGNS
from vitals.wire import uplink_batch

Rig = Callable[..., Any]
NOW = 1_763_812_800_000
BATCHES, EACH, OPEN = 40, 50, 100
"""What `laid_down` holds: kept batches, readings in each of them, readings in the journal."""


def readings(first: int, n: int) -> Readings:
    def number(value: int) -> np.ndarray:
        return np.full(n, value, dtype=np.int64)

    values = np.full((n, len(SIGNS)), np.nan)
    values[:, 0] = 70 + np.arange(n) % 9
    names = {name: text([name] * n) for name in ("patient", "device", "ward", "bed")}
    return Readings(
        **names, gateway=text(["gw-1"] * n), boot=number(7), seq=first + np.arange(n, dtype=np.int64), t=number(NOW),
        t_gw=number(NOW), roster=number(1), suspect=number(0), limits=number(0), values=values,
    )  # fmt: skip


def laid_down(folder: Path, *, rows: int = 1, killed: bool = False) -> str:
    """An outbox with batches, rows of the journal, its ledger and a roster; returns its id.

    Args:
        folder: Where it is to lie.
        rows: Rows of the journal.
        killed: Whether all of it is still in the database's log alone.
    """
    where = folder.with_name(f"{folder.name}-alive") if killed else folder
    outbox, ledger = open_outbox(where, NOW), SeenSequences()
    with outbox.transaction():
        for first in range(0, BATCHES * EACH, EACH):
            part = readings(first, EACH)
            outbox.batches.keep(outbox.seal("gw-1", part, row=1, now=NOW, clock_s=0.0, urgent=False))
            for identity in part.identities():
                ledger.add(*identity)
        outbox.settle(1, ledger)
        for k in range(rows):
            outbox.append(1 + k, readings(BATCHES * EACH + k * OPEN // rows, OPEN // rows))
        outbox.save("roster", b"kept")
    if killed:
        folder.mkdir()
        for name in (NAME, f"{NAME}-wal"):
            shutil.copy(where / name, folder / name)
        assert (folder / f"{NAME}-wal").stat().st_size > (folder / NAME).stat().st_size
    outbox.close()
    return outbox.id


def spoil(folder: Path, share: float = 0.5, pages: int = 1) -> None:
    """Overwrites pages of the database."""
    path = folder / NAME
    whole = bytearray(path.read_bytes())
    at = int(len(whole) * share) // PAGE_BYTES * PAGE_BYTES
    whole[at : at + pages * PAGE_BYTES] = b"\xa5" * PAGE_BYTES * pages
    path.write_bytes(whole)


def through(folder: Path, outbox: Outbox) -> int:
    """Takes over all there is; returns how many places could not be read."""
    rescue, clock_s = Rescue(folder, outbox, "gw-1"), 0.0
    for _ in range(1_000):
        if not rescue.pending:
            return rescue.unread
        clock_s += 1
        rescue.turn(NOW, NOW, clock_s, lambda _row, part: part)
    raise AssertionError("it never ends")


def held(outbox: Outbox) -> set[int]:
    """The sequence numbers that go up, each under a payload that says the number it is kept under."""
    found = {s.n: uplink_batch.decode(outbox.batches.payload(s.n) or b"") for s in outbox.batches.after(0, -1)}
    assert {n: (batch.n, batch.outbox) for n, batch in found.items()} == {n: (n, outbox.id) for n in found}
    parts = [*(batch.readings for batch in found.values()), *(part for _, part in outbox.journal())]
    return set(concat(parts).seq.tolist())


@pytest.mark.parametrize("damage", ["garbage", "cut"])
def test_a_damaged_database_is_set_aside_and_a_new_outbox_begun(tmp_path: Path, damage: str) -> None:
    old = laid_down(tmp_path)
    path = tmp_path / NAME
    path.write_bytes(b"\xa5" * 40_960 if damage == "garbage" else path.read_bytes()[:10_000])
    again = open_outbox(tmp_path, NOW + 1)
    (original,) = again.originals
    assert original.exists()
    assert again.batches.count == 0
    made = again.seal("gw-1", readings(0, 1), row=1, now=NOW, clock_s=0.0, urgent=False)
    through(tmp_path, again)
    assert again.id != old or made[0].n > BATCHES, "a number is never given to other readings"
    again.close()
    once_more = open_outbox(tmp_path, NOW + 2)
    assert once_more.originals == ()
    assert len(list(tmp_path.glob(f"{NAME}.damaged-*-rescued"))) == 1
    once_more.close()


@pytest.mark.parametrize("pages", [1, 3, 40])
def test_what_can_still_be_read_of_a_damaged_database_goes_up_under_its_own_numbers(tmp_path: Path, pages: int) -> None:
    old = laid_down(tmp_path)
    spoil(tmp_path, pages=pages)
    again = open_outbox(tmp_path, NOW + 1)
    assert again.id == old
    assert again.load("roster") == b"kept"
    assert list(again.accepted()) == [("device", 7, 0, BATCHES * EACH - 1)]
    assert {part.seq.tolist()[0] for _, part in again.journal()} == {BATCHES * EACH}, "what nobody has seen is at hand"
    fresh = again.seal("gw-1", readings(10_000, 1), row=1, now=NOW, clock_s=0.0, urgent=False)
    unread = through(tmp_path, again)
    found = held(again)
    assert unread >= 1
    assert found >= set(range(BATCHES * EACH, BATCHES * EACH + OPEN))
    assert BATCHES * EACH + OPEN - len(found) <= EACH * 2 * pages
    assert fresh[0].n > max(s.n for s in again.batches.after(0, -1))
    assert again.batches.count == len(again.batches.after(0, -1))
    assert again.batches.nbytes == sum(s.size for s in again.batches.after(0, -1))
    again.close()


def test_two_originals_of_one_moment_are_both_kept_and_both_taken_over(tmp_path: Path) -> None:
    laid_down(tmp_path)
    (tmp_path / CORRUPT).touch()
    second = open_outbox(tmp_path, NOW)
    with second.transaction():
        second.batches.keep(second.seal("gw-1", readings(9_000, 5), row=1, now=NOW, clock_s=0.0, urgent=False))
    second.close()
    (tmp_path / CORRUPT).touch()
    third = open_outbox(tmp_path, NOW)
    assert len(third.originals) == 2
    through(tmp_path, third)
    assert held(third) == {*range(BATCHES * EACH + OPEN), *range(9_000, 9_005)}
    third.close()


def test_a_row_that_was_damaged_is_not_taken_over_and_its_neighbours_are(tmp_path: Path) -> None:
    laid_down(tmp_path, rows=4)
    with sqlite3.connect(tmp_path / NAME) as db:
        db.execute("UPDATE journal SET columns = substr(columns, 1, 40) WHERE id = 2")
        db.execute("UPDATE batch SET payload = 'no bytes' WHERE n = 7")
        db.execute("UPDATE batch SET n = 1000, t = 'then' WHERE n = 9")
    db.close()
    (tmp_path / CORRUPT).touch()
    again = open_outbox(tmp_path, NOW)
    assert through(tmp_path, again) == 1, "the batch; the row of the journal was left out at once"
    lost = {*range(6 * EACH, 7 * EACH), *range(BATCHES * EACH + 25, BATCHES * EACH + 50)}
    assert held(again) == set(range(BATCHES * EACH + OPEN)) - lost
    again.close()


def test_batches_of_an_outbox_whose_id_nobody_knows_go_up_under_new_numbers(tmp_path: Path) -> None:
    """The newest batches cannot be read, and others wait in an older original."""
    old = laid_down(tmp_path)
    (tmp_path / CORRUPT).touch()
    first = open_outbox(tmp_path, NOW)
    first.close()
    (tmp_path / NAME).write_bytes(b"\xa5" * 8_192)
    again = open_outbox(tmp_path, NOW + 1)
    assert again.id != old
    through(tmp_path, again)
    assert held(again) == set(range(BATCHES * EACH + OPEN))
    again.close()


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few rows of the journal are taken over at once, so that the others are pieces of the rescue."""
    monkeypatch.setattr(takeover, "RECENT", 3)


def test_rows_that_wait_for_their_times_are_put_right_when_those_are_known(
    rig: Rig, make: SimpleNamespace, tmp_path: Path, short: None
) -> None:
    laid_down(tmp_path, rows=10)
    outbox = open_outbox(tmp_path, NOW)
    with outbox.transaction():
        outbox.save(MOVES, msgspec.json.encode([Move(1, 10, 5_000)]))
    outbox.close()
    (tmp_path / CORRUPT).touch()
    gw = rig(now=NOW + 60_000)
    for _ in range(40):
        gw.turn(1)
    found = gw.readings()
    late = found.seq >= BATCHES * EACH
    assert set(found.seq.tolist()) == set(range(BATCHES * EACH + OPEN))
    assert set(found.t_gw[late].tolist()) == {NOW + 5_000}


def test_without_the_time_kept_batches_go_up_and_older_rows_wait(tmp_path: Path, short: None) -> None:
    laid_down(tmp_path, rows=10)
    (tmp_path / CORRUPT).touch()
    outbox = open_outbox(tmp_path, NOW)
    rescue = Rescue(tmp_path, outbox, "gw-1")
    for k in range(20):
        rescue.turn(NOW, NOW, float(k), None)
    assert rescue.pending
    assert outbox.behind == 1
    assert outbox.batches.count == BATCHES
    through(tmp_path, outbox)
    assert outbox.batches.count > BATCHES
    outbox.close()
    again = open_outbox(tmp_path, NOW)
    assert not again.originals
    assert held(again) == set(range(BATCHES * EACH + OPEN))
    again.close()


def test_the_gateway_judges_while_it_takes_over_and_says_so_until_it_is_done(
    rig: Rig, make: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.store.damaged.rescue.PIECE", 1)
    gw = rig(roster=make.roster(make.placement()))
    gw.turn(1)
    gw.outbox.close()
    gw.outbox = open_outbox(gw.settings.edge_data, NOW)
    with gw.outbox.transaction():
        for first in range(0, BATCHES * EACH, EACH):
            part = readings(first, EACH)
            gw.outbox.batches.keep(gw.outbox.seal("gw-1", part, row=1, now=NOW, clock_s=0.0, urgent=False))
    gw.outbox.close()
    spoil(gw.settings.edge_data)
    again = rig(now=NOW + 10_000)

    def own() -> set[str]:
        return {a["condition"] for a in again.bedside.shown["gw-1"]["alarms"]}

    assert own() == {health.REPLACED, health.RESCUING}
    lit = False
    for seq in range(20):
        again.device(seq, boot=9, hr=150)
        again.turn(0.3)
        lit |= bool(again.bedside.shown["W-1"]["alarms"]) and health.RESCUING in own()
    for _ in range(20):
        again.turn(1)
    assert again.acked == list(range(20))
    assert own() == {health.REPLACED}
    assert lit, "the bed, while it went on"
    sent = again.sent()
    assert len({identity for batch in sent for identity in batch.readings.identities()}) >= (BATCHES - 6) * EACH + 20
    assert len({(batch.n, *batch.readings.identities()) for batch in sent}) == len({batch.n for batch in sent})
    again.down("confirmed", {"outbox": again.outbox.id, "ranges": [[batch.n, batch.n] for batch in again.sent()]})
    again.turn(61)
    assert again.outbox.batches.count == 0
    assert not cli.status(again.settings.edge_data, again.clock.now)["set_aside"]["waiting"]


def test_an_original_is_kept_for_fourteen_days_after_it_was_taken_over(tmp_path: Path) -> None:
    laid_down(tmp_path)
    (tmp_path / CORRUPT).touch()
    outbox = open_outbox(tmp_path, NOW)
    through(tmp_path, outbox)
    (kept,) = tmp_path.glob(f"{NAME}.damaged-*-rescued")
    since = int(1000 * kept.stat().st_mtime)
    day = 86_400_000
    for machine, there in ((since + 13 * day, True), (since - 400 * day, True), (since + 15 * day, False)):
        Rescue(tmp_path, outbox, "gw-1").turn(NOW, machine, 0.0, None)
        assert kept.exists() == there
    outbox.close()


class Doomed(sqlite3.Connection):
    """A connection that counts what it commits."""

    def execute(self, sql: str, *arguments: Any) -> sqlite3.Cursor:  # noqa: ANN401 - as sqlite3 has it
        step(sql == "COMMIT")
        found = super().execute(sql, *arguments)
        step(sql == "COMMIT")
        return found


STEPS = {"left": -1}


def step(counts: bool = True) -> None:
    """Kills the process after a number of steps."""
    if counts and STEPS["left"] >= 0:
        STEPS["left"] -= 1
        if STEPS["left"] < 0:
            os.kill(os.getpid(), signal.SIGKILL)


def killed_at(folder: Path, steps: int) -> bool:
    """Opens an outbox in a process that is killed after a number of steps; returns whether it was killed."""
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        return os.WIFSIGNALED(status)
    STEPS["left"] = steps
    sqlite3.connect = partial(sqlite3.connect, factory=Doomed)  # type: ignore[assignment]
    sys.addaudithook(lambda event, _arguments: step(event in {"os.rename", "os.link", "os.remove", "os.utime"}))
    try:
        through(folder, open_outbox(folder, NOW))
    finally:
        os._exit(0)


def test_killed_at_any_step_it_goes_on_at_the_next_start_and_nothing_accepted_is_lost(
    tmp_path: Path, short: None
) -> None:
    whole = tmp_path / "whole"
    laid_down(whole, rows=10, killed=True)
    (whole / CORRUPT).touch()
    steps = 0
    while True:
        folder = tmp_path / str(steps)
        shutil.copytree(whole, folder)
        killed = killed_at(folder, steps)
        outbox = open_outbox(folder, NOW)
        through(folder, outbox)
        assert held(outbox) == set(range(BATCHES * EACH + OPEN)), f"killed after {steps} steps"
        assert list(folder.glob(f"{NAME}.damaged-*-rescued")), "the original is there"
        outbox.close()
        if not killed:
            break
        steps += 1
    assert steps > 25
