"""A storm while it blows: strikes in time, looks on, and waits until everything has arrived."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import psycopg

from infra.demo.faults import Fault
from infra.demo.reconciliation import Identity
from infra.demo.supervisor import Supervisor
from infra.local.process import PartError
from infra.local.topic_observer import Observer
from tests.faults.path import verdict as verdicts
from tests.faults.path.ledgers import Warehouse
from tests.faults.path.sight import Sight
from tests.faults.path.stage import Standing
from tests.support.waiting import within

TELL_S: Final = 15.0
LOOK_S: Final = 1.0
WHOLE_AGAIN_S: Final = 180.0
DRAIN_S: Final = 1200.0
QUIET_S: Final = 75.0
"""As long as low-priority alarms are collected for one message, and some more."""


def say(line: str) -> None:
    """Progress."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} faults path: {line}\n")


@dataclass(slots=True)
class Storm:
    """A storm while it blows.

    Attributes:
        standing: What stands.
        seen: What passes through Kafka.
        supervisor: Starts again what dies, and strikes.
        warehouse: Where readings end.
        accepted: Readings that the real gateways have accepted, once it has drained.
    """

    standing: Standing
    seen: Observer[Sight]
    supervisor: Supervisor
    warehouse: Warehouse
    accepted: set[Identity] = field(default_factory=set)

    def blow(self, faults: tuple[Fault, ...], duration_s: float) -> None:
        """Strikes in time; returns when the run is over, and all that was struck is whole again or had its time."""
        waiting, began, told = list(faults), time.monotonic(), 0.0
        while (elapsed := time.monotonic() - began) < duration_s + WHOLE_AGAIN_S:
            while waiting and waiting[0].at_s <= elapsed:
                self.supervisor.strike(waiting.pop(0))
            if elapsed > duration_s and self._whole(len(faults)):
                return
            self.warehouse.look()
            if elapsed - told > TELL_S:
                told = elapsed
                self._tell(elapsed, duration_s)
            time.sleep(LOOK_S)

    def recoveries(self) -> list[verdicts.Recovery]:
        """Returns what is known of every fault that is over."""
        places = self.seen.asked(lambda sight: {name: tuple(series) for name, series in sight.places.items()})
        places["warehouse"] = tuple(self.warehouse.loads)
        return [verdicts.recovery(struck, places) for struck in tuple(self.supervisor.struck)]

    def _whole(self, count: int) -> bool:
        found = self.recoveries()
        places = len(self.seen.asked(lambda sight: tuple(sight.places))) + 1
        return len(found) == count and all(len(one.back_s) == places for one in found)

    def _tell(self, elapsed: float, duration_s: float) -> None:
        load = self.standing.load.told()
        alarms, sent = self.seen.asked(lambda sight: (len(sight.alarms), len(sight.notifications)))
        readings = load.sent * self.standing.plan.per_gateway
        say(
            f"{elapsed:.0f} of {duration_s:.0f} s: {readings:,} synthetic readings, {load.waiting} batches waiting, "
            f"{load.late} late, {alarms} alarms, {sent} notifications, {len(self.supervisor.struck)} faults over"
        )

    def drain(self) -> None:
        """Waits until everything that was accepted is in the warehouse, and nothing more is told."""
        self.supervisor.settle()
        self.standing.load.hush()
        self.standing.stage.stack.processes.end(["devices"])
        load, plan = self.standing.load, self.standing.plan
        until(lambda: load.told().waiting == 0, "all batches to be confirmed")
        say("all batches are confirmed")
        expected = load.told().sent * plan.per_gateway
        until(lambda: self.warehouse.synthetic_rows() >= expected, f"{expected:,} synthetic readings in the warehouse")
        say("all synthetic readings are in the warehouse")
        until(self._arrived, "the real gateways' readings in the warehouse")
        self._quiet()

    def _arrived(self) -> bool:
        self.accepted = self.supervisor.accepted()
        return self.accepted <= self.warehouse.real().keys()

    def _quiet(self) -> None:
        """Waits until no alarm and no message has come for as long as low-priority ones are collected."""
        known, since = (-1, -1), time.monotonic()
        ends = since + DRAIN_S
        while time.monotonic() - since < QUIET_S and time.monotonic() < ends:
            now = self.seen.asked(lambda sight: (len(sight.alarms), len(sight.notifications)))
            if now != known:
                known, since = now, time.monotonic()
            time.sleep(LOOK_S)


def until(met: Callable[[], bool], what: str) -> None:
    """Waits for a condition; what does not come about is told and left to the verdict."""
    if not within(DRAIN_S, lambda: _met(met), LOOK_S * 2):
        say(f"not within {DRAIN_S:.0f} s: {what}")


def _met(condition: Callable[[], bool]) -> bool:
    try:
        return condition()
    except (psycopg.Error, PartError):
        return False
