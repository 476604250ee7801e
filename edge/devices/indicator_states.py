"""The newest state of each light, and what of it the broker has yet to hear.

A light keeps what it was told last. So of each light only the newest is ever told, until the broker has acknowledged
it; a new connection is told all; and everything is told again each minute, for whatever lost it on the way. Nothing
older is remembered anywhere, as whoever remembers may tell it later than the newest.
"""

from dataclasses import dataclass
from typing import Final

REPEAT_S: Final = 60.0
AGAIN_S: Final = 5.0
"""An acknowledgement that has not come for so long is not waited for."""


@dataclass(slots=True)
class _IndicatorState:
    signal: bytes
    due_s: float
    mid: int | None = None


class IndicatorStates:
    """Every light by its name. Times are of a monotonic clock, s."""

    def __init__(self) -> None:
        self._states: dict[str, _IndicatorState] = {}

    def __contains__(self, light: str) -> bool:
        return light in self._states

    def show(self, light: str, signal: bytes, clock_s: float) -> None:
        """A light has a new state."""
        self._states[light] = _IndicatorState(signal, clock_s)

    def connected(self, clock_s: float) -> None:
        """Whoever is there now may have heard nothing."""
        for lamp in self._states.values():
            lamp.mid, lamp.due_s = None, clock_s

    def due(self, clock_s: float) -> list[tuple[str, bytes]]:
        """Returns lights and states to be told now."""
        return [(light, lamp.signal) for light, lamp in self._states.items() if lamp.due_s <= clock_s]

    def told(self, light: str, mid: int, clock_s: float) -> None:
        """A light's state goes out as this message."""
        lamp = self._states[light]
        lamp.mid, lamp.due_s = mid, clock_s + AGAIN_S

    def acknowledged(self, mid: int, clock_s: float) -> None:
        """The broker has a message; it says nothing of a light that has a newer state."""
        for lamp in self._states.values():
            if lamp.mid == mid:
                lamp.mid, lamp.due_s = None, clock_s + REPEAT_S
