"""The points at which this judge and the reference judge read the requirements differently.

This judge goes by the text. A point that is conceded is decided as the reference judge decides it: so the two can be
compared to the last line on any life, and each point is shown by itself in `tests/truth/disputes.py`.
"""

from enum import StrEnum
from typing import Final, TypeAlias


class Point(StrEnum):
    """One point; its value is the requirement that it is about and a word."""

    NAMES = "told: names the problem"
    EARLY = "told: at most 120 s before"
    MINUTE = "R2: half of the readings of a minute"
    CUFF_WAIT = "R2: 15 min without a repeat"
    RECOVERY = "R3: ends with 60 s within limits"
    ITS_TIME = "R3: high within its time"
    SERIAL = "R6: the third return"
    GOES_ON = "R7: goes on"
    SHORT_PULSE = "R8: a pulse of less than 60 s"
    SILENCE = "R10: without a usable reading"


Conceded: TypeAlias = frozenset[Point]
NONE: Final[Conceded] = frozenset()
ALL: Final[Conceded] = frozenset(Point)
