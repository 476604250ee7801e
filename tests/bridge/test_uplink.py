from bridge.mqtt.packets import Receipt
from bridge.mqtt.site_broker import MqttSiteBroker
from bridge.settings import Settings


def test_without_a_broker_nothing_is_taken_for_sending_and_nothing_is_kept() -> None:
    uplink = MqttSiteBroker(Settings(), lambda _: None, lambda _: None)
    uplink.ack([Receipt(1, 7)])
    assert not uplink.publish("gateways/1/gw-1/heartbeat", b"{}")
    assert not uplink.publish("gateways/1/gw-1/roster", b"{}", qos=1, retain=True)
    uplink.close()
