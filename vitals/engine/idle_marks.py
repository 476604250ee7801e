"""Drops a patient's idle conditions, and marks the breach digits that change nothing, for the vectorised path."""

import numpy as np

from vitals.alarm_events import AlarmState, Priority
from vitals.breach_codes import BREACH_EXTREME_HIGH, BREACH_EXTREME_LOW, BREACH_LOW
from vitals.engine.constants import (
    CONDITIONS,
    COUNT,
    HAIR,
    LOST,
    MEMBERS,
    NEWS2,
    PROBLEM,
    SBP,
    SENSOR_OFF,
    STEPS,
    WORSE_STEP,
)
from vitals.engine.state import BUSY, CALM, GONE, OFF, RESTLESS, Condition, State


def refresh_marks(state: State, row: int) -> None:
    """Drops idle conditions of a patient and updates the patient's marks."""
    marks: list[int] = state.marks[row].tolist()
    state.marks[row] = mark(state, row, marks)


def mark(state: State, row: int, marks: list[int]) -> list[int]:
    """Drops idle conditions, and writes the digits that change nothing into the patient's marks.

    Args:
        state: The engine's state.
        row: The patient's row.
        marks: Its marks; changed in place.

    Returns:
        `marks`.
    """
    conditions = state.watched.get(row)
    calm = [0] * len(CONDITIONS)
    watched = False
    for index, c in enumerate(conditions or ()):
        if c is None:
            continue
        if conditions and c.idle():
            conditions[index] = None
            continue
        watched = True
        calm[index] = _calm(c)
        if index < COUNT and c.on and calm[index] != RESTLESS:
            calm[index] = _while_tracked(state, c, calm[index])
        if index == SENSOR_OFF and c.on and bits(marks[OFF]) & ~c.target:
            # History has a further sensor that is off; the first live reading reports it.
            calm[index] = RESTLESS
    pressure = conditions[SBP] if conditions is not None else None
    # A cuff's unconfirmed alarm waits for its repeat, which may not come.
    waits = pressure is not None and pressure.on and pressure.level == Priority.LOW
    restless = waits or row in state.behind or row in state.ahead or row in state.unjudged
    restless |= (kept := state.standbys.get(row)) is not None and not kept.ended
    if restless:
        # Every reading of such a patient is evaluated by itself.
        calm[SENSOR_OFF] = RESTLESS
    marks[CALM] = calm
    marks[BUSY] = int(watched or restless or any(marks[GONE]) or any(marks[OFF]))
    if conditions is not None and not watched:
        del state.watched[row]
    return marks


def _while_tracked(state: State, c: Condition, digit: int) -> int:
    """Records the value beyond which an active alarm changes; returns the alarm's calm digit.

    If several signs are one problem, every value is evaluated by itself, also one within its limits.
    """
    track = state.tracks.get((c.row, PROBLEM[c.index]))
    if track is None or c.index not in track.worst or any(track.runs) or len(MEMBERS[PROBLEM[c.index]]) > 1:
        return RESTLESS
    bounds = [track.worst[c.index] * c.side, c.told * c.side + STEPS[c.index] - 2 * HAIR]
    if c.index in track.bar:
        bounds.append(track.bar[c.index] * c.side + WORSE_STEP[c.index] - 2 * HAIR)
    state.told[c.row, c.index] = _half_precision(min(bounds)) * c.side
    return digit


def _half_precision(bound: float) -> np.float16:
    """Returns the largest number of half precision that is not above `bound`; whole numbers are not changed."""
    near = np.float16(bound)
    # As a float: NumPy would round the bound to half precision before it compares.
    return near if float(near) <= bound else np.nextafter(near, np.float16(-np.inf))


def bits(flags: list[int]) -> int:
    """Returns the flags of the signs as one integer."""
    return sum(1 << s for s, flag in enumerate(flags) if flag)


def _calm(c: Condition) -> int:
    """Returns the digit that does not change a condition: 0 if idle, its breach while steady, else `RESTLESS`."""
    if c.pend or c.doubt or c.peak or c.extremes or c.calm or c.sunk or c.doubted:
        return RESTLESS
    if not c.on:
        return 0
    told = c.alarm is not None and c.alarm.priority == c.level and c.alarm.state is AlarmState.ACTIVE
    if not told or (c.index < COUNT and c.level == Priority.LOW):
        return RESTLESS
    if c.index == LOST and c.level < Priority.HIGH:
        return RESTLESS
    if c.index >= COUNT:
        return c.level if c.index == NEWS2 else 1
    low_side = BREACH_EXTREME_LOW if c.level == Priority.HIGH else BREACH_LOW
    return low_side if c.side < 0 else BREACH_EXTREME_LOW + BREACH_EXTREME_HIGH - low_side
