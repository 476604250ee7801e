"""Commands: admission, discharge, acknowledgement, audio pause, charted values; standby is `rules.standby`.

**Admission.** Of several devices the longest cadence counts. Charted oxygen stays valid until the admission's own entry
changes. A profile outside `NEWS2_PROFILES`, and a ward without NEWS2, end the NEWS2 alarm. Readings from before an
earlier discharge have no effect.

**Discharge.** The patient's alarms end, latched ones included; technical alarms of devices stay. Later readings of the
patient have no effect until the next admission.

**Acknowledgement** (IEC 60601-1-8). Ends the alarm signal and handover of one alarm, until that alarm ends or
escalates. It ends a latched alarm.

**Audio pause** (IEC 60601-1-8). Pauses the alarm signal and handover of one active alarm for a time of log time. An
acknowledged or latched alarm is not paused.

**Coming and cannot**: `vitals.engine.answers`.

**Not actionable** is evidence for the warehouse and has no effect.

None has an effect on an alarm that is unknown, has ended or is another patient's.

**Charting.** Oxygen and consciousness are a person's observations, so NEWS2 is evaluated at once, without delay. An
older charted consciousness never replaces a newer one.
"""

import math
import sys
from collections.abc import Iterable
from typing import Any

from vitals.actions import Act, Action
from vitals.admissions import DeviceAssignment
from vitals.alarm_events import AlarmState, Inactivation, Phase
from vitals.bounds import MAX_CADENCE_S, MAX_CUFF_S
from vitals.breach_codes import ABSENT
from vitals.engine.answers import answer, shown
from vitals.engine.constants import COUNT, NEWS2, NEWS2_PROFILES, PROBLEM
from vitals.engine.evaluate_row import PatientRow, evaluate_news2
from vitals.engine.event_writer import EventWriter
from vitals.engine.idle_marks import refresh_marks
from vitals.engine.reading_view import ReadingContext
from vitals.engine.rules import not_judged, standby
from vitals.engine.state import (
    ALARMS,
    CADENCE,
    CHARTED,
    CUFF,
    LEVELS,
    MIND,
    NEWEST,
    OXYGEN,
    PLACED_OXYGEN,
    SCALE2,
    SCORES,
    SEEN,
    SHOWN,
    Condition,
    seconds,
)
from vitals.limits import Limit
from vitals.news2 import BANDS, NOT_SCORED


def place(writer: EventWriter, placements: Iterable[DeviceAssignment], gateway: str = "") -> None:
    """Applies admissions of new patients and changes of known ones."""
    state = writer.state
    cadences: dict[str, float] = {}
    for p in placements:
        returned = state.left.pop(p.patient, 0)
        row = state.row(p.patient)
        if returned:
            # Readings from before the discharge have no effect.
            state.times[row, NEWEST] = state.times[row, SEEN] = returned
        cadences[p.patient] = max(p.cadence_s, cadences.get(p.patient, 0.0))
        state.pace[row, CADENCE] = round(min(cadences[p.patient], MAX_CADENCE_S) * 1000)
        state.pace[row, CUFF] = round(min(p.cuff_s, MAX_CUFF_S) * 1000)
        # One object per ward, however many placements name it.
        state.wards[row] = sys.intern(p.ward)
        not_judged.place(state, row, p.patient, sys.intern(gateway))
        standby.place(state, row, p)
        marks = state.marks[row]
        if marks[PLACED_OXYGEN] != p.oxygen:
            # Charted oxygen stays valid until the admission's entry changes.
            marks[OXYGEN] = marks[PLACED_OXYGEN] = p.oxygen
        marks[SCALE2] = p.scale2
        marks[SCORES] = (ALARMS if p.news2 else SHOWN) if p.profile in NEWS2_PROFILES else 0
        c = state.conditions(row)[NEWS2] if row in state.watched else None
        if c is not None and marks[SCORES] != ALARMS:
            _end(writer, c, "NEWS2 is not for this profile or ward")
            refresh_marks(state, row)


