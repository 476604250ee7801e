"""What the lights at the beds show, and what their buttons do."""

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from edge.devices.driver import AckButton
from edge.devices.indicator_states import AGAIN_S, REPEAT_S, IndicatorStates
from edge.devices.mqtt_driver import MqttDriver
from infra.local.ports import HOST
from tests.support.waiting import until
from vitals.actions import Action

Rig = Callable[..., Any]
WELL = {"hr": 72, "spo2": 98}
ILL = {"hr": 150, "spo2": 80}


def lit(gw: Any, bed: str) -> set[str]:  # noqa: ANN401 - the rig's gateway
    return {a["condition"] for a in gw.bedside.shown[bed]["alarms"]}


def pressed(gw: Any) -> list[Action]:  # noqa: ANN401 - as above
    return [msgspec.json.decode(p, type=Action) for name, p in gw.above.published if name == "pressed"]


def test_a_patient_who_moves_takes_the_alarm_along_and_the_old_beds_button_with_it(
    rig: Rig, make: SimpleNamespace
) -> None:
    gw = rig(roster=make.roster(make.placement()))
    for seq in range(25):
        gw.device(seq, **(WELL if seq < 5 else ILL))
        gw.turn(1)
    assert lit(gw, "W-1") >= {"hr", "spo2"}
    moved = make.placement(bed="W-2", since=gw.clock.now)
    other = make.placement(device="dev-2", patient="p-2", bed="W-1", since=gw.clock.now)
    gw.down("roster", make.roster(moved, other, version=2))
    for seq in range(25, 35):
        gw.device(seq, **ILL)
        gw.device(seq, device="dev-2", **WELL)
        gw.turn(1)
    assert lit(gw, "W-1") == set()
    assert lit(gw, "W-2") >= {"hr", "spo2"}
    gw.gateway.receive(AckButton("W-1", b""))
    gw.turn()
    assert {a["inactivation"] for a in gw.bedside.shown["W-2"]["alarms"]} == {"enabled"}
    gw.gateway.receive(AckButton("W-2", b""))
    gw.turn()
    assert {a["inactivation"] for a in gw.bedside.shown["W-2"]["alarms"]} == {"acknowledged"}
    assert {action.patient for action in pressed(gw)} == {"p-1"}


def test_two_wards_with_a_bed_of_one_name_share_neither_light_nor_button(rig: Rig, make: SimpleNamespace) -> None:
    here = make.placement(ward="ICU", bed="1")
    there = make.placement(device="dev-2", patient="p-2", ward="HDU", bed="1")
    gw = rig(roster=make.roster(here, there))
    for seq in range(25):
        gw.device(seq, **(WELL if seq < 5 else ILL))
        gw.device(seq, device="dev-2", **WELL)
        gw.turn(1)
    assert lit(gw, "ICU.1") >= {"hr", "spo2"}
    assert lit(gw, "HDU.1") == set()
    assert gw.bedside.shown["HDU.1"]["monitored"]
    assert gw.bedside.shown["1"]["alarms"] == []
    assert not gw.bedside.shown["1"]["monitored"], "a light of the bare name shows that nobody is watched by it"
    for bed in ("HDU.1", "1"):
        gw.gateway.receive(AckButton(bed, b""))
    gw.turn()
    assert pressed(gw) == []
    gw.down("roster", make.roster(here, version=2))
    gw.turn(1)
    assert lit(gw, "1") >= {"hr", "spo2"}
    assert lit(gw, "ICU.1") == lit(gw, "HDU.1") == set()


def test_a_press_acknowledges_what_the_light_showed_and_nothing_that_came_with_it(
    rig: Rig, make: SimpleNamespace
) -> None:
    gw = rig(roster=make.roster(make.placement()))
    for seq in range(30):
        gw.device(seq, **(WELL | ({"hr": 125} if seq >= 5 else {})))
        gw.turn(1)
    assert lit(gw, "W-1") == {"hr"}
    gw.turn(20)
    for k in range(20):
        gw.device(30 + k, t=gw.clock.now - 19_000 + 1000 * k, hr=125, spo2=80)
    gw.gateway.receive(AckButton("W-1", b""))
    gw.turn(1)
    by = {a["condition"]: a["inactivation"] for a in gw.bedside.shown["W-1"]["alarms"]}
    assert (by["hr"], by["spo2"]) == ("acknowledged", "enabled")


def test_a_light_says_that_nobody_is_paged_and_that_nobody_is_watched(rig: Rig, make: SimpleNamespace) -> None:
    gw = rig(roster=make.roster(make.placement(cadence_s=2.0)))
    assert not gw.bedside.shown["W-1"]["paged"], "nobody knows yet"
    seq = 0

    def live(seconds: int, *, speaks: bool = True, beats: bool = True) -> dict[str, Any]:
        nonlocal seq
        for _ in range(seconds):
            if speaks:
                gw.device(seq, **WELL)
                seq += 1
            if beats:
                gw.down("heartbeat", {"t": gw.clock.now})
            gw.turn(1)
        return gw.bedside.shown["W-1"]

    shown = live(10)
    assert (shown["paged"], shown["monitored"], shown["alarms"]) == (True, True, [])
    shown = live(70, beats=False)
    assert (shown["paged"], shown["monitored"], shown["audible"]) == (False, True, False)
    shown = live(15, speaks=False)
    assert (shown["paged"], shown["monitored"]) == (True, False)
    assert lit(gw, "W-1") == {"device-silent"}
    shown = live(15)
    assert (shown["paged"], shown["monitored"]) == (True, True)
    gw.down("roster", make.roster(version=2))
    gw.turn(1)
    assert not gw.bedside.shown["W-1"]["monitored"], "nobody lies there"


