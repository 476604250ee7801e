"""An MQTT connection of a load, driven by the load's own loop.

paho's own threads wake for each packet and compete for the interpreter: a third of the cost of a batch.
"""

import select
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from infra.local.pki import Identity

PORT: Final = 8883
CONNECT_S: Final = 1.0
"""Time for which a broker that hangs delays the other connections, every `AGAIN_S`."""
AGAIN_S: Final = 2.0
MISC_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class Broker:
    """Address of a broker, with client certificates.

    Attributes:
        url: An mqtts:// address.
        clients: Certificates of clients that may publish for all gateways of the plan, one for each connection: a
            broker derives a client's id from its certificate.
    """

    url: str
    clients: tuple[Identity, ...]


class Connection:
    """One connection, which reconnects when it is lost. One thread calls it, `turn` often.

    Args:
        broker: Broker to connect to.
        number: Number of the connection and of its client certificate, from 0.
        filters: Topic filters of its subscription.

    Raises:
        ValueError: The broker has no certificate for so many connections.
    """

    def __init__(self, broker: Broker, number: int, filters: Sequence[str]) -> None:
        if number >= len(broker.clients):
            raise ValueError(f"there are certificates for {len(broker.clients)} connections, and this is one more")
        client_identity = broker.clients[number]
        self._url = urlsplit(broker.url)
        self._connect_at = self._misc_at = 0.0
        self._messages: list[MQTTMessage] = []
        self._acked: list[int] = []
        # MQTT 3.1.1: nothing here needs the properties of 5, and decoding them is a seventh of the cost of a batch.
        client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv311)
        context = ssl.create_default_context(cafile=client_identity.ca)
        context.load_cert_chain(client_identity.cert, client_identity.key)
        client.tls_set_context(context)
        client.connect_timeout = CONNECT_S
        # Without a bound paho does not search all in-flight messages at each acknowledgement.
        client.max_inflight_messages = 0
        client.max_queued_messages = 0
        client.on_connect = lambda client, *_: client.subscribe([(one, 0) for one in filters])
        client.on_message = lambda _client, _data, message: self._messages.append(message)
        client.on_publish = lambda _client, _data, mid, *_: self._acked.append(mid)
        # With this callback set paho writes nothing by itself: queued packets are written in the next turn.
        client.on_socket_register_write = lambda *_: None
        self._client = client

    @property
    def up(self) -> bool:
        """True if the broker has accepted the connection."""
        return self._client.is_connected()

    def publish(self, topic: str, payload: bytes) -> int | None:
        """Publishes at QoS 1 in the next turn; returns the packet's id, or None without a connection.

        Without one paho would queue the message, and send it in addition to the load's own resend.
        """
        return self._client.publish(topic, payload, qos=1).mid if self.up else None

    def turn(self, now: float) -> tuple[list[MQTTMessage], list[int]]:
        """Writes queued packets and reads received ones.

        Args:
            now: Monotonic time, s.

        Returns:
            Messages, and ids of packets that the broker has acknowledged.
        """
        if self._client.socket() is None and now >= self._connect_at:
            self._connect()
            self._connect_at = time.monotonic() + AGAIN_S
        if self._client.want_write():
            self._client.loop_write()
        while self._readable():
            self._client.loop_read()
        if now >= self._misc_at:
            self._client.loop_misc()
            self._misc_at = now + MISC_S
        found = self._messages, self._acked
        self._messages, self._acked = [], []
        return found

    def close(self) -> None:
        """Disconnects."""
        self._client.disconnect()
        self._client.loop_write()

    def _connect(self) -> None:
        try:
            self._client.connect(str(self._url.hostname), self._url.port or PORT)
        except OSError:
            # The broker is away; the next turns try again.
            return

    def _readable(self) -> bool:
        connection: Any = self._client.socket()
        return connection is not None and bool(connection.pending() or select.select([connection], [], [], 0)[0])
