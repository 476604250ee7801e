"""Check whether the system clock has been set, as reported by time synchronisation; a plausible date proves nothing.

A Raspberry Pi starts with the time of its last shutdown, or of its image: hours or months behind, and plausible.
"""

import ctypes
from pathlib import Path
from typing import Final

TIMESYNC: Final = Path("/run/systemd/timesync/synchronized")
"""File that systemd-timesyncd creates when a time server answered since the machine started."""
_LIBC: Final = ctypes.CDLL(None)
_TIME_ERROR: Final = 5
_TIMEX_BYTES: Final = 512
"""Larger than `struct timex` on any machine; all zero, the call reads the state and sets nothing."""


def synchronised(timesync: Path = TIMESYNC) -> bool:
    """Returns whether the system clock is synchronised, by adjtimex(2) or systemd-timesyncd.

    Args:
        timesync: File of systemd-timesyncd.
    """
    if timesync.exists():
        return True
    asked = ctypes.create_string_buffer(_TIMEX_BYTES)
    return _LIBC.adjtimex(asked) not in {-1, _TIME_ERROR}
