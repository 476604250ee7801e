"""Newest state of each light, and the states that the broker has not acknowledged.

A light shows the last state that it received. So only the newest state of each light is sent, until the broker
acknowledges it. A new connection gets all states, and all are repeated each minute in case one was lost. No older
state is queued anywhere, as it might be delivered after the newest.
"""

from dataclasses import dataclass
from typing import Final

REPEAT_S: Final = 60.0
AGAIN_S: Final = 5.0
"""Time after which a state without an acknowledgement is resent."""


@dataclass(slots=True)
class _IndicatorState:
    signal: bytes
    due_s: float
    mid: int | None = None


class IndicatorStates:
    """States of all lights, by name. Times are of a monotonic clock, s."""

    def __init__(self) -> None:
        self._states: dict[str, _IndicatorState] = {}

    def __contains__(self, light: str) -> bool:
        return light in self._states

    def show(self, light: str, signal: bytes, clock_s: float) -> None:
        """Sets the new state of a light."""
        self._states[light] = _IndicatorState(signal, clock_s)

    def connected(self, clock_s: float) -> None:
        """Marks all states as due: a new connection may have received none."""
        for state in self._states.values():
            state.mid, state.due_s = None, clock_s

    def due(self, clock_s: float) -> list[tuple[str, bytes]]:
        """Returns the lights and states to send now."""
        return [(light, state.signal) for light, state in self._states.items() if state.due_s <= clock_s]

    def told(self, light: str, mid: int, clock_s: float) -> None:
        """Records that a light's state is sent as message `mid`."""
        state = self._states[light]
        state.mid, state.due_s = mid, clock_s + AGAIN_S

    def acknowledged(self, mid: int, clock_s: float) -> None:
        """Records that the broker has a message; an older state's message changes nothing."""
        for state in self._states.values():
            if state.mid == mid:
                state.mid, state.due_s = None, clock_s + REPEAT_S
