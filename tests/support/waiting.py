"""Waits for a condition, with a deadline; never merely for time to pass."""

import threading
import time
from collections.abc import Callable


def within(seconds: float, condition: Callable[[], object], every_s: float = 0.05) -> bool:
    """Returns whether a condition holds before the deadline."""
    deadline, pause = time.monotonic() + seconds, threading.Event()
    while not condition():
        if time.monotonic() > deadline:
            return False
        pause.wait(every_s)
    return True


def until(condition: Callable[[], object], what: str, within_s: float = 60.0, every_s: float = 0.05) -> None:
    """Waits until a condition holds.

    Raises:
        AssertionError: It did not hold before the deadline; the message has `what`.
    """
    if not within(within_s, condition, every_s):
        raise AssertionError(f"not within {within_s:.0f} s: {what}")
