"""The gateway's loop, with a real outbox and engine, and devices and uplink in memory."""

import sqlite3
import zlib
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from edge.devices.driver import AckButton, Presence
from edge.status import cli, health
from edge.store.snapshot import ENGINE
from vitals.readings import concat
from vitals.status import Health

Rig = Callable[..., Any]


def test_a_reading_is_acknowledged_only_after_its_commit(rig: Rig) -> None:
    gw = rig()
    gw.device(0, hr=72)
    with sqlite3.connect(gw.settings.edge_data / "outbox.db", isolation_level=None) as lock:
        lock.execute("BEGIN IMMEDIATE")
        gw.outbox._db.execute("PRAGMA busy_timeout = 10")
        gw.turn()
        assert gw.acked == []
        lock.execute("ROLLBACK")
    lock.close()
    gw.turn(1.1)
    assert gw.acked == [0]
    assert list(cli.accepted(gw.settings.edge_data)) == [{"device": "dev-1", "boot": 7, "ranges": [[0, 0]]}]


def test_a_quiet_reading_waits_for_its_batch_and_an_urgent_one_takes_all_with_it_at_once(
    rig: Rig, make: SimpleNamespace
) -> None:
    gw = rig(roster=make.roster(make.placement()), uplink_flush_s=30.0)
    gw.device(0, hr=72)
    gw.turn(1)
    gw.device(1, hr=73)
    gw.turn(1)
    assert gw.sent() == []
    gw.device(2, hr=130)
    gw.turn(1)
    assert [batch.readings.seq.tolist() for batch in gw.sent()] == [[0, 1, 2]]
    gw.device(3, hr=72)
    gw.turn(31)
    gw.turn(31)
    assert {batch.n: batch.readings.seq.tolist() for batch in gw.sent()} == {1: [0, 1, 2], 2: [3]}


def test_a_reading_that_a_device_sends_again_is_acknowledged_and_dropped_even_after_a_restart(rig: Rig) -> None:
    gw = rig(uplink_flush_s=0.5)
    for seq in (0, 1, 1, 0):
        gw.device(seq, hr=72)
    gw.turn()
    gw.turn(1)
    gw.device(1, hr=72)
    gw.turn()
    assert gw.acked == [0, 1, 1, 0, 1]
    again = rig(uplink_flush_s=0.5)
    again.device(0, hr=72)
    again.device(2, hr=72)
    again.turn()
    again.turn(1)
    assert again.acked == [0, 2]
    assert sorted(again.readings().seq.tolist()) == [0, 1, 2]
    assert again.metric("wardwatch_edge_duplicate_readings_total") == 1


def test_readings_in_the_journal_at_a_crash_are_sent_after_the_restart(rig: Rig) -> None:
    gw = rig(uplink_flush_s=30.0)
    for seq in range(5):
        gw.device(seq, hr=72)
        gw.turn(1)
    assert gw.sent() == []
    again = rig(uplink_flush_s=30.0)
    again.turn(31)
    assert again.sent()[0].readings.seq.tolist() == [0, 1, 2, 3, 4]


def test_a_bad_message_is_refused_with_a_reason_and_its_neighbours_go_on(rig: Rig) -> None:
    gw = rig(uplink_flush_s=0.1)
    bad = [
        b"",
        b"{",
        b"\xff\xfe",
        b"[" * 4_000,
        b"{}" + b" " * 5_000,
        b'{"boot":1,"seq":0,"t":"1","hr":72}',
        b'{"boot":1,"seq":NaN,"t":1,"hr":72}',
        b'{"boot":1,"seq":0,"t":1e999,"hr":72}',
        b'{"boot":-1,"seq":0,"t":1}',
        b'{"boot":1,"seq":0,"t":0}',
        b'{"boot":1,"seq":0,"t":1,"off":["teeth"]}',
    ]
    for i, payload in enumerate(bad):
        gw.device(2 * i, hr=72)
        gw.raw(payload)
    gw.turn()
    gw.turn(1)
    assert gw.readings().seq.tolist() == [2 * i for i in range(len(bad))]
    assert len(gw.acked) == 2 * len(bad)
    refused = {
        sample.labels["kind"]: sample.value
        for metric in gw.registry.collect()
        for sample in metric.samples
        if sample.name == "wardwatch_edge_rejected_messages_total"
    }
    assert sum(refused.values()) == len(bad)
    assert refused.keys() == {"not-a-frame", "oversized", "out-of-range", "unknown-sign"}
    gw.turn(5)
    assert gw.statuses()[-1].rejected == len(bad)


