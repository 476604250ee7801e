"""The site broker: the port, and its adapter for MQTT 5 (Mosquitto, AWS IoT Core)."""

import logging
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from bridge.mqtt import packets, tls_socket
from bridge.mqtt.packets import Message, Receipt
from bridge.mqtt.tls_socket import TlsSocket
from bridge.settings import UPLINK_PORT, Settings
from vitals.wire import topics

KEEPALIVE_S: Final = 20
RETRY_S: Final = (0.5, 1.0, 2.0, 5.0)
MISC_S: Final = 0.25
TURN_S: Final = 0.005
"""Turns come at most so often: one for each message would cost more than the message."""
QUEUED: Final = 10_000
SUBSCRIBED: Final = (*topics.UP, "roster")
logger = logging.getLogger("bridge.mqtt.site_broker")


class SiteBroker(Protocol):
    """The site broker, as the ways up and down use it."""

    def ack(self, receipts: Sequence[Receipt]) -> None:
        """Acknowledges messages, in order; those of an earlier connection are left, as the broker sends them again."""

    def publish(self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False) -> bool:
        """Publishes; returns whether the message was taken for sending."""


class MqttSiteBroker:
    """One MQTT 5 connection with manual acknowledgement, made again whenever it is lost.

    `run` is the network thread; `ack` and `publish` may be called from any other.

    Args:
        settings: Settings.
        on_messages: Called with the messages of each reading, on the network thread.
        on_connected: Called with whether the broker is connected and has accepted the subscriptions.
    """

    def __init__(
        self, settings: Settings, on_messages: Callable[[list[Message]], None], on_connected: Callable[[bool], None]
    ) -> None:
        self._settings, self._on_messages, self._on_connected = settings, on_messages, on_connected
        self._connection = 0
        self._outgoing: deque[tuple[int, bytes]] = deque()
        self._awake = False
        self._turn_at = 0.0
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
        client.tls_set_context(tls_socket.context(settings.uplink_ca, settings.uplink_cert, settings.uplink_key))
        client.max_queued_messages = QUEUED
        client.max_inflight_messages = 100
        client.on_connect, client.on_disconnect = self._connected, self._disconnected
        client.on_subscribe, client.on_publish = self._subscribed_to, self._published
        client.on_socket_open = _no_delay
        # With this callback set paho never writes from the calling thread: it wakes the network thread instead.
        client.on_socket_register_write = lambda *_: self._wake()
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
                logger.warning("connection to %s: %s", self._settings.uplink, error)
            if not stop.is_set():
                stop.wait(RETRY_S[min(failures, len(RETRY_S) - 1)])
        if isinstance(connection := self._client.socket(), TlsSocket):
            self._write(connection)
        self._client.disconnect()
        self._client.loop_write()
        self.close()

    def close(self) -> None:
        """Lets go of what wakes the network thread; `run` does so at its end."""
        self._wake_r.close()
        self._wake_w.close()

    def ack(self, receipts: Sequence[Receipt]) -> None:
        """See `Uplink.ack`."""
        connection = self._connection
        pubacks = b"".join(packets.puback(one.mid) for one in receipts if one.connection == connection)
        if pubacks:
            self._outgoing.append((connection, pubacks))
            self._wake()

    def publish(self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False) -> bool:
        """See `Uplink.publish`."""
        if qos or retain:
            return self._client.publish(topic, payload, qos, retain).rc == MQTTErrorCode.MQTT_ERR_SUCCESS
        # Without a connection nothing is kept: what waited for hours would only be old.
        taken = self._subscribed
        if taken:
            self._outgoing.append((self._connection, packets.publish(topic.encode(), payload)))
            self._wake()
        return taken

    def _connect(self) -> None:
        # Before anything can come: what a kept session brings follows the broker's first answer at once.
        self._connection += 1
        url = urlsplit(self._settings.uplink)
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call] # paho leaves it untyped
        # How much the broker may send ahead of our acknowledgements: the bound of what the bridge holds.
        properties.ReceiveMaximum = self._settings.receive_maximum
        properties.MaximumPacketSize = packets.MAX_FRAME_BYTES
        properties.SessionExpiryInterval = self._settings.session_expiry_s
        self._client.connect(
            str(url.hostname),
            url.port or UPLINK_PORT,
            keepalive=KEEPALIVE_S,
            clean_start=False,
            properties=properties,
        )

    def _serve(self, stop: threading.Event) -> bool:
        """Serves one connection; returns whether it ever came to subscriptions."""
        self._subscribed = False
        ever = False
        try:
            while not stop.is_set() and self._turn() == MQTTErrorCode.MQTT_ERR_SUCCESS:
                ever = ever or self._subscribed
        finally:
            self._subscribed = False
            self._on_connected(False)
        return ever

    def _turn(self) -> MQTTErrorCode:
        connection: Any = self._client.socket()
        if not isinstance(connection, TlsSocket):
            return MQTTErrorCode.MQTT_ERR_NO_CONN
        # After a quiet moment a message waits for nobody; of many, those that come together are taken together.
        time.sleep(max(0.0, self._turn_at - time.monotonic()))
        writing = [connection] if connection.waits() else []
        readable, _, _ = select.select([connection, self._wake_r], writing, [], 0 if connection.pending() else MISC_S)
        if self._wake_r in readable:
            self._wake_r.recv(4096)
        self._awake = False
        if connection in readable or connection.pending():
            messages = connection.pump(self._connection)
            if messages:
                self._on_messages(messages)
            while connection.for_paho():
                result = self._client.loop_read()
                if result != MQTTErrorCode.MQTT_ERR_SUCCESS:
                    return result
        self._write(connection)
        self._turn_at = time.monotonic() + TURN_S
        return self._client.loop_misc()

    def _write(self, connection: TlsSocket) -> None:
        """Sends what waits: paho's frames, then acknowledgements and confirmations of this connection."""
        if self._client.want_write():
            self._client.loop_write()
        while self._outgoing:
            number, data = self._outgoing.popleft()
            if number == self._connection:
                connection.send(data)
        connection.flush()

    def _wake(self) -> None:
        if self._awake:
            return
        self._awake = True
        try:
            self._wake_w.send(b"\0")
        except OSError:
            # Enough wake-ups are waiting to be read, or nobody reads them any more.
            return

    def _connected(
        self, client: Client, _data: object, _flags: ConnectFlags, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        if reason.is_failure:
            logger.error("%s refused the connection: %s", self._settings.uplink, reason)
            return
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


def _no_delay(_client: Client, _data: object, connection: Any) -> None:  # noqa: ANN401 - paho leaves it untyped
    # Acknowledgements and confirmations are small: held back for company (Nagle) they would wait 40 ms for nothing.
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
