"""How often each device really sends: one slower than its roster says is told once, and expected at its own pace."""

from collections import deque
from typing import Final

from vitals.engine.rules.constants import INTERVALS, ON_THE_WAY_MS, UNHEARD_LEAST_MS

GAPS: Final = 5
"""So many gaps between readings in a row tell a pace."""
SLOWER: Final = 2.0
"""A device is slower than its roster when each of these gaps is this many times too long, and not when none is
`NO_SLOWER` times."""
NO_SLOWER: Final = 1.5
JITTER_MS: Final = 1_000


class SendIntervals:
    """The last gaps between readings of each device, ms, and which devices are slower than expected."""

    def __init__(self) -> None:
        self._gaps: dict[str, deque[int]] = {}
        self._slow: set[str] = set()

    def heard(self, device: str, gap_ms: int) -> None:
        """Notes a reading, and how long after the one before it came."""
        gaps = self._gaps.get(device)
        if gaps is None:
            gaps = self._gaps[device] = deque(maxlen=GAPS)
        gaps.append(gap_ms)

    def silent_ms(self, device: str, cadence_ms: float) -> float:
        """Returns after how long a device is silent: three cadences, or of its own gaps where these are longer.

        No longer than a patient may be without a reading: then they are not watched, whatever is usual.
        """
        longest = max(self._gaps.get(device, ()), default=0)
        most = max(INTERVALS * cadence_ms, UNHEARD_LEAST_MS) + ON_THE_WAY_MS
        return min(INTERVALS * max(cadence_ms, longest), most)

    def slow_ms(self, device: str, cadence_ms: float) -> int:
        """Returns how long a device takes between two readings, ms; 0 while that is no longer than expected."""
        gaps = self._gaps.get(device, ())
        if len(gaps) == GAPS and min(gaps) > SLOWER * cadence_ms + JITTER_MS:
            self._slow.add(device)
        elif not gaps or max(gaps) <= NO_SLOWER * cadence_ms + JITTER_MS:
            self._slow.discard(device)
        return sorted(gaps)[len(gaps) // 2] if device in self._slow else 0

    def forget(self, device: str) -> None:
        """Forgets a device."""
        self._gaps.pop(device, None)
        self._slow.discard(device)
