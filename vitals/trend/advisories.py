"""Advisories: notices that a limit may be crossed within half an hour.

**Start**: the slope differs from 0 with one-sided 95 % confidence, the level is within limits and is expected beyond
one within `HORIZON_MIN`, after `MIN_COUNT` values at least; and this for `HOLD_MS`. **End**: the limit is crossed, or
the crossing is no longer expected for `HOLD_MS`.
"""

import math
from collections.abc import Iterable
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from vitals.actions import Act, Action
from vitals.alarm_events import AlarmEvent, AlarmState, Inactivation, Kind, Phase, Priority, continued, ended, started
from vitals.limits import HIGH, LOW
from vitals.readings import Readings
from vitals.signs import FIELDS, SIGNS
from vitals.trend.kalman import FADE_MIN, HORIZON_MIN, Trends

PREFIX: Final = "trend-"
HOLD_MS: Final = 180_000
"""Time for which a crossing must be expected before an advisory starts, and must not be before it ends."""
SURE: Final = 1.64
"""One-sided 95 %: the slope must differ from 0 before an advisory starts."""
MIN_COUNT: Final = 10
FORGET_MS: Final = 48 * 3_600_000
"""Time for which an ended advisory's counter is kept, as the engine keeps those of alarms."""


def advise(
    trends: Trends, readings: Readings, rows: NDArray[np.int64], index: NDArray[np.intp], now: int
) -> list[AlarmEvent]:
    """Starts and ends advisories after the live readings at `index`, one per row."""
    if not len(index):
        return []
    x, p = trends.x[rows], trends.p[rows]
    level, slope, p22 = x[:, 0], x[:, 1], p[:, 2]
    reach = FADE_MIN * (1 - math.exp(-HORIZON_MIN / FADE_MIN))
    ahead = np.minimum(level + reach * slope, [sign.maximum for sign in SIGNS])
    bounds = readings.bounds()[index] if readings.limit_sets else readings.take(index).bounds()
    low, high = bounds[..., LOW], bounds[..., HIGH]
    ready = (trends.count[rows] >= MIN_COUNT) & (trends.t[rows] == readings.t[index][:, None])
    sure = np.abs(slope) > SURE * np.sqrt(p22)
    falls = ready & sure & (slope < 0) & (level >= low) & (ahead < low)
    rises = ready & sure & (slope > 0) & (level <= high) & (ahead > high)
    wants = falls | rises
    t = readings.t[index][:, None]
    since = trends.wanted[rows]
    since = np.where(wants, np.where(since == 0, t, since), np.where(ready, 0, since))
    trends.wanted[rows] = since
    events = []
    told = [(k, s) for k, row in enumerate(rows.tolist()) for s in range(len(SIGNS)) if (row, s) in trends.told]
    begin = wants & (t - since >= HOLD_MS)
    for k, s in np.argwhere(begin).tolist():
        if (int(rows[k]), s) not in trends.told:
            bound = float(low[k, s] if falls[k, s] else high[k, s])
            key = (int(rows[k]), s)
            events += _start(trends, readings, int(index[k]), key, level=float(level[k, s]), bound=bound, now=now)
    for k, s in told:
        over = level[k, s] < low[k, s] or level[k, s] > high[k, s]
        events += _end(trends, (int(rows[k]), s), int(t[k, 0]), now, wanted=bool(wants[k, s]), over=bool(over))
    return events


def _start(
    trends: Trends, readings: Readings, i: int, key: tuple[int, int], *, level: float, bound: float, now: int
) -> list[AlarmEvent]:
    sign, patient = SIGNS[key[1]], str(readings.patient[i])
    condition, began = f"{PREFIX}{sign.field}", int(trends.wanted[key])
    event = started(
        patient,
        condition,
        Kind.PHYSIOLOGICAL,
        Priority.LOW,
        start=began,
        t=int(readings.t[i]),
        now=now,
        text=f"{sign.name} {level:.{sign.decimals}f} is expected to cross {bound:g} within {HORIZON_MIN:.0f} min",
        value=round(level, sign.decimals + 1),
        limit=bound,
        patient=patient,
        ward=readings.ward[i],
        bed=readings.bed[i],
        device=readings.device[i],
        gateway=readings.gateway[i],
        boot=int(readings.boot[i]),
        seq=int(readings.seq[i]),
    )
    trends.told[key] = event
    trends.unwanted.pop(key, None)
    return _news(trends, event)


