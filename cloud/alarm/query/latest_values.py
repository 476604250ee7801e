"""The newest values of each patient, and the few before them that an alarm event carries. No alarm depends on them.

Rows are the engine's. With eight signs a patient takes 376 bytes.
"""

import itertools
from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vitals.engine.rules.constants import AHEAD_MS
from vitals.engine.state import SINCE_2020_S
from vitals.limits import PROFILES, LimitSet
from vitals.readings import Readings
from vitals.signs import INDEX, SIGNS, Suspect

ROOM: Final = 64
RECENT: Final = 10
"""Values of each sign that an alarm event carries."""
POINTS: Final = RECENT + 1
"""Length of the ring: the point that is still being filled counts as the newest value."""
SPACING_S: Final = 30
"""Distance of two recent values; of the readings between them the newest counts."""


class LatestValues:
    """Newest value, its time and its suspect mark per sign; limits in force; a ring of recent values.

    Args:
        revisions: Numbers the changes, ascending; the partitions of one shard share it.
    """

    def __init__(self, revisions: Iterator[int] | None = None) -> None:
        self.revision = 0
        self._revisions = revisions or itertools.count(1)
        self.values: NDArray[np.float64] = np.full((ROOM, len(SIGNS)), np.nan)
        self.times: NDArray[np.int64] = np.zeros((ROOM, len(SIGNS)), dtype=np.int64)
        self.words: NDArray[np.int8] = np.zeros((ROOM, len(SIGNS)), dtype=np.int8)
        self.seen: NDArray[np.int64] = np.zeros(ROOM, dtype=np.int64)
        self.changed: NDArray[np.int64] = np.zeros(ROOM, dtype=np.int64)
        self._limits: NDArray[np.int32] = np.zeros(ROOM, dtype=np.int32)
        self._sets: dict[LimitSet, int] = {limits: i for i, limits in enumerate(PROFILES)}
        self._recent_t: NDArray[np.int32] = np.zeros((ROOM, POINTS), dtype=np.int32)
        # Half precision shows every sign as its monitor does: 0.03 at 40 degrees, 0.25 at 300 per minute.
        self._recent: NDArray[np.float16] = np.full((ROOM, POINTS, len(SIGNS)), np.nan, dtype=np.float16)

    def update(self, readings: Readings, rows: NDArray[np.int64], now: int) -> None:
        """Takes in readings; an absent sign keeps its former value, an older reading changes nothing.

        A reading of a clock that is ahead counts as of now, as it does for the engine: what comes after it is newer.

        Args:
            readings: n readings in arrival order.
            rows: (n,) the engine's rows of their patients, -1 for nobody.
            now: Log time, UTC epoch ms.
        """
        mine = np.flatnonzero(rows >= 0)
        if not len(mine):
            return
        self._make_room(int(rows.max()) + 1)
        event = np.where(readings.t - now > AHEAD_MS, now, readings.t)
        mine = mine[event[mine] >= self.seen[rows[mine]]]
        at, t, values = rows[mine], event[mine], readings.values[mine]
        codes = readings.suspect_digits()[mine]
        present = ~np.isnan(values)
        # Where a patient comes repeatedly the last assignment stays, and that is the newest that arrived.
        who, sign = np.nonzero(present)
        self.values[at[who], sign] = values[who, sign]
        self.times[at[who], sign] = t[who]
        who, sign = np.nonzero(present | (codes != Suspect.NONE))
        self.words[at[who], sign] = codes[who, sign]
        np.maximum.at(self.seen, at, t)
        self.revision = next(self._revisions)
        self.changed[at] = self.revision
        own = [self._sets.setdefault(limits, len(self._sets)) for limits in reversed(readings.limit_sets)]
        self._limits[at] = np.array([*range(len(PROFILES)), *own], dtype=np.int32)[readings.limits[mine]]
        self._remember(at, t, values)

    def _remember(self, at: NDArray[np.int64], t: NDArray[np.int64], values: NDArray[np.float64]) -> None:
        # A value older than the whole ring would take the place of a newer one.
        kept = t > self.seen[at] - 1000 * SPACING_S * (POINTS - 1)
        at, t, values = at[kept], t[kept], values[kept]
        seconds = (t // 1000 - SINCE_2020_S).astype(np.int32)
        slot = seconds // SPACING_S % POINTS
        stale = self._recent_t[at, slot] // SPACING_S != seconds // SPACING_S
        self._recent[at[stale], slot[stale]] = np.nan
        self._recent_t[at, slot] = seconds
        who, sign = np.nonzero(~np.isnan(values))
        self._recent[at[who], slot[who], sign] = values[who, sign]

    def forget(self, row: int) -> None:
        """Clears a row that its patient has left, before it is another's."""
        if row < len(self.seen):
            self.values[row], self.times[row], self.words[row] = np.nan, 0, 0
            self.seen[row] = self.changed[row] = self._limits[row] = 0
            self._recent_t[row], self._recent[row] = 0, np.nan

    def limits(self, row: int) -> LimitSet:
        """Returns the limits in force with the newest reading."""
        index = int(self._limits[row])
        return next(limits for limits, i in self._sets.items() if i == index)

    def recent(self, row: int, field: str) -> tuple[tuple[int, float], ...]:
        """Returns a sign's last values as (time, value), oldest first, the very newest at the end."""
        if row >= len(self.seen) or field not in INDEX:
            return ()
        s = INDEX[field]
        oldest = self.seen[row] // 1000 - SINCE_2020_S - SPACING_S * (POINTS - 1)
        seconds, values = self._recent_t[row], self._recent[row, :, s].astype(np.float64)
        known = np.flatnonzero((seconds > max(0, oldest)) & ~np.isnan(values))
        found = [
            (1000 * (int(seconds[k]) + SINCE_2020_S), round(float(values[k]), SIGNS[s].decimals))
            for k in known[np.argsort(seconds[known])]
        ]
        newest = int(self.times[row, s])
        if newest and (not found or found[-1][0] < newest):
            found.append((newest, round(float(self.values[row, s]), SIGNS[s].decimals)))
        return tuple(found[-RECENT:])

    def _make_room(self, rows: int) -> None:
        have = len(self.seen)
        if rows <= have:
            return
        more = max(rows, have + have // 4) - have
        for name, fill in (("values", np.nan), ("_recent", np.nan), ("times", 0), ("words", 0), ("seen", 0)):
            self._extend(name, more, fill)
        for name in ("changed", "_limits", "_recent_t"):
            self._extend(name, more, 0)

    def _extend(self, name: str, more: int, fill: float) -> None:
        array = getattr(self, name)
        setattr(self, name, np.concatenate([array, np.full((more, *array.shape[1:]), fill, dtype=array.dtype)]))
