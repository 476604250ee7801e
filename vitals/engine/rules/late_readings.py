"""Late readings, and readings of a clock that is ahead.

**Late.** A value, loss or sensor-off report has no effect if its event time is not after the newest one of that sign.
If all of a reading is late, the reading has no effect; one without any report counts only if it is the patient's
newest. While a patient has only late readings, *not judged* names them as its cause
(`vitals.engine.rules.not_judged`). A live reading ends that.

**Ahead.** A clock is wrong if its event time is more than `AHEAD_MS` ahead of log time. Log time then replaces the
event time. Of that device only readings that are newer by its own clock count, so that repeated ones have no effect.
The rule ends when log time has passed the newest time of each of the patient's clocks that were ahead.
"""

from vitals.engine.constants import SENSOR_OFF
from vitals.engine.event_writer import EventWriter
from vitals.engine.state import BUSY, CALM, RESTLESS


def record_late(writer: EventWriter, row: int) -> None:
    """Records a reading of which every value is late."""
    state = writer.state
    if row not in state.behind:
        state.behind[row] = writer.now
        state.marks[row, BUSY] = 1
        state.marks[row, CALM.start + SENSOR_OFF] = RESTLESS


def caught_up(writer: EventWriter, row: int) -> None:
    """Clears the record of late readings, after a live one was applied."""
    writer.state.behind.pop(row, None)


def repeated(writer: EventWriter, row: int, device: str, raw: int) -> bool:
    """Returns whether a reading of a clock that is ahead was applied before; records it otherwise."""
    seen = writer.state.ahead.setdefault(row, {})
    if raw <= seen.get(device, 0):
        return True
    seen[device] = raw
    return False


def correct_clock(writer: EventWriter, row: int) -> None:
    """Drops the record of a clock that was ahead, once log time has passed its newest time."""
    seen = writer.state.ahead.get(row)
    if seen is not None and max(seen.values()) <= writer.now:
        del writer.state.ahead[row]
