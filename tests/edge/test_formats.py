"""Upgrade and rollback: what every format that ever was left on a card, and newer ones, in today's gateway."""

import lzma
import sqlite3
import zlib
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from edge.ingest.decode import DeviceStates
from edge.status import cli, health
from edge.store.snapshot import ENGINE, MEMORY, ROSTER
from edge.store.sqlite import NAME
from vitals.engine.snapshot import VERSION

Rig = Callable[..., Any]
FORMATS = Path(__file__).parent / "formats"
WRITTEN = range(64)


def unpacked(name: str, folder: Path) -> int:
    """Lays a former format down; returns when it was written, UTC epoch ms."""
    folder.mkdir()
    (folder / NAME).write_bytes(lzma.decompress((FORMATS / f"{name}.db.xz").read_bytes()))
    with sqlite3.connect(folder / NAME) as db:
        (written,) = db.execute("SELECT max(t) FROM batch").fetchone()
    db.close()
    return int(written)


def test_each_former_format_is_tried() -> None:
    assert {path.name for path in FORMATS.glob("*.xz")} == {f"{name}.db.xz" for name in NAMES}


NAMES = ("v1", "v2", "v2b", "v3", "v4", "v5", "v6")


@pytest.mark.parametrize("name", NAMES)
def test_a_former_format_starts_loses_nothing_and_its_first_value_is_judged(
    rig: Rig, tmp_path: Path, name: str
) -> None:
    data = tmp_path / name
    now = unpacked(name, data) + 60_000
    gw = rig(edge_data=data, now=now, uplink_flush_s=1.0)
    for seq in range(6):
        gw.device(seq, boot=8, hr=150)
        gw.turn(1)
    assert "hr" in {a["condition"] for a in gw.bedside.shown["W-1"]["alarms"]}, "by the kept roster"
    for _ in range(20):
        gw.turn(1)
    sent = {identity for batch in gw.sent() for identity in batch.readings.identities()}
    assert sent == {("dev-1", 7, seq) for seq in WRITTEN} | {("dev-1", 8, seq) for seq in range(6)}
    assert {batch.readings.patient[0] for batch in gw.sent()} == {"p-1"}
    gw.device(63, boot=7, hr=150)
    gw.turn(1)
    assert gw.statuses()[-1].accepted == 70
    gw.turn(3)
    assert gw.gateway._reporter.duplicates == 1, "the ledger knows what was accepted before"
    again = rig(edge_data=data, now=gw.clock.now)
    again.turn(1)
    assert list(cli.accepted(data)) == [
        {"device": "dev-1", "boot": 7, "ranges": [[0, 63]]},
        {"device": "dev-1", "boot": 8, "ranges": [[0, 5]]},
    ]


@pytest.fixture
def today(rig: Rig, make: SimpleNamespace, tmp_path: Path) -> Any:  # noqa: ANN401 - the rig's gateway
    """A gateway of today with its uplink cut."""
    gw = rig(roster=make.roster(make.placement()), edge_data=tmp_path / "today", uplink_flush_s=1.0)
    gw.link(up=False)
    for seq in WRITTEN:
        gw.device(seq, hr=72)
        gw.turn(1)
    return gw


def a_newer_database(gw: Any) -> None:  # noqa: ANN401 - the rig's gateway
    gw.outbox._db.execute("PRAGMA user_version = 3")


def a_newer_snapshot(gw: Any) -> None:  # noqa: ANN401 - as above
    kept = msgspec.msgpack.decode(zlib.decompress(gw.outbox.load(ENGINE)))
    with gw.outbox.transaction():
        gw.outbox.save(ENGINE, zlib.compress(msgspec.msgpack.encode(kept | {"version": VERSION + 1})))


def a_snapshot_of_another_form(gw: Any) -> None:  # noqa: ANN401 - as above
    with gw.outbox.transaction():
        gw.outbox.save(ENGINE, b"\x28\xb5\x2f\xfd")


def a_newer_memory(gw: Any) -> None:  # noqa: ANN401 - as above
    known = msgspec.msgpack.decode(zlib.decompress(gw.outbox.load(MEMORY)), type=DeviceStates)
    known = msgspec.structs.replace(known, columns=known.columns + 2, clock=known.clock + bytes(8))
    with gw.outbox.transaction():
        gw.outbox.save(MEMORY, zlib.compress(msgspec.msgpack.encode(known)))


def a_newer_roster(gw: Any) -> None:  # noqa: ANN401 - as above
    roster = msgspec.json.decode(gw.outbox.load(ROSTER))
    roster["placements"][0]["profile"] = "astronaut"
    with gw.outbox.transaction():
        gw.outbox.save(ROSTER, msgspec.json.encode(roster))


def values_that_nobody_knows(gw: Any) -> None:  # noqa: ANN401 - as above
    with gw.outbox.transaction():
        gw.outbox.save("tomorrow", b"\x00\xff")


@pytest.mark.parametrize(
    ("change", "own"),
    [
        (a_newer_database, {health.REPLACED}),
        (a_newer_snapshot, set()),
        (a_snapshot_of_another_form, set()),
        (a_newer_memory, set()),
        (a_newer_roster, {health.MEMORY_LOST}),
        (values_that_nobody_knows, set()),
    ],
)
def test_a_newer_format_starts_loses_nothing_and_its_first_value_is_judged(
    rig: Rig,
    make: SimpleNamespace,
    today: Any,  # noqa: ANN401 - the rig's gateway
    change: Callable[[Any], None],
    own: set[str],
) -> None:
    change(today)
    gw = rig(edge_data=today.settings.edge_data, now=today.clock.now + 5_000, uplink_flush_s=1.0)
    if change is a_newer_roster:
        gw.down("roster", make.roster(make.placement(), version=2))
    for seq in range(6):
        gw.device(seq, boot=8, hr=150)
        gw.turn(1)
    assert "hr" in {a["condition"] for a in gw.bedside.shown["W-1"]["alarms"]}
    for _ in range(20):
        gw.turn(1)
    sent = {identity for batch in gw.sent() for identity in batch.readings.identities()}
    assert sent == {("dev-1", 7, seq) for seq in WRITTEN} | {("dev-1", 8, seq) for seq in range(6)}
    assert {a["condition"] for a in gw.bedside.shown["gw-1"]["alarms"]} == own
