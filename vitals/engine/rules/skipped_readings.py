"""*Not judged*: a reading of a patient was passed over, and nobody knows what it held.

It ends when readings of the patient have been judged again for a while. It is kept beside the technical tree, as it is
no failure of equipment, and by the patient, who is to be looked at.
"""

from typing import Any

from vitals.alarm_events import AlarmState, Kind, Phase, Priority
from vitals.engine.event_writer import EventWriter
from vitals.engine.fast_path.idle_marks import refresh_marks
from vitals.engine.rules.constants import NOT_JUDGED, SENSOR_OFF, WITHIN_MS
from vitals.engine.rules.not_judged import key
from vitals.engine.state import BUSY, CALM, RESTLESS, Condition


def note(scribe: EventWriter, row: int, about: dict[str, Any], t: int) -> None:
    """Notes that a reading of the patient was passed over, and tells of it when that is news.

    Args:
        scribe: Where events go.
        row: The patient's row.
        about: Fields of an event that come from the reading.
        t: Event time of the reading, ms; not the log's, which a replay reads in other batches.
    """
    state = scribe.state
    state.unjudged[row] = max(min(t, scribe.now), state.unjudged.get(row, 0))
    state.marks[row, BUSY] = 1
    state.marks[row, CALM.start + SENSOR_OFF] = RESTLESS
    patient = str(about["patient"])
    if key(patient, NOT_JUDGED) in state.faults:
        return
    c = state.faults[key(patient, NOT_JUDGED)] = Condition(-1, -1, on=True, since=t, level=Priority.HIGH)
    scribe.start(
        c,
        subject=patient,
        condition=NOT_JUDGED,
        kind=Kind.TECHNICAL,
        t=t,
        text="readings cannot be judged: watch the patient at the bedside and call the technician",
        **about,
    )


def judged(scribe: EventWriter, row: int, patient: str, t: int) -> None:
    """A live reading of the patient was judged: after a while of such, it is over."""
    state = scribe.state
    if t - state.unjudged[row] < WITHIN_MS:
        return
    del state.unjudged[row]
    refresh_marks(state, row)
    end(scribe, patient, t, "readings are judged again")


def end(scribe: EventWriter, patient: str, t: int, why: str) -> None:
    """Ends the patient's alarm, if there is one."""
    c = scribe.state.faults.pop(key(patient, NOT_JUDGED), None)
    if c is not None and c.alarm is not None:
        scribe.step(c, Phase.END, t=t, state=AlarmState.INACTIVE, text=f"ended: {why}")
