"""A gateway that nobody looks after: full and damaged cards, clocks that jump, restarts, buttons, floods of garbage."""

import json
import sqlite3
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from edge.clock.boot_clock import Boot
from edge.devices.driver import AckButton
from edge.ingest.dedup import BOOTS, RUNS, SeenSequences
from edge.status import cli, health
from edge.store.sqlite import PAGE_BYTES, is_corrupt
from vitals.actions import Action
from vitals.signs import Suspect
from vitals.status import Rejected

Rig = Callable[..., Any]


def fill(gw: Any) -> None:  # noqa: ANN401 - the rig's gateway
    """The card takes not one page more."""
    (pages,) = gw.outbox._db.execute("PRAGMA page_count").fetchone()
    gw.outbox._db.execute(f"PRAGMA max_page_count = {pages}")
    gw.outbox._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def confirm(gw: Any, *numbers: int) -> None:  # noqa: ANN401 - as above
    gw.down("confirmed", {"outbox": gw.outbox.id, "ranges": [[n, n] for n in numbers]})


def test_calm_readings_share_one_commit_and_one_that_begins_an_alarm_takes_them_along_at_once(
    rig: Rig, make: SimpleNamespace
) -> None:
    rig(roster=make.roster(make.placement(), make.placement(device="dev-2", patient="p-2", bed="W-2")))
    gw = rig(commit_linger_ms=1000)
    gw.turn(1)
    for seq in range(5):
        gw.device(seq, device="dev-2", hr=125)
        gw.turn(2)
    gw.device(0, hr=72)
    gw.turn()
    acked = len(gw.acked)
    for seq in (1, 2):
        gw.device(seq, hr=72)
        gw.turn(0.2)
    assert len(gw.acked) == acked
    gw.device(5, device="dev-2", hr=125)
    gw.turn()
    assert gw.sent()[-1].readings.device.tolist() == ["dev-2", "dev-1", "dev-1", "dev-1", "dev-2"]
    assert gw.acked[-3:] == [1, 2, 5]


def test_readings_of_an_active_alarm_are_sent_once_a_second_and_not_each_by_itself(
    rig: Rig, make: SimpleNamespace
) -> None:
    gw = rig(roster=make.roster(make.placement()), uplink_flush_s=30.0)
    for seq in range(20):
        gw.device(seq, hr=125)
        gw.turn(1)
    before = {batch.n for batch in gw.sent()}
    for seq in range(20, 70):
        gw.device(seq, hr=125)
        gw.turn(0.2)
    gw.turn(1)
    gw.turn()
    sent = {batch.n: batch.readings.seq.tolist() for batch in gw.sent()}
    assert [seq for _, part in sorted(sent.items()) for seq in part] == list(range(70))
    assert 8 <= len(sent.keys() - before) <= 12


def test_the_gateways_loop_is_woken_by_what_is_urgent_and_by_nothing_else(rig: Rig, make: SimpleNamespace) -> None:
    rig(roster=make.roster(make.placement()))
    gw = rig(commit_linger_ms=1000)
    awake = gw.gateway.events._awake
    for payload, wakes in [
        (make.frame(0, hr=72), False),
        (make.frame(1, hr=121), True),
        (make.frame(2, spo2=89.9), True),
        (make.frame(3, hr=0), True),
        (b"{", False),
    ]:
        gw.gateway.events.drain()
        gw.raw(payload)
        assert awake.is_set() == wakes, payload
    gw.gateway.events.drain()
    for seq, hr, after_s, wakes in [
        (4, 72, 0, False),
        (5, 125, 1, True),  # it leaves the limits
        *((seq, 125, 2, True) for seq in range(6, 11)),  # the condition is pending: each value may begin the alarm
        (12, 126, 2, False),  # the alarm is active
        (13, 165, 1, True),  # beyond the extreme limit: it may become high
        (14, 72, 1, False),
    ]:
        gw.turn(after_s)
        gw.gateway.events.drain()
        gw.device(seq, hr=hr)
        assert awake.is_set() == wakes, (seq, hr)
        gw.turn()


