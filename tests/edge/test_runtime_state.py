"""What a gateway goes on with while its card takes nothing: what the card shows, and what lies beside it in memory."""

import json
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from edge.clock.boot_clock import BOOT, Boot
from edge.store.open import open_outbox
from edge.store.runtime_state import NAME, RuntimeState, take_up
from edge.store.without_card import InMemoryStore, until_there_is_one

Rig = Callable[..., Any]


def fill(gw: Any) -> None:  # noqa: ANN401 - the rig's gateway
    """The card takes not one page more."""
    (pages,) = gw.outbox._db.execute("PRAGMA page_count").fetchone()
    gw.outbox._db.execute(f"PRAGMA max_page_count = {pages}")
    gw.outbox._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def lit(gw: Any, bed: str) -> set[str]:  # noqa: ANN401 - as above
    return {alarm["condition"] for alarm in gw.bedside.shown.get(bed, {"alarms": []})["alarms"]}


def test_a_card_that_can_only_be_read_shows_what_was_kept_last(rig: Rig, make: SimpleNamespace, tmp_path: Path) -> None:
    gw = rig(roster=make.roster(make.placement()))
    for seq in range(5):
        gw.device(seq, hr=72)
        gw.turn(1)
    # A kill leaves the log; a card that is read-only after it has no room for an index of that log.
    card = tmp_path / "card"
    card.mkdir()
    for suffix in ("", "-wal"):
        shutil.copy(tmp_path / f"outbox.db{suffix}", card)
    found = InMemoryStore(card, {})
    assert {path.name for path in card.iterdir()} == {"outbox.db", "outbox.db-wal"}
    assert json.loads(found.load("roster") or b"{}")["placements"][0]["patient"] == "p-1"
    kept = found.position
    assert [row for row, _ in found.journal(kept)] == [row for row, _ in gw.outbox.journal(kept)] != []
    found.close()


@pytest.mark.parametrize("shown", [b"", b"no database", b"\0" * 4096])
def test_a_card_that_shows_nothing_costs_what_it_knew_and_not_the_gateway(tmp_path: Path, shown: bytes) -> None:
    (tmp_path / "outbox.db").write_bytes(shown)
    found = InMemoryStore(tmp_path, {})
    assert found.load("roster") is None
    found.close()


def test_a_gateway_killed_while_its_card_is_full_goes_on_with_the_alarms_and_the_roster_that_it_knew(
    rig: Rig, make: SimpleNamespace, tmp_path: Path
) -> None:
    runtime = tmp_path / "runtime"
    runtime.mkdir()
    gw = rig(roster=make.roster(make.placement()), runtime_directory=runtime)
    for seq in range(20):
        gw.device(seq, hr=72, spo2=98)
        gw.turn(1)
    fill(gw)
    gw.down("roster", make.roster(make.placement(bed="W-2", since=gw.clock.now), version=2))
    for seq in range(20, 60):
        gw.device(seq, hr=72, spo2=80)
        gw.turn(1)
    assert "spo2" in lit(gw, "W-2")
    began = gw.clock.now
    outbox = open_outbox(gw.settings.edge_data, began)
    take_up(RuntimeState(runtime).values(), outbox)
    outbox.close()
    after = rig(runtime_directory=runtime, now=began + 2_000)
    assert "spo2" in lit(after, "W-2")
    assert "W-1" not in after.bedside.shown
    # Once the card has all of it, nothing lies beside it.
    assert not (runtime / NAME).exists()


def test_without_a_card_a_gateway_goes_on_with_what_lies_beside_it(tmp_path: Path) -> None:
    RuntimeState(tmp_path).keep({"roster": b"newer"})
    outbox = open_outbox(tmp_path / "edge", 1)
    with outbox.transaction():
        outbox.save("roster", b"older")
    outbox.close()
    found = InMemoryStore(tmp_path / "edge", RuntimeState(tmp_path).values())
    assert found.load("roster") == b"newer"
    found.close()


def test_as_soon_as_the_card_can_be_written_it_has_the_roster_from_memory_as_a_boot_may_follow(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path / "edge", 1)
    with outbox.transaction():
        outbox.save("roster", b"older")
    outbox.close()
    beside = RuntimeState(tmp_path)
    beside.keep({"roster": b"newer"})
    with until_there_is_one(tmp_path / "edge", threading.Event(), beside) as ended:
        assert ended.wait(30)
        outbox = open_outbox(tmp_path / "edge", 1)
        assert outbox.load("roster") == b"newer"
        outbox.close()


def test_rows_that_wait_for_their_times_wait_on_when_the_card_is_back(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path, 1)
    with outbox.transaction():
        outbox.save(BOOT, msgspec.json.encode(Boot("a", 5, unset=3)))
    take_up({BOOT: msgspec.json.encode(Boot("a", 7))}, outbox)
    assert msgspec.json.decode(outbox.load(BOOT) or b"", type=Boot) == Boot("a", 7, unset=3)
    outbox.close()


@pytest.mark.parametrize("spoilt", [b"", b"\xc1", b"\x81\xa1a\x01"])
def test_what_lies_beside_the_card_and_cannot_be_read_is_nothing(tmp_path: Path, spoilt: bytes) -> None:
    (tmp_path / NAME).write_bytes(spoilt)
    assert RuntimeState(tmp_path).values() == {}
    assert RuntimeState(tmp_path / "gone").values() == {}
    RuntimeState(tmp_path / "gone").keep({"a": b""})
    RuntimeState(None).keep({"a": b""})
    assert RuntimeState(None).values() == {}
