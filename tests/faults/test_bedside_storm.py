"""What the storm at the bedside decides by itself: its plan, who lies where, what a page takes along, and its rows."""

import random
import sqlite3
import zlib
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from tests.faults.bedside import damage, verdict
from tests.faults.bedside.plan import BEDS, KINDS, STEP_S, Fault, Place, What, moved, roster, storm, story, ward
from tests.faults.bedside.verdict import REACHED_MS, Found, Row, Told, known, lain, of_patients
from tests.truth.beds import END, Stay, Verdict
from vitals.readings import Readings, empty
from vitals.wire import uplink_batch, vitals_record

T0 = 1_763_812_800_000


def test_a_seed_gives_the_same_storm_again_and_every_kind_strikes() -> None:
    faults = storm(3, 2400, 200)
    assert faults == storm(3, 2400, 200) != storm(4, 2400, 200)
    assert len(faults) == 200
    assert {fault.what for fault in faults} == set(KINDS)
    assert {fault.what for fault in storm(3, 240, len(KINDS))} == set(KINDS)
    steps = [abs(fault.amount) for fault in faults if fault.what is What.STEP]
    assert STEP_S[0] <= min(steps) < 60
    assert 86_400 < max(steps) <= STEP_S[1]


def test_faults_on_one_thing_follow_each_other_and_those_on_different_things_meet() -> None:
    faults = storm(3, 2400, 200)
    meet = 0
    for k, one in enumerate(faults):
        for other in faults[k + 1 :]:
            within = other.at_s < one.at_s + one.for_s
            assert not (within and set(KINDS[one.what][2]) & set(KINDS[other.what][2]))
            meet += within
    assert meet > 50


def test_an_illness_lasts_longer_than_any_time_that_a_light_is_given() -> None:
    for cadence_s in (1.0, 30.0):
        frames = story(7, "mon-1", cadence_s, 2400)["frames"]
        at = [frame["at_s"] for frame in frames]
        assert at == sorted(at)
        ill = [(b["at_s"] - a["at_s"]) for a, b in pairwise(frames) if a["phase"] == b["phase"] != "stable"]
        assert min(ill) >= (150 if cadence_s == 1.0 else 240) - 0.001


def test_patients_move_swap_and_change_monitors_and_nobody_shares_a_bed() -> None:
    of = ward("w")
    for what, alike in ((What.MOVE, "device"), (What.SWAP, "device"), (What.CHANGE, None)):
        after = moved(of, "w", Fault(0.0, what, 0.0, 0.25))
        changed = [patient for patient in of if of[patient] != after[patient]]
        assert len(changed) == (1 if what is What.MOVE else 2)
        assert all(
            after[p].bed != of[p].bed and (after[p].device == of[p].device) == (alike is not None) for p in changed
        )
        assert len({place.bed for place in after.values()}) == BEDS
        of = after
    told = roster("gw-w", of, dict.fromkeys(of, 5), 30.0, 9)
    assert {(p["patient"], p["bed"]) for p in told["placements"]} == {(p, place.bed) for p, place in of.items()}


def test_a_roster_is_known_when_the_gateway_can_have_it() -> None:
    apart = [(100, 200), (150, 260), (300, 400)]
    assert [known(t, apart) for t in (50, 120, 280, 310)] == [50, 260, 280, 400]


def test_between_two_rosters_a_light_may_go_by_either_and_owes_by_what_is_known() -> None:
    before = {"p": Place("b1", "d1"), "q": Place("b2", "d2")}
    told = [Told(T0, before), Told(T0 + 100, {"p": Place("b2", "d2"), "q": Place("b1", "d1")})]
    stays, rows = lain(told, [(T0 + 90, T0 + 90 + REACHED_MS)])
    at = T0 + 90 + REACHED_MS
    assert stays[:2] == [
        Stay("p", "b1", T0, T0 + 100, told=T0, left=at),
        Stay("p", "b2", at, END, told=T0 + 100, left=END),
    ]
    assert rows[:2] == [Row("p", "d1", T0, T0 + 100), Row("p", "d2", at, END)]


