"""A gateway whose machine's clock is wrong, unset, or set while patients are watched."""

import json
import random
import tracemalloc
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from edge.clock.boot_clock import Boot
from edge.status import health
from tests.edge.monitor_life import HOUR_MS, ILL, WELL, Life, lit
from vitals.signs import Suspect
from vitals.status import Health

Rig = Callable[..., Any]


@pytest.mark.parametrize("ahead_ms", [HOUR_MS, 90_000, -HOUR_MS, 40 * 24 * HOUR_MS])
def test_a_clock_that_is_set_wrong_and_right_again_keeps_no_light_dark(
    rig: Rig, make: SimpleNamespace, ahead_ms: int
) -> None:
    gw = rig(roster=make.roster(make.placement(since=make.NOW - HOUR_MS)))
    life = Life(gw)
    life.live(20, **WELL)
    life.set_by(ahead_ms)
    life.live(45, **WELL)
    assert lit(gw) == set(), "no alarm begins for it"
    life.set_by(-ahead_ms)
    life.live(30, **WELL)
    assert lit(gw) == set()
    assert life.until_lit({"hr", "spo2"}) <= 20
    alarms = {a["id"] for a in gw.bedside.shown["W-1"]["alarms"]}
    life.set_by(ahead_ms)
    life.live(20, **ILL)
    assert alarms <= {a["id"] for a in gw.bedside.shown["W-1"]["alarms"]}, "no alarm ends for it"


def test_a_machine_that_boots_with_an_old_clock_lights_the_bed_at_once_and_sends_when_it_knows_the_time(
    rig: Rig, make: SimpleNamespace
) -> None:
    roster = make.roster(make.placement(since=make.NOW - HOUR_MS))
    before = rig(roster=roster)
    before.link(up=False)
    Life(before).live(70, **WELL)
    true, behind = make.NOW + 120_000, 1_800_000
    is_set = False
    gw = rig(now=true - behind, boot=lambda now: Boot("another", now - 9_000), settled=lambda: is_set)
    gw.link(up=False)
    life = Life(gw, 100, -behind)
    assert life.until_lit({"hr", "spo2"}) <= 20
    assert health.CLOCK_UNSET not in lit(gw, "gw-1"), "the bridge is still to be asked"
    alarms = {a["id"] for a in gw.bedside.shown["W-1"]["alarms"]}
    gw.down(
        "roster",
        make.roster(
            make.placement(since=true), make.placement(device="d2", patient="p2", bed="W-2", since=true), version=2
        ),
    )
    for seq in range(20):
        gw.device(seq, device="d2", t=gw.clock.now + behind, **ILL)
        life.live(1, **ILL)
    life.live(60, **ILL)
    assert health.CLOCK_UNSET in lit(gw, "gw-1")
    assert lit(gw, "W-2") >= {"hr", "spo2"}, "a patient admitted after the old time is judged"
    assert not json.loads((gw.settings.edge_data / "state.json").read_bytes())["status"]["clock_synchronised"]
    count = life.seq
    is_set = True
    life.set_by(behind)
    life.live(30, **ILL)
    assert alarms <= {a["id"] for a in gw.bedside.shown["W-1"]["alarms"]}
    assert health.CLOCK_UNSET not in lit(gw, "gw-1")
    gw.link()
    life.live(40, **ILL)
    found = gw.readings()
    own = found.take(found.boot == 7)
    rows = dict(
        zip(
            zip(own.device.tolist(), own.seq.tolist(), strict=True),
            zip(own.t.tolist(), own.t_gw.tolist(), strict=True),
            strict=True,
        )
    )
    assert set(range(70)) <= {seq for device, seq in rows if device == "dev-1"}, (
        "the hour before the power cut is there"
    )
    assert all(rows["dev-1", k][1] == make.NOW + 1000 * k for k in range(70)), "and keeps its right times"
    assert set(range(100, count)) <= {seq for device, seq in rows if device == "dev-1"}
    for k in range(100, count):
        t, t_gw = rows["dev-1", k]
        assert abs(t_gw - (true + 1000 * (k - 100))) <= 2_000
        assert abs(t - (true + 1000 * (k - 100))) <= 2_000
    assert gw.statuses()[-1].clock_synchronised