def test_the_device_is_who_the_topic_says_and_not_what_the_message_says(rig: Rig) -> None:
    gw = rig(uplink_flush_s=0.1)
    gw.raw(b'{"boot":1,"seq":0,"t":1763812800000,"hr":72,"device":"dev-9","patient":"p-9"}', device="dev-1")
    gw.turn()
    gw.turn(1)
    assert gw.readings().device.tolist() == ["dev-1"]
    assert gw.readings().patient.tolist() == [None]


def test_a_roster_acts_on_the_next_reading_and_survives_a_restart_without_network(
    rig: Rig, make: SimpleNamespace
) -> None:
    gw = rig(uplink_flush_s=0.1)
    gw.device(0, hr=72)
    gw.turn()
    gw.down("roster", make.roster(make.placement(), version=4))
    gw.device(1, hr=72)
    gw.turn()
    gw.turn(1)
    again = rig(uplink_flush_s=0.1)
    again.device(2, hr=72)
    again.turn()
    again.turn(1)
    found = concat([gw.readings(), again.readings().take(again.readings().seq == 2)])
    assert found.patient.tolist() == [None, "p-1", "p-1"]
    assert found.roster.tolist() == [0, 4, 4]


def test_an_older_roster_and_garbage_from_above_change_nothing(rig: Rig, make: SimpleNamespace) -> None:
    gw = rig(roster=make.roster(make.placement(), version=4), uplink_flush_s=0.1)
    gw.down("roster", make.roster(version=3))
    for name in ("roster", "actions", "confirmed", "heartbeat", "dinner"):
        gw.down(name, b"\xff{")
    gw.device(0, hr=72)
    gw.turn()
    gw.turn(1)
    assert gw.readings().patient.tolist() == ["p-1"]
    assert gw.metric("wardwatch_edge_invalid_downlinks_total", name="unknown") == 1
    assert gw.metric("wardwatch_edge_invalid_downlinks_total", name="roster") == 1


def test_only_what_is_confirmed_for_this_outbox_is_deleted_and_the_rest_sent_again(rig: Rig) -> None:
    gw = rig(uplink_flush_s=0.1)
    for seq in range(3):
        gw.device(seq, hr=72)
        gw.turn()
        gw.turn(0.2)
    assert [batch.n for batch in gw.sent()] == [1, 2, 3]
    gw.down("confirmed", {"outbox": "someone-else", "ranges": [[1, 3]]})
    gw.down("confirmed", {"outbox": gw.outbox.id, "ranges": [[2, 2]]})
    gw.turn()
    assert len(gw.gateway._commits.unconfirmed) == 2
    gw.turn(6)
    assert [batch.n for batch in gw.sent()] == [1, 2, 3, 1, 3]


def test_a_desaturation_lights_the_bed_with_the_uplink_cut_and_still_does_after_a_restart(
    rig: Rig, make: SimpleNamespace
) -> None:
    gw = rig(roster=make.roster(make.placement()))
    gw.link(up=False)
    for seq in range(40):
        gw.device(seq, hr=72, spo2=97 if seq < 10 else 82)
        gw.turn(1)
    lit = gw.bedside.shown["W-1"]
    assert lit["priority"] == "high"
    assert lit["audible"]
    assert "spo2" in [alarm["condition"] for alarm in lit["alarms"]]
    assert gw.sent() == []
    again = rig(now=gw.clock.now + 1000)
    assert [a["id"] for a in again.bedside.shown["W-1"]["alarms"]] == [a["id"] for a in lit["alarms"]]


@pytest.mark.parametrize("damage", [b"no snapshot", zlib.compress(b"\x81"), zlib.compress(b"")])
def test_a_gateway_whose_snapshot_cannot_be_read_judges_again_what_its_outbox_holds(
    rig: Rig, make: SimpleNamespace, damage: bytes
) -> None:
    gw = rig(roster=make.roster(make.placement()))
    gw.link(up=False)
    for seq in range(40):
        gw.device(seq, hr=72, spo2=97 if seq < 10 else 82)
        gw.turn(1)
    lit = gw.bedside.shown["W-1"]
    with gw.outbox.transaction():
        gw.outbox.save(ENGINE, damage)
    again = rig(now=gw.clock.now + 1000)
    assert [a["id"] for a in again.bedside.shown["W-1"]["alarms"]] == [a["id"] for a in lit["alarms"]]


