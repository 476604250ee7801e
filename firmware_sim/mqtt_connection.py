"""One device's MQTT 5 connection, without a thread: the fleet's loop calls it when its socket is ready or time passed.

Each connection is a fresh paho client with a clean session; what was not acknowledged on the one before goes out again
in its old order. paho's own queue is never relied upon: it tells a refused message as published.
"""

import logging
import selectors
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import numpy as np
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from firmware_sim.connector import TIMEOUT_S, Broker, Connecting, Connector, Step
from firmware_sim.device import Device, Message
from firmware_sim.ground_truth_log import Identity
from vitals.wire import topics

if TYPE_CHECKING:
    # paho defines it for type checkers alone.
    from paho.mqtt.client import SocketLike

_log = logging.getLogger(__name__)
KEEPALIVE_S: Final = 15
_WINDOW: Final = 100
_BACKOFF_S: Final = (0.2, 5.0)
_REFUSED_PAUSE_S: Final = 1.0
_NO_SUBSCRIBER: Final = 0x10
_DISCONNECT_WITH_WILL: Final = 4


class _Client(mqtt.Client):
    """paho on a socket that is already connected: by itself paho waits for the connection, and with it the fleet."""

    def __init__(self, name: str, sock: "SocketLike") -> None:
        super().__init__(CallbackAPIVersion.VERSION2, client_id=name, protocol=mqtt.MQTTv5)
        self._ready_sock = sock

    def _create_socket(self) -> "SocketLike":
        return self._ready_sock


