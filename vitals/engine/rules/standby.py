"""Standby: monitoring of a patient is suspended on purpose, for a stated time. Source: Q3 of `docs/clinical.md`.

**Effect.** It inhibits three things: *vital signs lost* that is not active yet, *not judged*, and *not measured*. Every
value is evaluated at once, as without a standby. *Device silent* of the patient's devices is no alarm if the silence
began before the planned end: *not judged* is the alarm in its place, in every engine alike.

**Begin.** By a person's action, for 5 to 60 minutes. It has no effect in these cases:

- The patient is not admitted, or not to this bed.
- The patient has a high alarm that is not acknowledged, or had one within `LOUD_MS`.
- It would be a renewal by the person of the last begin or renewal, or more than the `RENEWALS`th. A begin after a
  person's end and before the planned end counts as a renewal.
- Its planned end has passed, or a later action is known (a repeated record).

**End.** The first of these: the planned end, a person's action, another bed, discharge, a later stay, or two readings
with a plausible value within `INTERVALS` cadences, from `SETTLE_MS` after the begin (until then the sensors are being
removed). The planned end is the action's time plus its length. No other clock or timer decides it, so that gateway
and cloud agree. An action whose time is ahead of log time by more than `AHEAD_MS` begins at log time.

**At the planned end** without such values the patient is *not judged* as soon as a reading of the end would be here:
one cadence and `ON_THE_WAY_MS` later, medium. It is high `UNANSWERED_MS` after the planned end if it is not
acknowledged by then. *Vital signs lost* stays inhibited until the first plausible value.
"""

from typing import Final
from zlib import crc32

from msgspec.structs import replace

from vitals.actions import Act, Action
from vitals.admissions import DeviceAssignment
from vitals.alarm_events import Inactivation, Priority
from vitals.breach_codes import ABSENT
from vitals.engine.constants import AHEAD_MS, COUNT, INTERVALS, LOUD_MS, RENEWALS, SETTLE_MS, TRUSTED, UNANSWERED_MS
from vitals.engine.event_writer import EventWriter
from vitals.engine.idle_marks import refresh_marks
from vitals.engine.reading_view import ReadingContext
from vitals.engine.rules import technical_alarms
from vitals.engine.state import Condition, Standby, State

_FRESH: Final = -1
"""Renewals of a standby that a person's next one does not continue."""


def bed_code(ward: str | None, bed: str) -> int:
    """Returns the code of a bed in `State.beds`: 4 bytes a patient instead of its name."""
    return crc32(f"{ward}/{bed}".encode()) or 1


def holds(state: State, row: int) -> bool:
    """Returns whether a patient's standby has not ended; its planned end may have passed without a value."""
    kept = state.standbys.get(row)
    return kept is not None and not kept.ended


def place(state: State, row: int, placement: DeviceAssignment) -> None:
    """Records the patient's bed, and ends a standby of another bed or an earlier stay."""
    code, known = bed_code(placement.ward, placement.bed), int(state.beds[row])
    state.beds[row] = code
    kept = state.standbys.get(row)
    if kept is not None and (known not in {0, code} or placement.since > kept.t):
        state.hushed.pop(row, None)
        _end(state, row, kept, _FRESH)


def act(writer: EventWriter, action: Action) -> None:
    """Begins, renews or ends a standby."""
    state = writer.state
    row = state.index.get(action.patient, -1)
    if row < 0 or not state.placed[row] or not action.bed:
        return
    if int(state.beds[row]) not in {0, bed_code(state.wards[row], action.bed)}:
        return
    kept = state.standbys.get(row)
    if action.act is Act.STANDBY_END:
        if kept is not None and kept.t <= action.t:
            _end(state, row, kept, kept.renewals)
        return
    begun = action.t if action.t - writer.now <= AHEAD_MS else writer.now
    until = begun + action.pause_s * 1000
    # Also of a refused action, and by its own time: the equipment's engine cannot know that it is refused, and has
    # another log time.
    state.hushed[row] = max(state.hushed.get(row, 0), action.t + action.pause_s * 1000)
    technical_alarms.end_silent(writer, action.patient)
    if (
        until <= writer.now
        or (kept is not None and (begun <= kept.t or action.id == kept.id))
        or _is_loud(state, row, action.patient, begun)
    ):
        return
    renewals = kept.renewals + 1 if kept is not None and (not kept.ended or begun < kept.until) else 0
    if renewals > RENEWALS or (kept is not None and renewals and kept.by == action.by):
        return
    state.standbys[row] = Standby(action.id, action.by, begun, until, renewals)
    refresh_marks(state, row)


def hear(writer: EventWriter, row: int, r: ReadingContext, cadence: int) -> None:
    """Evaluates a reading of a patient with a standby: plausible values end it.

    Args:
        writer: Writer of this call.
        row: Patient's row.
        r: The reading.
        cadence: Time between two readings, ms.
    """
    kept = writer.state.standbys[row]
    plausible = any(r.digits[s] != ABSENT and r.codes[s] in TRUSTED for s in range(COUNT))
    if kept.ended or not plausible or r.t < kept.t + SETTLE_MS:
        return
    if writer.now >= kept.until or (kept.value and r.t - kept.value <= INTERVALS * cadence):
        _end(writer.state, row, kept, _FRESH)
    else:
        writer.state.standbys[row] = replace(kept, value=r.t)


def grow_from_end(state: State, row: int, c: Condition) -> None:
    """Lets a new *not judged* alarm of the patient become high `UNANSWERED_MS` after the planned end, not the start."""
    due = state.standbys[row].until + UNANSWERED_MS
    if state.now < due < c.due:
        c.due = due
        state.next_due = min(state.next_due, due)


def _end(state: State, row: int, kept: Standby, renewals: int) -> None:
    if not kept.ended:
        # The waits of *not judged* and *not measured* start again.
        state.covered[row] = state.now
        state.standbys[row] = replace(kept, ended=state.now, renewals=renewals)
        refresh_marks(state, row)


def _is_loud(state: State, row: int, patient: str, t: int) -> bool:
    """Returns whether the patient has, or had within `LOUD_MS` before `t`, a high alarm without acknowledgement.

    A later alarm does not count: the action was under way then, and another engine may already follow it.
    """
    told = (c.alarm for c in state.alarms.values() if c.alarm is not None and c.alarm.patient == patient)
    high = (a for a in told if a.priority is Priority.HIGH and a.start <= t)
    if any(a.inactivation is not Inactivation.ACKNOWLEDGED for a in high):
        return True
    return row in state.loud and t - state.loud[row] < LOUD_MS
