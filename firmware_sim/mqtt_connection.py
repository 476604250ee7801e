"""One device's MQTT 5 connection by aiomqtt: reconnects as often as needed, and sends one message at a time.

Each connection has a clean session. A message that was not acknowledged is sent again, in its old place.
"""

import asyncio
import logging
import math
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Final

import aiomqtt
import numpy as np
import paho.mqtt.client as mqtt
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from firmware_sim.broker import Broker
from firmware_sim.device import Device, Message
from firmware_sim.ground_truth_log import Identity
from vitals.wire import topics

_log = logging.getLogger(__name__)
TIMEOUT_S: Final = 5.0
_KEEPALIVE_S: Final = 15
_BACKOFF_S: Final = (0.2, 5.0)
_REFUSED_PAUSE_S: Final = 1.0
_NO_SUBSCRIBER: Final = 0x10


class _Client(aiomqtt.Client):
    """aiomqtt's client with two parts of MQTT that it hides: the reason in a PUBACK, and an end without DISCONNECT."""

    reason: ReasonCode | None = None
    """Reason in the newest PUBACK."""

    def _on_publish(
        self, client: mqtt.Client, userdata: object, mid: int, reason_code: ReasonCode, properties: Properties
    ) -> None:
        self.reason = reason_code
        super()._on_publish(client, userdata, mid, reason_code, properties)

    def abandon(self) -> None:
        """Leaves the connection half open: nothing is sent any more, not even its end."""
        sock = self._client.socket()
        if sock is not None:
            self._loop.remove_reader(sock.fileno())
            self._loop.remove_writer(sock.fileno())
        if self._misc_task is not None:
            self._misc_task.cancel()
        if not self._disconnected.done():
            self._disconnected.set_result(None)

    def hang_up(self) -> None:
        """Closes the socket of an abandoned connection."""
        sock = self._client.socket()
        if sock is not None:
            sock.close()


class MqttConnection:
    """A device's connection to its broker.

    Args:
        device: The device.
        broker: Its broker.
        connecting: Bounds concurrent connection attempts to this broker, each of which occupies a thread.
        elapsed_s: Returns the second of the run.
        acknowledged: Called with the identity of each reading that the broker acknowledged.
        rng: Jitter of the backoff.
    """

    def __init__(
        self,
        device: Device,
        broker: Broker,
        connecting: asyncio.Semaphore,
        elapsed_s: Callable[[], float],
        *,
        acknowledged: Callable[[Identity], None],
        rng: np.random.Generator,
    ) -> None:
        self.device = device
        self._broker, self._connecting, self._elapsed_s = broker, connecting, elapsed_s
        self._acknowledged, self._rng = acknowledged, rng
        self._client: _Client | None = None
        self._abandoned: _Client | None = None
        self._attempts = 0
        self._refused = False
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Sends waiting messages, if the device may send."""
        self._wake.set()

    async def run(self) -> None:
        """Connects and sends until it is cancelled."""
        while True:
            while self.device.is_down(self._elapsed_s()):
                await asyncio.sleep(self.device.down_until_s - self._elapsed_s())
            try:
                await self._connect()
            except* aiomqtt.MqttError as errors:
                if not self._attempts:
                    where = self._broker.host, self._broker.port
                    _log.info("%s: no connection to %s:%s: %s", self.device.name, *where, errors.exceptions[0])
            self._client = None
            self.device.outbox.requeue_all()
            lowest, highest = _BACKOFF_S
            pause_s = min(highest, lowest * 2**self._attempts) * float(self._rng.uniform(0.5, 1.0))
            self._attempts = min(self._attempts + 1, 10)
            if not self.device.is_down(self._elapsed_s()):
                await asyncio.sleep(pause_s)

    def cut(self) -> None:
        """Ends the connection without DISCONNECT, or leaves it half open until the keepalive ends it."""
        if self._client is not None:
            self._client.abandon()
            if self.device.half_open:
                self._abandoned = self._client
            else:
                self._client.hang_up()

    async def close(self) -> None:
        """Publishes that the device is offline; `run` is cancelled next."""
        if self._client is not None:
            try:
                await self._client.publish(topics.device_status(self.device.name), b"offline", qos=1, retain=True)
            except aiomqtt.MqttError as error:
                _log.info("%s: ends without its status: %s", self.device.name, error)
        if self._abandoned is not None:
            self._abandoned.hang_up()

    async def _connect(self) -> None:
        """Connects once; sends until the connection is lost.

        Raises:
            ExceptionGroup: Of `aiomqtt.MqttError`: the broker cannot be reached, or the connection is lost.
        """
        if self._abandoned is not None:
            self._abandoned.hang_up()
            self._abandoned = None
        async with AsyncExitStack() as connection:
            async with self._connecting:
                client = await connection.enter_async_context(self._new_client())
            if self.device.is_down(self._elapsed_s()):
                client.abandon()
                client.hang_up()
                return
            self._client, self._attempts, self._refused = client, 0, False
            async with asyncio.TaskGroup() as group:
                group.create_task(_until_lost(client))
                group.create_task(self._send(client))

    def _new_client(self) -> _Client:
        name, broker = self.device.name, self._broker
        user, password = broker.user if broker.user is not None else (None, None)
        return _Client(
            broker.host,
            broker.port,
            username=user,
            password=password,
            identifier=name,
            protocol=aiomqtt.ProtocolVersion.V5,
            will=aiomqtt.Will(topics.device_status(name), b"offline", qos=1, retain=True),
            clean_start=True,
            keepalive=_KEEPALIVE_S,
            timeout=TIMEOUT_S,
            tls_context=broker.tls,
        )

    async def _send(self, client: _Client) -> None:
        outbox, topic = self.device.outbox, topics.device_vitals(self.device.name)
        await client.publish(topics.device_status(self.device.name), b"online", qos=1, retain=True)
        while True:
            self._wake.clear()
            message = outbox.next() if self.device.may_send(self._elapsed_s()) else None
            if message is None:
                await self._wake.wait()
                continue
            # The keepalive ends a connection that delivers no PUBACK.
            await client.publish(topic, message.payload, qos=1, timeout=math.inf)
            if _accepted(client.reason):
                if outbox.acknowledge(message) and message.identity is not None:
                    self._acknowledged(message.identity)
            else:
                await self._pause(message, client.reason)

    async def _pause(self, message: Message, reason: ReasonCode | None) -> None:
        self.device.outbox.requeue(message)
        if not self._refused:
            _log.warning("%s: message not accepted: %s; retrying", self.device.name, reason)
            self._refused = True
        await asyncio.sleep(_REFUSED_PAUSE_S)


async def _until_lost(client: aiomqtt.Client) -> None:
    """Waits for the loss of the connection, which the iterator raises; a device subscribes to nothing."""
    async for _ in client.messages:
        pass


def _accepted(reason: ReasonCode | None) -> bool:
    """Returns whether a message counts as stored: without a subscriber the broker drops one that it acknowledges."""
    return reason is not None and not reason.is_failure and reason.value != _NO_SUBSCRIBER