def test_on_a_full_card_nothing_is_acknowledged_and_afterwards_all_of_it(rig: Rig) -> None:
    gw = rig()
    gw.link(up=False)
    gw.turn()
    fill(gw)
    for seq in range(400):
        gw.device(seq, hr=72)
        gw.turn(0.5)
    taken = len(gw.acked)
    assert taken < 400
    assert health.WRITE_FAILING in {a["condition"] for a in gw.bedside.shown["gw-1"]["alarms"]}
    gw.outbox._db.execute("PRAGMA max_page_count = 1073741823")
    gw.turn(1.1)
    assert gw.acked == list(range(400))
    assert list(cli.accepted(gw.settings.edge_data)) == [{"device": "dev-1", "boot": 7, "ranges": [[0, 399]]}]
    gw.turn(1)
    assert health.WRITE_FAILING not in {a["condition"] for a in gw.bedside.shown["gw-1"]["alarms"]}


def test_on_a_full_card_the_bed_alarms_readings_go_up_and_what_the_cloud_has_is_acknowledged(
    rig: Rig, make: SimpleNamespace
) -> None:
    gw = rig(roster=make.roster(make.placement()), uplink_flush_s=30.0)
    fill(gw)
    for seq in range(100):
        gw.device(seq, hr=72 if seq < 90 else 30)
        gw.turn(1.1)
        confirm(gw, *(batch.n for batch in gw.sent()))
    gw.turn(1.1)
    gw.turn(1.1)
    assert gw.gateway._commits.failing
    assert gw.bedside.shown["W-1"]["priority"] == "high"
    assert health.WRITE_FAILING in {a["condition"] for a in gw.bedside.shown["gw-1"]["alarms"]}
    assert gw.gateway._wait_s(gw.mono) > 0.1, "it waits between its attempts"
    assert set(gw.readings().seq.tolist()) == set(range(100))
    assert gw.acked == list(range(100))


def test_with_the_card_full_and_the_uplink_cut_the_broker_is_never_out_of_messages_it_may_hand_over(
    rig: Rig, make: SimpleNamespace
) -> None:
    gw = rig(roster=make.roster(make.placement()))
    gw.link(up=False)
    gw.turn()
    fill(gw)
    for second in range(60):
        for k in range(60):
            gw.device(60 * second + k, device=f"mon-{k}", t=gw.clock.now, hr=72)
        gw.device(second, hr=72 if second < 40 else 150, boot=8)
        gw.turn(1)
    unacknowledged = 60 * 61 - len(gw.acked)
    assert 0 < unacknowledged < 2_000, "the broker's window"
    assert "hr" in {a["condition"] for a in gw.bedside.shown["W-1"]["alarms"]}
    gw.outbox._db.execute("PRAGMA max_page_count = 1073741823")
    gw.link()
    for _ in range(10):
        gw.turn(1.1)
    assert len(set(gw.readings().identities())) == 60 * 61, "nothing was dropped"


