"""Driver for the gateway's own broker: readings in, alarm signals out. MQTT 5 by paho, with manual acknowledgement."""

import logging
import threading
import time
from collections import deque
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from edge.devices.alarm_signal import signal
from edge.devices.driver import AckButton, Deliver, Delivered, DeviceMessage, Presence, StandbyButton
from edge.devices.indicator_states import IndicatorStates
from edge.devices.mqtt_bulk_reader import BulkClient
from vitals.runtime.daemon import now_ms
from vitals.wire import topics

log = logging.getLogger(__name__)

SESSION_S: Final = 7 * 86_400
"""Session expiry: time for which the broker queues messages for a gateway that is away."""
WINDOW: Final = 2_000
"""Most readings received and not yet committed; bounds memory, and readings share commits."""
MAX_PACKET_BYTES: Final = 1_048_576
"""Packet size above which the broker drops a message; a smaller one that is no reading is rejected with its reason."""
KEEPALIVE_S: Final = 30
LEFT_S: Final = 2.0
"""Time after a start by which the gateway has published all of its own lights."""
AGAIN_S: Final = 2
"""Longest pause between reconnections: the broker is on this machine, and without it no bed has a signal."""


class MqttDriver:
    """Driver and alarm indicators on one MQTT connection.

    Args:
        url: mqtt://host:port.
        gateway: Gateway id; also the client id, so that the broker resumes the session.
        user: User name, if the broker requires one.
        password: Password of the user.
        will: Signal of the gateway's own light while the gateway is down.
    """

    def __init__(self, url: str, gateway: str, user: str | None, password: str | None, will: bytes) -> None:
        parts = urlsplit(url)
        self._url = url
        self._address = parts.hostname or "localhost", parts.port or 1883
        self._connection = object()
        self._lock = threading.Lock()
        self._indicators = IndicatorStates()
        # paho acknowledges while it holds a lock that publishing needs.
        self._acknowledged: deque[int] = deque()
        # Lights with a retained signal at the broker, and its time of arrival.
        self._retained: deque[tuple[str, float]] = deque()
        self._deliver: Deliver = _nobody
        self._client = BulkClient(gateway, self._take)
        self._client.username_pw_set(user, password)
        self._client.reconnect_delay_set(1, AGAIN_S)
        self._client.max_inflight_messages_set(1_000)
        self._client.will_set(topics.bed_alarm(gateway), will, qos=1, retain=True)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message
        self._client.on_publish = self._on_publish

    def start(self, deliver: Deliver) -> None:
        """Connects, and reconnects whenever the broker was gone."""
        self._deliver = deliver
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call] # paho leaves it untyped
        properties.SessionExpiryInterval = SESSION_S
        properties.ReceiveMaximum = WINDOW
        properties.MaximumPacketSize = MAX_PACKET_BYTES
        host, port = self._address
        self._client.connect_async(host, port, keepalive=KEEPALIVE_S, clean_start=False, properties=properties)
        self._client.loop_start()

    def stop(self) -> None:
        """Disconnects; the broker keeps the session and unacknowledged messages."""
        self._client.disconnect()
        self._client.loop_stop()

    def show(self, bed: str, signal: bytes) -> None:
        """Publishes a bed's signal, retained, until the broker acknowledges it or there is a newer one."""
        with self._lock:
            self._indicators.show(bed, signal, time.monotonic())
        self.repeat()

    def repeat(self) -> None:
        """Publishes the signals that are due."""
        with self._lock:
            clock_s = time.monotonic()
            while self._acknowledged:
                self._indicators.acknowledged(self._acknowledged.popleft(), clock_s)
            while self._retained and clock_s - self._retained[0][1] >= LEFT_S:
                bed, _ = self._retained.popleft()
                if bed not in self._indicators:
                    # An earlier run published it, and ended before it could clear the light of a bed that was left.
                    not_monitored = signal(bed, (), now_ms(), monitored=False)
                    self._indicators.show(bed, msgspec.json.encode(not_monitored), clock_s)
            if not self._client.is_connected():
                return
            for bed, state in self._indicators.due(clock_s):
                sent = self._client.publish(topics.bed_alarm(bed), state, qos=1, retain=True)
                self._indicators.told(bed, sent.mid, clock_s)

    def _on_connect(self, client: Client, _data: Any, _flags: Any, reason: ReasonCode, _properties: Any) -> None:  # noqa: ANN401 - paho's
        if reason.is_failure:
            log.error("the device broker rejects the connection: %s", reason, extra={"data": {"broker": self._url}})
            return
        self._connection = object()
        options = SubscribeOptions(qos=1)
        buttons = topics.bed_ack("+"), topics.bed_standby("+")
        filters = (topics.device_vitals("+"), topics.device_status("+"), *buttons)
        own = topics.bed_alarm("+"), SubscribeOptions(qos=1, noLocal=True)
        client.subscribe([*((name, options) for name in filters), own])
        # A broker that was restarted may have lost its retained messages.
        with self._lock:
            self._acknowledged.clear()
            self._indicators.connected(time.monotonic())
        self.repeat()

    def _on_publish(
        self,
        _client: Client,
        _data: Any,  # noqa: ANN401 - paho's
        mid: int,
        _reason: ReasonCode,
        _properties: Any,  # noqa: ANN401 - paho's
    ) -> None:
        self._acknowledged.append(mid)

    def _on_subscribe(
        self,
        _client: Client,
        _data: Any,  # noqa: ANN401 - paho's
        _mid: int,
        reasons: list[ReasonCode],
        _properties: Any,  # noqa: ANN401 - paho's
    ) -> None:
        refused = [str(reason) for reason in reasons if reason.is_failure]
        if refused:
            log.error(
                "the device broker rejects a subscription: check its access rules", extra={"data": {"reasons": refused}}
            )
        else:
            log.info("listening to the device broker", extra={"data": {"broker": self._url}})

    def _on_disconnect(self, _client: Client, _data: Any, _flags: Any, reason: ReasonCode, _properties: Any) -> None:  # noqa: ANN401 - paho's
        log.warning("disconnected from the device broker: %s", reason, extra={"data": {"broker": self._url}})

    def _take(self, topic: bytes, payload: bytes, mid: int | None) -> bool:
        """Delivers a reading read in bulk; returns False to leave other messages to paho.

        A reading at QoS 0 has no packet id and no acknowledgement: if the gateway loses it, it is lost.
        """
        if not (topic.startswith(b"devices/") and topic.endswith(b"/vitals")):
            return False
        try:
            device = topic[len(b"devices/") : -len(b"/vitals")].decode()
        except UnicodeDecodeError:
            return False
        self._deliver(DeviceMessage(device, payload, now_ms(), self._acknowledge, (self._connection, mid)))
        return True

    def _on_message(self, client: Client, _data: Any, message: MQTTMessage) -> None:  # noqa: ANN401 - paho's
        if message.qos:
            client.ack(message.mid, message.qos)
        try:
            place, name, kind = message.topic.split("/")
        except (ValueError, UnicodeDecodeError):
            return
        if place == "beds" and kind in {"ack", "standby"}:
            button = AckButton if kind == "ack" else StandbyButton
            if not message.retain:  # a button's press is not a state
                self._deliver(button(name, bytes(message.payload)))
        elif place == "beds" and kind == "alarm":
            if message.retain and message.payload:
                self._retained.append((name, time.monotonic()))
        elif kind == "status":
            self._deliver(Presence(name, message.payload == b"online"))

    def _acknowledge(self, receipts: list[tuple[object, int | None]]) -> None:
        # After a reconnection the broker resends unacknowledged messages; the same number may be of another message.
        self._client.acknowledge(
            [mid for connection, mid in receipts if connection is self._connection and mid is not None]
        )


def _nobody(_item: Delivered) -> None:
    """Drops items until the driver is started."""
