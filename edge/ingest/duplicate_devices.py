"""Detects two devices with one name: a copied configuration, by which one patient's readings hide the other's.

Each start of a device draws a new boot. Readings of an earlier boot may arrive late, but none was measured after the
next boot began. So a boot that returns with a newer reading is of another device.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

RETURNS: Final = 2
"""Returns that prove two devices: a single one may be due to a clock that was set."""
FORGET_S: Final = 300.0
BOOTS: Final = 8
"""Boots stored per device."""


@dataclass(slots=True)
class _BootRun:
    boot: int
    began: dict[int, int] = field(default_factory=dict)
    returns: int = 0
    returned_s: float = 0.0


class DuplicateDevices:
    """Boots of each device, in the order in which they alternate."""

    def __init__(self) -> None:
        self._devices: dict[str, _BootRun] = {}

    def heard(self, devices: Sequence[str], boots: Sequence[int], t: Sequence[int], clock_s: float) -> None:
        """Records new readings in arrival order.

        Args:
            devices: (n,) devices.
            boots: (n,) their boots.
            t: (n,) event times, UTC epoch ms.
            clock_s: Monotonic clock, s.
        """
        for device, boot, when in zip(devices, boots, t, strict=True):
            run = self._devices.get(device)
            if run is None:
                self._devices[device] = _BootRun(boot, {boot: when})
            elif run.boot != boot:
                _turn(run, boot, when, clock_s)

    def rebase(self, jump_ms: int) -> None:
        """Shifts all times after the gateway's own time was set."""
        for run in self._devices.values():
            run.began = {boot: t + jump_ms for boot, t in run.began.items()}

    def duplicated(self, clock_s: float) -> frozenset[str]:
        """Returns the names that two devices share."""
        return frozenset(
            device
            for device, run in self._devices.items()
            if run.returns >= RETURNS and clock_s - run.returned_s < FORGET_S
        )


def _turn(run: _BootRun, boot: int, when: int, clock_s: float) -> None:
    """Records a change to another boot, and a return of it."""
    began = run.began.setdefault(boot, when)
    if began < run.began[run.boot] < when:
        recent = clock_s - run.returned_s < FORGET_S
        run.returns, run.returned_s = run.returns * recent + 1, clock_s
    run.boot = boot
    if len(run.began) > BOOTS:
        del run.began[next(other for other in run.began if other != boot)]