@pytest.mark.parametrize("jump_s", [120, -120])
def test_no_monitor_is_silent_because_the_clock_was_set_and_none_is_heard_for_it(
    rig: Rig, make: SimpleNamespace, jump_s: int
) -> None:
    wards = [make.placement(device=f"d{k}", patient=f"p{k}", bed=f"B{k}", cadence_s=30.0) for k in range(64)]
    gw = rig(roster=make.roster(*wards))
    rng = random.Random(1)  # noqa: S311 - a ward's phases
    phase = [rng.randrange(30) for _ in wards]

    def live(seconds: int) -> None:
        for _ in range(seconds):
            second = int(gw.mono)
            for k in range(63):
                if second % 30 == phase[k]:
                    gw.device(second, device=f"d{k}", **WELL)
            gw.turn(1)

    live(150)
    gw.clock.now += 1000 * jump_s
    live(40)
    silent = {d.device for d in gw.statuses()[-1].devices if d.health is Health.SILENT}
    assert silent == {"d63"}, "the one that never spoke"
    assert [bed for bed in gw.bedside.shown if "device-silent" in lit(gw, bed)] == ["B63"]


@pytest.mark.parametrize("days", [8, -8])
def test_setting_the_clock_drops_nothing_that_was_accepted(rig: Rig, make: SimpleNamespace, days: int) -> None:
    gw = rig(roster=make.roster(make.placement()), uplink_flush_s=1.0)
    gw.link(up=False)
    Life(gw).live(100, **WELL)
    gw.turn(61)
    gw.clock.now += days * 24 * HOUR_MS
    gw.turn(1)
    gw.link()
    for _ in range(6):
        gw.turn(5)
    assert sorted(set(gw.readings().seq.tolist())) == list(range(100))
    assert gw.metric("wardwatch_edge_trimmed_readings_total") == 0
    assert health.TRIMMED not in lit(gw, "gw-1")


def test_what_lies_on_the_card_for_long_is_offered_before_it_goes(rig: Rig, make: SimpleNamespace) -> None:
    gw = rig(roster=make.roster(make.placement()), uplink_flush_s=1.0, outbox_max_age_s=600.0)
    gw.link(up=False)
    Life(gw).live(30, **WELL)
    for _ in range(40):
        gw.turn(30)
    assert gw.metric("wardwatch_edge_trimmed_readings_total") == 0
    gw.link()
    for _ in range(10):
        gw.turn(1)
    assert len(set(gw.readings().identities())) == 30
    for _ in range(130):
        gw.turn(30)
    assert gw.metric("wardwatch_edge_trimmed_readings_total") == 30, "an hour on offer, and nobody took it"


def test_a_clock_that_is_not_set_for_long_costs_the_card_and_not_the_memory(rig: Rig, make: SimpleNamespace) -> None:
    wards = [make.placement(device=f"d{k}", patient=f"p{k}", bed=f"B{k}") for k in range(20)]
    is_set = False
    gw = rig(roster=make.roster(*wards), settled=lambda: is_set)
    gw.link(up=False)
    start = gw.clock.now

    def live(first: int, seconds: int) -> None:
        for seq in range(first, first + seconds):
            for k in range(20):
                gw.device(seq, device=f"d{k}", t=start + 1000 * seq, **WELL)
            gw.turn(1)

    live(0, 70)
    gw.acked.clear()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    live(70, 200)
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(gw.acked) == 4_000, "all of it is accepted"
    assert after - before < 400_000
    gw.clock.now += HOUR_MS
    is_set = True
    gw.link()
    for _ in range(20):
        gw.turn(1)
    found = gw.readings()
    assert len(set(found.identities())) == 20 * 270
    offsets = found.t_gw - (start + HOUR_MS + 1000 * found.seq)
    assert abs(offsets).max() <= 1_000


def test_two_boots_without_a_clock_and_then_a_time_server_leave_no_reading_in_the_future(
    rig: Rig, make: SimpleNamespace
) -> None:
    roster = make.roster(make.placement())
    is_set = False
    first = rig(roster=roster, boot=lambda now: Boot("one", now - 5_000), settled=lambda: is_set)
    first.link(up=False)
    Life(first).live(300, **WELL)
    # The power goes; the saved clock is as it was at the start.
    second = rig(now=make.NOW, boot=lambda now: Boot("two", now - 5_000), settled=lambda: is_set)
    second.link(up=False)
    life = Life(second, 1_000)
    life.live(60, **WELL)
    life.set_by(10 * HOUR_MS)
    is_set = True
    life.live(2, **WELL)
    second.link()
    for _ in range(10):
        second.turn(1)
    found = second.readings()
    assert set(found.seq.tolist()) == {*range(300), *range(1_000, 1_062)}
    assert found.t_gw.max() <= second.clock.now
    began = make.NOW + 10 * HOUR_MS
    old = found.take(found.seq < 1_000)
    assert old.t_gw.max() <= began
    assert (old.suspect_digits()[:, 0] == Suspect.CLOCK).all(), "nobody knows how long the machine was off"
    new = found.take(found.seq >= 1_000)
    assert abs(new.t_gw - (began + 1000 * (new.seq - 1_000))).max() <= 2_000