def test_a_light_is_told_its_newest_state_until_that_is_heard_and_again_each_minute() -> None:
    lamps = IndicatorStates()
    lamps.show("W-1", b"calm", 0.0)
    lamps.show("W-2", b"calm", 0.0)
    lamps.told("W-1", 1, 0.0)
    lamps.told("W-2", 2, 0.0)
    lamps.show("W-1", b"alarm", 0.1)
    lamps.acknowledged(1, 0.2)
    assert lamps.due(0.2) == [("W-1", b"alarm")], "what the broker has is not the newest"
    lamps.told("W-1", 3, 0.2)
    lamps.acknowledged(2, 0.3)
    assert lamps.due(AGAIN_S) == []
    assert lamps.due(AGAIN_S + 0.2) == [("W-1", b"alarm")]
    lamps.told("W-1", 4, 6.0)
    lamps.acknowledged(4, 6.1)
    assert lamps.due(REPEAT_S - 1.0) == []
    assert dict(lamps.due(REPEAT_S + 6.1)) == {"W-1": b"alarm", "W-2": b"calm"}
    lamps.connected(6.2)
    assert dict(lamps.due(6.2)) == {"W-1": b"alarm", "W-2": b"calm"}, "a new connection is told all"


@pytest.mark.parametrize(("old", "new"), [(b"calm", b"ALARM"), (b"ALARM", b"calm")])
def test_no_older_light_overwrites_a_newer_one_after_a_reconnection(
    broker: Any,  # noqa: ANN401 - the fixture's
    old: bytes,
    new: bytes,
) -> None:
    lights = MqttDriver(f"mqtt://{HOST}:{broker.port}", "gw-lights", None, None, will=b"{}")
    seen: list[tuple[str, bytes]] = []

    def eye() -> Client:
        client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        client.on_connect = lambda *_: client.subscribe("beds/#", qos=1)
        client.on_message = lambda _c, _d, m: seen.append((m.topic, m.payload))
        client.connect_async(HOST, broker.port)
        client.loop_start()
        return client

    lights.start(lambda _item: None)
    first = eye()
    try:
        until(lights._client.is_connected, "connected")
        lights.show("W-1", b"first")
        until(lambda: ("beds/W-1/alarm", b"first") in seen, "the first light")
        broker.hang()
        lights.show("W-1", old)
        broker.kill()
        until(lambda: not lights._client.is_connected(), "the connection's end")
        lights.show("W-1", new)
        first.loop_stop()
        seen.clear()
        broker.start()
        first = eye()
        until(lights._client.is_connected, "connected again")
        until(lambda: ("beds/W-1/alarm", new) in seen, "the newest light")
        lights.show("W-2", b"mark")
        until(lambda: ("beds/W-2/alarm", b"mark") in seen, "what came after everything else")
        assert [payload for topic, payload in seen if topic == "beds/W-1/alarm"][-1] == new
    finally:
        first.disconnect()
        first.loop_stop()
        lights.stop()


def test_a_light_that_an_earlier_run_left_behind_shows_that_nobody_is_watched_there(broker: Any) -> None:  # noqa: ANN401 - as above
    got: dict[str, Any] = {}
    eye = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    eye.on_connect = lambda client, *_: client.subscribe("beds/+/alarm", qos=1)
    eye.on_message = lambda _c, _d, m: got.update({m.topic.split("/")[1]: json.loads(m.payload)})
    lights = MqttDriver(f"mqtt://{HOST}:{broker.port}", "gw-lights", None, None, will=b"{}")
    try:
        until(lambda: _reached(eye, broker.port), "the broker")
        eye.loop_start()
        left = {"bed": "W-9", "alarms": [{"id": "p-9.hr.1"}]}
        eye.publish("beds/W-9/alarm", json.dumps(left), qos=1, retain=True).wait_for_publish(10)
        lights.start(lambda _item: None)
        mine = {"bed": "W-1", "alarms": [{"id": "p-1.hr.1"}], "monitored": True}
        lights.show("W-1", json.dumps(mine).encode())
        until(lambda: lights.repeat() or got.get("W-9", left) != left, "the light that was left")
        assert (got["W-9"]["alarms"], got["W-9"]["monitored"]) == ([], False)
        assert got["W-1"] == mine
    finally:
        lights.stop()
        eye.disconnect()
        eye.loop_stop()


def _reached(client: Client, port: int) -> bool:
    try:
        client.connect(HOST, port)
    except OSError:
        return False
    return True


def test_a_light_whose_broker_forgot_it_is_told_again(broker: Any) -> None:  # noqa: ANN401 - as above
    lights = MqttDriver(f"mqtt://{HOST}:{broker.port}", "gw-lights", None, None, will=b"{}")
    lights.start(lambda _item: None)
    try:
        lights.show("W-1", json.dumps({"bed": "W-1"}).encode())
        until(lights._client.is_connected, "connected")
        for _ in range(2):
            got: list[bytes] = []
            eye = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
            eye.on_connect = lambda client, *_: client.subscribe("beds/W-1/alarm", qos=1)
            eye.on_message = lambda _c, _d, m, got=got: got.append(m.payload)
            until(lights._client.is_connected, "connected")
            eye.connect(HOST, broker.port)
            eye.loop_start()
            until(lambda got=got: got, "the light")
            eye.disconnect()
            eye.loop_stop()
            broker.kill()
            broker.start()
            until(lambda: not lights._client.is_connected(), "the connection's end")
    finally:
        lights.stop()
