"""What must be remembered of a patient after a step, and which digits change nothing from here on."""

from vitals.alarms import Priority
from vitals.alarms import State as AlarmState
from vitals.engine.rules import CONDITIONS, COUNT, HAIR, LATE, NEWS2, SENSOR_OFF, STEPS, WORSE_STEP
from vitals.engine.state import BUSY, CALM, GONE, OFF, RESTLESS, Condition, State
from vitals.scoring import BREACH_EXTREME_HIGH, BREACH_EXTREME_LOW, BREACH_LOW


def settle(state: State, row: int) -> None:
    """Forgets idle conditions of a patient and marks what is calm."""
    marks: list[int] = state.marks[row].tolist()
    state.marks[row] = mark(state, row, marks)


def mark(state: State, row: int, marks: list[int]) -> list[int]:
    """Forgets idle conditions, and writes into the patient's marks which digits change nothing.

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
        if index == SENSOR_OFF and c.on and bits(marks[OFF]) & ~c.target:
            # History brought a further sensor, which is to be told with the first live reading.
            calm[index] = RESTLESS
        if index < COUNT and calm[index] > 0:
            state.told[row, index] = _news_beyond(c)
    restless = row in state.behind or row in state.ahead
    if restless:
        calm[LATE] = RESTLESS
    marks[CALM] = calm
    marks[BUSY] = int(watched or restless or any(marks[GONE]) or any(marks[OFF]))
    if conditions is not None and not watched:
        del state.watched[row]
    return marks


def _news_beyond(c: Condition) -> float:
    """Returns the value of an active alarm beyond which a reading changes something."""
    worse = -1.0 if c.side < 0 else 1.0
    bounds = [c.worst * worse, c.told * worse + STEPS[c.index] - 2 * HAIR]
    if c.known is not None:
        bounds.append(c.known.worst * worse + WORSE_STEP[c.index] - 2 * HAIR)
    return min(bounds) * worse


def bits(flags: list[int]) -> int:
    """Returns the flags of the signs as one integer."""
    return sum(1 << s for s, flag in enumerate(flags) if flag)


def _calm(c: Condition) -> int:
    """Returns the digit that leaves a condition as it is: 0 at rest, its own breach while steady, else restless."""
    if c.pend or c.doubt or c.peak or c.extremes or c.calm or c.sunk or (c.known is not None and any(c.known.runs)):
        return RESTLESS
    if not c.on:
        return 0
    told = c.alarm is not None and c.alarm.priority == c.level and c.alarm.state is AlarmState.ACTIVE
    if not told or (c.index < COUNT and c.level == Priority.LOW):
        return RESTLESS
    if c.index >= COUNT:
        return c.level if c.index == NEWS2 else 1
    low_side = BREACH_EXTREME_LOW if c.level == Priority.HIGH else BREACH_LOW
    return low_side if c.side < 0 else BREACH_EXTREME_LOW + BREACH_EXTREME_HIGH - low_side
