"""All devices of a run in one thread and one selector: a schedule of readings on one side, sockets on the other."""

import heapq
import logging
import math
import selectors
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from firmware_sim.connector import Broker, Connector
from firmware_sim.device import Device
from firmware_sim.ground_truth_log import GroundTruthLog, Identity, Summary
from firmware_sim.mqtt_connection import MqttConnection
from firmware_sim.patient.patient_group import Sample, Source

_log = logging.getLogger(__name__)
_LOOK_AHEAD_S: Final = 0.05
_LONGEST_WAIT_S: Final = 0.2
_TICK_S: Final = 0.5
_CONNECTS_A_TURN: Final = 20
DRAIN_S: Final = 15.0


@dataclass(frozen=True, slots=True)
class Clock:
    """The two clocks that the wiring hands in.

    Attributes:
        monotonic_s: Never steps; the schedule runs on it.
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
        """Takes devices with their brokers, and where readings come from."""
        self._selector = selectors.DefaultSelector()
        self._dialler = Connector()
        self._sources, self._ledger, self._clock = tuple(sources), ledger, clock
        self._links = {
            name: MqttConnection(
                device,
                broker,
                self._dialler,
                self._selector,
                acknowledged=self._acknowledged,
                rng=np.random.default_rng([seed, 7, n]),
            )
            for n, (name, (device, broker)) in enumerate(devices.items())
        }
        self._schedule: list[tuple[float, int, Sample]] = []
        self._scheduled = 0
        self._began_s = 0.0
        self._late_max_s = 0.0

    def run(self, stop: threading.Event, duration_s: float, drain_s: float = DRAIN_S) -> Summary:
        """Runs until `stop` is set or `duration_s` has passed, then waits up to `drain_s` for acknowledgements."""
        self._began_s = self._clock.monotonic_s()
        next_tick_s = 0.0
        ends_s, draining = duration_s, False
        while True:
            t_s = self._elapsed_s()
            if not draining and (stop.is_set() or t_s >= ends_s or self._exhausted()):
                draining, ends_s = True, t_s + drain_s
                self._finish(t_s)
            if draining and (t_s >= ends_s or not any(len(link.device.outbox) for link in self._links.values())):
                break
            touched = set() if draining else self._measure(t_s)
            self._ledger.flush()
            for name in touched:
                self._pump(self._links[name], t_s)
            self._connect(t_s)
            if t_s >= next_tick_s:
                next_tick_s = t_s + _TICK_S
                self._tick(t_s)
            self._serve(self._wait_s(t_s, draining=draining))
        return self._end()

    def _elapsed_s(self) -> float:
        return self._clock.monotonic_s() - self._began_s

    def _exhausted(self) -> bool:
        return not self._schedule and all(math.isinf(source.start_s()) for source in self._sources)

    def _measure(self, t_s: float) -> set[str]:
        """Takes the readings that are due; returns the devices that have something new to send."""
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
                link.cut(half_open=link.device.half_open, back_s=self._began_s + link.device.down_until_s)
        return touched

    def _finish(self, t_s: float) -> None:
        for link in self._links.values():
            link.device.finish(self._clock.wall_ms(), t_s)

    def _pump(self, link: MqttConnection, t_s: float) -> None:
        if link.device.may_send(t_s):
            link.pump(self._began_s + t_s)

    def _connect(self, t_s: float) -> None:
        now_s = self._began_s + t_s
        turns = 0
        for link in self._links.values():
            if turns < _CONNECTS_A_TURN and link.wants_to_connect(now_s):
                link.connect(now_s)
                turns += 1

    def _tick(self, t_s: float) -> None:
        for link in self._links.values():
            link.tick(self._began_s + t_s, may_send=link.device.may_send(t_s))

    def _wait_s(self, t_s: float, *, draining: bool) -> float:
        """How long nothing but a socket can make work."""
        due = [t_s + _LONGEST_WAIT_S]
        if not draining:
            due += [source.start_s() - _LOOK_AHEAD_S for source in self._sources]
            due += [self._schedule[0][0]] if self._schedule else []
        return max(0.0, min(due) - t_s)

    def _serve(self, wait_s: float) -> None:
        if not self._selector.get_map():
            wait_s = min(wait_s, _LONGEST_WAIT_S)
        for key, events in self._selector.select(wait_s):
            link: MqttConnection = key.data
            t_s = self._elapsed_s()
            link.ready(self._began_s + t_s, events, may_send=link.device.may_send(t_s))

    def _acknowledged(self, identity: Identity) -> None:
        self._ledger.acknowledged(identity, now=self._clock.wall_ms())

    def _end(self) -> Summary:
        for link in self._links.values():
            link.close()
        self._selector.close()
        self._dialler.close()
        return self._ledger.summary(now=self._clock.wall_ms(), late_max_s=self._late_max_s)