def test_a_life_of_monitors_becomes_one_of_patients() -> None:
    life = {"patients": np.array(["d1", "d2"]), "cadence_s": np.float64(1), "t": np.array([[1, 2, 3], [1, 2, 3]]),
            "heard": np.ones((2, 3), bool), "shown": np.array([[[1.0]] * 3, [[2.0]] * 3])}  # fmt: skip
    found = of_patients(life, [Row("p", "d1", 0, 2), Row("p", "d2", 3, END)])
    assert found["patients"].tolist() == ["p", "p"]
    assert found["heard"].tolist() == [[True, False, False], [False, False, True]]
    assert found["shown"][:, 0, 0].tolist() == [1.0, 2.0]


def reading(seq: int) -> Readings:
    base = empty()
    columns = {name: np.array([1]) for name in ("boot", "seq", "t", "t_gw", "roster", "suspect", "limits")}
    words = {
        name: np.array([name], dtype=base.patient.dtype) for name in ("patient", "device", "gateway", "ward", "bed")
    }
    return Readings(**(words | columns | {"seq": np.array([seq])}), values=np.full((1, base.values.shape[1]), 72.0))


@pytest.fixture
def outbox(tmp_path: Path) -> Path:
    path = tmp_path / damage.NAME
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA page_size = {damage.PAGE_BYTES}")
        db.executescript(
            "CREATE TABLE batch (n INTEGER PRIMARY KEY, payload BLOB); CREATE TABLE journal (id INTEGER PRIMARY KEY, "
            "columns BLOB); CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID"
        )
        for n in range(1, 40):
            batch = uplink_batch.Batch("gw", "outbox", n, reading(n))
            db.execute("INSERT INTO batch VALUES (?, ?)", (n, uplink_batch.encode(batch)))
            db.execute(
                "INSERT INTO journal VALUES (?, ?)", (n, zlib.compress(vitals_record.encode_vitals(reading(100 + n))))
            )
        db.executemany("INSERT INTO meta VALUES (?, ?)", [("boot", b"one"), ("engine", b"two")])
        db.commit()
    return path


def test_what_a_flipped_page_takes_along_is_what_sqlite_cannot_read_any_more(outbox: Path) -> None:
    whole = {("device", 1, seq) for seq in (*range(1, 40), *range(101, 140))}
    assert damage.readable(outbox) == whole
    gone = set()
    for seed in range(12):
        spoilt = outbox.with_name("other.db")
        spoilt.write_bytes(outbox.read_bytes())
        damage.flip_page(spoilt, random.Random(seed))  # noqa: S311 - where, no secret
        left = damage.readable(spoilt)
        assert left <= whole
        gone |= whole - left
    assert gone, "one of twelve pages held something"


def test_a_flipped_bit_of_a_kept_value_costs_no_reading(outbox: Path) -> None:
    before = damage.readable(outbox)
    key = damage.flip_meta(outbox, random.Random(1))  # noqa: S311 - where, no secret
    with closing(sqlite3.connect(outbox)) as db:
        kept = dict(db.execute("SELECT key, value FROM meta"))
    assert kept[key] != {"boot": b"one", "engine": b"two"}[key]
    assert sum(value in {b"one", b"two"} for value in kept.values()) == 1
    assert damage.readable(outbox) == before


def test_the_rows_say_what_does_not_hold() -> None:
    lights = Verdict(due=9, dark=1, late=2, gone=3, stuck=4, wrong_bed=5)
    found = Found(1.0, lights, accepted=100, lost=6, unreadable=1, died=7, done=8)
    assert {row["name"]: (row["value"], row["goal"]) for row in verdict.rows(found, 10)} == {
        "bedside.1s.dark": (6, 0),
        "bedside.1s.stuck": (4, 0),
        "bedside.1s.wrong_bed": (5, 0),
        "bedside.1s.lost": (6, 0),
        "bedside.1s.died": (7, 0),
        "bedside.1s.faults_not_done": (2, 0),
    }
