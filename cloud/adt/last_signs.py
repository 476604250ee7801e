"""Time of each patient's newest reading, from the alarm engine."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Final

from cloud.console.live.alarm_state import AlarmStateSnapshot, StateDownError, StatePort

logger = logging.getLogger("adt")
OLD_S: Final = 15.0
"""Age from which an answer is out of date."""


class LastSigns:
    """Follows the alarm engine in a thread.

    Args:
        state: The alarm engine.
        clock: Monotonic clock, s.
    """

    def __init__(self, state: StatePort, clock: Callable[[], float] = time.monotonic) -> None:
        self._state, self._clock = state, clock
        self._seen: tuple[float, AlarmStateSnapshot] | None = None
        self._down = False

    def __call__(self, patient: str) -> int | None:
        """Returns the time of a patient's newest reading, UTC epoch ms; 0 for none, None if it is unknown now."""
        seen = self._seen
        if seen is None or self._clock() - seen[0] > OLD_S:
            return None
        found = seen[1].patients.get(patient)
        return 0 if found is None else found.t

    def look(self) -> None:
        """Queries once."""
        try:
            self._seen = self._clock(), self._state.fetch()
            self._down = False
        except StateDownError as error:
            if not self._down:
                logger.warning("alarm engine does not answer, discharges and transfers wait: %s", error)
            self._down = True

    def run(self, stop: threading.Event, every_s: float = 1.0) -> None:
        """Queries at an interval until `stop` is set."""
        while not stop.wait(every_s):
            self.look()
        self._state.close()
