"""All devices of a run in one event loop: a schedule of readings on one side, a connection per device on the other."""

import asyncio
import heapq
import math
import threading
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import numpy as np

from firmware_sim.broker import Broker
from firmware_sim.device import Device
from firmware_sim.ground_truth_log import GroundTruthLog, Identity, Summary
from firmware_sim.mqtt_connection import MqttConnection
from firmware_sim.patient.patient_group import Sample, Source

_LOOK_AHEAD_S: Final = 0.05
_LONGEST_WAIT_S: Final = 0.2
_TICK_S: Final = 0.5
_DRAIN_TICK_S: Final = 0.05
_CONNECTING: Final = 64
"""Connections made at once to one broker: one that does not answer holds up no device of another broker."""
DRAIN_S: Final = 15.0


@dataclass(frozen=True, slots=True)
class Clock:
    """The two clocks of the simulation.

    Attributes:
        monotonic_s: Monotonic time of the schedule, s.
        wall_ms: UTC epoch ms; devices stamp with it.
    """

    monotonic_s: Callable[[], float]
    wall_ms: Callable[[], int]


class Simulation:
    """Devices, their connections and their schedule."""

    def __init__(
        self,
        devices: Mapping[str, tuple[Device, Broker]],
        sources: Sequence[Source],
        ledger: GroundTruthLog,
        clock: Clock,
        seed: int,
    ) -> None:
        """Connects devices, their brokers and the sources of readings."""
        self._sources, self._ledger, self._clock = tuple(sources), ledger, clock
        connecting = defaultdict[tuple[str, int], asyncio.Semaphore](lambda: asyncio.Semaphore(_CONNECTING))
        self._links = {
            name: MqttConnection(
                device,
                broker,
                connecting[broker.host, broker.port],
                self._elapsed_s,
                acknowledged=self._acknowledged,
                rng=np.random.default_rng([seed, 7, n]),
            )
            for n, (name, (device, broker)) in enumerate(devices.items())
        }
        self._threads = _CONNECTING * max(1, len(connecting))
        self._schedule: list[tuple[float, int, Sample]] = []
        self._scheduled = 0
        self._began_s = 0.0
        self._late_max_s = 0.0

    def run(self, stop: threading.Event, duration_s: float, drain_s: float = DRAIN_S) -> Summary:
        """Runs until `stop` is set or `duration_s` has passed, then waits up to `drain_s` for acknowledgements."""
        return asyncio.run(self._run(stop, duration_s, drain_s))

    async def _run(self, stop: threading.Event, duration_s: float, drain_s: float) -> Summary:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(self._threads, "connect"))
        self._began_s = self._clock.monotonic_s()
        async with asyncio.TaskGroup() as group:
            running = [group.create_task(link.run()) for link in self._links.values()]
            await self._measure_until(stop, duration_s)
            await self._drain(self._elapsed_s() + drain_s)
            await asyncio.gather(*(link.close() for link in self._links.values()))
            for task in running:
                task.cancel()
        return self._ledger.summary(now=self._clock.wall_ms(), late_max_s=self._late_max_s)

    async def _measure_until(self, stop: threading.Event, ends_s: float) -> None:
        next_tick_s = 0.0
        while not (stop.is_set() or (t_s := self._elapsed_s()) >= ends_s or self._exhausted()):
            touched = self._measure(t_s)
            self._ledger.flush()
            if t_s >= next_tick_s:
                next_tick_s = t_s + _TICK_S
                self._wake_waiting()
            for name in touched:
                self._links[name].wake()
            await asyncio.sleep(self._wait_s(t_s))

    async def _drain(self, ends_s: float) -> None:
        for link in self._links.values():
            link.device.finish(self._clock.wall_ms(), self._elapsed_s())
        while self._elapsed_s() < ends_s and any(len(link.device.outbox) for link in self._links.values()):
            self._wake_waiting()
            self._ledger.flush()
            await asyncio.sleep(_DRAIN_TICK_S)

    def _wake_waiting(self) -> None:
        """Wakes connections with messages that were held or paused."""
        for link in self._links.values():
            if len(link.device.outbox):
                link.wake()

    def _elapsed_s(self) -> float:
        return self._clock.monotonic_s() - self._began_s

    def _exhausted(self) -> bool:
        return not self._schedule and all(math.isinf(source.start_s()) for source in self._sources)

    def _measure(self, t_s: float) -> set[str]:
        """Makes the readings that are due; returns the devices with a new message."""
        for source in self._sources:
            while source.start_s() <= t_s + _LOOK_AHEAD_S:
                for sample in source.next():
                    heapq.heappush(self._schedule, (sample.at_s, self._scheduled, sample))
                    self._scheduled += 1
        touched = set()
        while self._schedule and self._schedule[0][0] <= t_s:
            at_s, _, sample = heapq.heappop(self._schedule)
            self._late_max_s = max(self._late_max_s, t_s - at_s)
            link = self._links[sample.device]
            was_down = link.device.is_down(at_s)
            link.device.measure(sample, self._clock.wall_ms())
            touched.add(sample.device)
            if not was_down and link.device.is_down(at_s):
                link.cut()
        return touched

    def _wait_s(self, t_s: float) -> float:
        """Returns the time until the next reading, s; less while `stop` must be polled."""
        due = [t_s + _LONGEST_WAIT_S, *(source.start_s() - _LOOK_AHEAD_S for source in self._sources)]
        due += [self._schedule[0][0]] if self._schedule else []
        return max(0.0, min(due) - self._elapsed_s())

    def _acknowledged(self, identity: Identity) -> None:
        self._ledger.acknowledged(identity, now=self._clock.wall_ms())