def test_a_card_that_fills_up_holds_back_nothing_for_a_clock(rig: Rig, make: SimpleNamespace) -> None:
    gw = rig(roster=make.roster(make.placement()), settled=lambda: False, outbox_max_bytes=40_000)
    gw.link(up=False)
    Life(gw).live(400, **WELL)
    gw.turn(5)
    assert json.loads((gw.settings.edge_data / "state.json").read_bytes())["status"]["backlog"] > 0


@pytest.mark.parametrize("seed", range(10))
def test_whatever_is_done_to_the_clock_no_light_comes_late_and_none_without_reason(
    rig: Rig, make: SimpleNamespace, seed: int
) -> None:
    rng = random.Random(seed)  # noqa: S311 - clocks that are set, and power that goes
    is_set = False
    gw = rig(
        roster=make.roster(make.placement()),
        now=make.NOW + rng.choice((0, -1_800_000, -40 * 24 * HOUR_MS, HOUR_MS)),
        settled=lambda: is_set,
    )
    gw.link(up=False)
    life = Life(gw)
    life.off = gw.clock.now - make.NOW

    def live(seconds: int, *, restless: bool, **signs: float) -> int | None:
        """Returns after how many seconds saturation was lit, None if it was not."""
        nonlocal is_set
        for second in range(seconds):
            if restless and rng.random() < 0.15:
                life.set_by(rng.choice((HOUR_MS, -HOUR_MS, 90_000, -90_000, -2_000, 1_500)))
            if restless and rng.random() < 0.01:
                life.set_by(-life.off)
                is_set = True
            life.live(1, **signs)
            if "spo2" in lit(life.gw):
                return second
        return None

    assert live(rng.randrange(40, 150), restless=True, **WELL) is None
    if seed % 2:
        # The power goes for five minutes, and the machine comes back with its last clock or an older one.
        is_set = False
        behind = rng.choice((300_000, 1_800_000))
        life.gw = rig(
            now=life.gw.clock.now + 300_000 - behind,
            boot=lambda machine: Boot("another", machine - 9_000),
            settled=lambda: is_set,
        )
        life.gw.link(up=False)
        life.off -= behind
        assert live(60, restless=False, **WELL) is None
    found = live(60, restless=True, **ILL)
    assert found is not None
    assert found <= 25


@pytest.mark.parametrize("ahead_ms", [2 * 24 * HOUR_MS, HOUR_MS, -HOUR_MS])
@pytest.mark.parametrize("bridge", [False, True])
def test_a_gateway_whose_card_lost_the_boot_judges_by_the_second_reading_whatever_its_clock_says(
    rig: Rig, make: SimpleNamespace, ahead_ms: int, bridge: bool
) -> None:
    gw = rig(roster=make.roster(make.placement(since=make.NOW - HOUR_MS, cadence_s=30.0)))
    life = Life(gw)

    def answer() -> None:
        """The bridge, which knows the time, answers the newest status, if it can be reached."""
        sent = life.gw.statuses()[-1].sent
        if bridge:
            life.gw.down("clock", {"offset_ms": -life.off, "t": sent - life.off})
        life.gw.turn(1)

    def readings(count: int, **signs: float) -> int | None:
        """Returns the number of the reading that lit the bed, of one in 30 s."""
        for number in range(1, count + 1):
            life.live(1, **signs)
            if lit(life.gw):
                return number
            life.gw.turn(14)
            answer()
            life.gw.turn(14)
        return None

    assert readings(20, **WELL) is None
    life.set_by(ahead_ms)
    assert readings(2, **WELL) is None
    with gw.outbox.transaction():
        gw.outbox._db.execute("UPDATE meta SET value = x'7b7d' WHERE key = 'boot'")
    life.gw = rig(now=gw.clock.now + 2_000)
    answer()
    life.seq += 1
    assert readings(4, **ILL) == 2
