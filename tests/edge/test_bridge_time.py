"""A gateway that the bridge tells the time."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from edge.status import health
from tests.edge.monitor_life import HOUR_MS, ILL, WELL, Life, lit
from vitals.signs import Suspect

Rig = Callable[..., Any]


def test_the_bridges_clock_rights_new_readings_and_leaves_sealed_ones_alone(rig: Rig, make: SimpleNamespace) -> None:
    behind = 180_000
    gw = rig(roster=make.roster(make.placement()), now=make.NOW - behind, uplink_flush_s=2.0)
    life = Life(gw, off=-behind)
    life.live(6, **WELL)
    sealed = [payload for name, payload in gw.above.published if name == "vitals"]
    status = gw.statuses()[-1]
    assert status.sent == gw.clock.now - (gw.clock.now - status.t), "its own clock, uncorrected"
    true = status.sent + behind + 40
    gw.down("clock", {"offset_ms": true - status.sent, "t": true})
    life.live(6, **WELL)
    assert [payload for name, payload in gw.above.published if name == "vitals"][: len(sealed)] == sealed
    fresh = gw.readings()
    fresh = fresh.take(fresh.seq >= 8)
    assert abs(fresh.t_gw - (make.NOW + 1000 * fresh.seq)).max() <= 1_100
    assert abs(fresh.t - (make.NOW + 1000 * fresh.seq)).max() <= 1_100
    assert not (fresh.suspect_digits() == Suspect.CLOCK).any()
    assert lit(gw) == set()
    # The machine's clock is put right by hand: own time is right already, and stays.
    life.set_by(behind)
    life.live(6, **WELL)
    found = gw.readings()
    last = int(found.seq.max())
    assert last >= 12
    assert abs(int(found.t_gw[found.seq.tolist().index(last)]) - (make.NOW + 1000 * last)) <= 1_500
    assert life.until_lit({"hr", "spo2"}) <= 20


def test_without_a_clock_the_bridge_is_asked_and_readings_wait_for_its_word_for_seconds_only(
    rig: Rig, make: SimpleNamespace
) -> None:
    gw = rig(roster=make.roster(make.placement()), settled=lambda: False, uplink_flush_s=1.0)
    assert len(gw.statuses()) == 1, "at once, and not with the next status"
    life = Life(gw)
    life.live(3, **ILL)
    assert gw.sent() == []
    status = gw.statuses()[-1]
    gw.down("clock", {"offset_ms": 500_000, "t": status.sent + 500_000})
    life.live(3, **ILL)
    found = gw.readings()
    assert set(range(3)) <= set(found.seq.tolist())
    assert abs(found.t_gw - (make.NOW + 500_000 + 1000 * found.seq)).max() <= 2_000
    assert not gw.statuses()[-1].clock_synchronised
    silent = rig(settled=lambda: False, uplink_flush_s=1.0, now=gw.clock.now)
    life = Life(silent, 50)
    life.live(8, **ILL)
    assert 50 in silent.readings().seq.tolist(), "a bridge that does not answer holds nothing back"


def test_a_restart_keeps_what_the_bridge_has_told_and_waits_for_nobody(rig: Rig, make: SimpleNamespace) -> None:
    gw = rig(roster=make.roster(make.placement()), uplink_flush_s=1.0)
    life = Life(gw)
    status = gw.statuses()[-1]
    gw.down("clock", {"offset_ms": 180_000, "t": status.sent + 180_000})
    life.live(70, **WELL)
    # The machine's clock is said to be set and is wrong all the same; the bridge has no reason to tell its time again.
    again = rig(uplink_flush_s=1.0, now=gw.clock.now + 20_000)
    life = Life(again, 100)
    start = again.clock.now
    life.live(4, **WELL)
    found = again.readings()
    found = found.take(found.seq >= 100)
    assert len(found)
    assert abs(found.t_gw - (start + 180_000 + 1000 * (found.seq - 100))).max() <= 1_500


def test_a_time_that_cannot_be_read_changes_nothing(rig: Rig) -> None:
    gw = rig(uplink_flush_s=0.5)
    for payload in (
        b"{",
        b'{"offset_ms":1e99,"t":1}',
        b'{"offset_ms":0,"t":-5}',
        b'{"offset_ms":9007199254740991,"t":1}',
    ):
        gw.down("clock", payload)
    gw.device(0, hr=72)
    gw.turn(1)
    gw.turn(1)
    assert abs(int(gw.readings().t_gw[0]) - gw.clock.now) <= 3_000
    assert gw.metric("wardwatch_edge_invalid_downlinks_total", name="clock") == 3


def test_the_gateways_wrong_clock_makes_no_heartbeat_old(rig: Rig) -> None:
    gw = rig(now=1_763_812_800_000)
    for _ in range(12):
        gw.down("heartbeat", {"t": gw.clock.now + 600_000})
        gw.turn(10)
    assert health.REMOTE_LOST not in lit(gw, "gw-1")
    gw.clock.now -= HOUR_MS
    for _ in range(4):
        gw.down("heartbeat", {"t": gw.clock.now + HOUR_MS + 600_000})
        gw.turn(10)
    assert health.REMOTE_LOST not in lit(gw, "gw-1")
    # It is lost all the same though the clock stands back.
    for _ in range(8):
        gw.turn(10)
    assert health.REMOTE_LOST in lit(gw, "gw-1")