def _end(trends: Trends, key: tuple[int, int], t: int, now: int, *, wanted: bool, over: bool) -> list[AlarmEvent]:
    """Ends an advisory if its limit is crossed (`over`), or if it was not `wanted` for `HOLD_MS`."""
    if wanted and not over:
        trends.unwanted.pop(key, None)
        return []
    since = trends.unwanted.setdefault(key, t)
    if not over and t - since < HOLD_MS:
        return []
    why = "its limit is crossed" if over else "no longer expected"
    return _close(trends, key, t, now, why)


def _close(trends: Trends, key: tuple[int, int], t: int, now: int, why: str) -> list[AlarmEvent]:
    event = trends.told.pop(key)
    trends.unwanted.pop(key, None)
    return _news(trends, ended(event, now, f"{event.text}: {why}", t))


def _news(trends: Trends, event: AlarmEvent) -> list[AlarmEvent]:
    """Returns the event, unless it was emitted before a crash."""
    told = trends.recalled.get(event.id)
    if told is not None and event.state is AlarmState.INACTIVE:
        # The replay has reached the advisory's end, and has numbered it by its own events.
        del trends.recalled[event.id]
        if told.state is AlarmState.INACTIVE:
            return []
        return [msgspec.structs.replace(event, n=told.n + 1)]
    if event.n <= trends.known.get(event.id, (-1, 0))[0]:
        return []
    return [event]


def act(trends: Trends, action: Action, now: int) -> tuple[AlarmEvent, ...]:
    """Acknowledges an advisory, which stays on the page; any other action has no effect."""
    for key, event in trends.told.items():
        if event.id == action.alarm and action.act is Act.ACKNOWLEDGE and action.patient == event.patient:
            if event.inactivation is Inactivation.ACKNOWLEDGED:
                return ()
            done = {"inactivation": Inactivation.ACKNOWLEDGED, "by": action.by}
            trends.told[key] = continued(event, Phase.UPDATE, now, action.t, **done)
            return tuple(_news(trends, trends.told[key]))
    return ()


def discharge(trends: Trends, patient: str, now: int) -> tuple[AlarmEvent, ...]:
    """Ends a patient's advisories and removes the patient."""
    row = trends.index.get(patient)
    mine = [key for key in trends.told if key[0] == row]
    events = [event for key in mine for event in _close(trends, key, now, now, "the patient has left")]
    trends.release(patient)
    return tuple(events)


def resume(trends: Trends, events: Iterable[AlarmEvent]) -> None:
    """Reads advisories of before a crash: no event at or below (id, n) is emitted again, and open ones are kept."""
    for event in events:
        if event.condition.startswith(PREFIX) and event.n > trends.known.get(event.id, (-1, 0))[0]:
            trends.known[event.id] = event.n, event.log_t
            trends.recalled[event.id] = event


def adopt(trends: Trends, passed: int, now: int) -> list[AlarmEvent]:
    """Restores advisories of before a crash that the replay has passed without them.

    An open one whose patient or sign is unknown, or whose sign has another advisory, ends.
    """
    events: list[AlarmEvent] = []
    for event in [e for e in trends.recalled.values() if e.log_t <= passed]:
        del trends.recalled[event.id]
        row, field = trends.index.get(event.patient or ""), event.condition.removeprefix(PREFIX)
        standing = next((key for key, mine in trends.told.items() if mine.id == event.id), None)
        if event.state is not AlarmState.ACTIVE:
            if standing is not None:
                del trends.told[standing]
        elif standing is not None:
            trends.told[standing] = event
        elif row is not None and field in FIELDS and (row, FIELDS.index(field)) not in trends.told:
            trends.told[row, FIELDS.index(field)] = event
        else:
            events += _news(trends, ended(event, now, f"{event.text}: no longer followed"))
    for key in [k for k, (_, t) in trends.known.items() if t < passed - FORGET_MS]:
        del trends.known[key]
    return events