def discharge(writer: EventWriter, patient: str) -> None:
    """Ends a patient's alarms and releases the patient's row."""
    state = writer.state
    row = state.index.get(patient)
    if row is None:
        state.left[patient] = writer.now
        return
    aside = [c for (of, _), c in state.latched.items() if of == row]
    for c in (*aside, *state.watched.get(row, [])):
        if c is not None:
            _end(writer, c, "the patient has left")
    not_judged.end(writer, patient, "the patient has left")
    state.release(patient)
    state.left[patient] = writer.now


def _end(writer: EventWriter, c: Condition, why: str) -> None:
    c.on, c.pend, c.doubt = False, 0, 0
    if c.alarm is not None:
        writer.step(c, Phase.END, t=writer.now, state=AlarmState.INACTIVE, text=f"ended: {why}")


def act(writer: EventWriter, action: Action) -> None:
    """Applies a person's action."""
    if action.act is Act.CHART:
        _chart(writer, action)
        return
    if action.act in {Act.STANDBY, Act.STANDBY_END}:
        standby.act(writer, action)
        return
    if action.act is Act.ACKNOWLEDGE and action.incident and action.shown:
        _acknowledge_incident(writer, action)
        return
    if action.act in (Act.COMING, Act.CANNOT):
        answer(writer, action)
        return
    c = None if action.act is Act.NOT_ACTIONABLE else writer.state.alarms.get(action.alarm or "")
    if c is None or c.alarm is None or action.patient not in (c.alarm.subject, c.alarm.patient):
        return
    if action.act is Act.ACKNOWLEDGE:
        _acknowledge(writer, c, action)
    elif c.alarm.state is AlarmState.ACTIVE and c.alarm.inactivation is not Inactivation.ACKNOWLEDGED:
        if writer.state.told_of(c.alarm.id, action.t):
            return
        c.paused_until = writer.now + action.pause_s * 1000
        _seen(writer, c)
        paused: dict[str, Any] = {"inactivation": Inactivation.AUDIO_PAUSED, "paused_until": c.paused_until}
        writer.step(c, Phase.UPDATE, t=action.t, by=action.by, **paused)
        if c.row >= 0:
            refresh_marks(writer.state, c.row)


def _acknowledge(writer: EventWriter, c: Condition, action: Action) -> None:
    if c.alarm is None or c.alarm.inactivation is Inactivation.ACKNOWLEDGED:
        return
    done: dict[str, Any] = {"inactivation": Inactivation.ACKNOWLEDGED, "by": action.by}
    if c.alarm.state is AlarmState.ACTIVE:
        _seen(writer, c)
        writer.step(c, Phase.UPDATE, t=action.t, **done)
    else:
        writer.step(c, Phase.END, t=action.t, state=AlarmState.INACTIVE, **done)
    if c.row >= 0:
        refresh_marks(writer.state, c.row)


def _acknowledge_incident(writer: EventWriter, action: Action) -> None:
    """Acknowledges the alarms of an incident that the person saw, at the priority that was shown (Q7)."""
    for c in shown(writer.state, action):
        _acknowledge(writer, c, action)


def _seen(writer: EventWriter, c: Condition) -> None:
    """Records the worst value up to an acknowledgement or pause, for `vitals.engine.rules.worsening`."""
    track = writer.state.tracks.get((c.row, PROBLEM[c.index])) if 0 <= c.index < COUNT else None
    if track is not None:
        track.acknowledge(writer.now)


def _chart(writer: EventWriter, action: Action) -> None:
    state = writer.state
    if action.patient in state.left or not action.patient:
        return
    row = state.row(action.patient)
    words = PatientRow(state, row)
    if action.consciousness is not None and seconds(action.t) >= words.pace[CHARTED]:
        words.pace[CHARTED] = seconds(action.t)
        words.marks[MIND] = LEVELS.index(action.consciousness)
    if action.oxygen is not None:
        words.marks[OXYGEN] = int(action.oxygen)
    charting = ReadingContext(
        t=action.t,
        values=[math.nan] * COUNT,
        codes=[0] * COUNT,
        digits=[ABSENT] * COUNT,
        limits=(Limit(),) * COUNT,
        parts=[NOT_SCORED] * len(BANDS),
        live=True,
        blind=False,
        source={"patient": action.patient, "ward": state.wards[row]},
    )
    evaluate_news2(writer, row, charting, words, charted=True)
    words.keep(state, row)
