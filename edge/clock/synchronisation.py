"""Has the machine's clock been set? By the word of whoever keeps it, as a date says nothing.

A Raspberry Pi starts with the time of its last shutdown, or of its image: hours or months behind, and plausible.
"""

import ctypes
from pathlib import Path
from typing import Final

TIMESYNC: Final = Path("/run/systemd/timesync/synchronized")
"""systemd-timesyncd makes it when it has heard a time server since the machine started."""
_TIME_ERROR: Final = 5
_TIMEX_BYTES: Final = 512
"""More than `struct timex` has on any machine; all zero it asks and sets nothing."""


def synchronised(timesync: Path = TIMESYNC) -> bool:
    """Returns whether a time server or a person's clock keeps the machine's: adjtimex(2), or systemd-timesyncd.

    Args:
        timesync: The file of systemd-timesyncd.
    """
    if timesync.exists():
        return True
    asked = ctypes.create_string_buffer(_TIMEX_BYTES)
    return ctypes.CDLL(None).adjtimex(asked) not in {-1, _TIME_ERROR}