def test_the_beds_button_acknowledges_what_the_bed_signals(rig: Rig, make: SimpleNamespace) -> None:
    gw = rig(roster=make.roster(make.placement(), make.placement(device="dev-2", patient="p-2", bed="W-2")))
    for seq in range(6):
        for device in ("dev-1", "dev-2"):
            gw.device(seq, device=device, hr=30)
        gw.turn(1)
    gw.gateway.receive(AckButton("W-1", b""))
    gw.turn()
    assert {a["inactivation"] for a in gw.bedside.shown["W-1"]["alarms"]} == {"acknowledged"}
    assert not gw.bedside.shown["W-1"]["audible"]
    assert gw.bedside.shown["W-2"]["audible"]


def test_an_action_from_the_cloud_acknowledges_exactly_its_alarm(rig: Rig, make: SimpleNamespace) -> None:
    gw = rig(roster=make.roster(make.placement()))
    for seq in range(6):
        gw.device(seq, hr=30, spo2=70)
        gw.turn(1)
    alarms = gw.bedside.shown["W-1"]["alarms"]
    mine = next(a for a in alarms if a["condition"] == "hr")
    action = {"id": "x1", "act": "acknowledge", "patient": "p-1", "t": gw.clock.now, "by": "nurse", "alarm": mine["id"]}
    gw.down("actions", action)
    gw.turn()
    quiet = {a["condition"] for a in gw.bedside.shown["W-1"]["alarms"] if a["inactivation"] == "acknowledged"}
    assert quiet == {"hr"}


def test_a_bed_that_a_patient_left_goes_dark(rig: Rig, make: SimpleNamespace) -> None:
    gw = rig(roster=make.roster(make.placement()))
    for seq in range(6):
        gw.device(seq, hr=30)
        gw.turn(1)
    assert gw.bedside.shown["W-1"]["alarms"]
    gw.down("roster", make.roster(version=2))
    gw.turn(1)
    assert gw.bedside.shown["W-1"]["alarms"] == []


def test_a_device_is_silent_after_three_cadences_and_offline_when_it_says_so(rig: Rig, make: SimpleNamespace) -> None:
    gw = rig(
        roster=make.roster(make.placement(cadence_s=2.0), make.placement(device="dev-2", patient="p-2", bed="W-2"))
    )
    gw.device(0, hr=72, off=("temp",))
    gw.gateway.receive(Presence("dev-2", online=False))
    gw.turn(3)
    first = {d.device: d for d in gw.statuses()[-1].devices}
    assert (first["dev-1"].health, first["dev-1"].off, first["dev-1"].patient) == (Health.UP, ("temp",), "p-1")
    assert first["dev-2"].health is Health.OFFLINE
    gw.turn(4)
    assert {d.device: d.health for d in gw.statuses()[-1].devices}["dev-1"] is Health.SILENT
    assert "device-silent" in [alarm["condition"] for alarm in gw.bedside.shown["W-1"]["alarms"]]


def test_without_the_notifiers_heartbeat_the_gateways_own_light_says_that_remote_monitoring_is_lost(rig: Rig) -> None:
    gw = rig()
    gw.turn(50)
    gw.down("heartbeat", {"t": gw.clock.now})
    gw.turn(1)
    gw.turn(58)
    assert gw.bedside.shown["gw-1"]["alarms"] == []
    gw.down("heartbeat", {"t": gw.clock.now - 3_600_000})
    gw.turn(5)
    gw.turn(5)
    assert [a["condition"] for a in gw.bedside.shown["gw-1"]["alarms"]] == [health.REMOTE_LOST]
    assert any(health.REMOTE_LOST in alarm for alarm in gw.statuses()[-1].alarms)
    gw.down("heartbeat", {"t": gw.clock.now})
    gw.turn(1)
    gw.turn(1)
    assert gw.bedside.shown["gw-1"]["alarms"] == []


def test_a_filling_outbox_is_an_alarm_well_before_anything_goes_and_a_full_one_counts_what_went(rig: Rig) -> None:
    gw = rig(uplink_flush_s=0.1, outbox_max_bytes=2_000)
    gw.link(up=False)
    seen: list[set[str]] = []
    for seq in range(30):
        gw.device(seq, hr=72)
        gw.turn()
        gw.turn(1.1)
        seen.append({a["condition"] for a in gw.bedside.shown["gw-1"]["alarms"]})
    assert seen.index({health.FILLING}) < next(i for i, s in enumerate(seen) if health.TRIMMED in s)
    dropped = gw.metric("wardwatch_edge_trimmed_readings_total")
    assert dropped > 0
    assert dropped + len(gw.gateway._commits.unconfirmed) == 30
    gw.turn()
    assert gw.gateway._commits.unconfirmed.nbytes <= 2_000
    gw.gateway.receive(AckButton("gw-1", b""))
    gw.turn()
    assert health.TRIMMED not in {a["condition"] for a in gw.bedside.shown["gw-1"]["alarms"]}


