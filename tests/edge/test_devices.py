"""Devices as they are found in wards: without a clock, full of what they kept, two of one name, sending at QoS 0."""

import random
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from bridge.up import validate as bridge
from edge.devices.driver import DeviceMessage
from edge.devices.mqtt_driver import MqttDriver
from edge.ingest.duplicate_devices import FORGET_S, DuplicateDevices
from edge.status import health
from infra.local.ports import HOST
from tests.support.waiting import until
from vitals import engine
from vitals.admissions import DeviceAssignment
from vitals.engine.rules.technical_alarms import TWO_VOICES
from vitals.status import Health, Status
from vitals.wire import topics

Rig = Callable[..., Any]
HOUR_MS = 3_600_000


def lit(gw: Any, bed: str = "W-1") -> set[str]:  # noqa: ANN401 - the rig's gateway
    return {a["condition"] for a in gw.bedside.shown[bed]["alarms"]}


def test_a_device_that_starts_anew_for_each_reading_and_has_no_clock_is_judged_by_arrival(
    rig: Rig, make: SimpleNamespace
) -> None:
    gw = rig(roster=make.roster(make.placement(cadence_s=10.0)), uplink_flush_s=1.0)
    rng = random.Random(8)  # noqa: S311 - boots of a device
    lit_after = None
    for k in range(20):
        gw.device(0, boot=rng.randrange(2**31), t=3_000 + rng.randrange(200), hr=130)
        gw.turn(10)
        if lit_after is None and "hr" in lit(gw):
            lit_after = k
    assert lit_after is not None
    assert lit_after <= 4
    found = gw.readings()
    assert len(set(found.t.tolist())) == len(set(found.boot.tolist()))
    assert (found.t == found.t_gw).all()


@pytest.mark.parametrize("hours", [48, 20])
def test_what_a_monitor_kept_for_days_keeps_its_dates_and_lights_nothing(
    rig: Rig, make: SimpleNamespace, hours: int
) -> None:
    gw = rig(roster=make.roster(make.placement(since=make.NOW - 80 * HOUR_MS)), uplink_flush_s=1.0)
    ever: set[str] = set()
    then = make.NOW - hours * HOUR_MS
    for k in range(40):
        gw.device(k, t=then + 1000 * k, hr=75, spo2=80)
        gw.turn(0.1)
        ever |= lit(gw)
    for k in range(40, 60):
        gw.device(k, hr=75, spo2=97)
        gw.turn(1)
        ever |= lit(gw)
    assert ever == set()
    found = gw.readings()
    dates = dict(zip(found.seq.tolist(), found.t.tolist(), strict=True))
    assert [dates[k] for k in range(40)] == [then + 1000 * k for k in range(40)]
    assert set(found.patient.tolist()) == {"p-1"}
    # A restart shows the engine the journal anew, and lights nothing either.
    assert lit(rig(now=gw.clock.now + 1_000)) == set()


@pytest.mark.parametrize("hours", [48, 20, 0.2])
@pytest.mark.parametrize("spo2", [80, 88])
def test_what_a_monitor_kept_pages_nobody_in_the_cloud_and_a_breach_that_is_live_does(
    rig: Rig, make: SimpleNamespace, hours: float, spo2: int
) -> None:
    since = make.NOW - 80 * HOUR_MS
    gw = rig(roster=make.roster(make.placement(since=since)), uplink_flush_s=1.0)
    state, told = engine.empty(), []
    engine.place(state, [DeviceAssignment(**make.placement(since=since))], make.NOW)
    judged = 0

    def turn(seconds: float) -> None:
        nonlocal judged
        gw.turn(seconds)
        for batch in gw.sent()[judged:]:
            judged += 1
            told.extend(engine.advance(state, batch.readings, gw.clock.now)[1])

    for k in range(40):
        gw.device(k, t=int(make.NOW - hours * HOUR_MS + 30_000 * k / 8), hr=75, spo2=spo2)
        turn(0.1)
    for k in range(40, 200):
        gw.device(k, hr=75, spo2=97)
        turn(1)
    assert told == []
    assert lit(gw) == set()
    for k in range(200, 230):
        gw.device(k, hr=75, spo2=spo2)
        turn(1)
    assert "spo2" in {event.condition for event in told}
    assert "spo2" in lit(gw)


