"""A bedside device without its network: identity, clock, memory, faults. Messages to send wait in its outbox."""

import heapq
import math
from dataclasses import dataclass

import numpy as np

from firmware_sim import device_message
from firmware_sim.faults import FaultKind, Injector
from firmware_sim.ground_truth_log import GroundTruthLog, Identity
from firmware_sim.patient.patient_group import Sample


@dataclass(frozen=True, slots=True, order=True)
class Message:
    """Bytes that are not acknowledged; `key` is their order, `identity` None if they are no valid message."""

    key: int
    payload: bytes
    identity: Identity | None


class Outbox:
    """Unacknowledged messages of a device, in order and bounded."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._waiting: list[Message] = []
        self._given: dict[int, Message] = {}
        self._keys = 0

    def __len__(self) -> int:
        return len(self._waiting) + len(self._given)

    def put(self, payload: bytes, identity: Identity | None) -> Message | None:
        """Adds a message; returns the oldest waiting one if it was dropped to make room."""
        dropped = heapq.heappop(self._waiting) if len(self) >= self._limit and self._waiting else None
        heapq.heappush(self._waiting, Message(self._keys, payload, identity))
        self._keys += 1
        return dropped

    def next(self) -> Message | None:
        """Moves the oldest waiting message in flight and returns it; None if none waits."""
        if not self._waiting:
            return None
        message = heapq.heappop(self._waiting)
        self._given[message.key] = message
        return message

    def acknowledge(self, message: Message) -> bool:
        """Removes an acknowledged message; returns False if it was dropped before."""
        return self._given.pop(message.key, None) is not None

    def requeue(self, message: Message) -> None:
        """Returns a refused message to its old place among those that wait."""
        if self._given.pop(message.key, None) is not None:
            heapq.heappush(self._waiting, message)

    def requeue_all(self) -> None:
        """Returns all messages in flight to those that wait, after the loss of the connection."""
        for message in list(self._given.values()):
            self.requeue(message)

    def clear(self) -> list[Message]:
        """Drops all messages; returns them."""
        forgotten = sorted((*self._waiting, *self._given.values()))
        self._waiting, self._given = [], {}
        return forgotten


class Device:
    """One device; `boots` draws its boot numbers."""

    def __init__(
        self, name: str, injector: Injector, outbox: Outbox, ledger: GroundTruthLog, boots: np.random.Generator
    ) -> None:
        self.name = name
        self.outbox = outbox
        self.half_open = False
        """True if the device died without closing its connection, which must then be left open."""
        self._injector, self._ledger, self._boots = injector, ledger, boots
        self._down_until_s = -math.inf
        self._held_until_s = -math.inf
        self._swapped: tuple[bytes, Identity] | None = None
        self._boot, self._seq = self._draw(), 0

    @property
    def down_until_s(self) -> float:
        """Second of the run at which the device is back; infinite if it never is."""
        return self._down_until_s

    def is_down(self, t_s: float) -> bool:
        """Returns whether the device is rebooting or dead at second `t_s` of the run."""
        return t_s < self._down_until_s

    def may_send(self, t_s: float) -> bool:
        """Returns whether the device may send at second `t_s`: not while it is down or holds readings for a burst."""
        return not self.is_down(t_s) and t_s >= self._held_until_s

    def measure(self, sample: Sample, now: int) -> None:
        """Encodes a measurement into the outbox, unless a fault prevents it.

        Args:
            sample: The measurement.
            now: True time, UTC epoch ms.
        """
        if self.is_down(sample.at_s):
            return
        struck = self._injector.strikes(sample.at_s)
        kinds = {fault.fault for fault in struck}
        for fault in struck:
            if fault.fault in {FaultKind.REBOOT, FaultKind.BATTERY}:
                self._fall(fault.fault, sample.at_s + fault.lasts_s, now)
                return
            if fault.fault is FaultKind.LATE_BURST:
                self._held_until_s = sample.at_s + fault.lasts_s
        t = now + self._injector.clock_offset_ms(sample.at_s)
        identity = (self.name, self._boot, self._seq)
        frame = device_message.encode(self._boot, self._seq, t, sample.values, sample.off)
        self._seq += 1
        self._ledger.sent(
            identity,
            now=now,
            t=t,
            story=sample.story,
            phase=sample.phase,
            truth=sample.truth,
            state=sample.state,
            artefacts=sample.artefacts,
            unmeasured=sample.unmeasured,
            faults=sorted(kinds),
        )
        self._queue(frame, identity, kinds, now)

    def finish(self, now: int, t_s: float) -> None:
        """Releases messages held back by a reordering or a burst, after the last reading."""
        if not self.is_down(t_s):
            self._held_until_s = -math.inf
        self._release(now)

    def _release(self, now: int) -> None:
        if self._swapped is not None:
            swapped, self._swapped = self._swapped, None
            self._put(*swapped, now=now)

    def _queue(self, frame: bytes, identity: Identity, kinds: set[FaultKind], now: int) -> None:
        if FaultKind.REORDER in kinds and self._swapped is None:
            self._swapped = (frame, identity)
            return
        self._put(frame, identity, now=now)
        if FaultKind.DUPLICATE in kinds:
            self._put(frame, identity, now=now)
        self._release(now)
        if FaultKind.GARBAGE in kinds:
            junk = device_message.garbage(frame, self._injector.rng)
            self._ledger.garbage(self.name, now=now, size=len(junk))
            self._put(junk, None, now=now)

    def _put(self, payload: bytes, identity: Identity | None, *, now: int) -> None:
        dropped = self.outbox.put(payload, identity)
        if dropped is not None and dropped.identity is not None:
            self._ledger.dropped(dropped.identity, now=now, reason="full")

    def _fall(self, kind: FaultKind, until_s: float, now: int) -> None:
        """Goes down: its memory is lost, and the next boot has another number."""
        self._ledger.device(self.name, now=now, event=kind.value)
        self._release(now)
        for message in self.outbox.clear():
            if message.identity is not None:
                self._ledger.dropped(message.identity, now=now, reason=kind.value)
        self._down_until_s, self._held_until_s = until_s, -math.inf
        self.half_open = kind is FaultKind.BATTERY
        self._boot, self._seq = self._draw(), 0

    def _draw(self) -> int:
        return int(self._boots.integers(2**32))