def test_a_new_outbox_after_damage_is_reported(rig: Rig) -> None:
    gw = rig(uplink_flush_s=0.1)
    gw.device(0, hr=72)
    gw.turn(1)
    (gw.settings.edge_data / "outbox.corrupt").touch()
    again = rig(uplink_flush_s=0.1)
    again.turn(1)
    assert [a["condition"] for a in again.bedside.shown["gw-1"]["alarms"]] == [health.REPLACED]


def test_status_shows_backlog_last_confirmation_clock_and_devices(rig: Rig) -> None:
    gw = rig(uplink_flush_s=0.1)
    for seq in range(3):
        gw.device(seq, hr=72, t=gw.clock.now + 90_000)
        gw.turn()
        gw.turn(0.2)
    gw.down("confirmed", {"outbox": gw.outbox.id, "ranges": [[1, 1]]})
    gw.turn(5)
    shown = cli.status(gw.settings.edge_data, gw.clock.now)
    assert shown["backlog"]["batches"] == 2
    assert shown["last_confirmed_s_ago"] == 0.0
    assert shown["clock_synchronised"]
    assert shown["accepted"] == 3
    assert shown["devices"]["clock_offset_ms"] == {"dev-1": 90_000}


def test_before_its_clock_is_set_the_gateway_alarms_at_the_bed_and_sends_nothing_and_then_rights_the_times(
    rig: Rig, make: SimpleNamespace
) -> None:
    boot = 5_000  # a Pi without a battery begins in 1970
    gw = rig(roster=make.roster(make.placement()), now=boot, uplink_flush_s=0.1)
    for seq in range(6):
        gw.device(seq, hr=30, t=make.NOW + 1000 * seq)
        gw.turn(1)
    assert gw.bedside.shown["W-1"]["priority"] == "high"
    assert gw.sent() == []
    assert gw.acked == list(range(6))
    gw.clock.now = make.NOW + 6_000
    gw.turn()
    for seq in range(6, 9):
        gw.device(seq, hr=30, t=make.NOW + 1000 * seq)
        gw.turn(1)
    gw.turn(1)
    sent = gw.readings()
    assert sent.seq.tolist() == list(range(9))
    assert sent.patient.tolist() == ["p-1"] * 9
    assert all(
        abs(t - (make.NOW + 1000 * seq)) <= 1_000 for seq, t in zip(sent.seq.tolist(), sent.t.tolist(), strict=True)
    )


def test_no_name_and_no_value_of_a_patient_is_logged(
    rig: Rig, make: SimpleNamespace, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    gw = rig(roster=make.roster(make.placement()))
    for seq in range(6):
        gw.device(seq, hr=31.7)
        gw.turn(1)
    gw.raw(b'{"name":"Ada Lovelace","hr":31.7')
    gw.turn(1)
    written = [f"{record.getMessage()} {getattr(record, 'data', '')}" for record in caplog.records]
    assert any("local alarm" in line for line in written)
    assert any("rejected" in line for line in written)
    assert not [line for line in written if "31.7" in line or "Lovelace" in line]


def test_a_status_of_more_devices_than_a_message_holds_names_the_patients_and_the_gateways_own_alarms(
    rig: Callable[..., Any], make: SimpleNamespace
) -> None:
    gw = rig(roster=make.roster(make.placement(), make.placement(device="dev-2", patient="p-2", bed="W-2")))
    strangers = [f"mon-{k:04d}-" + "ü" * 90 for k in range(3_000)]
    for k, device in enumerate(strangers):
        gw.device(k, device=device, hr=72)
    gw.turn()
    gw.turn(10)
    payloads = [payload for name, payload in gw.above.published if name == "status"]
    # AWS IoT Core and a site's broker end the connection of who sends more; then no reading goes up either.
    assert max(map(len, payloads)) <= 128 * 1024
    status = gw.statuses()[-1]
    assert {d.patient for d in status.devices} >= {"p-1", "p-2"}
    assert len(status.devices) > 200
    assert gw.readings().device.tolist()


def test_refusals_with_the_longest_topic_there_is_fit_a_message(rig: Callable[..., Any], make: SimpleNamespace) -> None:
    gw = rig()
    for k in range(30):
        gw.raw(b"no frame" * 500, device=f"{k}" + "ß" * 32_000)
    gw.turn()
    gw.turn(10)
    told = [payload for name, payload in gw.above.published if name == "rejected"]
    assert told
    assert max(map(len, told)) <= 128 * 1024
