"""Measured send interval of each device, and the devices that send less often than their admission expects."""

from collections import deque
from typing import Final

from vitals.engine.constants import INTERVALS, ON_THE_WAY_MS, UNHEARD_LEAST_MS

GAPS: Final = 5
"""Number of consecutive gaps from which the interval is measured."""
SLOWER: Final = 2.0
"""Ratio of every gap to the cadence above which a device is slow, until every gap is below `NO_SLOWER`."""
NO_SLOWER: Final = 1.5
JITTER_MS: Final = 1_000


class SendIntervals:
    """The last gaps between readings of each device, ms, and the devices that are slower than expected."""

    def __init__(self) -> None:
        self._gaps: dict[str, deque[int]] = {}
        self._slow: set[str] = set()

    def heard(self, device: str, gap_ms: int) -> None:
        """Records a reading and its gap to the previous one."""
        gaps = self._gaps.get(device)
        if gaps is None:
            gaps = self._gaps[device] = deque(maxlen=GAPS)
        gaps.append(gap_ms)

    def silent_ms(self, device: str, cadence_ms: float) -> float:
        """Returns the silence threshold, ms: three cadences, or three of the device's own gaps if these are longer.

        The threshold never exceeds the time after which a patient counts as not monitored.
        """
        longest = max(self._gaps.get(device, ()), default=0)
        most = max(INTERVALS * cadence_ms, UNHEARD_LEAST_MS) + ON_THE_WAY_MS
        return min(INTERVALS * max(cadence_ms, longest), most)

    def slow_ms(self, device: str, cadence_ms: float) -> int:
        """Returns the median gap of a slow device, ms, and 0 for any other."""
        gaps = self._gaps.get(device, ())
        if len(gaps) == GAPS and min(gaps) > SLOWER * cadence_ms + JITTER_MS:
            self._slow.add(device)
        elif not gaps or max(gaps) <= NO_SLOWER * cadence_ms + JITTER_MS:
            self._slow.discard(device)
        return sorted(gaps)[len(gaps) // 2] if device in self._slow else 0

    def forget(self, device: str) -> None:
        """Removes a device."""
        self._gaps.pop(device, None)
        self._slow.discard(device)
