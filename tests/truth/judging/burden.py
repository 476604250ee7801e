"""How much people had to read (R12)."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

import numpy as np

from tests.truth.judging.due import Due
from tests.truth.judging.life import HOUR, MINUTE, NOT_MONITORED, SECOND, Message
from tests.truth.judging.told import NAMING, TELLING, Mail

APART: Final = 30 * MINUTE
AROUND: Final = MINUTE


def most_told(messages: Sequence[Message]) -> list[Message]:
    """The messages to the person who had most; the first one named of equals."""
    counts = Counter(m.to for m in messages)
    return [m for m in messages if m.to == counts.most_common(1)[0][0]]


def deteriorations(dues: Sequence[Due]) -> list[tuple[int, int]]:
    """First and last moment of each deterioration of one patient: problems less than 30 min apart are one."""
    found: list[tuple[int, int]] = []
    for begins, until in sorted((due.begins, due.until) for due in dues if due.problem != NOT_MONITORED):
        if found and begins - found[-1][1] < APART:
            found[-1] = (found[-1][0], max(found[-1][1], until))
        else:
            found.append((begins, until))
    return found


def pages_per_deterioration(dues: Sequence[Due], mail: Mail) -> list[int]:
    """Returns how many messages that call went during each deterioration of one patient, to whomever."""
    spans = deteriorations(dues)
    return [sum(m.kind in NAMING for m in mail.between(a - AROUND, b + AROUND)) for a, b in spans]


def most_in_an_hour(mail: Mail) -> int:
    """Most messages about one patient to one person within an hour."""
    most = 0
    for person in {m.to for m in mail.all}:
        t = np.array([m.t for m in mail.all if m.to == person], np.int64)
        most = max(most, int((np.searchsorted(t, t + HOUR) - np.arange(len(t))).max()))
    return most


def pages_of_stable(calls: Sequence[Message]) -> int:
    """Seconds in which a stable patient's page went to anybody."""
    return len({m.t // SECOND for m in calls if m.kind in TELLING})
