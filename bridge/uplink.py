"""The site broker: the port, and its adapter for MQTT 5 (Mosquitto, AWS IoT Core)."""

import logging
import select
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from bridge.settings import UPLINK_PORTS, Settings
from vitals import topics

KEEPALIVE_S: Final = 20
RETRY_S: Final = (0.5, 1.0, 2.0, 5.0)
READS: Final = 64
QUEUED: Final = 10_000
SUBSCRIBED: Final = (*topics.UP, "roster")
logger = logging.getLogger("bridge.uplink")


@dataclass(frozen=True, slots=True)
class Receipt:
    """With what a message is acknowledged.

    Attributes:
        connection: Counts connections; an acknowledgement is valid within its own alone.
        mid: MQTT packet identifier.
    """

    connection: int
    mid: int


@dataclass(frozen=True, slots=True)
class Message:
    """A message from the broker.

    Attributes:
        topic: Its MQTT topic, "" when it is not UTF-8.
        payload: Its bytes.
        receipt: With what to acknowledge it; None for QoS 0.
    """

    topic: str
    payload: bytes
    receipt: Receipt | None = None


class Uplink(Protocol):
    """The site broker, as the ways up and down use it."""

    def ack(self, receipt: Receipt) -> None:
        """Acknowledges a message; one of an earlier connection is left, as the broker sends it again."""

    def publish(self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False) -> bool:
        """Publishes; returns whether the message was taken for sending."""


