"""The canary, through the gateway's own broker and filter."""

import queue
import secrets

import numpy as np
import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from edge.devices.canary import ALARMING, CALM, Canary, frame
from infra.local.stack import LocalStack
from vitals.limits import HIGH, PROFILES
from vitals.signs import INDEX, SIGNS
from vitals.wire import device_reading
from vitals.wire.topics import device_vitals


def test_a_canary_publishes_as_a_device_of_its_gateways_broker(mosquitto: LocalStack) -> None:
    name = f"gw-{secrets.token_hex(4)}"
    heard: queue.Queue[tuple[str, bytes]] = queue.Queue()
    url = mosquitto.device_broker_url("gw-icu")
    # Only the gateway's own name may listen to devices.
    listener = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="gw-icu", protocol=mqtt.MQTTv5)
    listener.on_message = lambda _c, _d, message: heard.put((message.topic, message.payload))
    listener.on_connect = lambda client, *_: client.subscribe(device_vitals(f"canary-{name}"), qos=1)
    listener.connect("127.0.0.1", int(url.rpartition(":")[2]))
    listener.loop_start()
    canary = Canary(url, name, 1.0, None, None)
    canary.start()
    try:
        period = [heard.get(timeout=15) for _ in range(4)]
    finally:
        canary.stop()
        listener.disconnect()
        listener.loop_stop()
    assert period[0][0] == device_vitals(f"canary-{name}")
    values = [device_reading.decode(payload).values for _, payload in period]
    temps = [float(np.asarray(v).ravel()[INDEX["temp"]]) for v in values]
    assert temps == [CALM, CALM, ALARMING, ALARMING]


def test_a_canarys_values_are_plausible_and_its_step_is_never_doubted() -> None:
    temp = SIGNS[INDEX["temp"]]
    assert temp.minimum < CALM < 38 < ALARMING < temp.maximum
    assert temp.max_step > ALARMING - CALM
    adult = PROFILES[0].array()
    assert adult[INDEX["temp"], HIGH] > ALARMING


@pytest.mark.parametrize("seq", [0, 1])
def test_a_canarys_frame_is_one_that_devices_send(seq: int) -> None:
    device_reading.decode(frame(7, seq, 1_763_812_800_000))
