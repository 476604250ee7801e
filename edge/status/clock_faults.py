"""Clock faults of devices, for the status message: confirmed by two readings and ended after a minute of right time."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from edge.ingest.device_clock import Clock

OFF_MS: Final = 5_000
"""Offset above which a device's clock is reported, until the offset is within `RIGHT_MS`."""
RIGHT_MS: Final = 2_500
SURE_S: Final = 10.0
"""Time that, with a second reading, confirms a wrong clock: a single reading may be a stored one."""
OVER_S: Final = 60.0
"""Time of right readings that ends the report."""


@dataclass(slots=True)
class _Change:
    since_s: float
    t: int


class ClockFaults:
    """Devices with a wrong clock, and the kind of fault."""

    def __init__(self) -> None:
        self.wrong: dict[str, str] = {}
        self._changes: dict[str, _Change] = {}

    def recall(self, clocks: Mapping[str, Clock]) -> None:
        """Restores the faults from the device states of an earlier run."""
        self.wrong = {device: how for device, clock in clocks.items() if (how := clock.wrong(OFF_MS))}

    def judge(self, clocks: Mapping[str, Clock], clock_s: float) -> None:
        """Evaluates every device; call it each second.

        Args:
            clocks: Device clocks, by device.
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
        """Clears all faults after the gateway's own time was set."""
        self.wrong, self._changes = {}, {}