class MqttConnection:
    """A device's connection to its broker, lost and made again as often as it takes.

    Args:
        device: The device.
        broker: Its broker.
        dialler: Who begins connections.
        selector: The fleet's selector; the link registers its socket there, with itself as data.
        acknowledged: Called with the identity of each reading that the broker took on.
        rng: Jitter of the backoff.
    """

    def __init__(
        self,
        device: Device,
        broker: Broker,
        dialler: Connector,
        selector: selectors.BaseSelector,
        *,
        acknowledged: Callable[[Identity], None],
        rng: np.random.Generator,
    ) -> None:
        self.device = device
        self._broker, self._dialler = broker, dialler
        self._dial: Connecting | None = None
        self._selector, self._acknowledged, self._rng = selector, acknowledged, rng
        self._client: mqtt.Client | None = None
        self._dead: mqtt.Client | None = None
        self._connected = False
        self._attempts = 0
        self._window = _WINDOW
        self._flying: dict[int, Message] = {}
        self._now_s = self._retry_s = self._paused_s = 0.0
        self._told = False

    @property
    def connected(self) -> bool:
        """Whether the broker has accepted the connection."""
        return self._connected

    def wants_to_connect(self, now_s: float) -> bool:
        """Whether a connection is to be tried at `now_s`, by the fleet's monotonic clock."""
        return self._client is None and self._dial is None and now_s >= self._retry_s

    def connect(self, now_s: float) -> None:
        """Begins a connection, and waits for nothing; a broker that cannot be reached is tried again later."""
        self._now_s = now_s
        _hang_up(self._dead)
        self._dead = None
        try:
            self._dial = self._dialler.begin(self._broker, now_s)
        except OSError as error:
            self._lost(f"{error}")
        if self._dial is not None:
            self._selector.register(self._dial.sock, selectors.EVENT_WRITE, self)

    def pump(self, now_s: float) -> None:
        """Sends what waits, as far as the window allows."""
        self._now_s = now_s
        if not self._connected or now_s < self._paused_s:
            return
        topic = topics.device_vitals(self.device.name)
        while self.device.outbox.given < self._window and self._client is not None and self._connected:
            message = self.device.outbox.next()
            if message is None:
                break
            client = self._client
            sent = client.publish(topic, message.payload, qos=1)
            if self._client is not client or sent.rc != mqtt.MQTT_ERR_SUCCESS:
                self.device.outbox.requeue(message)
                break
            self._flying[sent.mid] = message
        self._watch()

    def ready(self, now_s: float, events: int, *, may_send: bool) -> None:
        """The socket can be read or written; `may_send` is false while the device holds its readings."""
        self._now_s = now_s
        if self._dial is not None:
            self._advance(self._dial)
        if events & selectors.EVENT_READ and self._client is not None:
            self._client.loop_read()
            # What TLS has already decrypted makes no socket readable any more.
            while self._client is not None and _decrypted(self._client):
                self._client.loop_read()
        if events & selectors.EVENT_WRITE and self._client is not None:
            self._client.loop_write()
        if may_send:
            self.pump(now_s)
        else:
            self._watch()

    def tick(self, now_s: float, *, may_send: bool) -> None:
        """Time has passed: keepalive, and what was paused or held."""
        self._now_s = now_s
        if self._dial is not None and now_s >= self._dial.ends_s:
            self._lost(f"no answer within {TIMEOUT_S:g} s")
        if self._client is not None:
            self._client.loop_misc()
        if may_send:
            self.pump(now_s)

    def cut(self, *, half_open: bool, back_s: float) -> None:
        """The device fell: the connection breaks without a goodbye, or stays half open until the keepalive ends it.

        Args:
            half_open: Whether nothing at all is sent any more, not even the end of the connection.
            back_s: When the device is back, by the fleet's monotonic clock.
        """
        client = self._let_go()
        self._retry_s = back_s
        if half_open:
            self._dead = client
        else:
            _hang_up(client)

    def close(self) -> None:
        """Says goodbye in order; the broker publishes the last will, so that the status ends as offline."""
        connected = self._connected
        client = self._let_go()
        if client is not None and connected:
            client.disconnect(ReasonCode(PacketTypes.DISCONNECT, identifier=_DISCONNECT_WITH_WILL))
        _hang_up(client)
        _hang_up(self._dead)

    def _advance(self, dial: Connecting) -> None:
        self._selector.unregister(dial.sock)
        try:
            step = dial.advance()
        except OSError as error:
            dial.sock.close()
            self._dial = None
            self._dialler.failed(self._broker)
            self._lost(f"{error}")
            return
        if step is not Step.DONE:
            self._selector.register(dial.sock, step.events, self)
            return
        self._dial = None
        self._client = self._new_client(dial.sock)
        self._client.connect(self._broker.host, self._broker.port, keepalive=KEEPALIVE_S, clean_start=True)

    def _new_client(self, sock: "SocketLike") -> mqtt.Client:
        name = self.device.name
        client = _Client(name, sock)
        client.max_inflight_messages_set(_WINDOW + 1)
        client.will_set(topics.device_status(name), b"offline", qos=1, retain=True)
        if self._broker.user is not None:
            client.username_pw_set(*self._broker.user)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_socket_open = self._on_socket_open
        client.on_socket_close = self._on_socket_close
        return client

    def _on_socket_open(self, client: mqtt.Client, _: object, sock: "SocketLike") -> None:
        self._selector.register(sock, selectors.EVENT_READ, self)

    def _on_socket_close(self, client: mqtt.Client, _: object, sock: "SocketLike") -> None:
        if client is self._client:
            self._selector.unregister(sock)

    def _on_connect(
        self,
        client: mqtt.Client,
        _: object,
        flags: mqtt.ConnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        if reason.is_failure:
            # paho closes the socket of a refused connection itself; on_disconnect follows.
            _log.warning("%s: broker %s refuses: %s", self.device.name, self._broker.host, reason)
            return
        self._connected, self._attempts, self._told = True, 0, False
        self._paused_s = 0.0
        # A broker that takes on fewer at a time says so; sending more would cost the connection.
        self._window = max(1, min(_WINDOW, getattr(properties, "ReceiveMaximum", _WINDOW + 1) - 1))
        client.publish(topics.device_status(self.device.name), b"online", qos=1, retain=True)

    def _on_disconnect(
        self,
        client: mqtt.Client,
        _: object,
        flags: mqtt.DisconnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        if client is self._client:
            self._lost(str(reason))

    def _on_publish(
        self,
        client: mqtt.Client,
        _: object,
        mid: int,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        message = self._flying.pop(mid, None)
        if message is None:
            return
        # Without a subscriber the broker drops what it "accepts": the gateway is not there yet, so it is kept.
        if reason.is_failure or reason.value == _NO_SUBSCRIBER:
            self.device.outbox.requeue(message)
            self._paused_s = self._now_s + _REFUSED_PAUSE_S
            if not self._told:
                _log.warning("%s: not taken on: %s; will send again", self.device.name, reason)
                self._told = True
            return
        self.device.outbox.acknowledge(message)
        if message.identity is not None:
            self._acknowledged(message.identity)

    def _lost(self, why: str) -> None:
        if self._connected or not self._attempts:
            _log.info("%s: no connection to %s:%s: %s", self.device.name, self._broker.host, self._broker.port, why)
        _hang_up(self._let_go())
        lowest, highest = _BACKOFF_S
        self._retry_s = self._now_s + min(highest, lowest * 2**self._attempts) * float(self._rng.uniform(0.5, 1.0))
        self._attempts = min(self._attempts + 1, 10)

    def _let_go(self) -> mqtt.Client | None:
        """Takes the client out of service; what was on its way waits again."""
        dial, self._dial = self._dial, None
        if dial is not None:
            self._selector.unregister(dial.sock)
            dial.sock.close()
        client, self._client = self._client, None
        sock = client.socket() if client is not None else None
        if sock is not None and sock in self._selector.get_map():
            self._selector.unregister(sock)
        self._connected = False
        self._flying.clear()
        self.device.outbox.requeue_all()
        return client

    def _watch(self) -> None:
        """Asks to be told of a writable socket only while there is something to write."""
        sock = self._client.socket() if self._client is not None else None
        if sock is not None and self._client is not None:
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._client.want_write() else 0)
            if self._selector.get_key(sock).events != events:
                self._selector.modify(sock, events, self)


def _hang_up(client: mqtt.Client | None) -> None:
    sock = client.socket() if client is not None else None
    if sock is not None:
        sock.close()


def _decrypted(client: mqtt.Client) -> bool:
    sock = client.socket()
    return isinstance(sock, ssl.SSLSocket) and sock.pending() > 0
