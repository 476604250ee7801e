"""Readings that come too late, and clocks that run ahead."""

from vitals.engine.event_writer import EventWriter
from vitals.engine.rules.constants import SENSOR_OFF
from vitals.engine.state import BUSY, CALM, RESTLESS


def record_late(scribe: EventWriter, row: int) -> None:
    """Notes a reading of which every value is late; while only such come, the patient is not judged."""
    state = scribe.state
    if row not in state.behind:
        state.behind[row] = scribe.now
        state.marks[row, BUSY] = 1
        state.marks[row, CALM.start + SENSOR_OFF] = RESTLESS


def caught_up(scribe: EventWriter, row: int) -> None:
    """A live reading was applied: the patient is judged again."""
    scribe.state.behind.pop(row, None)


def repeated(scribe: EventWriter, row: int, device: str, raw: int) -> bool:
    """Whether a reading from a clock that runs ahead has been seen; notes it when it has not."""
    seen = scribe.state.ahead.setdefault(row, {})
    if raw <= seen.get(device, 0):
        return True
    seen[device] = raw
    return False


def correct_clock(scribe: EventWriter, row: int) -> None:
    """Forgets a clock that ran ahead once the log has passed what it said."""
    seen = scribe.state.ahead.get(row)
    if seen is not None and max(seen.values()) <= scribe.now:
        del scribe.state.ahead[row]