def test_two_devices_under_one_name_are_told_at_once_with_the_name_here_and_in_the_cloud(
    rig: Rig, make: SimpleNamespace
) -> None:
    gw = rig(roster=make.roster(make.placement()))
    for k in range(6):
        gw.device(k, boot=15 + k % 2, **({"spo2": 70, "hr": 130} if k % 2 else {"spo2": 97, "hr": 75}))
        gw.turn(1)
    (alarm,) = [a for a in gw.bedside.shown["gw-1"]["alarms"] if a["condition"] == health.TWO_VOICES]
    assert (alarm["priority"], alarm["text"].rpartition(": ")[2]) == ("medium", "dev-1")
    assert not gw.bedside.shown["W-1"]["monitored"]
    gw.turn(5)
    status = gw.statuses()[-1]
    assert [d.device for d in status.devices if d.twice] == ["dev-1"]
    state, events = engine.report(engine.empty(), status, status.t, own=True)
    (told,) = [e for e in events if e.condition == TWO_VOICES]
    assert told.id == alarm["id"]
    assert told.text.endswith("take one of them off: dev-1")
    # One of them is taken off.
    for k in range(200):
        gw.device(100 + k, boot=15, spo2=97, hr=75)
        gw.turn(2)
    assert health.TWO_VOICES not in {a["condition"] for a in gw.bedside.shown["gw-1"]["alarms"]}
    assert gw.bedside.shown["W-1"]["monitored"]
    _, events = engine.report(state, gw.statuses()[-1], gw.clock.now, own=True)
    assert [e.condition for e in events if e.id == alarm["id"]] == [TWO_VOICES]


def test_a_device_that_restarts_and_sends_what_its_earlier_starts_left_is_one_device() -> None:
    voices = DuplicateDevices()
    for k in range(30):
        # Live readings of a third start, and between them what the second kept.
        voices.heard(["d", "d"], [3, 2], [100_000 + 1000 * k, 50_000 + 1000 * k], float(k))
    for k in range(40):
        voices.heard(["e"], [k], [1000 * k], float(k))
    assert voices.duplicated(30.0) == frozenset()


