"""Stands for bridge and cloud above the gateways: keeps what comes, confirms it, tells rosters and the time."""

import json
import ssl
import threading
import time
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from infra.local.stack import LocalStack
from vitals.wire import topics, uplink_batch

Identity = tuple[str, int, int]
CONNECTED_WITHIN_S: Final = 20.0


class Above:
    """Everything above the gateways.

    Args:
        stack: With the site's broker.
    """

    def __init__(self, stack: LocalStack) -> None:
        self._lock = threading.Lock()
        self._came: dict[str, set[Identity]] = {}
        identity, url = stack.identity("bridge"), urlsplit(stack.env()["UPLINK"])
        self._client = Client(CallbackAPIVersion.VERSION2, client_id="above", protocol=MQTTProtocolVersion.MQTTv5)
        files = str(identity.ca), str(identity.cert), str(identity.key)
        self._client.tls_set(*files, tls_version=ssl.PROTOCOL_TLS_CLIENT)
        self._client.on_connect = lambda client, *_: client.subscribe([(f"gateways/+/+/{k}", 1) for k in _TAKES])
        self._client.on_message = lambda _c, _d, message: _TAKES[message.topic.rpartition("/")[2]](self, message)
        self._client.connect(url.hostname or "", url.port or 0)

    def __enter__(self) -> Self:
        self._client.loop_start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def came(self, gateway: str) -> set[Identity]:
        """Returns the readings that came from a gateway."""
        with self._lock:
            return set(self._came.get(gateway, ()))

    def tell(self, gateway: str, roster: dict[str, Any]) -> None:
        """Publishes a gateway's roster, retained."""
        self._publish(gateway, "roster", json.dumps(roster), retain=True)

    def vitals(self, message: MQTTMessage) -> None:
        """Takes a batch, and confirms it."""
        batch = uplink_batch.decode(bytes(message.payload))
        with self._lock:
            self._came.setdefault(batch.gateway, set()).update(batch.readings.identities())
        confirmed = {"outbox": batch.outbox, "ranges": [[batch.n, batch.n]]}
        self._publish(batch.gateway, "confirmed", json.dumps(confirmed))

    def status(self, message: MQTTMessage) -> None:
        """Answers a status with our time."""
        told = json.loads(message.payload)
        if told.get("sent"):
            now = time.time_ns() // 1_000_000
            self._publish(told["id"], "clock", json.dumps({"offset_ms": now - told["sent"], "t": now}))

    def _publish(self, gateway: str, name: str, payload: str, *, retain: bool = False) -> None:
        self._client.publish(topics.gateway_topic(gateway, name), payload, qos=1, retain=retain)


_TAKES: Final = {"vitals": Above.vitals, "status": Above.status}