class MqttUplink:
    """One MQTT 5 connection with manual acknowledgement, made again whenever it is lost.

    `run` is the network thread; `ack` and `publish` may be called from any other.

    Args:
        settings: Settings.
        on_message: Called with each message, on the network thread.
        on_connected: Called with whether the broker is connected and has accepted the subscriptions.
    """

    def __init__(
        self, settings: Settings, on_message: Callable[[Message], None], on_connected: Callable[[bool], None]
    ) -> None:
        self._settings, self._on_message, self._on_connected = settings, on_message, on_connected
        self._connection = 0
        self._subscribed = False
        self._wake_r, self._wake_w = socket.socketpair()
        self._wake_r.setblocking(False)
        self._wake_w.setblocking(False)
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=settings.bridge,
            protocol=MQTTProtocolVersion.MQTTv5,
            manual_ack=True,
        )
        if urlsplit(settings.uplink).scheme == "mqtts":
            client.tls_set_context(_tls(settings))
        client.max_queued_messages = QUEUED
        client.max_inflight_messages = 100
        client.on_connect, client.on_disconnect = self._connected, self._disconnected
        client.on_subscribe, client.on_message = self._subscribed_to, self._message
        client.on_publish = self._published
        client.on_socket_open = _no_delay
        # With this callback set paho never writes from the calling thread: it wakes the network thread instead.
        client.on_socket_register_write = self._wake
        self._client = client

    def run(self, stop: threading.Event) -> None:
        """Connects, serves the connection, and connects again, until `stop` is set."""
        failures = 0
        while not stop.is_set():
            try:
                self._connect()
                failures = 0 if self._serve(stop) else failures + 1
            except OSError as error:
                failures += 1
                logger.warning("cannot connect to %s: %s", self._settings.uplink, error)
            if not stop.is_set():
                stop.wait(RETRY_S[min(failures, len(RETRY_S) - 1)])
        self._client.disconnect()
        self._client.loop_write()

    def ack(self, receipt: Receipt) -> None:
        """See `Uplink.ack`."""
        if receipt.connection == self._connection:
            self._client.ack(receipt.mid, 1)

    def publish(self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False) -> bool:
        """See `Uplink.publish`."""
        return self._client.publish(topic, payload, qos, retain).rc == MQTTErrorCode.MQTT_ERR_SUCCESS

    def _connect(self) -> None:
        url = urlsplit(self._settings.uplink)
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call] # paho leaves it untyped
        # How much the broker may send ahead of our acknowledgements: the bound of what the bridge holds.
        properties.ReceiveMaximum = self._settings.receive_maximum
        properties.SessionExpiryInterval = self._settings.session_expiry_s
        self._client.connect(
            str(url.hostname),
            url.port or UPLINK_PORTS[url.scheme],
            keepalive=KEEPALIVE_S,
            clean_start=False,
            properties=properties,
        )

    def _serve(self, stop: threading.Event) -> bool:
        """Serves one connection; returns whether it ever came to subscriptions."""
        self._subscribed = False
        ever = False
        while not stop.is_set() and self._turn(timeout_s=0.5) == MQTTErrorCode.MQTT_ERR_SUCCESS:
            ever = ever or self._subscribed
        self._on_connected(False)
        return ever

    def _turn(self, timeout_s: float) -> MQTTErrorCode:
        connection: Any = self._client.socket()
        if connection is None:
            return MQTTErrorCode.MQTT_ERR_NO_CONN
        writing = [connection] if self._client.want_write() else []
        readable, _, _ = select.select([connection, self._wake_r], writing, [], timeout_s)
        if self._wake_r in readable:
            self._wake_r.recv(4096)
        # TLS may hold several packets of one read: read on while it does, but let what waits be written too.
        for _ in range(READS if connection in readable else 0):
            result = self._client.loop_read()
            if result != MQTTErrorCode.MQTT_ERR_SUCCESS:
                return result
            if not (hasattr(connection, "pending") and connection.pending()):
                break
        if self._client.want_write():
            result = self._client.loop_write()
            if result != MQTTErrorCode.MQTT_ERR_SUCCESS:
                return result
        return self._client.loop_misc()

    def _wake(self, *_: object) -> None:
        try:
            self._wake_w.send(b"\0")
        except BlockingIOError:
            # Enough wake-ups are waiting to be read.
            return

    def _connected(
        self, client: Client, _data: object, _flags: ConnectFlags, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        if reason.is_failure:
            logger.error("%s refused the connection: %s", self._settings.uplink, reason)
            return
        self._connection += 1
        mine, options = set(self._settings.bridge_slots), SubscribeOptions(qos=1)
        others = set(range(topics.SLOTS)) - mine
        if others:
            # A kept session keeps its subscriptions too, also those of a former share of slots.
            client.unsubscribe([topics.slot_filter(s, name) for s in sorted(others) for name in SUBSCRIBED])
        client.subscribe([(topics.slot_filter(s, name), options) for s in sorted(mine) for name in SUBSCRIBED])

    def _subscribed_to(
        self, client: Client, _data: object, _mid: int, reasons: list[ReasonCode], _properties: Properties | None
    ) -> None:
        if any(reason.is_failure for reason in reasons):
            logger.error("%s refuses subscriptions of %s: check its ACL", self._settings.uplink, self._settings.bridge)
            client.disconnect()
            return
        self._subscribed = True
        logger.info("connected to %s, slots %s", self._settings.uplink, self._settings.bridge_slots)
        self._on_connected(True)

    def _disconnected(
        self, _client: Client, _data: object, _flags: DisconnectFlags, reason: ReasonCode, _properties: object
    ) -> None:
        # Acknowledgements of this connection must not reach the next one, where the same number may be another message.
        self._connection += 1
        logger.warning("connection to %s ended: %s", self._settings.uplink, reason)

    def _published(
        self, _client: Client, _data: object, mid: int, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        if reason.is_failure:
            logger.error("%s refused message %d to a gateway: %s; check its ACL", self._settings.uplink, mid, reason)

    def _message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = ""
        receipt = Receipt(self._connection, message.mid) if message.qos else None
        self._on_message(Message(topic, bytes(message.payload), receipt))


def _no_delay(_client: Client, _data: object, connection: Any) -> None:  # noqa: ANN401 - plain, TLS or WebSocket
    # Acknowledgements and confirmations are small: held back for company (Nagle) they would wait 40 ms for nothing.
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _tls(settings: Settings) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=settings.uplink_ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if settings.uplink_cert:
        context.load_cert_chain(settings.uplink_cert, settings.uplink_key)
    return context