def test_what_waits_in_memory_alone_is_bounded_and_what_goes_is_told(
    rig: Rig, make: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.store.unconfirmed.UNKEPT_BYTES", 5_000)
    gw = rig(roster=make.roster(make.placement()))
    gw.link(up=False)
    gw.turn()
    fill(gw)
    for second in range(120):
        for k in range(60):
            gw.device(60 * second + k, device=f"mon-{k}", t=gw.clock.now, hr=72)
        gw.turn(1)
    dropped = gw.metric("wardwatch_edge_trimmed_readings_total")
    assert dropped > 0
    assert health.TRIMMED in {a["condition"] for a in gw.bedside.shown["gw-1"]["alarms"]}
    gw.outbox._db.execute("PRAGMA max_page_count = 1073741823")
    gw.link()
    for _ in range(10):
        gw.turn(1.1)
    assert len(set(gw.readings().identities())) == 120 * 60 - dropped


def test_damage_found_while_running_ends_this_outbox_and_the_next_goes_on_with_roster_and_readings(
    rig: Rig, make: SimpleNamespace
) -> None:
    gw = rig(roster=make.roster(make.placement(), version=9))
    gw.link(up=False)
    for seq in range(5):
        gw.device(seq, hr=72)
        gw.turn(1)
    path = gw.settings.edge_data / "outbox.db"
    (page,) = gw.outbox._db.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'accepted'").fetchone()
    gw.outbox._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with path.open("r+b") as file:
        file.seek(PAGE_BYTES * (page - 1))
        file.write(b"\xa5" * PAGE_BYTES)
    gw.outbox._db.execute("PRAGMA shrink_memory")
    gw.device(5, hr=72)
    with pytest.raises(sqlite3.DatabaseError) as found:
        gw.turn(70)
    assert is_corrupt(gw.settings.edge_data, found.value)
    assert gw.acked == [0, 1, 2, 3, 4]
    again = rig()
    again.device(5, hr=72)
    again.turn(1)
    assert [a["condition"] for a in again.bedside.shown["gw-1"]["alarms"]] == [health.REPLACED]
    assert again.outbox.id == gw.outbox.id
    assert set(again.readings().seq.tolist()) == set(range(5))
    assert set(again.readings().patient.tolist()) == {"p-1"}
    assert again.acked == [5]


@pytest.mark.parametrize("jump_s", [3_600, -3_600, 90, -90])
def test_the_gateways_clock_jumps_and_no_device_is_doubted_for_it(rig: Rig, jump_s: int) -> None:
    gw = rig(uplink_flush_s=0.1)
    truth = gw.clock.now
    for seq in range(30):
        gw.device(seq, hr=72 + seq % 3, t=truth + 1000 * seq)
        gw.turn(1)
        if seq == 14:
            gw.clock.now += 1000 * jump_s
            gw.turn()
    found = gw.readings()
    by_seq = dict(zip(found.seq.tolist(), zip(found.t.tolist(), found.t_gw.tolist(), strict=True), strict=True))
    assert all(abs(t_gw - t) <= 1_000 for t, t_gw in by_seq.values())
    assert not (found.suspect_digits() == Suspect.CLOCK).any()


@pytest.mark.parametrize("machine", ["same boot", "another boot"])
def test_a_crash_before_the_clock_was_set_leaves_no_reading_of_1970(
    rig: Rig, make: SimpleNamespace, machine: str
) -> None:
    true_start = make.NOW - 100_000
    old = rig(roster=make.roster(make.placement()), now=5_000)
    for seq in range(4):
        old.device(seq, hr=72, t=make.NOW + 1000 * seq)
        old.turn(1)
    before = msgspec.json.decode(old.outbox.load("boot"), type=Boot)
    began = true_start + before.began if machine == "same boot" else make.NOW + 500_000
    boot = Boot(before.id if machine == "same boot" else "another", began)
    again = rig(now=make.NOW + 600_000, boot=lambda _now: boot)
    again.turn(1)
    sent = again.sent()[0].readings
    assert sent.seq.tolist() == [0, 1, 2, 3]
    doubted = (sent.suspect_digits()[:, 0] == Suspect.CLOCK).tolist()
    if machine == "same boot":
        assert sent.t_gw.tolist() == [true_start + 5_000 + 1000 * k for k in range(4)]
        assert not any(doubted[1:]), "the first tells only that the device's clock and ours differ"
    else:
        assert sent.t_gw.max() == began
        assert all(doubted)


def test_a_spike_right_after_a_restart_is_still_seen_as_one(rig: Rig) -> None:
    gw = rig(uplink_flush_s=0.1)
    for seq in range(10):
        gw.device(seq, hr=72 + seq % 2)
        gw.turn(1)
    again = rig(uplink_flush_s=0.1, now=gw.clock.now)
    again.device(10, hr=190)
    again.turn(1)
    again.turn(1)
    found = again.readings()
    assert found.suspect_digits()[found.seq.tolist().index(10), 0] == Suspect.RATE_OF_CHANGE


def test_the_beds_button_goes_up_until_the_log_has_it_and_the_clouds_word_acts_here(
    rig: Rig, make: SimpleNamespace
) -> None:
    gw = rig(roster=make.roster(make.placement()))
    for seq in range(6):
        gw.device(seq, hr=30)
        gw.turn(1)
    gw.link(up=False)
    gw.gateway.receive(AckButton("W-1", b""))
    gw.turn()
    gw.link()
    gw.turn()
    pressed = [p for name, p in gw.above.published if name == "pressed"]
    action = msgspec.json.decode(pressed[0], type=Action)
    assert (action.patient, action.by, action.alarm) == ("p-1", "bed W-1", gw.bedside.shown["W-1"]["alarms"][0]["id"])
    gw.turn(6)
    assert [p for name, p in gw.above.published if name == "pressed"] == [pressed[0]] * 2
    gw.down("actions", pressed[0])
    gw.turn(6)
    gw.turn(6)
    assert len([p for name, p in gw.above.published if name == "pressed"]) == 2


def test_what_a_gateway_refuses_is_told_at_a_bounded_rate_counted_by_kind_and_shown(rig: Rig) -> None:
    gw = rig()
    gw.turn(5)
    for _ in range(10):
        for _ in range(30):
            gw.raw(b"{")
            gw.raw(b'{"boot":1,"seq":0,"t":1,"off":["teeth"]}')
        gw.turn(1)
    told = [msgspec.json.decode(p, type=list[Rejected]) for name, p in gw.above.published if name == "rejected"]
    assert 1 <= len(told) <= 3
    assert {r.topic for r in told[0]} == {"devices/dev-1/vitals"}
    assert max(map(len, told)) <= 20
    shown = cli.status(gw.settings.edge_data, gw.clock.now)
    assert shown["rejected"].keys() == {"not-a-frame", "unknown-sign"}
    assert len(shown["rejected_last"]) == 10


def test_a_device_that_restarts_for_ever_does_not_fill_the_card() -> None:
    ledger = SeenSequences()
    for boot in range(10 * BOOTS):
        ledger.add("dev-1", boot, 0)
    for gap in range(3 * RUNS):
        ledger.add("dev-2", 1, 2 * gap)
    ranges = list(ledger.ranges())
    assert ledger.count == 10 * BOOTS + 3 * RUNS
    assert len(ranges) == BOOTS + RUNS
    assert not ledger.add("dev-1", 10 * BOOTS - 1, 0)
    assert not ledger.add("dev-2", 1, 6 * RUNS - 2)


def test_hours_without_an_uplink_become_few_full_batches(rig: Rig, make: SimpleNamespace) -> None:
    placements = [make.placement(device=f"dev-{k}", patient=f"p-{k}", bed=f"W-{k}") for k in range(20)]
    gw = rig(roster=make.roster(*placements), uplink_flush_s=30.0)
    gw.link(up=False)
    for seq in range(300):
        for k in range(20):
            gw.device(seq, device=f"dev-{k}", hr=125 if k == 0 else 72)
        gw.turn(1)
    assert len(gw.gateway._commits.unconfirmed) == 300 * 20 // 1_000
    gw.link()
    gw.turn()
    gw.turn(1)
    assert len(gw.readings()) == 6_000


def test_the_state_that_status_shows_is_written_seldom_but_at_once_when_there_is_news(rig: Rig) -> None:
    gw = rig()
    gw.turn(5)
    path = gw.settings.edge_data / "state.json"
    first = json.loads(path.read_bytes())["status"]["t"]
    for _ in range(3):
        gw.turn(3)
    assert json.loads(path.read_bytes())["status"]["t"] == first
    gw.link(up=False)
    gw.turn(3)
    assert not json.loads(path.read_bytes())["uplink"]


def test_a_state_that_cannot_be_written_stops_nothing(rig: Rig) -> None:
    gw = rig()
    (gw.settings.edge_data / "state.new").mkdir()
    gw.turn(5)
    gw.device(0, hr=72)
    gw.turn(20)
    assert gw.acked == [0]
