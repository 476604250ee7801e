"""Sends a plan's batches over MQTT as gateways do: keeps and resends each batch until it is confirmed."""

import array
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

import msgspec

from tests.load.connection import Broker, Connection
from tests.load.plan import Gateway, Plan
from vitals.wire import topics
from vitals.wire.uplink_batch import BatchAck

BACKOFF: Final = 16
"""Longest time to the next resend, in units of `Plan.resend_s`."""
TICK_S: Final = 0.01
AT_ONCE: Final = 200
"""Most batches that one step sends, and resends, so that neither delays the other or the reading of messages."""
_confirmed = msgspec.json.Decoder(BatchAck)


@dataclass(slots=True)
class _Kept:
    """A batch that is not confirmed."""

    gateway: Gateway
    payload: bytes
    first_at: float
    again_at: float
    wait_s: float


class Sender:
    """Sends one fleet's batches over its connections. One thread calls `step`.

    Args:
        plan: The fleet and its batches.
        broker: Broker to send to.
    """

    def __init__(self, plan: Plan, broker: Broker) -> None:
        self._plan = plan
        self._gateways = [Gateway(plan, number) for number in range(plan.gateways)]
        self._kept: OrderedDict[tuple[str, str, int], _Kept] = OrderedDict()
        self._mids: dict[tuple[int, int], tuple[str, str, int]] = {}
        every = plan.connections
        self._connections = [
            Connection(
                broker,
                number,
                [topics.slot_filter(slot, "confirmed") for slot in range(number, topics.SLOTS, every)],
            )
            for number in range(every)
        ]
        self._began = time.monotonic()
        self.sent = self.resent = self.confirmed = self.late = 0
        self.latencies_s = array.array("f")

    @property
    def waiting(self) -> int:
        """Batches not yet confirmed."""
        return len(self._kept)

    @property
    def finished(self) -> bool:
        """True if all batches of the plan were sent and confirmed."""
        return self.sent == self._plan.batches and not self._kept

    def connect(self, timeout_s: float) -> None:
        """Waits until all connections are up.

        Raises:
            TimeoutError: They are not; the broker may be down, or reject the certificate.
        """
        ends = time.monotonic() + timeout_s
        while not all(connection.up for connection in self._connections):
            now = time.monotonic()
            if now > ends:
                raise TimeoutError(f"the load's connections were not up within {timeout_s:.0f} s")
            self._turn(now)
            time.sleep(TICK_S)

    def begin(self) -> None:
        """Starts the schedule: the first batch is due now."""
        self._began = time.monotonic()

    def step(self, t: int, *, more: bool = True) -> None:
        """Sends due batches, resends unconfirmed ones, reads confirmations, and waits for the next tick.

        Args:
            t: UTC epoch ms, for the readings.
            more: Whether new batches are sent.
        """
        now = time.monotonic()
        due = min(self._plan.due(now - self._began), self.sent + AT_ONCE) if more else 0
        if self._plan.batches is not None:
            due = min(due, self._plan.batches)
        while self.sent < due and len(self._kept) < self._plan.in_flight:
            self._send_next(t, self._began + self._plan.due_s(self.sent))
        self._send_again(now)
        self._turn(now)
        # By ticks: waking for each batch and each confirmation costs more than the batches.
        time.sleep(max(0.0, now + TICK_S - time.monotonic()))

    def close(self) -> None:
        """Ends the connections."""
        for connection in self._connections:
            connection.close()

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
        """Resends the due batches, the oldest first; a resent batch moves to the end of the queue."""
        for _ in range(AT_ONCE):
            key = next(iter(self._kept), None)
            if key is None or now < self._kept[key].again_at:
                return
            kept = self._kept[key]
            kept.wait_s = min(kept.wait_s * 2, self._plan.resend_s * BACKOFF)
            kept.again_at = now + kept.wait_s
            self._kept.move_to_end(key)
            self.resent += 1
            self._publish(key, kept)

    def _all_again(self, number: int, now: float) -> None:
        """Makes all unconfirmed batches of a new connection due, as gateways resend all batches then."""
        mine = [key for key, kept in self._kept.items() if self._connection_of(kept.gateway) == number]
        for key in reversed(mine):
            self._kept[key].again_at, self._kept[key].wait_s = now, self._plan.resend_s
            self._kept.move_to_end(key, last=False)

    def _connection_of(self, gateway: Gateway) -> int:
        return topics.slot(gateway.name) % len(self._connections)

    def _publish(self, key: tuple[str, str, int], kept: _Kept) -> None:
        number = self._connection_of(kept.gateway)
        mid = self._connections[number].publish(kept.gateway.topic, kept.payload)
        if self._plan.plain and mid is not None:
            self._mids[number, mid] = key

    def _turn(self, now: float) -> None:
        for number, connection in enumerate(self._connections):
            was_up = connection.up
            messages, acked = connection.turn(now)
            heard = time.monotonic()
            if connection.up and not was_up:
                self._all_again(number, now)
            for message in messages:
                self._take(message.topic.split("/")[2], bytes(message.payload), heard)
            for mid in acked:
                key = self._mids.pop((number, mid), None)
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
