"""*Not judged* after a skipped reading: its evaluation raised, so its values are unknown.

A technical alarm of the patient, high priority, without delay, unless a *not judged* alarm is active already. It ends
with a live reading that was evaluated, `WITHIN_MS` or more after the newest skipped one, and at discharge. No technical
alarm inhibits it, because it is no failure of equipment: a person must see the patient.
"""

from typing import Any

from vitals.alarm_events import AlarmState, Kind, Phase, Priority
from vitals.engine.constants import NOT_JUDGED, SENSOR_OFF, WITHIN_MS
from vitals.engine.event_writer import EventWriter
from vitals.engine.idle_marks import refresh_marks
from vitals.engine.rules.not_judged import key
from vitals.engine.state import BUSY, CALM, RESTLESS, Condition


def note(writer: EventWriter, row: int, about: dict[str, Any], t: int) -> None:
    """Records that a reading of the patient was skipped, and starts the alarm if none is active.

    Args:
        writer: Collects the events.
        row: The patient's row.
        about: Fields of an event that come from the reading.
        t: Event time of the reading, ms. Log time would differ in a replay, whose batches differ.
    """
    state = writer.state
    state.unjudged[row] = max(min(t, writer.now), state.unjudged.get(row, 0))
    state.marks[row, BUSY] = 1
    state.marks[row, CALM.start + SENSOR_OFF] = RESTLESS
    patient = str(about["patient"])
    if key(patient, NOT_JUDGED) in state.faults:
        return
    c = state.faults[key(patient, NOT_JUDGED)] = Condition(-1, -1, on=True, since=t, level=Priority.HIGH)
    writer.start(
        c,
        subject=patient,
        condition=NOT_JUDGED,
        kind=Kind.TECHNICAL,
        t=t,
        text="readings cannot be judged: watch the patient at the bedside and call the technician",
        **about,
    )


def judged(writer: EventWriter, row: int, patient: str, t: int) -> None:
    """Ends the alarm if the evaluated live reading of event time `t` is late enough after the skipped one."""
    state = writer.state
    if t - state.unjudged[row] < WITHIN_MS:
        return
    del state.unjudged[row]
    refresh_marks(state, row)
    end(writer, patient, t, "readings are judged again")


def end(writer: EventWriter, patient: str, t: int, why: str) -> None:
    """Ends the patient's *not judged* alarm, if one is active."""
    c = writer.state.faults.pop(key(patient, NOT_JUDGED), None)
    if c is not None and c.alarm is not None:
        writer.step(c, Phase.END, t=t, state=AlarmState.INACTIVE, text=f"ended: {why}")
