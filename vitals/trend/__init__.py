"""Trend of each sign and patient: a robust online level and slope.

The model is a level that wanders and a slope that fades (an Ornstein-Uhlenbeck process with `FADE_MIN`). A Kalman
filter follows it, with Huber weights for outliers. Noise and wander derive from each sign's largest plausible step, so
a new sign needs no entry here. At most one value per sign and half minute is used, because the noise of neighbouring
seconds is correlated, and a trend over half an hour needs no more. Level and slope describe the past; nothing is
forecast.

An *advisory* is the notice that a limit may be crossed within 30 minutes. It has low priority and is no alarm: it has a
switch of its own, and ends when the sign's own limit is crossed.
"""

import numpy as np

from vitals.alarm_events import AlarmEvent
from vitals.readings import Readings
from vitals.signs import Suspect
from vitals.trend.advisories import PREFIX, act, adopt, advise, discharge, resume
from vitals.trend.kalman import NOISE, SPACING_MS, Estimate, Trends, estimates, follow
from vitals.trend.snapshot import restore, snapshot

LIVE_MS = 120_000
"""Age, ms, beyond which readings update the trend without an advisory, as they start no alarm."""


def empty() -> Trends:
    """Returns trends without patients."""
    return Trends()


def advance(
    trends: Trends, readings: Readings, now: int, *, advisories: bool = True
) -> tuple[Trends, tuple[AlarmEvent, ...]]:
    """Updates trends by readings; late, suspect and absent values are ignored.

    Args:
        trends: The trends; changed in place.
        readings: In arrival order.
        now: Log time, ms: history updates the trend, without an advisory.
        advisories: Whether advisories are emitted; levels and slopes are updated in any case.

    Returns:
        The trends, and start and end of advisories.
    """
    rows = trends.rows(readings.patient.tolist())
    codes = readings.suspect_digits()
    usable = ~np.isnan(readings.values) & ((codes == Suspect.NONE) | (codes == Suspect.CLOCK))
    events = adopt(trends, now - LIVE_MS, now) if trends.recalled else []
    left = np.flatnonzero(rows >= 0)
    while len(left):
        # Most readings of a fast device are between two that are used; they are removed at once.
        mine, t = rows[left], readings.t[left][:, None]
        due = usable[left] & ((trends.count[mine] == 0) | (t - trends.t[mine] >= SPACING_MS))
        wanted = due.any(axis=1)
        if trends.told:
            wanted |= np.isin(mine, [row for row, _ in trends.told])
        left = left[wanted]
        _, first = np.unique(rows[left], return_index=True)
        turn = np.sort(first)
        index = left[turn]
        follow(trends, readings, rows[index], index, usable[index])
        if advisories:
            live = index[now - readings.t[index] <= LIVE_MS]
            events += advise(trends, readings, rows[live], live, now)
        left = np.delete(left, turn)
    return trends, tuple(events)


def active(trends: Trends) -> tuple[AlarmEvent, ...]:
    """Returns the last event of every advisory that has not ended."""
    return tuple(trends.told.values())


__all__ = [
    "NOISE",
    "PREFIX",
    "Estimate",
    "Trends",
    "act",
    "active",
    "advance",
    "discharge",
    "empty",
    "estimates",
    "restore",
    "resume",
    "snapshot",
]