def test_two_voices_are_told_in_turns_of_several_readings_and_over_a_clock_that_is_set() -> None:
    voices = DuplicateDevices()
    for k in range(20):
        voices.heard(["d"], [1 + k // 4 % 2], [1_000_000 + 1000 * k], float(k))
        if k == 9:
            voices.rebase(-500_000)
    assert voices.duplicated(20.0) == frozenset({"d"})
    assert voices.duplicated(20.0 + FORGET_S) == frozenset()


def test_a_restart_keeps_when_each_device_was_heard(rig: Rig, make: SimpleNamespace) -> None:
    placements = [make.placement(device=f"d{k}", patient=f"p{k}", bed=f"B{k}", cadence_s=30.0) for k in (0, 1)]
    gw = rig(roster=make.roster(*placements))
    for k in range(300):
        if k % 30 == 0:
            gw.device(k, device="d0", hr=72)
            if k < 100:
                gw.device(k, device="d1", hr=72)
        gw.turn(1)
    (silent,) = gw.bedside.shown["B1"]["alarms"]
    heard = {d.device: d.t for d in gw.statuses()[-1].devices}
    again = rig(now=gw.clock.now + 120_000)
    for _ in range(55):
        again.turn(1)
        health_of = {d.device: d.health for d in again.statuses()[-1].devices}
        assert health_of == {"d0": Health.UP, "d1": Health.SILENT}
        assert [a["id"] for a in again.bedside.shown["B1"]["alarms"]] == [silent["id"]]
    assert {d.device: d.t for d in again.statuses()[-1].devices} == heard
    for _ in range(60):
        again.turn(1)
    assert {d.device: d.health for d in again.statuses()[-1].devices}["d0"] is Health.SILENT


def test_readings_at_qos_0_are_taken_like_others(broker: Any) -> None:  # noqa: ANN401 - the fixture's
    bedside = MqttDriver(f"mqtt://{HOST}:{broker.port}", "gw-qos", None, None, will=b"{}")
    got: list[bytes] = []

    def take(item: object) -> None:
        if isinstance(item, DeviceMessage):
            got.append(item.payload)
            item.ack([item.receipt])

    bedside.start(take)
    device = Client(CallbackAPIVersion.VERSION2, client_id="mon-1", protocol=MQTTProtocolVersion.MQTTv5)
    gate, deadline = threading.Event(), time.monotonic() + 30
    try:
        until(bedside._client.is_connected, "connected")
        device.connect(HOST, broker.port)
        device.loop_start()
        sent = 0
        while len(got) < 10:
            # The gateway may not have subscribed yet, and at QoS 0 nothing waits for it.
            assert time.monotonic() < deadline
            device.publish(topics.device_vitals("mon-1"), b"reading %d" % sent, qos=sent % 2)
            sent += 1
            gate.wait(0.05)
        numbers = [int(payload.split()[1]) for payload in got]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    finally:
        device.disconnect()
        device.loop_stop()
        bedside.stop()


def test_sixteen_hundred_devices_with_long_names_fit_a_status_that_the_bridge_takes_and_no_silent_one_is_left_out(
    rig: Rig, make: SimpleNamespace
) -> None:
    names = [f"monitor-of-the-very-large-hospital-{k:04d}" for k in range(1_600)]
    stays = [
        make.placement(device=name, patient=f"patient-number-{k:06d}", bed=f"B-{k}") for k, name in enumerate(names)
    ]
    gw = rig(roster=make.roster(*stays))
    silent = set(names[::20])
    for second in range(6):
        for name in names:
            if second == 0 or name not in silent:
                gw.device(second, device=name, hr=72)
        gw.turn(1)
    payload = [payload for name, payload in gw.above.published if name == "status"][-1]
    assert len(payload) <= 128 * 1024
    taken = bridge.take_status("gw-1", payload)
    assert isinstance(taken, Status), taken
    assert {d.device for d in taken.devices if d.health is Health.SILENT} == silent
    assert len(taken.devices) > 800
    assert {d.patient is not None for d in taken.devices} == {True}


def test_a_device_that_started_often_is_known_by_its_newest_starts_after_a_restart(rig: Rig) -> None:
    gw = rig()
    boots = [9_000 - k for k in range(40)]  # each start draws a smaller number than the one before
    for boot in boots[:30]:
        gw.device(0, boot=boot, hr=72)
        gw.turn(1)
    again = rig(now=gw.clock.now)
    for boot in boots[30:]:
        again.device(0, boot=boot, hr=72)
        again.turn(1)
    for boot in boots[-32:]:
        again.device(0, boot=boot, hr=72)
    again.turn(61)
    assert again.gateway._reporter.duplicates == 32
    assert again.statuses()[-1].accepted == 40


@pytest.mark.parametrize("seed", range(30))
def test_no_reading_is_accepted_with_a_time_that_cannot_be(rig: Rig, make: SimpleNamespace, seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311 - a seed, no secret
    gw = rig(roster=make.roster(make.placement()), uplink_flush_s=1.0)
    times = [1, 2_000, make.NOW, make.NOW - 40 * 365 * 24 * HOUR_MS, 3_723_753_599_999, 253_402_300_799_000]
    for _ in range(40):
        t = max(0, rng.choice(times) + rng.randrange(-5_000, 5_000))
        gw.device(rng.randrange(30), boot=rng.randrange(2), t=t, hr=72)
        if rng.random() < 0.1:
            step = rng.choice((-1, 1)) * rng.choice((HOUR_MS, 400_000 * HOUR_MS))
            gw.clock.now = min(max(1, gw.clock.now + step), 3_723_753_000_000)
        gw.turn(1)
    gw.clock.now = make.NOW
    for _ in range(5):
        gw.turn(20)
    found = gw.readings()
    assert len(found) > 10
    for times_of in (found.t, found.t_gw):
        assert 0 < times_of.min() <= times_of.max() <= 3_723_753_600_000
