"""Whatever a damaged card makes of what the gateway keeps: it starts, judges, and loses nothing that it accepted."""

import random
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edge.status import health
from edge.store.open import open_outbox
from edge.store.sqlite import NAME, is_corrupt
from vitals.wire import uplink_batch
from vitals.wire.vitals_record import WireError

Rig = Callable[..., Any]
ACCEPTED = 130
COSTLY = {"roster", "engine", "memory", "heard", "boot", "moves"}
"""Values without which something is told at the gateway's own light."""


@pytest.fixture
def folder(rig: Rig, make: SimpleNamespace, tmp_path: Path) -> Path:
    """What a killed gateway leaves that had its uplink cut: kept batches, a journal, an alarm, a clock that moved."""
    data = tmp_path / "whole"
    gw = rig(roster=make.roster(make.placement()), edge_data=data, uplink_flush_s=1.0, outbox_max_bytes=20_000)
    gw.link(up=False)
    for seq in range(ACCEPTED):
        gw.device(seq, hr=72 if seq < 100 else 150)
        gw.device(seq // 60, hr=72, boot=3 + seq // 60, device="dev-2")
        gw.turn(1)
        if seq == 60:
            gw.clock.now += 5_000
    assert len(gw.acked) == 2 * ACCEPTED
    gw.outbox._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return data


def values(folder: Path) -> dict[str, bytes]:
    with sqlite3.connect(folder / NAME) as db:
        found = dict(db.execute("SELECT key, value FROM meta"))
    db.close()
    return found


def write(folder: Path, statement: str, *arguments: object) -> None:
    with sqlite3.connect(folder / NAME) as db:
        assert db.execute(statement, arguments).rowcount > 0
    db.close()


def harmed(value: bytes, seed: int) -> dict[str, object]:
    """A value as a damaged card may show it."""
    rng, found = random.Random(seed), {}  # noqa: S311 - a seed, no secret
    for at in {0, len(value) // 3, len(value) // 2, len(value) - 1}:
        flipped = bytearray(value)
        flipped[at] ^= 1 << rng.randrange(8)
        found[f"bit {at}"] = bytes(flipped)
    return found | {
        "cut": value[: len(value) // 2],
        "empty": b"",
        "garbage": rng.randbytes(len(value)),
        "digits": b"9" * len(value),
        "text": value.hex(),
        "number": 7,
    }


class Outcome:
    """What a gateway on such a card did."""

    def __init__(self) -> None:
        self.sent: dict[tuple[str, int], tuple[object, ...]] = {}
        self.own: set[str] = set()
        self.told: list[str] = []


def start(rig: Rig, make: SimpleNamespace, data: Path) -> Outcome:
    """Runs a gateway as `python -m edge` does: with what is damaged set aside, and begun anew."""
    out = Outcome()
    for _ in range(3):
        try:
            gw = rig(roster=make.roster(make.placement()), edge_data=data, now=make.NOW + 200_000, uplink_flush_s=1.0)
            for k in range(40):
                gw.device(k, boot=9, hr=150)
                gw.turn(1)
                out.own |= {a["condition"] for a in gw.bedside.shown["gw-1"]["alarms"]}
                out.told += [a["text"] for a in gw.bedside.shown["gw-1"]["alarms"]]
            break
        except sqlite3.DatabaseError as error:
            if not is_corrupt(data, error):
                raise
    assert "hr" in {a["condition"] for a in gw.bedside.shown["W-1"]["alarms"]}
    assert gw.acked == list(range(40))
    assert 0 <= gw.statuses()[-1].accepted < 10_000
    for name, payload in gw.above.published:
        if name == "vitals":
            try:
                batch = uplink_batch.decode(payload)
            except WireError:
                continue
            what = tuple(batch.readings.identities())
            assert out.sent.setdefault((batch.outbox, batch.n), what) == what
    return out


def seqs(out: Outcome) -> set[int]:
    return {seq for what in out.sent.values() for device, boot, seq in what if device == "dev-1" and boot == 7}


KEYS = (
    "starts",
    "count",
    "row",
    "position",
    "outbox",
    "boot",
    "moves",
    "engine",
    "memory",
    "heard",
    "roster",
    "sums",
    "boots",
)


def test_these_are_all_values_that_are_kept(folder: Path) -> None:
    assert values(folder).keys() == set(KEYS)


@pytest.mark.parametrize("key", [*KEYS, "trimmed", "rescue"])
def test_any_value_that_the_card_has_changed_costs_itself_alone(
    rig: Rig, make: SimpleNamespace, folder: Path, tmp_path: Path, key: str
) -> None:
    before = {(b.outbox, b.n): tuple(b.readings.identities()) for b in map(uplink_batch.decode, payloads(folder))}
    assert before
    value = values(folder).get(key, b'{"outbox.db.damaged-1":{"batch":3}}' if key == "rescue" else b"4711")
    for name, harm in harmed(value, 3).items():
        data = tmp_path / name.replace(" ", "-")
        shutil.copytree(folder, data)
        if key not in KEYS:
            # Kept by the gateway itself, so that its checksum is.
            outbox = open_outbox(data, make.NOW)
            with outbox.transaction():
                outbox.save(key, value)
            outbox.close()
        write(data, "UPDATE meta SET value = ? WHERE key = ?", harm, key)
        out = start(rig, make, data)
        assert seqs(out) == set(range(ACCEPTED)), (key, name)
        for number, what in out.sent.items():
            assert before.get(number, what) == what, (key, name, "a number was given to other readings")
        if name not in {"text", "number"}:
            assert (health.MEMORY_LOST in out.own) == (key in COSTLY), (key, name, out.told[:3])


def payloads(folder: Path) -> list[bytes]:
    with sqlite3.connect(folder / NAME) as db:
        found = [payload for (payload,) in db.execute("SELECT payload FROM batch")]
    db.close()
    return found


@pytest.mark.parametrize(
    ("statement", "most"),
    [
        ("UPDATE batch SET payload = x'00ff' WHERE n = (SELECT min(n) + 1 FROM batch)", 60),
        ("UPDATE batch SET payload = 'text' WHERE n = (SELECT min(n) + 1 FROM batch)", 60),
        ("UPDATE batch SET t = 9e18, urgent = 'so', readings = -5 WHERE n = (SELECT min(n) FROM batch)", 0),
        ("UPDATE journal SET columns = x'00ff' WHERE id = (SELECT max(id) - 2 FROM journal)", 1),
        ("UPDATE journal SET columns = 'text' WHERE id = (SELECT min(id) FROM journal)", 1),
        ("UPDATE journal SET columns = substr(columns, 1, 30) WHERE id = (SELECT max(id) FROM journal)", 1),
        ("UPDATE accepted SET last = last + 1048576", 0),
        ("UPDATE accepted SET device = x'ff00'", 0),
        ("UPDATE accepted SET last = 'so', boot = 9e18", 0),
        ("UPDATE accepted SET first = -5", 0),
        ("INSERT INTO rejected VALUES (9223372036854775807, 'then', x'ff', x'fe', 'text')", 0),
        ("DELETE FROM meta", 0),
    ],
)
def test_a_damaged_row_costs_itself_alone(
    rig: Rig, make: SimpleNamespace, folder: Path, statement: str, most: int
) -> None:
    write(folder, statement)
    lost = set(range(ACCEPTED)) - seqs(start(rig, make, folder))
    assert len(lost) <= most


def test_readings_that_a_damaged_ledger_takes_for_known_are_accepted(
    rig: Rig, make: SimpleNamespace, folder: Path
) -> None:
    write(folder, "UPDATE accepted SET last = last + 1024")
    gw = rig(edge_data=folder, now=make.NOW + 200_000, uplink_flush_s=1.0)
    for seq in range(ACCEPTED, ACCEPTED + 5):
        gw.device(seq, hr=72)
        gw.turn(1)
    gw.turn(40)
    assert {a["condition"] for a in gw.bedside.shown["gw-1"]["alarms"]} >= {health.MEMORY_LOST}
    sent = {identity for batch in gw.sent() for identity in batch.readings.identities()}
    assert sent >= {("dev-1", 7, seq) for seq in range(ACCEPTED + 5)}


def test_a_version_that_knows_nothing_of_checksums_may_run_in_between(
    rig: Rig, make: SimpleNamespace, folder: Path
) -> None:
    """It counts its start, and writes values and ledger without them."""
    write(folder, "UPDATE meta SET value = CAST(CAST(value AS INTEGER) + 1 AS BLOB) WHERE key = 'starts'")
    write(folder, "UPDATE meta SET value = x'373737' WHERE key = 'count'")
    write(folder, "UPDATE accepted SET last = last + 1")
    out = start(rig, make, folder)
    assert seqs(out) == set(range(ACCEPTED))
    assert health.MEMORY_LOST not in out.own
