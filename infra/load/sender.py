"""Sends a plan's batches over MQTT as gateways do: kept until confirmed, sent again until then."""

import array
import ssl
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Final
from urllib.parse import urlsplit

import msgspec
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion

from infra.load.plan import Gateway, Plan
from vitals import topics
from vitals.batches import Confirmed

BACKOFF: Final = 16
"""A batch waits at most so many times `Plan.resend_s` to be sent again."""
TICK_S: Final = 0.02
AGAIN_AT_ONCE: Final = 200
"""Batches sent again in one go: a resend after a long cut must not hold up what is new."""
_confirmed = msgspec.json.Decoder(Confirmed)


@dataclass(frozen=True, slots=True)
class Broker:
    """Where to send: an mqtts:// URL, and the certificate of a client that may speak for all gateways of the plan."""

    url: str
    ca: Path
    cert: Path
    key: Path


@dataclass(slots=True)
class _Kept:
    """A batch that is not confirmed."""

    gateway: Gateway
    payload: bytes
    first_at: float
    again_at: float
    wait_s: float


class Sender:
    """One fleet on its connections. One thread calls `step`.

    Args:
        plan: What is sent.
        broker: Where.
    """

    def __init__(self, plan: Plan, broker: Broker) -> None:
        self._plan = plan
        self._gateways = [Gateway(plan, number) for number in range(plan.gateways)]
        self._kept: OrderedDict[tuple[str, str, int], _Kept] = OrderedDict()
        self._heard: SimpleQueue[tuple[str, bytes, float]] = SimpleQueue()
        self._acked: SimpleQueue[tuple[int, int]] = SimpleQueue()
        self._mids: dict[tuple[int, int], tuple[str, str, int]] = {}
        self._clients = [self._connect(broker, number) for number in range(plan.connections)]
        self._began = time.monotonic()
        self.sent = self.resent = self.confirmed = self.late = 0
        self.latencies_s = array.array("f")

    @property
    def waiting(self) -> int:
        """Batches not yet confirmed."""
        return len(self._kept)

    @property
    def finished(self) -> bool:
        """Whether all that the plan has was sent and confirmed."""
        return self.sent == self._plan.batches and not self._kept

    def connected(self) -> bool:
        """Whether all connections are up."""
        return all(client.is_connected() for client in self._clients)

    def begin(self) -> None:
        """Begins: the first batch is due now."""
        self._began = time.monotonic()

    def step(self, t: int, *, more: bool = True) -> None:
        """Takes confirmations, sends what is due (nothing new when not `more`), and waits for the next tick.

        Args:
            t: UTC epoch ms, for the readings.
            more: Whether new batches are made.
        """
        self._hear()
        now = time.monotonic()
        due = self._plan.due(now - self._began) if more else 0
        if self._plan.batches is not None:
            due = min(due, self._plan.batches)
        while self.sent < due and len(self._kept) < self._plan.in_flight:
            self._send_next(t, self._began + self._plan.due_s(self.sent))
        self._send_again(now)
        # By ticks: to wake for each batch and each confirmation costs more than the batches.
        time.sleep(max(0.0, now + TICK_S - time.monotonic()))

    def close(self) -> None:
        """Ends the connections."""
        for client in self._clients:
            client.disconnect()
            client.loop_stop()

    def _send_next(self, t: int, due: float) -> None:
        gateway = self._gateways[self.sent % len(self._gateways)]
        payload = gateway.batch(t)
        now = time.monotonic()
        self.late += now - due > 1
        kept = _Kept(gateway, payload, now, now + self._plan.resend_s, self._plan.resend_s)
        key = gateway.name, gateway.outbox, gateway.n
        self._kept[key] = kept
        self.sent += 1
        self._publish(key, kept)

    def _send_again(self, now: float) -> None:
        """Sends again what is due: the oldest stand first, those sent again behind all that is newer."""
        for _ in range(AGAIN_AT_ONCE):
            key = next(iter(self._kept), None)
            if key is None or now < self._kept[key].again_at:
                return
            kept = self._kept[key]
            kept.wait_s = min(kept.wait_s * 2, self._plan.resend_s * BACKOFF)
            kept.again_at = now + kept.wait_s
            self._kept.move_to_end(key)
            self.resent += 1
            self._publish(key, kept)

    def _publish(self, key: tuple[str, str, int], kept: _Kept) -> None:
        number = topics.slot(kept.gateway.name) % len(self._clients)
        client = self._clients[number]
        # paho would keep what is published without a connection, and send it besides what is sent again here.
        if client.is_connected():
            mid = client.publish(kept.gateway.topic, kept.payload, qos=1).mid
            if self._plan.plain:
                self._mids[number, mid] = key

    def _hear(self) -> None:
        while not self._heard.empty():
            self._take(*self._heard.get())
        while not self._acked.empty():
            key = self._mids.pop(self._acked.get(), None)
            if key and self._kept.pop(key, None):
                self.confirmed += 1

    def _take(self, gateway: str, payload: bytes, at: float) -> None:
        told = _confirmed.decode(payload)
        for first, last in told.ranges:
            for n in range(first, last + 1):
                kept = self._kept.pop((gateway, told.outbox, n), None)
                if kept:
                    self.confirmed += 1
                    self.latencies_s.append(at - kept.first_at)

    def _connect(self, broker: Broker, number: int) -> Client:
        url = urlsplit(broker.url)
        name = f"{self._plan.name}-{number}"
        client = Client(CallbackAPIVersion.VERSION2, client_id=name, protocol=MQTTProtocolVersion.MQTTv5)
        context = ssl.create_default_context(cafile=broker.ca)
        context.load_cert_chain(broker.cert, broker.key)
        client.tls_set_context(context)
        client.max_inflight_messages = 0xFFFF
        client.max_queued_messages = 0
        client.reconnect_delay_set(1, 1)
        mine = [topics.slot_filter(slot, "confirmed") for slot in range(number, topics.SLOTS, self._plan.connections)]
        client.on_connect = lambda client, *_: client.subscribe([(one, 0) for one in mine])
        client.on_message = self._told
        if self._plan.plain:
            client.on_publish = lambda _client, _data, mid, *_: self._acked.put((number, mid))
        if client.connect(str(url.hostname), url.port or 8883) == MQTTErrorCode.MQTT_ERR_SUCCESS:
            client.loop_start()
        return client

    def _told(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        self._heard.put((message.topic.split("/")[2], bytes(message.payload), time.monotonic()))


def wait_connected(sender: Sender, timeout_s: float) -> None:
    """Waits until all connections are up.

    Raises:
        TimeoutError: They are not; is the broker there, and does it take the certificate?
    """
    ends = time.monotonic() + timeout_s
    pause = threading.Event()
    while not sender.connected():
        if time.monotonic() > ends:
            raise TimeoutError(f"the load's connections were not up within {timeout_s:.0f} s")
        pause.wait(0.05)
