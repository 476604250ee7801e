"""Monitors' clocks that are wrong: found by every reading, told once it is sure, and no longer once they are right."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from edge.ingest.device_clock import Clock

OFF_MS: Final = 5_000
"""A monitor's clock that is further off is told of, until it is within `RIGHT_MS`."""
RIGHT_MS: Final = 2_500
SURE_S: Final = 10.0
"""It is told of once it has been wrong for so long and in two readings: one alone may have been kept."""
OVER_S: Final = 60.0
"""It is right again once it has been so for so long."""


@dataclass(slots=True)
class _Change:
    since_s: float
    t: int


class ClockFaults:
    """Which devices' clocks are wrong."""

    def __init__(self) -> None:
        self.wrong: dict[str, str] = {}
        self._changes: dict[str, _Change] = {}

    def recall(self, clocks: Mapping[str, Clock]) -> None:
        """Takes up what an earlier run of the gateway knew of the devices."""
        self.wrong = {device: how for device, clock in clocks.items() if (how := clock.wrong(OFF_MS))}

    def judge(self, clocks: Mapping[str, Clock], clock_s: float) -> None:
        """Judges every device; call it each second.

        Args:
            clocks: Their clocks.
            clock_s: Monotonic clock, s.
        """
        for device, clock in clocks.items():
            told = device in self.wrong
            how = clock.wrong(RIGHT_MS if told else OFF_MS)
            if told and how:
                self.wrong[device] = how
            if bool(how) == told:
                self._changes.pop(device, None)
                continue
            change = self._changes.setdefault(device, _Change(clock_s, clock.t))
            lasted_s = clock_s - change.since_s
            if how and lasted_s >= SURE_S and (clock.t != change.t or clock.stands):
                self.wrong[device] = how
            elif not how and lasted_s >= OVER_S:
                del self.wrong[device]

    def forget(self) -> None:
        """Judges all anew: the gateway's own time was set."""
        self.wrong, self._changes = {}, {}
